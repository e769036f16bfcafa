"""Arrow's form of typed values: models and records as structs, lists as lists, `dict` with text keys as maps.

A type's form follows its JSON schema, except that dates, times, durations, decimals and bytes have Arrow types of their own. A
`datetime` or `time` may have a zone or none, and a `Decimal` any number of places. Of a whole table the values decide; where a
file's schema comes before the values, such a column is text. A union of several kinds of value (`int | str`) is JSON text,
since a column of Arrow has one type. Fields have their Python names and not the aliases of their JSON: `plain_form` and `arrow_type` agree on it.
pyarrow is imported at first use; it comes with the extra `arrow`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from importlib import import_module
from types import NoneType
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from typefold.compiler.guards import is_dict, is_list

_SIMPLE = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_", "null": "null"}
_JSON_TYPES = {NoneType: "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
_DIGITS = 38  # of decimal128, which polars and the readers of Parquet know too
_PLACES = 18  # where the type gives no number


def pyarrow(module: str = "pyarrow") -> Any:
    """Return pyarrow or a module of it, which come without types."""
    return import_module(module)


def arrow_type(hint: Any, *, whole: bool = False) -> Any:
    """Return the Arrow type of a column of values of a type that pydantic can serialise.

    Without `whole`, when not all values will be there for `fitted`, a column is text where only the values decide: a
    `datetime` or `time` that may have a zone, a `Decimal` of any number of places.
    """
    maker = _Whole if whole else _Fixed
    schema = TypeAdapter(hint).json_schema(mode="serialization", by_alias=False, schema_generator=maker)
    return _type(schema, schema.get("$defs", {}), ())


class _Fixed(GenerateJsonSchema):
    """Makes JSON schemas that name Arrow's own type, where there is one, under `arrow`: its factory in pyarrow and arguments."""

    def ser_schema(self, schema: Any) -> Any:
        """Ignore a serialiser for JSON alone: values are taken as they are in Python."""
        only_json = str(schema.get("when_used", "always")).startswith("json")
        return None if only_json and schema["type"].startswith("function") else super().ser_schema(schema)

    def bytes_schema(self, schema: Any) -> Any:
        return _marked("binary")

    def date_schema(self, schema: Any) -> Any:
        return _marked("date32")

    def timedelta_schema(self, schema: Any) -> Any:
        return _marked("duration", "us")

    def datetime_schema(self, schema: Any) -> Any:
        zone = schema.get("tz_constraint")
        if zone is None:
            return self.by_values("timestamp", "us")
        return _marked("timestamp", "us") if zone == "naive" else _marked("timestamp", "us", "UTC")

    def time_schema(self, schema: Any) -> Any:
        """Arrow has no time of day with a zone."""
        zone = schema.get("tz_constraint")
        return _marked("time64", "us") if zone == "naive" else self.by_values("time64", "us")

    def decimal_schema(self, schema: Any) -> Any:
        places, digits = schema.get("decimal_places"), schema.get("max_digits") or _DIGITS
        if places is None or max(digits, places) > _DIGITS:
            return self.by_values("decimal128", _DIGITS, _PLACES)
        return _marked("decimal128", max(digits, places), places)

    def by_values(self, *factory: object) -> Any:
        """Return the schema of a type that only the values decide."""
        return {"type": "string"}


class _Whole(_Fixed):
    """Makes the schemas of a table whose values are all there."""

    def by_values(self, *factory: object) -> Any:
        return _marked(*factory)


def _marked(*factory: object) -> dict[str, Any]:
    return {"type": "string", "arrow": factory}


def plain_form(hint: Any, *, json: bool = False, warnings: bool | Literal["error"] = False) -> Callable[[Any], Any]:
    """Return pydantic's conversion of a type's values to plain ones: dictionaries, lists, texts, numbers.

    With `json`, dates, decimals and bytes are converted too.
    """
    try:
        adapter = TypeAdapter[Any](hint)
    except Exception:  # a return type that pydantic does not know, of a plain function
        adapter = TypeAdapter[Any](Any)
    if json:
        return lambda value: adapter.dump_python(value, mode="json", warnings=warnings)
    return lambda value: adapter.dump_python(value, by_alias=False, warnings=warnings)


