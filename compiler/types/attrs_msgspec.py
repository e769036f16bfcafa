"""attrs classes and `msgspec.Struct`, as JSON objects with the names of their constructor's arguments.

Neither package is imported: whoever has such a class has it already. Values are made by the class's own constructor, so
converters and validators run; what they may refuse is a named post-check. A struct's renamed fields have their names in
JSON, and a tagged struct has its tag as the first key, so that a union can tell structs apart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit
from typefold.compiler.registry import default_registry
from typefold.compiler.types.compact import laid_out
from typefold.compiler.types.generics import parameters_of, substituted
from typefold.compiler.types.objects import Field, object_data, object_expr, object_schema, resolved_hints


def _has(name: str) -> Callable[[Any], bool]:
    def predicate(hint: Any) -> bool:
        cls = get_origin(hint) or hint
        return isinstance(cls, type) and hasattr(cls, name)

    return predicate


@default_registry.hook_factory(_has("__attrs_attrs__"))
def attrs_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields of `__init__`, in order, under their aliases; those with a default may be left out."""
    cls: Any = get_origin(hint) or hint
    context.allow(hint)

    def build() -> Codec[Any]:
        hints, known = resolved_hints(cls, context), parameters_of(hint)
        nothing = sys.modules["attr"].NOTHING
        fields: list[Field] = []
        for attribute in cls.__attrs_attrs__:
            if not attribute.init:
                continue
            kind = substituted(hints.get(attribute.name, Any), known)
            codec = context.codec(kind, at=f".{attribute.name}")
            fields.append(Field(attribute.name, attribute.alias, codec, attribute.default is nothing))
            if attribute.validator is not None or attribute.converter is not None:
                context.check(f"validator {cls.__name__}.{attribute.name}")
        if any(hasattr(cls, name) for name in ("__attrs_pre_init__", "__attrs_post_init__")):
            context.check(f"validator {cls.__name__}.__attrs_post_init__")
        return _object(cls, fields, context)

    return context.named(hint, build, has_fields=True)


@default_registry.hook_factory(_has("__struct_fields__"))
def struct_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields in order, under their names in JSON; those with a default may be left out."""
    cls: Any = get_origin(hint) or hint
    context.allow(hint)

    def build() -> Codec[Any]:
        hints, known = resolved_hints(cls, context), parameters_of(hint)
        missing = sys.modules["msgspec"].NODEFAULT
        defaults = (missing,) * (len(cls.__struct_fields__) - len(cls.__struct_defaults__)) + cls.__struct_defaults__
        fields: list[Field] = []
        for name, key, default in zip(cls.__struct_fields__, cls.__struct_encode_fields__, defaults, strict=True):
            codec = context.codec(substituted(hints[name], known), at=f".{name}")
            fields.append(Field(name, key, codec, default is missing))
        if hasattr(cls, "__post_init__"):
            context.check(f"validator {cls.__name__}.__post_init__")
        tag = cls.__struct_config__.tag
        return _object(
            cls, fields, context, [] if tag is None else [_tag(cls.__struct_config__.tag_field, tag, context)]
        )

    return context.named(hint, build, has_fields=True)


def _tag(key: str, tag: str | int, context: Context) -> Field:
    """A key with one value, which is no attribute of the object."""

    def write(_: Any) -> str | int:
        return tag

    codec = Codec(
        Lit(context.spacing.dump(tag)), {"enum": [tag]}, write, write, lambda value: value == tag, native=False
    )
    return Field("__class__", key, codec, required=True)


def _object(cls: Any, fields: list[Field], context: Context, tags: Iterable[Field] = ()) -> Codec[Any]:
    by_key = {field.key: field for field in fields}
    every = [*tags, *fields]

    def from_json(data: Any) -> Any:
        return cls(
            **{
                _argument(cls, by_key[key]): by_key[key].codec.from_json(item)
                for key, item in data.items()
                if key in by_key
            }
        )

    codec = Codec[Any](
        object_expr(cls.__name__, every, context),
        object_schema(every, cls.__name__),
        lambda value: object_data(every, lambda name: getattr(value, name)),
        from_json,
        lambda value: type(value) is cls,
        native=False,
    )
    return laid_out(cls, codec, every, context)


def _argument(cls: Any, field: Field) -> str:
    """The constructor's name for a field: attrs takes aliases, a struct takes the field's own name."""
    return field.key if hasattr(cls, "__attrs_attrs__") else field.name
