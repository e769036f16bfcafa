"""Arrow's form of typed values: models and records as structs, lists as lists, `dict` with text keys as maps.

A type's form follows its JSON schema, so what Arrow holds is what JSON holds: dates, decimals and the like as texts. Where
JSON may hold one of several kinds of value (`int | str`), Arrow, which has one type for a column, gets the JSON as text.
Fields have the names that they have in Python, whatever aliases their JSON has: `arrow_json` and `arrow_type` agree on it.
pyarrow is imported when something is first made here; it comes with the extra `arrow`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal

from pydantic import TypeAdapter

from typefold.compiler.guards import is_dict, is_list

__all__ = ["arrow_json", "arrow_type", "arrow_value", "message_of", "pyarrow"]

_SIMPLE = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_", "null": "null"}


def pyarrow(module: str = "pyarrow") -> Any:
    """pyarrow, which comes without types.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    return import_module(module)


def arrow_type(hint: Any) -> Any:
    """The Arrow type of a column of values of a type.

    Args:
        hint: Any type that pydantic can serialise.

    Returns:
        A `pyarrow.DataType`.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.

    Example:
        >>> from typing import Literal, NamedTuple
        >>> class Point(NamedTuple):
        ...     x: float
        ...     label: Literal["a", "b"] | None
        >>> str(arrow_type(dict[str, int])), str(arrow_type(int | str)), str(arrow_type(list[bool]))
        ('map<string, int64>', 'string', 'list<item: bool>')
    """
    schema = TypeAdapter(hint).json_schema(mode="serialization", by_alias=False)
    return _type(schema, schema.get("$defs", {}), ())


def arrow_json(hint: Any, *, warnings: bool | Literal["error"] = False) -> Callable[[Any], Any]:
    """What makes the JSON of values of a type that `arrow_value` takes.

    Args:
        hint: The type; values of one that pydantic does not know go by their own.
        warnings: What pydantic does about a value of another type.
    """
    try:
        adapter = TypeAdapter[Any](hint)
    except Exception:  # a return type that pydantic does not know, of a plain function
        adapter = TypeAdapter[Any](Any)
    return lambda value: adapter.dump_python(value, mode="json", by_alias=False, warnings=warnings)


def arrow_value(value: Any, kind: Any) -> Any:
    """A value from JSON as a column of a type takes it.

    Args:
        value: What `arrow_json` gave.
        kind: What `arrow_type` gave.

    Raises:
        OverflowError: A whole number is beyond 64 bits.
    """
    pa = pyarrow()
    types = pa.types
    if value is None:
        return None
    if types.is_string(kind):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if types.is_integer(kind) and not -(2**63) <= value < 2**63:
        raise OverflowError(f"{value:.3e} is beyond the 64 bits of a column of whole numbers")
    if types.is_struct(kind) and is_dict(value):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return {field.name: arrow_value(value.get(field.name), field.type) for field in fields}
    if types.is_map(kind) and is_dict(value):
        return [(str(key), arrow_value(part, kind.item_type)) for key, part in value.items()]
    if isinstance(kind, pa.ListType) and is_list(value):
        return [arrow_value(part, kind.value_type) for part in value]
    return value


def message_of(error: Exception) -> str:
    """What an error says, as UTF-8 can write it; nothing where it can't be asked."""
    try:
        text = str(error)
    except Exception:  # an error of the user's
        return ""
    return text.encode("utf-8", "backslashreplace").decode()


def _type(schema: Mapping[str, Any] | bool, definitions: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    pa = pyarrow()
    if isinstance(schema, bool):
        return pa.string()
    if (reference := schema.get("$ref")) is not None:
        name = reference.rpartition("/")[2]
        if name in around:  # a type inside itself has no Arrow type
            return pa.string()
        return _type(definitions[name], definitions, (*around, name))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _one_of([_type(option, definitions, around) for option in options])
    if (values := _choices(schema)) is not None:
        return _one_of([_type({"type": _json_type(value)}, definitions, around) for value in values])
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


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _one_of(kinds: list[Any]) -> Any:
    """The type of a column that holds values of several; null fits any, and a whole number a decimal column."""
    pa = pyarrow()
    distinct = {kind for kind in kinds if kind != pa.null()}
    if not distinct:
        return pa.null()
    if distinct == {pa.int64(), pa.float64()}:
        return pa.float64()
    return distinct.pop() if len(distinct) == 1 else pa.string()
