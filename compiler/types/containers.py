"""Lists, tuples, sets and dictionaries. Lengths are in the grammar; uniqueness is checked after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

from typing_extensions import TypeAliasType, is_typeddict

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.grammar.nodes import Choice, Expr, Lit, choice, join, repeat, seq
from typefold.compiler.guards import is_dict, is_tuple
from typefold.compiler.registry import default_registry

LONGEST_EXACT = 1000
"""A longer `max_length` is left to a post-check: as a grammar it would be slow to compile."""


@default_registry.hook(list, Sequence, MutableSequence)
def list_codec(hint: Any, context: Context) -> Codec[Any]:
    """A JSON array of any length within the bounds."""
    (item,) = get_args(hint) or (Any,)
    codec = context.codec(item, at="[]")
    return _array(hint, codec, context, list, list)


@default_registry.hook(set, frozenset)
def set_codec(hint: Any, context: Context) -> Codec[Any]:
    """A JSON array; equal items fall together, so a least length is checked after."""
    kind = get_origin(hint) or hint
    (item,) = get_args(hint) or (Any,)
    codec = context.codec(item, at="[]")
    if (unhashable := _unhashable(item)) is not None:
        raise context.refuse(
            hint, f"has items that cannot be in a set: {describe(unhashable)} is not hashable; use a list"
        )
    if not _is_hashable(item):
        context.check("hashable items")
    made = _array(
        hint, codec, context, kind, lambda values: sorted(values, key=lambda value: repr(codec.to_json(value)))
    )
    if (context.limits.peek("min_length") or 0) > 1:
        context.limits.leave("min_length")
    made.schema["uniqueItems"] = True
    return made


@default_registry.hook(tuple)
def tuple_codec(hint: Any, context: Context) -> Codec[tuple[Any, ...]]:
    """A JSON array: of these items in this order, or of any number of one type."""
    arguments = get_args(hint)
    if not arguments and get_origin(hint) is not None:
        arguments = ()
    elif not arguments and hint is tuple:
        arguments = (Any, ...)
    if len(arguments) == 2 and arguments[1] is ...:
        return _array(hint, context.codec(arguments[0], at="[]"), context, tuple, list)
    codecs = [context.codec(argument, at=f"[{index}]") for index, argument in enumerate(arguments)]

    def to_json(value: tuple[Any, ...]) -> list[Any]:
        return [codec.to_json(item) for codec, item in zip(codecs, value, strict=True)]

    def from_json(data: Any) -> tuple[Any, ...]:
        return tuple(codec.from_json(item) for codec, item in zip(codecs, data, strict=True))

    def accepts(value: Any) -> bool:
        return (
            is_tuple(value)
            and type(value) is tuple
            and len(value) == len(codecs)
            and all(codec.accepts(item) for codec, item in zip(codecs, value, strict=True))
        )

    schema = {"type": "array", "prefixItems": [codec.schema for codec in codecs], "items": False}
    body = join(context.spacing.comma, (codec.expr for codec in codecs))
    native = all(codec.native for codec in codecs)

    def expand(data: Any) -> list[Any]:
        return [codec.expanded(item) for codec, item in zip(codecs, data, strict=False)]

    return Codec(
        seq("[", body, "]"),
        schema,
        to_json,
        from_json,
        accepts,
        native=native,
        expand=expand if any(codec.expand is not None for codec in codecs) else None,
    )


@default_registry.hook(dict, Mapping, MutableMapping)
def dict_codec(hint: Any, context: Context) -> Codec[dict[Any, Any]]:
    """A JSON object with keys of one type; a key that is written twice keeps its last value."""
    key, value = get_args(hint) or (str, Any)
    keys, values = context.codec(key, at=".keys()"), context.codec(value, at="[...]")
    text = _key_texts(keys)
    if text is None:
        raise context.refuse(hint, "has keys that JSON cannot write; use str, int, or a Literal or Enum of these")
    if len(set(map(str, keys.schema.get("enum", ())))) < len(keys.schema.get("enum", ())):
        raise context.refuse(hint, "has two keys that are written alike, since JSON has only strings there")
    least, most = _lengths(hint, context)
    if (context.limits.peek("min_length") or 0) > 1:
        context.limits.leave("min_length")  # a key may come twice, and counts once
    pair = seq(text, context.spacing.colon, values.expr)
    schema: JsonSchema = {"type": "object", "additionalProperties": values.schema}
    if keys.schema != {"type": "string"}:
        schema["propertyNames"] = keys.schema
    quoted = keys.schema.get("type") != "string"

    def to_json(mapping: Mapping[Any, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, item in mapping.items():
            written = keys.to_json(name)
            out[written if isinstance(written, str) else json.dumps(written)] = values.to_json(item)
        return out

    def from_json(data: Any) -> dict[Any, Any]:
        read = _key_reader(keys)
        return {read(name): values.from_json(item) for name, item in data.items()}

    def accepts(mapping: Any) -> bool:
        return is_dict(mapping) and all(keys.accepts(k) and values.accepts(v) for k, v in mapping.items())

    return Codec(
        _list_of("{", pair, "}", least, most, context),
        schema,
        to_json,
        from_json,
        accepts,
        native=keys.native and values.native and not _chosen_numbers(keys),
        plain=keys.plain and values.plain and not quoted,
        expand=None
        if values.expand is None
        else lambda data: {name: values.expanded(item) for name, item in data.items()},
    )


def _key_texts(keys: Codec[Any]) -> Expr | None:
    """The key's texts between quotation marks, or `None` if it is neither a string nor a whole number."""
    expr = keys.expr
    if keys.bare is not None or keys.schema.get("type") == "string":
        return expr
    if keys.schema.get("type") == "integer":
        return seq('"', expr, '"')
    if "enum" in keys.schema and isinstance(expr, (Choice, Lit)):
        options = expr.options if isinstance(expr, Choice) else (expr,)
        texts = [option.text for option in options if isinstance(option, Lit)]
        if all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in keys.schema["enum"]):
            return choice(*(text if text.startswith('"') else f'"{text}"' for text in texts))
    return None


