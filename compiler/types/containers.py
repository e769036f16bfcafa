"""Lists, tuples, sets, dictionaries, and the containers of `collections`. Lengths are in the grammar; uniqueness is a post-check.

A `deque` is an array, and `Counter` and its kin are objects: they are read as the list or dictionary of the same items, and
then made into their own type. `collections.abc.Set` is read as a `frozenset` and `MutableSet` as a `set`, as pydantic does.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set
from dataclasses import replace
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from typing_extensions import is_typeddict
from typing_inspection.introspection import is_union_origin
from typing_inspection.typing_objects import is_newtype, is_typealiastype

from typefold.compiler.codec import EXACT, STRICT, Codec, JsonSchema, schema_of
from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.grammar.nodes import Choice, Expr, Lit, choice, join, repeat, seq
from typefold.compiler.guards import is_dict, is_tuple, split_annotated
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import generic_of

LONGEST_EXACT = 1000
"""A longer `max_length` is a post-check: as a grammar it would be slow to compile."""

_DEFAULT_FACTORIES = (int, float, str, bool, list, tuple, set, frozenset, dict, Counter, OrderedDict)
"""Types that a `defaultdict` may call for a missing key. A type belongs here if pydantic calls it too."""

_READ_AS_LISTS = (Sequence, MutableSequence, Mapping, MutableMapping)
"""Abstract classes whose values are lists or dictionaries here, so that no set can hold them."""

_HASHABLE = (str, int, float, bytes, Enum, type(None))
_HASHABLE_MODULES = ("datetime", "decimal", "ipaddress", "pathlib", "uuid")
"""Modules whose classes are hashable, every one: a set of them needs no post-check. A hook for a class of another module
whose values never change adds its module here."""


@default_registry.hook(list, Sequence, MutableSequence)
def list_codec(hint: Any, context: Context) -> Codec[Any]:
    """A JSON array of any length within the bounds."""
    (item,) = get_args(hint) or (Any,)
    return _array(hint, context.codec(item, at="[]"), context, list, list)


@default_registry.hook(set, frozenset)
def set_codec(hint: Any, context: Context) -> Codec[Any]:
    """A JSON array; equal items count once, so a least length is a post-check."""
    (item,) = get_args(hint) or (Any,)
    codec = context.codec(item, at="[]")
    if (unhashable := _unhashable(item)) is not None:
        raise context.refuse(
            hint, f"has items that cannot be in a set: {describe(unhashable)} is not hashable; use a list"
        )
    if not _is_hashable(item):
        context.check("hashable items", told="")
    made = _array(
        hint,
        codec,
        context,
        generic_of(hint),
        lambda values: sorted(values, key=lambda each: repr(codec.to_json(each))),
    )
    if (context.limits.peek("min_length") or 0) > 1:
        context.limits.leave("min_length")
    made.schema["uniqueItems"] = True
    return made


@default_registry.hook(tuple)
def tuple_codec(hint: Any, context: Context) -> Codec[tuple[Any, ...]]:
    """A JSON array: of these items in this order, or of any number of one type."""
    arguments = (Any, ...) if hint is tuple else get_args(hint)
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

    def expand(data: Any) -> list[Any]:
        return [codec.expanded(item) for codec, item in zip(codecs, data, strict=False)]

    return Codec(
        seq("[", join(context.json_format.comma, (codec.expr for codec in codecs)), "]"),
        {"type": "array", "prefixItems": [codec.schema for codec in codecs], "items": False},
        to_json,
        from_json,
        accepts,
        native=all(codec.native for codec in codecs),
        expand=expand if any(codec.expand is not None for codec in codecs) else None,
        fit=lambda data: STRICT.and_(*(codec.fits(item) for codec, item in zip(codecs, data, strict=True))),
    )


@default_registry.hook(dict, Mapping, MutableMapping)
def dict_codec(hint: Any, context: Context) -> Codec[dict[Any, Any]]:
    """A JSON object with keys of one type; a key that is written twice keeps its last value."""
    key, value = get_args(hint) or (str, Any)
    keys, values = _key_codec(hint, key, context), context.codec(value, at="[...]")
    expr = _list_of("{", seq(keys.expr, context.json_format.colon, values.expr), "}", hint, context)
    if (context.limits.peek("min_length") or 0) > 1:
        context.limits.leave("min_length")  # a key may come twice, and counts once
    schema: JsonSchema = {"type": "object", "additionalProperties": values.schema}
    if keys.schema != {"type": "string"}:
        schema["propertyNames"] = keys.schema

    def to_json(mapping: Mapping[Any, Any]) -> dict[str, Any]:
        return {keys.to_json(name): values.to_json(item) for name, item in mapping.items()}

    def from_json(data: Any) -> dict[Any, Any]:
        return {keys.from_json(name): values.from_json(item) for name, item in data.items()}

    def accepts(mapping: Any) -> bool:
        return is_dict(mapping) and all(keys.accepts(k) and values.accepts(v) for k, v in mapping.items())

    return Codec(
        expr,
        schema,
        to_json,
        from_json,
        accepts,
        native=keys.native and values.native,
        plain=keys.plain and values.plain,
        expand=None
        if values.expand is None
        else lambda data: {name: values.expanded(item) for name, item in data.items()},
        fit=lambda data: STRICT.and_(*map(values.fits, data.values())),
    )


@default_registry.hook(deque)
def deque_codec(hint: Any, context: Context) -> Codec[deque[Any]]:
    """A JSON array, as a list is; its `maxlen` is no part of the value."""
    return list_codec(_of(list, *(get_args(hint) or (Any,))), context).wrapped(deque, deque, list)


@default_registry.hook(Counter)
def counter_codec(hint: Any, context: Context) -> Codec[Counter[Any]]:
    """A JSON object from keys to whole numbers."""
    (key,) = get_args(hint) or (str,)
    return dict_codec(_of(dict, key, int), context).wrapped(Counter, Counter, dict)


@default_registry.hook(OrderedDict)
def ordered_dict_codec(hint: Any, context: Context) -> Codec[OrderedDict[Any, Any]]:
    """A JSON object; its order is that of the text."""
    key, value = get_args(hint) or (str, Any)
    return dict_codec(_of(dict, key, value), context).wrapped(OrderedDict, OrderedDict, dict)


@default_registry.hook(defaultdict)
def defaultdict_codec(hint: Any, context: Context) -> Codec[defaultdict[Any, Any]]:
    """A JSON object; a missing key gets the value that the values' type makes when it is called, as in pydantic."""
    key, value = get_args(hint) or (str, Any)
    factory = generic_of(value)
    if factory not in _DEFAULT_FACTORIES:
        raise context.refuse(hint, "does not say what a missing key gets; use dict, and make the defaultdict from it")
    codec = dict_codec(_of(dict, key, value), context)
    return codec.wrapped(defaultdict, lambda items: defaultdict(factory, items), dict)


