"""JSON schemas as types, for a hook or a program that has only a schema; values are plain JSON data.

All that is regular is in the grammar. A keyword that no grammar can express is a named post-check (`return: uniqueItems`): the
package jsonschema runs it, in the schema's draft. Keywords that can neither be enforced nor checked are refused with their
place; nothing is dropped in silence. Words that are no keywords in the draft are annotations, as in the standard.

Objects are closed, as all objects here are: a key needs a place in `properties` or `patternProperties`, unless
`additionalProperties` says more of others. Listed keys come in the order of `properties`, free ones behind them. Objects have
keys in every JSON format. `number` is a whole number or a decimal. The formats of the standard are asserted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.contained import first_line
from typefold.compiler.context import Compilation, Context
from typefold.compiler.guards import is_dict
from typefold.compiler.json_format import JsonFormat
from typefold.compiler.limits import Limits
from typefold.compiler.registry import default_registry
from typefold.compiler.types.json_schemas.schema_codecs import NAMES, Mismatch, SchemaNode
from typefold.compiler.types.json_schemas.schema_parts import (
    Document,
    SchemaError,
    Schemas,
    members_of,
    rows_of,
)

__all__ = ["SchemaError", "schema_codec", "type_of_schema"]


def type_of_schema(schema: JsonSchema | bool, *, name: str = "Schema") -> Any:
    """Make the type that a JSON schema describes; its values are JSON data.

    Args:
        schema: The schema, in the draft that its `$schema` names, or in 2020-12; references are to its own parts.
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
    if not isinstance(schema, bool) and not is_dict(schema):
        raise SchemaError(f"# is {schema!r:.80}, which is no schema")
    try:
        document = Document(schema)
        _read_all(document)
    except (AttributeError, KeyError, TypeError) as error:  # of a keyword with a value of another kind than it takes
        raise SchemaError(f"# is no schema of its draft: {_fault(schema) or first_line(error)}") from error
    title = schema.get("title") if is_dict(schema) else None
    return type(str(title or name), (SchemaValue,), {"document": document, "name": name})


def _fault(schema: Any) -> str:
    """The first place of a schema that the schema of its draft forbids, or an empty text."""
    validators: Any = import_module("jsonschema").validators
    named = schema if is_dict(schema) and isinstance(schema.get("$schema"), str) else {}
    known: Any = validators.validator_for(named, default=validators.Draft202012Validator)
    error = next(known(known.META_SCHEMA).iter_errors(schema), None)
    return "" if error is None else f"{'/'.join(map(str, error.absolute_path)) or '#'}: {error.message:.200}"


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
        >>> schema = {"type": "array", "items": channel, "minItems": 3, "maxItems": 3}
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
    return context.same(hint)


class SchemaValue:
    """The type of a schema. It has no instances: its values are JSON data."""

    document: ClassVar[Document]
    name: ClassVar[str]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        @cache
        def codec() -> Codec[Any]:
            return Context("", Limits(), Compilation(default_registry.find, JsonFormat.SPACED)).codec(cls, at="value")

        return core_schema.no_info_plain_validator_function(lambda data: codec().from_json(data))


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, SchemaValue))
def schema_value_codec(hint: type[SchemaValue], context: Context) -> Codec[Any]:
    """As the alternatives of the root, with the checks of jsonschema on the whole value."""
    context.allow(hint)
    document = hint.document
    try:
        codec = context.same(SchemaNode(document, (document.root,), hint.name))
    except SchemaError as error:
        raise context.refuse(hint, f"has a JSON schema that can't be enforced: {error}") from error

    def from_json(data: Any) -> Any:
        problems: list[tuple[Any, tuple[Any, ...], str]] = []  # a keyword is no literal string to type checkers
        try:
            made = codec.to_json(data)
        except Mismatch as error:
            made, problems = None, [(error.word, error.loc, str(error))]
        if document.checks:
            for each in document.validator(document.root).iter_errors(data):
                word = next((word for word in _words(each) if word in document.checks), str(each.validator))
                problems.append((NAMES.get(word, word), tuple(each.absolute_path), each.message))
        if problems:
            details = [
                InitErrorDetails(type=PydanticCustomError(word, "{said}", {"said": said}), loc=loc, input=data)
                for word, loc, said in problems
            ]
            raise ValidationError.from_exception_data(hint.__name__, details)
        return made

    def accepts(value: Any) -> bool:
        try:
            return from_json(value) is not Ellipsis
        except ValueError:
            return False

    return replace(codec, from_json=from_json, accepts=accepts, native=False)


def _words(error: Any) -> list[str]:
    """The keywords on the way to an error of jsonschema, the innermost first, with those of alternatives."""
    inner = [word for each in error.context or () for word in _words(each)]
    path = [str(step) for step in reversed(error.absolute_schema_path)]
    return [*("if" if step in ("then", "else") else step for step in path), *inner]


def _read_all(document: Document) -> None:
    """Read each schema that a value may reach, so that a bad one is refused here."""
    pending: list[Schemas] = [(document.root,)]
    seen: set[Schemas] = set()
    while pending:
        schemas = pending.pop()
        if schemas in seen:
            continue
        seen.add(schemas)
        for part in document.parts(schemas):
            if part.kind == "object":
                listed, patterns, more = members_of(part)
                pending += [*listed.values(), *patterns.values(), more or (), part.words.get("names", ())]
            elif part.kind == "array":
                first, rest = rows_of(part)
                pending += [*first, rest]
    if not document.parts((document.root,)):
        document.refuse("#", "is met by no value")
