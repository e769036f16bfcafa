"""JSON schemas as types, for a hook or a program that has only a schema.

A schema becomes the annotation with the same meaning. So its keywords are enforced in decoding, or named as post-checks,
like the same limits elsewhere, and `explain()` lists them. Values are plain JSON data, but for a tuple where an array has
`prefixItems`. A keyword that no annotation expresses is refused with its place; nothing is dropped in silence.

Objects are closed, as all objects here are, and their keys come in the order of `properties`. `number` is a whole number or
a decimal. `format` demands nothing, as in the standard. Left out: `allOf`, `not`, conditions, and keywords about keys
without a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, NoReturn, NotRequired, Union

from pydantic import Field
from typing_extensions import TypedDict, is_typeddict

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.registry import default_registry

_NOTES = frozenset(
    [
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "format",
        "readOnly",
        "title",
        "writeOnly",
    ]
)
"""Keywords that describe, and demand nothing of a value."""

_TOLD = ("default", "deprecated", "description", "examples")

_typed_dict: Any = TypedDict  # no type checker follows one that is made at run time

_NUMBERS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_STRINGS = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_ITEMS = {"minItems": "min_length", "maxItems": "max_length"}
_KEYS = {"minProperties": "min_length", "maxProperties": "max_length"}

_KEYWORDS: dict[str, frozenset[str]] = {
    "string": frozenset(_STRINGS),
    "integer": frozenset(_NUMBERS),
    "number": frozenset(_NUMBERS),
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset({*_ITEMS, "items", "prefixItems"}),
    "object": frozenset({*_KEYS, "properties", "required", "additionalProperties"}),
}
"""The keywords that are read beside each `type`."""


class SchemaError(ValueError):
    """A JSON schema that no type here expresses; the message names place and keyword."""


def type_of_schema(schema: JsonSchema, *, name: str = "Schema") -> Any:
    """Make the type that a JSON schema describes; its values are JSON data.

    Args:
        schema: The schema, in the words of draft 2020-12, with references to its own `$defs` or `definitions`.
        name: A name for objects that have no title.

    Returns:
        An annotation, for `output_type` or inside of others.

    Raises:
        SchemaError: A keyword can neither be enforced nor checked.

    Example:
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.schemas import type_of_schema
        >>> schema = {
        ...     "type": "object",
        ...     "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 120}, "name": {"type": "string"}},
        ...     "required": ["age"],
        ... }
        >>> kind = output_type(type_of_schema(schema))
        >>> kind.decode('{"age": 36}'), kind.enforced
        ({'age': 36}, ("return['age']: ge=0", "return['age']: le=120"))
    """
    return _Reader(schema, name).hint(schema, "#")


def schema_codec(schema: JsonSchema, context: Context, *, name: str = "Schema") -> Codec[Any]:
    """Make the codec of a JSON schema, for a hook of your own type; its values are JSON data, to be made into yours.

    Args:
        schema: The schema, as for `type_of_schema`.
        context: The context that the hook was given.
        name: A name for objects that have no title.

    Raises:
        UnsupportedType: A keyword can neither be enforced nor checked.

    Example:
        >>> from dataclasses import replace
        >>> from typefold.compiler import Registry, default_registry, output_type
        >>> class Colour:
        ...     def __init__(self, red: int, green: int, blue: int) -> None:
        ...         self.parts = [red, green, blue]
        >>> channel = {"type": "integer", "minimum": 0, "maximum": 255}
        >>> schema = {"type": "array", "prefixItems": [channel, channel, channel], "items": False}
        >>> mine = Registry(parent=default_registry)
        >>> @mine.hook(Colour)
        ... def colour_codec(hint, context):
        ...     return replace(
        ...         schema_codec(schema, context),
        ...         to_json=lambda colour: colour.parts,
        ...         from_json=lambda parts: Colour(*parts),
        ...         accepts=lambda value: isinstance(value, Colour),
        ...         native=False,
        ...         plain=False,
        ...     )
        >>> output_type(Colour, registry=mine).decode("[255, 0, 17]").parts
        [255, 0, 17]
    """
    try:
        hint = type_of_schema(schema, name=name)
    except SchemaError as error:
        raise context.refuse(name, f"has a JSON schema that can't be enforced: {error}") from error
    with context.keys():
        return context.same(hint)


class SchemaPart:
    """A definition that a schema refers to by name. It has no instances: its values are JSON data."""

    hint: ClassVar[Any]


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, SchemaPart))
def schema_part_codec(hint: type[SchemaPart], context: Context) -> Codec[Any]:
    """As the annotation of the definition, by a rule with its name."""
    context.allow(hint)
    of_fields = is_typeddict(hint.hint)
    return context.named(hint, lambda: replace(context.same(hint.hint), native=False), has_fields=of_fields)


class _Reader:
    """Reads one schema. Its definitions get a name, so that they may contain themselves."""

    def __init__(self, schema: JsonSchema, name: str) -> None:
        self.schema = schema
        self.name = name
        self.named: dict[str, type[SchemaPart]] = {}

    def hint(self, schema: Any, at: str) -> Any:
        return self.described(self.demanded(schema, at), schema)

    def demanded(self, schema: Any, at: str) -> Any:
        if schema is True or schema == {}:
            return Any
        if not is_dict(schema):
            self.refuse(at, f"is {schema!r}, which no value meets")
        if "$ref" in schema:
            self.check(schema, {"$ref"}, at)
            return self.reference(schema["$ref"], at)
        if "const" in schema or "enum" in schema:
            return self.members(schema, at)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                self.check(schema, {union, "type"}, at)
                return Union[tuple(self.hint(each, f"{at}/{union}/{i}") for i, each in enumerate(schema[union]))]  # noqa: UP007  # made at run time
        kinds = schema.get("type")
        if is_list(kinds):
            return Union[tuple(self.of_kind(kind, self.only(schema, kind), at) for kind in kinds)]  # noqa: UP007  # as above
        if kinds is None:
            self.check(schema, set(), at)
            return Any
        return self.of_kind(kinds, schema, at)

    def of_kind(self, kind: Any, schema: Mapping[str, Any], at: str) -> Any:
        if kind not in _KEYWORDS:
            self.refuse(at, f"has the type {kind!r}, which JSON does not have")
        self.check(schema, {"type", *_KEYWORDS[kind]}, at)
        match kind:
            case "string":
                return self.limited(str, schema, _STRINGS)
            case "integer":
                return self.limited(int, schema, _NUMBERS)
            case "number":
                return self.number(schema)
            case "boolean":
                return bool
            case "null":
                return None
            case "array":
                return self.array(schema, at)
            case _:
                return self.object(schema, at)

    def number(self, schema: Mapping[str, Any]) -> Any:
        """A whole number or a decimal; for the former a bound is moved to the next whole number."""
        whole = dict(schema)
        for keyword, step in (("minimum", 1), ("exclusiveMinimum", 0), ("maximum", 0), ("exclusiveMaximum", 1)):
            if keyword in whole and whole[keyword] != int(whole[keyword]):
                whole[keyword] = int(whole[keyword] // 1) + step
        if whole.get("multipleOf", 1) != int(whole.get("multipleOf", 1)):
            return self.limited(float, schema, _NUMBERS)
        return self.limited(int, whole, _NUMBERS) | self.limited(float, schema, _NUMBERS)

    def array(self, schema: Mapping[str, Any], at: str) -> Any:
        if "prefixItems" not in schema:
            item = self.hint(schema.get("items", True), f"{at}/items")
            return self.limited(list[item], schema, _ITEMS)  # type: ignore[valid-type]  # made at run time
        count = len(schema["prefixItems"])
        if schema.get("items", True) is not False or schema.get("minItems", count) != count:
            self.refuse(
                at,
                "has prefixItems of which not all must be there, and others may follow; add items: false and minItems",
            )
        items = [self.hint(each, f"{at}/prefixItems/{i}") for i, each in enumerate(schema["prefixItems"])]
        return tuple[tuple(items)] if items else tuple[()]  # type: ignore[misc]  # as above

    def object(self, schema: Mapping[str, Any], at: str) -> Any:
        more = schema.get("additionalProperties", True)
        if "properties" not in schema:
            if schema.get("required"):
                self.refuse(at, "requires keys that no properties describe")
            if more is False:
                return _typed_dict(self.title(schema), {})
            value = self.hint(more, f"{at}/additionalProperties")
            return self.limited(dict[str, value], schema, _KEYS)  # type: ignore[valid-type]  # as above
        if is_dict(more) or any(keyword in schema for keyword in _KEYS):
            self.refuse(at, "has properties and says something of other keys; objects are closed here")
        required: Sequence[str] = schema.get("required", ())
        if unknown := [key for key in required if key not in schema["properties"]]:
            self.refuse(at, f"requires {unknown[0]!r}, which no properties describe")
        fields = {
            key: hint if key in required else NotRequired[hint]
            for key, part in schema["properties"].items()
            for hint in (self.hint(part, f"{at}/properties/{key}"),)
        }
        return _typed_dict(self.title(schema), fields)

    def described(self, hint: Any, schema: Any) -> Any:
        """The annotation with the keywords that demand nothing; the model is told them."""
        said = {key: schema[key] for key in _TOLD if key in schema} if is_dict(schema) else {}
        if isinstance(form := schema.get("format") if is_dict(schema) else None, str):
            said["x-notes"] = [form]
        return Annotated[hint, Field(json_schema_extra=said)] if said else hint

    def members(self, schema: Mapping[str, Any], at: str) -> Any:
        self.check(schema, {"const", "enum", "type"}, at)
        members = [schema["const"]] if "const" in schema else schema["enum"]
        for member in members:
            if not isinstance(member, (str, int, type(None))):
                self.refuse(at, f"has the member {member!r}, which is no text, whole number, truth value or null")
        if not members:
            self.refuse(at, "has no members")
        return Literal[tuple(members)]

    def reference(self, ref: Any, at: str) -> Any:
        """A class for a definition: it is compiled by its name, so that it may contain itself."""
        if ref not in self.named:
            parts = str(ref).split("/")
            if parts[0] != "#" or (target := self.find(parts[1:])) is None:
                self.refuse(at, f"refers to {ref!r}, which is not in the schema")
            self.named[ref] = type(parts[-1] if len(parts) > 1 else self.name, (SchemaPart,), {})
            self.named[ref].hint = self.hint(target, str(ref))
        return self.named[ref]

    def find(self, parts: Sequence[str]) -> Any:
        found: Any = self.schema
        for part in parts:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if is_dict(found) else None
        return found

    def limited(self, hint: Any, schema: Mapping[str, Any], names: Mapping[str, str]) -> Any:
        limits: dict[str, Any] = {names[keyword]: schema[keyword] for keyword in names if keyword in schema}
        return Annotated[hint, Field(**limits)] if limits else hint

    def only(self, schema: Mapping[str, Any], kind: Any) -> dict[str, Any]:
        """The keywords for one type of a schema with several."""
        every = {word for words in _KEYWORDS.values() for word in words}
        others = every - _KEYWORDS.get(kind, frozenset())
        return {keyword: value for keyword, value in schema.items() if keyword not in others}

    def check(self, schema: Mapping[str, Any], known: set[str], at: str) -> None:
        for keyword in schema:
            if keyword not in known and keyword not in _NOTES:
                self.refuse(at, f"has {keyword}, which can neither be enforced nor checked")

    def title(self, schema: Mapping[str, Any]) -> str:
        return str(schema.get("title") or self.name)

    def refuse(self, at: str, what: str) -> NoReturn:
        raise SchemaError(f"{at} {what}")
