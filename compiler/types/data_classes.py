"""Classes with fields: dataclasses, `TypedDict`, named tuples, attrs classes and `msgspec.Struct`, all as JSON objects.

Values are made by the class's own constructor, so converters and validators run; one that may fail is a named post-check.
A named tuple is an object too: pydantic reads objects and arrays, and a model that sees the names errs less. attrs and
msgspec are not imported: a program that has such a class has imported them. A struct's renamed fields have their names in
JSON, and a tagged struct has its tag as the first key, so that a union can tell structs apart.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from enum import EnumType
from typing import Any, get_args

import typing_extensions
from pydantic.dataclasses import rebuild_dataclass
from pydantic.fields import FieldInfo
from typing_inspection.introspection import AnnotationSource, inspect_annotation

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit
from typefold.compiler.guards import is_dict, split_annotated
from typefold.compiler.types.local_names import hides_names, mentioned_names, resolved_hints
from typefold.compiler.types.objects import (
    NOTHING,
    Field,
    constructor_arguments,
    field_key,
    generic_of,
    inherits_arguments,
    is_asked,
    last_field_info,
    object_codec,
    object_data,
    object_hook,
    parameters_of,
    said_by_pydantic,
    substituted,
)

_INIT_VAR, _CLASS_VAR = (getattr(dataclasses, f"_FIELD_{name}") for name in ("INITVAR", "CLASSVAR"))


def _class_with(attribute: str) -> Callable[[Any], bool]:
    def predicate(hint: Any) -> bool:
        cls = generic_of(hint)
        return isinstance(cls, type) and hasattr(cls, attribute)

    return predicate


@object_hook(lambda hint: dataclasses.is_dataclass(cls := generic_of(hint)) and not isinstance(cls, EnumType))
def dataclass_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields of `__init__`, in order; those with a default may be left out."""
    cls = generic_of(hint)
    if getattr(cls, "__pydantic_complete__", True) is False:
        rebuild_dataclass(cls, raise_errors=False, _types_namespace=mentioned_names(cls, context))
    hints, known, said = resolved_hints(cls, context), parameters_of(hint), said_by_pydantic(cls)
    fields: list[Field] = []
    for field in cls.__dataclass_fields__.values():
        default = field.default
        metadata: tuple[Any, ...] = ()
        about: tuple[Any, ...] = ({"description": getattr(field, "doc", None)},)  # Python 3.14
        has_default = default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if has_default and isinstance(default, FieldInfo):
            metadata, has_default = (*default.metadata, default), not default.is_required()
            default = default.default
        info = getattr(cls, "__pydantic_fields__", {}).get(field.name)
        if field._field_type is _INIT_VAR or (info is not None and info.init_var):
            if not has_default:
                raise context.refuse(
                    hint,
                    f"needs {field.name!r}, an InitVar, which no value keeps; make it a field, or give it a default",
                )
            context.leave_to_program(f".{field.name}")
            continue
        if field._field_type is _CLASS_VAR or not field.init or (info is not None and info.init is False):
            continue
        kind = substituted(hints[field.name], known)
        marks = (*split_annotated(kind)[1], *metadata, *([] if info is None else [info]))
        if not is_asked(hint, field.name, marks, context, required=not has_default):
            continue
        codec = context.codec(kind, at=f".{field.name}", metadata=metadata, about=(*about, info, said.get(field.name)))
        info = info or last_field_info(marks)
        key = field_key(cls, field.name, info, getattr(cls, "__pydantic_config__", {}), context)
        fields.append(Field(field.name, key, codec, not has_default, default))
    if getattr(cls, "__post_init__", None) is not None:
        context.check("validator __post_init__")
    by_key = hasattr(cls, "__pydantic_fields__")  # a pydantic dataclass takes aliases in its `__init__`
    native = not inherits_arguments(hint) and (by_key or not hides_names(cls, context))
    return object_codec(hint, fields, context, by_key=by_key, native=native)


