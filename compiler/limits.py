"""Limits and descriptions of `Annotated` and `Field` on a type: bounds, lengths, patterns, validators, words for the model.

A hook takes the limits that it puts into the language. pydantic checks the others after decoding, as named post-checks. All
of them, taken or not, are told to the model, and so are checks with a meaning: `Limits.described` adds them to the schema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import annotated_types
from pydantic import Discriminator, Json, PlainSerializer, SkipValidation, StringConstraints, Tag, WrapSerializer
from pydantic.fields import FieldInfo
from pydantic.functional_validators import AfterValidator, BeforeValidator, PlainValidator, WrapValidator
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema
from pydantic_core import PydanticSerializationError, to_jsonable_python

from typefold.compiler.guards import class_of

BOUNDS = ("ge", "gt", "le", "lt")
LENGTHS = ("min_length", "max_length")

KEYWORDS = (
    *BOUNDS,
    "multiple_of",
    *LENGTHS,
    "pattern",
    "max_digits",
    "decimal_places",
    "strip_whitespace",
    "to_lower",
    "to_upper",
    "ascii_only",
    "one_of",
)

# Options that change the value, so that limits which the grammar enforces may fail. A hook that takes one admits only texts
# that it leaves unchanged.
_CHANGING = ("strip_whitespace", "to_lower", "to_upper")

_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)

# Marks of pydantic without a check: on serialization, and on the members of a union.
_UNCHECKED = (Discriminator, PlainSerializer, Tag, WrapSerializer)

SKIPPED: Any = SkipJsonSchema
"""The mark that keeps a type from the model; to type checkers it is `Annotated`."""

_REFUSED: dict[Any, str] = {
    SKIPPED: "is kept from the model by SkipJsonSchema, so no answer can hold it; leave the mark out",
    Json: "is wrapped in Json, which is JSON inside a JSON string; use the type itself",
    SkipValidation: "has SkipValidation, so nothing would turn JSON into its values; leave the mark out",
}

_IN_SCHEMA = {"ge": "Minimum", "gt": "ExclusiveMinimum", "le": "Maximum", "lt": "ExclusiveMaximum"}
_LENGTH_IN_SCHEMA = {"string": "Length", "array": "Items", "object": "Properties"}
_WORDS = {
    "ge": ">= {}",
    "gt": "> {}",
    "le": "<= {}",
    "lt": "< {}",
    "multiple_of": "a multiple of {}",
    "min_length": "length at least {}",
    "max_length": "length at most {}",
    "pattern": "matching {}",
    "max_digits": "at most {} digits",
    "decimal_places": "at most {} decimals",
    "strip_whitespace": "no space at either end",
    "to_lower": "lower case",
    "to_upper": "upper case",
    "ascii_only": "ASCII only",
}
"""Words for a limit that no keyword of JSON schema expresses."""

_PREDICATES: dict[Any, str] = {
    str.islower: "lower case",
    str.isupper: "upper case",
    str.istitle: "title case",
    str.isdigit: "digits only",
    str.isdecimal: "digits only",
    str.isnumeric: "digits only",
    str.isalpha: "letters only",
    str.isalnum: "letters and digits only",
    str.isascii: "ASCII only",
    str.isidentifier: "an identifier",
}
"""Functions in `Predicate` that have a meaning for the model. The names of other functions are not told."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

M = TypeVar("M")


