"""Containers of the standard library beyond the built-in: a `deque` is an array, `Counter` and its kin are objects.

They are read as the list, set or dictionary of the same items, with the same laws, and then made into their own type.
`collections.abc.Set` is read as a `frozenset` and `MutableSet` as a `set`, as pydantic reads them.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, MutableSet, Set
from dataclasses import replace
from typing import Any, get_args, get_origin

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.registry import default_registry
from typefold.compiler.types.containers import dict_codec, list_codec

_FACTORIES = (int, float, str, bool, list, tuple, set, frozenset, dict, Counter, OrderedDict)


@default_registry.hook(deque)
def deque_codec(hint: Any, context: Context) -> Codec[deque[Any]]:
    """A JSON array, as a list is; its `maxlen` is no part of the value."""
    codec = list_codec(_of(list, *(get_args(hint) or (Any,))), context)
    return replace(
        codec,
        to_json=lambda value: codec.to_json(list(value)),
        from_json=lambda data: deque(codec.from_json(data)),
        accepts=lambda value: type(value) is deque and codec.accepts(list(value)),
        plain=False,
    )


@default_registry.hook(Counter)
def counter_codec(hint: Any, context: Context) -> Codec[Counter[Any]]:
    """A JSON object from keys to whole numbers."""
    (key,) = get_args(hint) or (str,)
    return _mapping(_of(dict, key, int), Counter, Counter, context)


@default_registry.hook(OrderedDict)
def ordered_dict_codec(hint: Any, context: Context) -> Codec[OrderedDict[Any, Any]]:
    """A JSON object; its order is that of the text."""
    key, value = get_args(hint) or (str, Any)
    return _mapping(_of(dict, key, value), OrderedDict, OrderedDict, context)


@default_registry.hook(defaultdict)
def defaultdict_codec(hint: Any, context: Context) -> Codec[defaultdict[Any, Any]]:
    """A JSON object; missing keys get what the values' type makes when it is called, as pydantic has it."""
    key, value = get_args(hint) or (str, Any)
    factory = get_origin(value) or value
    if factory not in _FACTORIES:
        raise context.refuse(hint, "does not say what a missing key gets; use dict, and make the defaultdict from it")
    return _mapping(_of(dict, key, value), defaultdict, lambda items: defaultdict(factory, items), context)


@default_registry.hook(Set, MutableSet)
def abstract_set_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the set that pydantic makes of it."""
    kind: Any = frozenset if (get_origin(hint) or hint) is Set else set
    return context.same(_of(kind, *(get_args(hint) or (Any,))))


def _of(kind: Any, *arguments: Any) -> Any:
    return kind[arguments]


def _mapping(hint: Any, kind: type, make: Callable[[Any], Any], context: Context) -> Codec[Any]:
    codec = dict_codec(hint, context)
    return replace(
        codec,
        from_json=lambda data: make(codec.from_json(data)),
        accepts=lambda value: type(value) is kind and codec.accepts(value),
        plain=False,
    )
