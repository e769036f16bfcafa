"""`Codec[T]`: a type's form inside JSON, as a hook returns it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from pydantic import ConfigDict, TypeAdapter

from typefold.compiler.grammar.nodes import Expr

T = TypeVar("T")
W = TypeVar("W")

JsonSchema: TypeAlias = dict[str, Any]
"""A JSON schema, which is all that the description for the model is made of. It has keywords of our own. The layout of the
compact format: `x-positions` of an object that is written as an array, and `x-tag` of a member of a union that is written
under a name. Limits and checks without a keyword: `x-notes`, in words; bounds of texts such as dates are `formatMinimum` and
the like, those of bytes `minBytes` and `maxBytes`. Choices: `x-class` is the name of an `Enum` among the compilation's
`choice_schemas`, until the whole schema defines it; `x-descriptions` are those of its members."""


class Fit(NamedTuple):
    """The fit of JSON data to a type, by the measures with which pydantic's smart mode compares the members of a union."""

    exactness: int  # 2 for a value that is its own JSON data, 1 for one that strict mode takes too, 0 for a conversion
    fields: int | None = None  # that are set, in objects inside too; `None` where there is no object with fields

    def and_(self, *parts: Fit) -> Fit:
        """Combine with the fits of parts: the least exactness, and the fields of all."""
        fields = [each.fields for each in (self, *parts) if each.fields is not None]
        return Fit(min(each.exactness for each in (self, *parts)), sum(fields) if fields else None)

    def beats(self, other: Fit) -> bool:
        """Whether a union's member that fits so is preferred to one before it."""
        if self.fields is not None and other.fields is not None and self.fields != other.fields:
            return self.fields > other.fields
        return self.exactness > other.exactness


EXACT, STRICT, LAX = Fit(2), Fit(1), Fit(0)


@dataclass(frozen=True)
class Codec(Generic[T]):
    """A type's form inside JSON.

    Attributes:
        expr: The JSON texts of its values.
        schema: JSON schema, which describes the shape to the model; it enforces nothing.
        to_json: Converts a value to JSON data.
        from_json: Converts JSON data to a value; raises `ValueError` where a post-check fails.
        accepts: Whether an object is a value of the type, so that a union can find the member that writes it.
        bare: For types like strings the texts without quotation marks, for use at the root; else `None`.
        raw: A grammar that only the engine can read, for use at the root in place of `bare`; else `None`.
        native: Whether pydantic, given the type, reads this very JSON into the same values.
        plain: Whether a value is its own JSON data, so that it is the same in each member of a union that shares its text.
        expand: Converts data in the compact format, complete or not, to objects with keys; `None` where both are the same.
            A `native` codec needs it if a part of it has one.
        fit: Measures JSON data of the type, where a union compares it with another member. By default the fit is exact
            if the codec is `plain` and the data no string, else strict.
        fields: The fields of an object with such, in order: name, key in JSON and codec of each.
    """

    expr: Expr
    schema: JsonSchema
    to_json: Callable[[T], Any]
    from_json: Callable[[Any], T]
    accepts: Callable[[Any], bool]
    bare: Expr | None = None
    raw: str | None = None
    native: bool = True
    plain: bool = False
    expand: Callable[[Any], Any] | None = None
    fit: Callable[[Any], Fit] | None = None
    fields: tuple[tuple[str, str, Codec[Any]], ...] = ()

    def fits(self, data: Any) -> Fit:
        """Measure how well JSON `data` of the type fits it."""
        if self.fit is not None:
            return self.fit(data)
        return EXACT if self.plain and not isinstance(data, str) else STRICT

    def expanded(self, data: Any) -> Any:
        """Add the keys that the compact format leaves out to JSON `data`."""
        return data if self.expand is None else self.expand(data)

    def wrapped(self, kind: type[W], wrap: Callable[[T], W], unwrap: Callable[[W], T]) -> Codec[W]:
        """Make the codec of a class that holds a value of this type, with the same JSON.

        Args:
            kind: The class.
            wrap: Makes an instance of a value.
            unwrap: Returns the value in an instance.
        """
        return Codec(
            self.expr,
            self.schema,
            lambda value: self.to_json(unwrap(value)),
            lambda data: wrap(self.from_json(data)),
            lambda value: type(value) is kind and self.accepts(unwrap(value)),
            native=self.native,
            expand=self.expand,
            fit=lambda data: STRICT.and_(self.fits(data)),
        )


def identity(value: Any) -> Any:
    """Return the value itself, for types whose values are their own JSON data."""
    return value


def schema_of(kind: str, **keywords: Any) -> JsonSchema:
    """Make the JSON schema of a type with the keywords that are not `None`."""
    return {"type": kind} | {keyword: value for keyword, value in keywords.items() if value is not None}


def adapter_of(hint: Any, names: Mapping[str, Any], config: ConfigDict | None = None) -> TypeAdapter[Any]:
    """Make pydantic's adapter of a type; `names` are those of functions' scopes that annotations in it mention."""
    adapter = TypeAdapter[Any](hint, config=config)
    if names:  # also where it found others of these names in the module
        adapter.rebuild(force=True, _types_namespace=names)
    return adapter


def pydantic_reader(hint: Any) -> Callable[[Any], Any]:
    """Make a function from JSON data to a value of the type, by pydantic in JSON mode; its validator is built on first use."""

    @cache
    def adapter() -> TypeAdapter[Any]:
        return TypeAdapter(hint)

    return lambda data: adapter().validate_json(json.dumps(data))


def text_codec(hint: Any, expr: Expr, form: str, *kinds: Any, write: Callable[[Any], str] = str) -> Codec[Any]:
    """Make the codec of a type whose values are JSON strings that pydantic reads; `write` makes the text inside."""
    return Codec(
        expr, {"type": "string", "format": form}, write, pydantic_reader(hint), lambda value: type(value) in kinds
    )