class Limits:
    """The limits on one part of a type; `checks` names those that can only run after decoding.

    `union_mode` and `discriminator` are what pydantic was told there of reading a union.
    """

    def __init__(self, metadata: Iterable[Any] = (), about: Iterable[Any] = ()) -> None:
        self._values: dict[str, list[Any]] = {}
        self._taken: set[str] = set()
        self._off: set[str] = set()  # options that are set to False
        self.checks: list[str] = []
        self.allow_inf_nan: bool | None = None
        self.implied: list[Any] = []  # marks that come from the configuration around, and stand nowhere
        self._marks: list[Any] = []
        self._notes: list[str] = []
        self._told: set[str] = set()
        self.descriptions: list[dict[str, Any]] = []
        self.is_silent = True  # whether there is nothing to add to the schema
        self.union_mode: Literal["smart", "left_to_right"] = "smart"
        self.discriminator: str | Discriminator | None = None
        self.add(metadata, about)

    def add(self, metadata: Iterable[Any], about: Iterable[Any] = ()) -> None:
        """Take annotations; of those in `about` only the descriptions, and a discriminator."""
        metadata = tuple(metadata)
        if marks := (*metadata, *about):
            self.is_silent = self.is_silent and not metadata
            self.describe(marks)
        for item in _flatten(metadata):
            self._read(item)

    def describe(self, marks: Iterable[Any]) -> None:
        """Take descriptions and discriminators; of several beside each other the last one counts, as in pydantic."""
        found: dict[str, Any] = {}
        for mark in marks:
            kind = class_of(mark)
            if kind is FieldInfo or kind is Discriminator:
                self.discriminator = _discriminator(mark) or self.discriminator
            is_limit = kind.__module__ == "annotated_types" and kind.__name__ != "DocInfo"
            if mark is not None and not is_limit:
                found |= _said(mark)
        if found:
            self.descriptions.append(found)
            self.is_silent = False

    def note(self, words: str) -> None:
        """Add words for the model about a check."""
        self._notes.append(words)
        self.is_silent = False

    def described(self, schema: dict[str, Any], path: str = "") -> dict[str, Any]:
        """The schema with the limits, the checks and the descriptions that it lacks. Each is added once.

        Args:
            schema: The schema of the part; the one in a definition, if it has a definition.
            path: The path of the part. A title that says the same as its end is left out.

        Raises:
            ValueError: A description is not text.
        """
        for limit, values in self._values.items():
            if limit in self._told or limit == "one_of":
                continue
            self._told.add(limit)
            tightest = self.peek(limit)
            for value in [tightest, *(other for other in values if other != tightest and limit in _SEVERAL)]:
                schema = _with_limit(schema, limit, _plain(value, schema))
        if self._notes:
            schema = schema | {"x-notes": list(dict.fromkeys([*schema.get("x-notes", ()), *self._notes]))}
            self._notes = []
        for words in self.descriptions[::-1]:  # those of an outer alias come last, and stand first
            schema = with_description(schema, words, path)
        self.descriptions = []
        return schema

    def take(self, name: str) -> Any:
        """The limit, the tightest where there are several, or `None`. The caller must enforce it."""
        self._taken.add(name)
        return self.peek(name)

    def peek(self, name: str) -> Any:
        """The limit or `None`. It stays a post-check."""
        values = self._values.get(name)
        if not values:
            return None
        if name in ("ge", "gt", "min_length"):
            return max(values)
        return min(values) if name in ("le", "lt", "max_length", "max_digits", "decimal_places") else values[-1]

    def all(self, name: str) -> list[Any]:
        return list(self._values.get(name, ()))

    def claim(self, kind: type[M]) -> list[M]:
        """The marks of a class with pydantic's own behaviour. The caller must honour them."""
        claimed = [mark for mark in self._marks if isinstance(mark, kind)]
        self._marks = [mark for mark in self._marks if not isinstance(mark, kind)]
        return claimed

    def leave(self, *names: str) -> None:
        """Give back limits that could not be enforced."""
        self._taken -= set(names)

    def imply(self, name: str, value: Any) -> None:
        """Add a limit that the configuration sets where there is none."""
        if name not in self._values and name not in self._off:
            self._values[name] = [value]
            self.implied.append(StringConstraints(**{name: value}))

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def left(self) -> Iterator[str]:
        """The post-checks: validators, limits that no hook took, and limits that a validator's value may fail."""
        for name, values in self._values.items():
            if name not in self._taken or self.changing:
                yield from (f"{name}={value!r}" for value in values)
        yield from self.checks
        yield from (f"validator {_class_of(mark).__name__}" for mark in self._marks)

    def held(self) -> Iterator[str]:
        """The limits that the grammar enforces: those that a hook took, where no validator changes the value."""
        for name, values in self._values.items():
            if name in self._taken and not self.changing and name != "one_of":  # a list is the type itself
                yield from (f"{name}={value!r}" for value in values)

    def refusal(self) -> str | None:
        """The reason why no type can be compiled with this metadata, or `None`."""
        return next((_REFUSED[_class_of(mark)] for mark in self._marks if _class_of(mark) in _REFUSED), None)

    @property
    def changing(self) -> bool:
        """Whether the value may differ from the one in the text."""
        return bool(
            self.checks or self._marks or any(name in self._values for name in _CHANGING if name not in self._taken)
        )

    def __bool__(self) -> bool:
        return bool(self._values or self.checks or self._marks)

    def _read(self, item: Any) -> None:
        if isinstance(item, (*_VALIDATORS, annotated_types.Predicate)):
            self.checks.append(f"validator {_name(item.func)}")
            if isinstance(item.func, type(str.islower)) and item.func in _PREDICATES:
                self._notes.append(_PREDICATES[item.func])
        else:
            if type(item).__module__ != "annotated_types":  # whose limits have none of these
                if hasattr(item, "__get_pydantic_core_schema__") and not hasattr(item, "one_of"):
                    if not isinstance(item, _UNCHECKED):
                        self._marks.append(item)
                    return
                if isinstance(item, SKIPPED):
                    self._marks.append(item)
                if isinstance(allowed := getattr(item, "allow_inf_nan", None), bool):
                    self.allow_inf_nan = allowed
                self.union_mode = getattr(item, "union_mode", None) or self.union_mode
            for name in KEYWORDS:
                value = getattr(item, name, None)
                if value is False:
                    self._off.add(name)
                if value is not None and value is not False and not isinstance(item, type):
                    self._values.setdefault(name, []).append(value)