def _chosen_numbers(keys: Codec[Any]) -> bool:
    """Whether keys are chosen among whole numbers: of a Literal or an Enum pydantic does not find them as JSON has them."""
    return any(not isinstance(value, str) for value in keys.schema.get("enum", ()))


def _key_reader(keys: Codec[Any]) -> Callable[[str], Any]:
    def read(name: str) -> Any:
        try:
            return keys.from_json(name)
        except (ValueError, KeyError, TypeError):
            return keys.from_json(json.loads(name))

    return (lambda name: keys.from_json(int(name))) if keys.schema.get("type") == "integer" else read


def _array(
    hint: Any, item: Codec[Any], context: Context, make: Callable[[Any], Any], order: Callable[[Any], list[Any]]
) -> Codec[Any]:
    schema: JsonSchema = {"type": "array", "items": item.schema}
    least, most = _lengths(hint, context)
    if context.limits.peek("min_length") is not None:
        schema["minItems"] = context.limits.peek("min_length")
    if context.limits.peek("max_length") is not None:
        schema["maxItems"] = context.limits.peek("max_length")

    def accepts(value: Any) -> bool:
        return type(value) is make and all(map(item.accepts, value))

    return Codec(
        _list_of("[", item.expr, "]", least, most, context),
        schema,
        lambda value: [item.to_json(each) for each in order(value)],
        lambda data: make(item.from_json(each) for each in data),
        accepts,
        native=item.native,
        plain=item.plain and make is list,
        expand=None if item.expand is None else lambda data: [item.expanded(each) for each in data],
    )


def _lengths(hint: Any, context: Context) -> tuple[int, int | None]:
    """The bounds that go into the grammar; longer ones are left to be checked after."""
    context.allow(hint, "min_length", "max_length")
    limits = context.limits
    least, most = limits.peek("min_length") or 0, limits.peek("max_length")
    if most is not None and least > most:
        raise context.refuse(hint, f"has bounds that no length meets (min_length={least}, max_length={most})")
    if least <= LONGEST_EXACT:
        limits.take("min_length")
    else:
        least = 0
    if most is not None and most <= LONGEST_EXACT:
        limits.take("max_length")
    else:
        most = None
    return least, most


def _unhashable(hint: Any) -> Any | None:
    """The part of a type whose values are never hashable, or `None`."""
    parts = tuple(_parts(hint))
    kind = get_origin(hint) or hint
    if is_typeddict(kind) or (isinstance(kind, type) and getattr(kind, "__hash__", None) is None) or kind in _AS_LISTS:
        return hint
    if kind is tuple or kind is frozenset:
        return next((found for part in parts if (found := _unhashable(part)) is not None), None)
    return _unhashable(parts[0]) if len(parts) == 1 else None


_AS_LISTS = (Sequence, MutableSequence, Mapping, MutableMapping)


def _is_hashable(hint: Any) -> bool:
    """Whether every value of a type is hashable for certain."""
    parts = tuple(_parts(hint))
    kind = get_origin(hint) or hint
    if parts:
        return all(map(_is_hashable, parts))
    if kind is Literal or kind is tuple or hint is None:
        return True
    if not isinstance(kind, type):
        return False
    return issubclass(kind, (str, int, float, bytes, Enum, type(None))) or kind.__module__ in _VALUES


_VALUES = ("datetime", "decimal", "ipaddress", "pathlib", "uuid")
"""Modules whose classes are values that do not change."""


def _parts(hint: Any) -> Iterable[Any]:
    """The types that a value of `hint` is, or is made of, where `hint` is no class of its own."""
    kind = get_origin(hint)
    if kind is Annotated:
        return get_args(hint)[:1]
    if kind in (tuple, frozenset, Union, UnionType):
        return (part for part in get_args(hint) if part is not ...)
    if isinstance(hint, NewType):
        return (hint.__supertype__,)
    return (hint.__value__,) if isinstance(hint, TypeAliasType) else ()


def _list_of(start: str, item: Expr, end: str, least: int, most: int | None, context: Context) -> Expr:
    """Items with commas between, in brackets."""
    if most == 0:
        return Lit(start + end)
    more = repeat(seq(context.spacing.comma, item), max(least - 1, 0), None if most is None else most - 1)
    some = seq(start, item, more, end)
    return some if least else choice(start + end, some)
