"""Named tuples, as JSON objects: pydantic reads objects and arrays, and a model that sees the names errs less."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.registry import default_registry
from typefold.compiler.types.compact import laid_out
from typefold.compiler.types.generics import inherits_arguments, parameters_of, substituted
from typefold.compiler.types.objects import (
    Field,
    field_info,
    field_key,
    object_data,
    object_expr,
    object_schema,
    resolved_hints,
)


def _is_named_tuple(hint: Any) -> bool:
    cls: Any = get_origin(hint) or hint
    return hasattr(cls, "_fields") and isinstance(cls, type) and tuple in cls.__mro__


@default_registry.hook_factory(_is_named_tuple)
def named_tuple_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields in order; those with a default may be left out. Without annotations a field is any JSON value."""
    cls: Any = get_origin(hint) or hint
    context.allow(hint)

    def build() -> Codec[Any]:
        hints, known = resolved_hints(cls, context), parameters_of(hint)
        fields: list[Field] = []
        for name in cls._fields:
            kind = substituted(hints.get(name, Any), known)
            codec = context.codec(kind, at=f".{name}")
            key = field_key(cls, name, field_info(kind), {}, context)
            fields.append(Field(name, key, codec, name not in cls._field_defaults))
        by_key = {field.key: field for field in fields}

        def from_json(data: Any) -> Any:
            return cls(**{by_key[key].name: by_key[key].codec.from_json(item) for key, item in data.items()})

        codec = Codec[Any](
            object_expr(cls.__name__, fields, context),
            object_schema(fields, cls.__name__),
            lambda value: object_data(fields, lambda name: getattr(value, name)),
            from_json,
            lambda value: type(value) is cls,
            native=all(field.codec.native for field in fields) and not (get_args(hint) or inherits_arguments(hint)),
        )
        return laid_out(hint, codec, fields, context)

    return context.named(hint, build, has_fields=True)
