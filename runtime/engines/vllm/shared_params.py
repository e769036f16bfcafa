"""Sampling parameters that equal requests share, found by what is in them.

A batch brings one set of parameters in as many objects as it has rows, and callers may change theirs between calls: so no
object stands for what it held once. Invariant: what is shared is nobody else's, and nobody changes it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from typefold.compiler.guards import is_dict, is_list

__all__ = ["Template", "Templates", "key_of"]

_REMEMBERED = 256
_OWN = ("seed", "max_tokens")  # which each request has for itself


@dataclass(eq=False)
class Template:
    """Parameters that equal requests share.

    Attributes:
        params: A `SamplingParams` without the request's own `seed` and `max_tokens`, of an answer that comes whole.
        content: A digest of all that is in `params` but the seed; `None` where something in it can't be told by its text.
        verified: Whether the engine has taken a request with these: then it need not parse the grammar again.
    """

    params: Any
    content: str | None
    verified: bool = False

    @classmethod
    def of(cls, params: Any, names: Iterable[str]) -> Template:
        """A template of parameters that have these fields."""
        return cls(params, _content(getattr(params, name) for name in names if name not in _OWN))


class Templates:
    """The templates that were asked for lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Template] = OrderedDict()

    def get(self, key: Hashable | None, make: Callable[[], Template]) -> Template:
        """The template of a key, or a new one; one without a key is for this request alone."""
        if key is None:
            return make()
        template = self._known.get(key)
        if template is None:
            template = self._known[key] = make()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        elif len(self._known) > _REMEMBERED // 2:
            self._known.move_to_end(key)
        return template


def key_of(*sets: Mapping[str, Any], **others: Hashable) -> Hashable | None:
    """By what equal sets of parameters are known, `seed` and `max_tokens` left out; `None` where they can't be compared.

    Example:
        >>> key_of({"top_k": 1, "seed": 5}) == key_of({"seed": 6, "top_k": 1}) != key_of({"top_k": 2})
        True
        >>> key_of({"extra_args": {"of": ["my", "own"]}}) is None
        True
    """
    key = (*map(_frozen, sets), *others.values())
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(named: Mapping[str, Any]) -> Hashable:
    return tuple(
        (name, tuple(value) if is_list(value) else tuple(value.items()) if is_dict(value) else value)
        for name, value in sorted(named.items())
        if name not in _OWN
    )


def _content(values: Iterable[Any]) -> str | None:
    text = repr([int(value) if isinstance(value, float) and value.is_integer() else value for value in values])
    if " at 0x" in text:  # an object that says no more than where it lies, where another may lie later
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
