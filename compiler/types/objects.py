"""Objects with named fields: what dataclasses, typed dictionaries and pydantic models have in common, and the first two."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from typing_extensions import ReadOnly

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import EMPTY, Expr, Lit, choice, seq
from typefold.compiler.guards import is_dict
from typefold.compiler.registry import default_registry
from typefold.compiler.types.compact import laid_out
from typefold.compiler.types.generics import inherits_arguments, parameters_of, substituted


def generic_of(hint: Any) -> Any:
    """The class that a parametrised type was made from, or the class itself."""
    return get_origin(hint) or hint


@dataclass(frozen=True)
class Field:
    """A field of an object.

    Attributes:
        name: Its name in Python.
        key: Its name in JSON, where it is read.
        codec: Its type's codec.
        required: Whether it must be written.
        description: What the model is told of it.
    """

    name: str
    key: str
    codec: Codec[Any]
    required: bool
    description: str | None = None


def object_expr(name: str, fields: Sequence[Field], context: Context) -> Expr:
    """A closed object: the fields in this order, the optional ones present or absent.

    What may follow an optional field stands in a rule, so that the text grows with the fields and not with their
    combinations.
    """
    if context.positional:
        return EMPTY  # they are laid out otherwise
    comma, colon, dump = context.spacing.comma, context.spacing.colon, context.spacing.dump
    # What may stand from here on if nothing was written yet (any of some options), and if something was: each a beginning
    # and the same rest, which is kept the other way round, so that a field is looked at once however many follow.
    alone: list[Expr] = [Lit("}")]
    after: list[Expr | str] = [Lit("}")]
    rest: list[Expr | str] = []
    for field in reversed(fields):
        pair = seq(dump(field.key), colon, field.codec.expr)
        if field.required:
            rest += reversed(after)
            alone, after = [pair], [comma, pair]
        else:
            behind = seq(*after, *reversed(rest))
            alone = [seq(each, *reversed(rest)) for each in alone] if rest else alone
            alone.append(seq(pair, behind))
            after = [context.fresh_rule(f"{name}_rest", choice(seq(comma, pair, behind), behind))]
            rest = []
    return seq("{", choice(*reversed(alone)), *reversed(rest))


def object_schema(fields: Sequence[Field], title: str, description: str | None = None) -> JsonSchema:
    """The object's JSON schema, closed, with its properties in order."""
    properties = {}
    for field in fields:
        properties[field.key] = (
            field.codec.schema | {"description": field.description} if field.description else field.codec.schema
        )
    schema: JsonSchema = {"type": "object", "title": title}
    if description:
        schema["description"] = description
    return schema | {
        "properties": properties,
        "required": [field.key for field in fields if field.required],
        "additionalProperties": False,
    }


def object_data(fields: Sequence[Field], get: Callable[[str], Any]) -> dict[str, Any]:
    """A value's fields as JSON data; `get` raises `KeyError` or `AttributeError` for an absent one."""
    data: dict[str, Any] = {}
    for field in fields:
        try:
            value = get(field.name)
        except (KeyError, AttributeError):
            if field.required:
                raise
            continue
        data[field.key] = field.codec.to_json(value)
    return data