def fitted(kind: Any, values: Iterable[Any]) -> Any:
    """Return the type of a whole table's column as its values need it: with a zone, or with room for all digits."""
    pa = pyarrow()
    types, given = pa.types, [value for value in values if value is not None]
    if types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        rows = [value for value in given if is_dict(value)]
        return pa.struct(
            [field.with_type(fitted(field.type, [row.get(field.name) for row in rows])) for field in fields]
        )
    if types.is_map(kind):
        return pa.map_(kind.key_type, fitted(kind.item_type, [part for value in given for part in value.values()]))
    if types.is_list(kind):
        return pa.list_(fitted(kind.value_type, [part for value in given for part in value]))
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC") if kind.tz or any(map(_is_aware, given)) else kind
    if types.is_decimal(kind) and not all(_has_room(kind, value) for value in given):
        numbers = [value.as_tuple() for value in given if value.is_finite()]
        places = max((max(0, -number.exponent) for number in numbers), default=0)
        digits = places + max((max(0, len(number.digits) + number.exponent) for number in numbers), default=0)
        if digits <= _DIGITS:
            return pa.decimal128(_DIGITS, places)
    return kind


def arrow_value(value: Any, kind: Any) -> Any:
    """Return a value of `plain_form` as a column takes it. Raises OverflowError or ValueError where it does not fit."""
    pa = pyarrow()
    types = pa.types
    if value is None:
        return None
    if isinstance(value, Enum):
        value = value.value
    if types.is_string(kind):
        return _text(value)
    if types.is_integer(kind) and not -(2**63) <= value < 2**63:
        raise OverflowError(f"{value:.3e} is beyond the 64 bits of a column of whole numbers")
    if types.is_struct(kind) and is_dict(value):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return {field.name: arrow_value(value.get(field.name), field.type) for field in fields}
    if types.is_map(kind) and is_dict(value):
        return [(_key(key), arrow_value(part, kind.item_type)) for key, part in value.items()]
    if isinstance(kind, pa.ListType):
        return [arrow_value(part, kind.value_type) for part in value]
    if types.is_decimal(kind) and not _has_room(kind, value):
        raise OverflowError(
            f"{value} does not fit a column of decimals with {kind.precision} digits, {kind.scale} of them after the point"
        )
    if types.is_timestamp(kind) and _is_aware(value) != bool(kind.tz):
        state = "a time zone where others have none" if _is_aware(value) else "no time zone where others have one"
        raise ValueError(f"{value} has {state}; annotate it as AwareDatetime or NaiveDatetime, or make them alike")
    if types.is_time(kind) and _is_aware(value):
        raise ValueError(f"{value} has a time zone, which a time of day can't have in Arrow; remove it")
    return value


def _text(value: Any) -> str:
    plain = value if type(value) is str else to_jsonable_python(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _key(key: Any) -> str:
    return key if type(key) is str else str(next(iter(to_jsonable_python({key: None}))))


def _is_aware(value: datetime | time) -> bool:
    return value.tzinfo is not None


def _has_room(kind: Any, value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    return bool(-exponent <= kind.scale and len(digits) + exponent <= kind.precision - kind.scale)


def message_of(error: Exception) -> str:
    """Return an error's text as UTF-8 can encode it; an empty one where it raises."""
    try:
        text = str(error)
    except Exception:  # an error of the user's
        return ""
    return text.encode("utf-8", "backslashreplace").decode()


def _type(schema: Mapping[str, Any] | bool, definitions: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    pa = pyarrow()
    if isinstance(schema, bool):
        return pa.string()
    if (factory := schema.get("arrow")) is not None:
        return getattr(pa, factory[0])(*factory[1:])
    if (reference := schema.get("$ref")) is not None:
        name = reference.rpartition("/")[2]
        if name in around:  # a recursive type has no Arrow type
            return pa.string()
        return _type(definitions[name], definitions, (*around, name))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _one_of([_type(option, definitions, around) for option in options])
    if (values := _choices(schema)) is not None:
        kinds = [next((name for of, name in _JSON_TYPES.items() if isinstance(each, of)), "object") for each in values]
        return _one_of([_type({"type": each}, definitions, around) for each in kinds])
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("prefixItems")
        if items is None:
            return pa.list_(_type(schema.get("items", True), definitions, around))
        return (
            pa.list_(_one_of([_type(item, definitions, around) for item in items])) if items else pa.list_(pa.string())
        )
    if kind == "object":
        fields = schema.get("properties")
        if fields:
            return pa.struct([(name, _type(field, definitions, around)) for name, field in fields.items()])
        return pa.map_(pa.string(), _type(schema.get("additionalProperties", True), definitions, around))
    if isinstance(kind, str) and kind in _SIMPLE:
        return getattr(pa, _SIMPLE[kind])()
    return pa.string()


def _choices(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return list(values) if is_list(values) else None


def _one_of(kinds: list[Any]) -> Any:
    """Return the type of a column that holds values of several types; null fits any, and a whole number a column of floats."""
    pa = pyarrow()
    distinct = {kind for kind in kinds if kind != pa.null()}
    if not distinct:
        return pa.null()
    if distinct == {pa.int64(), pa.float64()}:
        return pa.float64()
    return distinct.pop() if len(distinct) == 1 else pa.string()