def _flatten(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _flatten(item.metadata)
        elif isinstance(item, StringConstraints):
            yield item  # it names its parts as attributes; taken apart it would lose some of them
        # An isinstance of the Protocol of such metadata takes 10 us.
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False):
            yield from _flatten(item)
        else:
            yield item


def _discriminator(mark: FieldInfo | Discriminator) -> str | Discriminator | None:
    """The name of the field by which members are told apart, or what has the function that does so."""
    found = mark.discriminator if isinstance(mark, FieldInfo) else mark
    return found.discriminator if isinstance(found, Discriminator) and isinstance(found.discriminator, str) else found


def _class_of(mark: Any) -> type:
    return mark if isinstance(mark, type) else type(mark)


def _name(func: Any) -> str:
    return str(getattr(func, "__qualname__", None) or repr(func)).replace("<locals>.", "")


_SEVERAL = ("pattern", "multiple_of")
_DESCRIBING = ("title", "description", "examples", "deprecated", "x-notes")


def _with_limit(schema: dict[str, Any], limit: str, value: Any) -> dict[str, Any]:
    """The schema with a limit in the keyword for it, that of a union in each member that has such values; else in words."""
    if "anyOf" in schema:
        return schema | {"anyOf": [_with_limit(part, limit, value) for part in schema["anyOf"]]}
    kind, form = schema.get("type"), str(schema.get("format", ""))
    if (
        value is None
        or kind in ("null", "boolean")
        or (kind == "integer" and limit in BOUNDS and ("minimum" if limit in ("ge", "gt") else "maximum") in schema)
    ):
        return schema
    keyword, words = None, _WORDS[limit].format(value)
    if form.startswith("base64") and form.endswith("UTF-8"):
        words = f"decoded {words}"
    elif limit in LENGTHS and kind in _LENGTH_IN_SCHEMA:
        keyword = f"{limit[:3]}{'Bytes' if form.startswith('base64') else _LENGTH_IN_SCHEMA[kind]}"
    elif limit in _IN_SCHEMA and kind in ("integer", "number", "string"):
        word = _IN_SCHEMA[limit]
        keyword = f"format{word}" if kind == "string" else word[0].lower() + word[1:]
    elif limit == "multiple_of" and kind in ("integer", "number"):
        keyword = "multipleOf"
    elif limit == "pattern" and kind == "string":
        keyword = "pattern"
    if keyword is None or schema.get(keyword, value) != value:
        return schema | {"x-notes": [*schema.get("x-notes", ()), words]}
    return schema | {keyword: value}