@default_registry.hook_factory(lambda hint: dataclasses.is_dataclass(generic_of(hint)))
def dataclass_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields of `__init__`, in order; those with a default may be left out."""
    cls = generic_of(hint)
    context.allow(hint)

    def build() -> Codec[Any]:
        hints = resolved_hints(cls, context)
        parameters = parameters_of(hint)
        fields: list[Field] = []
        for field in dataclasses.fields(cls):
            if not field.init:
                continue
            default = field.default
            metadata: tuple[Any, ...] = ()
            has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            if has_default and isinstance(default, FieldInfo):
                metadata, has_default = tuple(default.metadata), not default.is_required()
            kind = substituted(hints[field.name], parameters)
            codec = context.codec(kind, at=f".{field.name}", metadata=metadata)
            info = getattr(cls, "__pydantic_fields__", {}).get(field.name) or field_info(kind)
            key = field_key(cls, field.name, info, getattr(cls, "__pydantic_config__", {}), context)
            fields.append(Field(field.name, key, codec, not has_default, info and info.description))
        if getattr(cls, "__post_init__", None) is not None:
            context.check("validator __post_init__")

        def from_json(data: Any) -> Any:
            known = {field.key: field for field in fields}
            by_key = hasattr(cls, "__pydantic_fields__")  # its `__init__` takes aliases, as pydantic's do
            return cls(
                **{key if by_key else known[key].name: known[key].codec.from_json(item) for key, item in data.items()}
            )

        codec = Codec(
            object_expr(cls.__name__, fields, context),
            object_schema(fields, cls.__name__),
            lambda value: object_data(fields, lambda name: getattr(value, name)),
            from_json,
            lambda value: type(value) is cls,
            native=all(field.codec.native for field in fields) and not inherits_arguments(hint),
        )
        return laid_out(hint, codec, fields, context)

    return context.named(hint, build, has_fields=True)


@default_registry.hook_factory(lambda hint: typing_extensions.is_typeddict(generic_of(hint)))
def typed_dict_codec(hint: Any, context: Context) -> Codec[dict[str, Any]]:
    """The keys in order; `NotRequired` ones may be left out."""
    cls = generic_of(hint)

    def build() -> Codec[dict[str, Any]]:
        hints = resolved_hints(cls, context)
        parameters = parameters_of(hint)
        fields: list[Field] = []
        for name, kind in hints.items():
            required = name in cls.__required_keys__
            while get_origin(kind) in (Required, NotRequired, ReadOnly):
                required = {Required: True, NotRequired: False}.get(get_origin(kind), required)
                (kind,) = get_args(kind)
            info = field_info(kind)
            key = field_key(cls, name, info, getattr(cls, "__pydantic_config__", {}), context)
            codec = context.codec(substituted(kind, parameters), at=f"[{name!r}]")
            fields.append(Field(name, key, codec, required, info and info.description))
        known = {field.name: field.codec for field in fields}
        names = {field.key: field.name for field in fields}

        def accepts(value: Any) -> bool:
            return (
                is_dict(value)
                and all(field.name in value for field in fields if field.required)
                and all(name in known and known[name].accepts(item) for name, item in value.items())
            )

        # On Python 3.11 pydantic takes only typing_extensions' TypedDict; we take both.
        foreign = sys.version_info < (3, 12) and type(cls).__module__ == "typing"
        codec = Codec[dict[str, Any]](
            object_expr(cls.__name__, fields, context),
            object_schema(fields, cls.__name__),
            lambda value: object_data(fields, value.__getitem__),
            lambda data: {names[key]: known[names[key]].from_json(item) for key, item in data.items()},
            accepts,
            native=not foreign and all(field.codec.native for field in fields) and not inherits_arguments(hint),
            plain=all(field.codec.plain and field.key == field.name for field in fields),
        )
        return laid_out(hint, codec, fields, context, may_lack=True)

    return context.named(hint, build, has_fields=True)


def resolved_hints(cls: Any, context: Context) -> dict[str, Any]:
    """A class's annotations with forward references looked up; inherited ones included."""
    try:
        return get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise context.refuse(cls, f"refers to a name that is not defined ({error})") from error


def field_key(owner: Any, name: str, info: FieldInfo | None, config: Mapping[str, Any], context: Context) -> str:
    """The name under which pydantic reads a field."""
    if info is None or config.get("validate_by_alias", True) is False:
        return name
    alias: Any = info.validation_alias or info.alias
    if isinstance(alias, AliasChoices):
        alias = next((each for each in alias.choices if isinstance(each, str)), alias.choices[0])
    if isinstance(alias, AliasPath):
        raise context.refuse(
            owner, f"reads {name!r} from a nested path (AliasPath), which has no JSON form; use a str alias"
        )
    return alias or name


def field_info(hint: Any) -> FieldInfo | None:
    """What `Field` says in the annotation of a field, the last word first."""
    metadata: tuple[Any, ...] = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((item for item in reversed(metadata) if isinstance(item, FieldInfo)), None)