@default_registry.hook(Set, MutableSet)
def abstract_set_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the set that pydantic makes of it."""
    kind: Any = frozenset if generic_of(hint) is Set else set
    return context.same(_of(kind, *(get_args(hint) or (Any,))))


def _of(kind: Any, *arguments: Any) -> Any:
    return kind[arguments]


def _key_codec(mapping: Any, hint: Any, context: Context) -> Codec[Any]:
    """The codec of a type's values as keys, which are strings in JSON; a union of them is read by its first fit."""
    if is_union_origin(get_origin(hint)):
        # pydantic does not read what it writes for None.
        members = [each for each in get_args(hint) if each is not type(None)]
        codecs = [_key_codec(mapping, each, replace(context, path=f"{context.path}.keys()|")) for each in members]
        return _either_key(hint, codecs)
    keys = context.codec(hint, at=".keys()")
    kind, words = keys.schema.get("type"), keys.schema.get("enum")
    if keys.bare is not None or (kind == "string" and words is None):
        return keys
    if kind in ("integer", "boolean"):
        return replace(keys, expr=seq('"', keys.expr, '"'), to_json=_written(keys), from_json=_read(keys), plain=False)
    if kind == "number":
        return _float_key(keys, context)
    options = keys.expr.options if isinstance(keys.expr, Choice) else (keys.expr,)
    texts = [option.text for option in options if isinstance(option, Lit)]
    if words is None or len(texts) < len(options) or any(isinstance(word, (list, dict)) for word in words):
        raise context.refuse(mapping, "has keys that JSON cannot write; use str, int, or a Literal or Enum of these")
    named = {text if text.startswith('"') else f'"{text}"' for text in texts}
    if len(named) < len(texts):
        raise context.refuse(mapping, "has two keys that are written alike, since JSON has only strings there")
    # pydantic does not find the members of a Literal or an Enum of numbers from strings
    return replace(
        keys, expr=choice(*sorted(named)), to_json=_written(keys), from_json=_read(keys), native=False, plain=False
    )


