"""Objects in the compact format: arrays in the order of the fields, without keys, and tags where a union needs them.

Each field has its place, so an answer is told by its positions alone. A field that can only be one thing has none. One
that may be left out is `null` there; where `null` is a value of its own, it is written, or has another mark. What stands
in several members of a union as an array is put under a name: `{"circle": [1.5]}`. All of it is undone by `Codec.expand`,
so that pydantic reads objects with keys as ever. Left out: how unions find the member of a text (`unions`).
"""

# pyright: reportUnknownLambdaType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import NEVER, Expr, Language, Lit, choice, join, seq

if TYPE_CHECKING:
    from typefold.compiler.types.objects import Field

__all__ = ["laid_out", "tagged", "tags_of"]

_MARKS = ("null", "[]", "{}")  # for a field that is left out: the first that is no value of it


@dataclass(frozen=True)
class _Place:
    """How a field stands in an array.

    Attributes:
        field: The field.
        constant: The one text that it has, and that is not written.
        mark: What stands for it where it is left out.
    """

    field: Field
    constant: str | None = None
    mark: str | None = None


def laid_out(
    hint: Any, codec: Codec[Any], fields: Sequence[Field], context: Context, *, may_lack: bool = False
) -> Codec[Any]:
    """An object's codec as the format has it: with keys as it is or, if that is compact, as an array.

    Args:
        hint: The type.
        codec: The codec of the object with keys; its `from_json` takes the fields that are there, each as the format has it.
        fields: The fields, in order.
        context: The hook's own.
        may_lack: Whether a value that lacks a field is another than one that has its default, as of a `TypedDict`.

    Raises:
        UnsupportedType: A field may be left out, and hold anything too.
    """
    if not context.positional:
        return codec
    places = [_place(hint, field, context, may_lack=may_lack) for field in fields]
    written = [place for place in places if place.constant is None]
    constants = {place.field.key: json.loads(place.constant) for place in places if place.constant is not None}

    def to_json(value: Any) -> list[Any]:
        data = codec.to_json(value)
        for key, constant in constants.items():
            if key in data and data[key] != constant:
                raise ValueError(f"{key} is {data[key]!r}, which is not written, since it can only be {constant!r}")
        return [data[each.field.key] if each.field.key in data else json.loads(each.mark or "") for each in written]

    def by_key(data: Any, read: Callable[[Codec[Any], Any], Any]) -> dict[str, Any]:
        """The fields that are there, as far as the array has come."""
        found, items = dict[str, Any](), iter(data)
        for place in places:
            if place.constant is not None:
                found[place.field.key] = read(place.field.codec, constants[place.field.key])
                continue
            try:
                item = next(items)
            except StopIteration:
                break
            if place.mark is None or item != json.loads(place.mark):
                found[place.field.key] = read(place.field.codec, item)
        return found

    positions = {place.field.key: place.mark for place in written}
    return replace(
        codec,
        expr=seq("[", join(context.spacing.comma, [_text(place) for place in written]), "]"),
        schema=codec.schema | {"x-positions": positions},
        to_json=to_json,
        from_json=lambda data: codec.from_json(by_key(data, lambda _, item: item)),
        plain=False,
        expand=lambda data: by_key(data, lambda part, item: part.expanded(item)),
    )


def _place(hint: Any, field: Field, context: Context, *, may_lack: bool) -> _Place:
    expr = field.codec.expr
    if isinstance(expr, Lit) and (field.required or not may_lack):
        return _Place(field, constant=expr.text)
    if field.required:
        return _Place(field)
    for mark in _MARKS if may_lack else _MARKS[:1]:
        if not _admits(expr, mark, context):
            return _Place(field, mark=mark)
    if may_lack:
        raise context.refuse(
            hint,
            f"has the key {field.key!r}, which may be left out and may hold anything, so that in a compact array nothing is "
            "left to say that it is not there; give it a narrower type, or use json_format='spaced'",
        )
    return _Place(field)


def _admits(expr: Expr, text: str, context: Context) -> bool:
    """Whether a text is one of the expression's, as far as is known; what is still being compiled may be anything."""
    state = context.compilation
    unfinished = {name: NEVER if text == "null" else Lit(text) for name in state.with_fields if name not in state.rules}
    try:
        return recognises(Language(expr, state.rules | unfinished), text)
    except KeyError:
        return True


def _text(place: _Place) -> Expr:
    return place.field.codec.expr if place.mark is None else choice(place.field.codec.expr, place.mark)


def tagged(codec: Codec[Any], tag: str, context: Context) -> Codec[Any]:
    """A member of a union under its name, as an object of this one key."""
    key = context.spacing.dump(tag) + context.spacing.colon

    def inside(data: Any) -> Any:
        return next(iter(data.values())) if data else []  # nothing of it, where it has just begun

    return replace(
        codec,
        expr=seq("{", key, codec.expr, "}"),
        schema=codec.schema | {"x-tag": tag},
        to_json=lambda value: {tag: codec.to_json(value)},
        from_json=lambda data: codec.from_json(inside(data)),
        expand=lambda data: codec.expanded(inside(data)),
        plain=False,
    )


def tags_of(hints: Sequence[Any]) -> list[str]:
    """A short name for each: what the `Literal` says that tells them apart, where all have one; else the class's name."""
    classes = [_class_of(hint) for hint in hints]
    literals = [_literals(cls) for cls in classes]
    for name in literals[0]:
        found = [each.get(name) for each in literals]
        if None not in found and len(set(found)) == len(found):
            return [str(tag) for tag in found]
    names = [str(getattr(cls, "__name__", cls)) for cls in classes]
    return [name if names.count(name) == 1 else f"{name} {index + 1}" for index, name in enumerate(names)]


def _class_of(hint: Any) -> Any:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return get_origin(hint) or hint


def _literals(cls: Any) -> Mapping[str, str]:
    """The fields of a class that can only be one text, and that text."""
    config = getattr(cls, "__struct_config__", None)
    if config is not None and isinstance(config.tag, str):
        return {config.tag_field: config.tag}
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):
        return {}
    found: dict[str, str] = {}
    for name, hint in hints.items():
        members = get_args(hint) if get_origin(hint) is Literal else ()
        if len(members) == 1 and isinstance(members[0], str):
            found[name] = members[0]
    return found