def _plain(value: Any, schema: dict[str, Any]) -> Any:
    """A limit as JSON has it; `None` for one that says nothing."""
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float, Decimal)) and schema.get("type") == "number":
        return float(value)
    if isinstance(value, (int, float, str)):
        return value
    try:
        return getattr(value, "pattern", None) or to_jsonable_python(value)
    except PydanticSerializationError:
        return str(value)


def _said(mark: Any) -> dict[str, Any]:
    """The keywords of JSON schema in which pydantic, msgspec and `Doc` describe a value."""
    said: dict[str, Any] = {}
    # msgspec's `Meta` is known only where a program has imported it.
    if isinstance(mark, FieldInfo) or (type(mark).__name__ == "Meta" and hasattr(mark, "extra_json_schema")):
        for name, value in (("title", mark.title), ("description", mark.description), ("examples", mark.examples)):
            if value is not None:
                said[name] = value
        extra: Any = mark.json_schema_extra if isinstance(mark, FieldInfo) else mark.extra_json_schema
        if isinstance(mark, FieldInfo) and mark.deprecated:
            said["deprecated"] = True
        return said if extra is None else said | _said(extra)
    if isinstance(mark, WithJsonSchema):
        mark = mark.json_schema
    if isinstance(mark, dict):
        return {name: mark[name] for name in _DESCRIBING if mark.get(name) is not None}  # pyright: ignore[reportUnknownMemberType]
    return {"description": mark.documentation} if type(mark).__name__ in ("Doc", "DocInfo") else said


def with_description(schema: dict[str, Any], words: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The schema with a description and the like, before the one that it has.

    Raises:
        ValueError: A description is not text.
    """
    texts: list[str] = []
    for keyword in ("title", "description"):
        text = words.get(keyword)
        if text is None:
            continue
        if not isinstance(text, str):
            raise ValueError(f"has a {keyword} that is {text!r}, which is not text")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError(f"has a {keyword} with half of a surrogate pair, which UTF-8 can't write")
        if (text := one_line(text)) and not (keyword == "title" and _is_name(text, path)):
            texts.append(text)
    about = ": ".join(dict.fromkeys(texts))
    made: dict[str, Any] = {}
    if about and about != schema.get("description"):
        made["description"] = " ".join([about, *([schema["description"]] if schema.get("description") else [])])
    if (examples := words.get("examples")) is not None:
        if not isinstance(examples, (list, tuple)):
            raise ValueError(f"has examples that are {examples!r}, which is not a list")
        try:
            made["examples"] = to_jsonable_python(examples)  # pyright: ignore[reportUnknownArgumentType]
        except PydanticSerializationError as error:
            raise ValueError(f"has an example that JSON can't write ({error})") from error
    if words.get("x-notes"):
        made["x-notes"] = [*words["x-notes"], *schema.get("x-notes", ())]
    return schema | made | ({"deprecated": True} if words.get("deprecated") else {})


def one_line(text: str) -> str:
    """A text without line breaks, control characters and needless spaces."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _is_name(title: str, path: str) -> bool:
    """Whether a title says no more than the end of a path."""
    name = re.split(r"[.\[|]", path)[-1]
    return re.sub(r"[\W_]", "", title).casefold() == re.sub(r"[\W_]", "", name).casefold()