@object_hook(lambda hint: typing_extensions.is_typeddict(generic_of(hint)))
def typed_dict_codec(hint: Any, context: Context) -> Codec[dict[str, Any]]:
    """The keys in order; `NotRequired` ones may be left out."""
    cls = generic_of(hint)
    hints, parameters, said = resolved_hints(cls, context), parameters_of(hint), said_by_pydantic(cls)
    fields: list[Field] = []
    for name, hinted in hints.items():
        kind, qualifiers, metadata = inspect_annotation(hinted, annotation_source=AnnotationSource.ANY)
        required = "required" in qualifiers or (name in cls.__required_keys__ and "not_required" not in qualifiers)
        info = last_field_info(metadata)
        if not is_asked(hint, name, metadata, context, required=required, at=f"[{name!r}]"):
            continue
        key = field_key(cls, name, info, getattr(cls, "__pydantic_config__", {}), context)
        kind, about = substituted(kind, parameters), (said.get(name),)
        codec = context.codec(kind, at=f"[{name!r}]", metadata=tuple(metadata), about=about)
        extra = info and info.json_schema_extra
        fields.append(Field(name, key, codec, required, extra.get("default", NOTHING) if is_dict(extra) else NOTHING))
    known = {field.name: field.codec for field in fields}

    def accepts(value: Any) -> bool:
        return (
            is_dict(value)
            and all(field.name in value for field in fields if field.required)
            and all(name in hints and (name not in known or known[name].accepts(item)) for name, item in value.items())
        )

    # On Python 3.11 pydantic takes only typing_extensions' TypedDict; we take both.
    foreign = sys.version_info < (3, 12) and type(cls).__module__ == "typing"
    return object_codec(
        hint,
        fields,
        context,
        to_json=lambda value: object_data(fields, value.__getitem__),
        from_json=constructor_arguments(fields),
        accepts=accepts,
        native=not foreign and not inherits_arguments(hint),
        plain=all(field.codec.plain and field.key == field.name for field in fields),
        may_lack=True,
    )


@object_hook(lambda hint: _class_with("_fields")(hint) and tuple in generic_of(hint).__mro__)
def named_tuple_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields in order; those with a default may be left out. Without annotations a field is any JSON value."""
    cls = generic_of(hint)
    hints, known = resolved_hints(cls, context), parameters_of(hint)
    fields: list[Field] = []
    for name in cls._fields:
        kind, required = substituted(hints.get(name, Any), known), name not in cls._field_defaults
        marks = split_annotated(kind)[1]
        if not is_asked(hint, name, marks, context, required=required):
            continue
        codec = context.codec(kind, at=f".{name}")
        key = field_key(cls, name, last_field_info(marks), {}, context)
        fields.append(Field(name, key, codec, required, default=cls._field_defaults.get(name)))
    return object_codec(hint, fields, context, native=not (get_args(hint) or inherits_arguments(hint)))


@object_hook(_class_with("__attrs_attrs__"))
def attrs_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields of `__init__`, in order, under their aliases; those with a default may be left out."""
    cls = generic_of(hint)
    hints, known = resolved_hints(cls, context), parameters_of(hint)
    nothing = sys.modules["attr"].NOTHING
    fields: list[Field] = []
    for attribute in cls.__attrs_attrs__:
        if not attribute.init:
            continue
        kind, required = substituted(hints.get(attribute.name, Any), known), attribute.default is nothing
        if not is_asked(hint, attribute.name, split_annotated(kind)[1], context, required=required):
            continue
        codec = context.codec(kind, at=f".{attribute.name}")
        fields.append(Field(attribute.name, attribute.alias, codec, required, default=attribute.default))
        if attribute.validator is not None or attribute.converter is not None:
            context.check(f"validator {cls.__name__}.{attribute.name}")
    if any(hasattr(cls, name) for name in ("__attrs_pre_init__", "__attrs_post_init__")):
        context.check(f"validator {cls.__name__}.__attrs_post_init__")
    return object_codec(cls, fields, context, by_key=True, native=False)


@object_hook(_class_with("__struct_fields__"))
def struct_codec(hint: Any, context: Context) -> Codec[Any]:
    """The fields in order, under their names in JSON; those with a default may be left out."""
    cls = generic_of(hint)
    hints, known = resolved_hints(cls, context), parameters_of(hint)
    missing = sys.modules["msgspec"].NODEFAULT
    defaults = (missing,) * (len(cls.__struct_fields__) - len(cls.__struct_defaults__)) + cls.__struct_defaults__
    fields: list[Field] = []
    for name, key, default in zip(cls.__struct_fields__, cls.__struct_encode_fields__, defaults, strict=True):
        kind, required = substituted(hints[name], known), default is missing
        if is_asked(hint, name, split_annotated(kind)[1], context, required=required):
            fields.append(Field(name, key, context.codec(kind, at=f".{name}"), required, default=default))
    if hasattr(cls, "__post_init__"):
        context.check(f"validator {cls.__name__}.__post_init__")
    config = cls.__struct_config__
    tags = [] if config.tag is None else [_tag(config.tag_field, config.tag, context)]
    arguments = constructor_arguments(fields)

    def from_json(data: Any) -> Any:
        return cls(**arguments({key: item for key, item in data.items() if key != config.tag_field}))

    return object_codec(cls, [*tags, *fields], context, from_json=from_json, native=False)


def _tag(key: str, tag: str | int, context: Context) -> Field:
    def write(_: Any) -> str | int:
        return tag

    expr = Lit(context.json_format.dump(tag))
    codec = Codec(expr, {"enum": [tag]}, write, write, lambda value: value == tag, native=False)
    return Field("__class__", key, codec, required=True)