def _written(keys: Codec[Any]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        data = keys.to_json(value)
        return data if isinstance(data, str) else json.dumps(data)

    return write


def _read(keys: Codec[Any]) -> Callable[[str], Any]:
    def read(name: str) -> Any:
        try:
            return keys.from_json(name)
        except (ValueError, KeyError, TypeError):
            return keys.from_json(json.loads(name))

    return (lambda name: keys.from_json(json.loads(name))) if "enum" not in keys.schema else read


def _float_key(keys: Codec[Any], context: Context) -> Codec[Any]:
    """A float as a key; pydantic writes infinities there in words of its own, whatever the configuration."""
    free = not context.limits.names() and keys.schema == {"type": "number"}
    beyond = {"inf": math.inf, "-inf": -math.inf} if free else {}

    def to_json(value: float) -> str:
        return repr(value) if math.isinf(value) and beyond else json.dumps(keys.to_json(value))

    def from_json(name: str) -> Any:
        return beyond[name] if name in beyond else keys.from_json(json.loads(name))

    def accepts(value: Any) -> bool:
        return keys.accepts(value) or (type(value) is float and math.isinf(value) and free)

    expr = seq('"', choice(keys.expr, *beyond), '"')
    return replace(keys, expr=expr, to_json=to_json, from_json=from_json, accepts=accepts, plain=False)


def _either_key(hint: Any, codecs: list[Codec[Any]]) -> Codec[Any]:
    def to_json(value: Any) -> Any:
        for codec in codecs:
            if codec.accepts(value):
                return codec.to_json(value)
        raise ValueError(f"{value!r} belongs to no member of {describe(hint)}")

    def from_json(name: str) -> Any:
        problem = ValueError(f"{name!r} belongs to no member of {describe(hint)}")
        for codec in codecs:
            try:
                return codec.from_json(name)
            except (ValueError, KeyError, TypeError) as error:
                problem = ValueError(str(error))
        raise problem

    return Codec(
        choice(*(codec.expr for codec in codecs)),
        {"anyOf": [codec.schema for codec in codecs]},
        to_json,
        from_json,
        lambda value: any(codec.accepts(value) for codec in codecs),
        native=all(codec.native for codec in codecs),
    )


def _array(
    hint: Any, item: Codec[Any], context: Context, make: Callable[[Any], Any], order: Callable[[Any], list[Any]]
) -> Codec[Any]:
    """An array of items of one type; `make` makes a value of items, and `order` lists the items of a value."""
    limits = context.limits
    schema = schema_of(
        "array", items=item.schema, minItems=limits.peek("min_length"), maxItems=limits.peek("max_length")
    )

    def accepts(value: Any) -> bool:
        return type(value) is make and all(map(item.accepts, value))

    return Codec(
        _list_of("[", item.expr, "]", hint, context),
        schema,
        lambda value: [item.to_json(each) for each in order(value)],
        lambda data: make(item.from_json(each) for each in data),
        accepts,
        native=item.native,
        plain=item.plain and make is list,
        expand=None if item.expand is None else lambda data: [item.expanded(each) for each in data],
        fit=lambda data: (EXACT if make is list else STRICT).and_(*map(item.fits, data)),
    )


def _list_of(start: str, item: Expr, end: str, hint: Any, context: Context) -> Expr:
    """Items with commas between, in brackets, as many as the limits here allow."""
    context.allow(hint, *LENGTHS)
    least, most = context.lengths(hint, LONGEST_EXACT)
    if most == 0:
        return Lit(start + end)
    more = repeat(seq(context.json_format.comma, item), max(least - 1, 0), None if most is None else most - 1)
    some = seq(start, item, more, end)
    return some if least else choice(start + end, some)


def _unhashable(hint: Any) -> Any | None:
    """The part of a type whose values are never hashable, or `None`."""
    parts, kind = tuple(_parts(hint)), generic_of(hint)
    if (
        is_typeddict(kind)
        or (isinstance(kind, type) and getattr(kind, "__hash__", None) is None)
        or kind in _READ_AS_LISTS
    ):
        return hint
    if kind is tuple or kind is frozenset:
        return next((found for part in parts if (found := _unhashable(part)) is not None), None)
    return _unhashable(parts[0]) if len(parts) == 1 else None


def _is_hashable(hint: Any) -> bool:
    """Whether every value of a type is hashable for certain."""
    parts, kind = tuple(_parts(hint)), generic_of(hint)
    if parts:
        return all(map(_is_hashable, parts))
    if kind is Literal or kind is tuple or hint is None:
        return True
    return isinstance(kind, type) and (issubclass(kind, _HASHABLE) or kind.__module__ in _HASHABLE_MODULES)


def _parts(hint: Any) -> Iterable[Any]:
    """The types that a value of `hint` is, or is made of, where `hint` is no class of its own."""
    kind, marks = split_annotated(hint)
    if marks:
        return (kind,)
    if is_newtype(hint):
        return (hint.__supertype__,)
    if is_typealiastype(hint):
        return (hint.__value__,)
    origin = get_origin(hint)
    if origin in (tuple, frozenset) or is_union_origin(origin):
        return (part for part in get_args(hint) if part is not ...)
    return ()
