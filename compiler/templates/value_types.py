"""What is known of the values that a template shows: their kinds.

A kind answers what an attribute, an item, an element or a call of such a value gives, with `None` where there is no such
thing and `UNKNOWN` where nobody can say. The checker of templates asks nothing else, so any source of types will do: a
type checker's types and the types of a running program each have their kinds elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["UNKNOWN", "Either", "Elements", "Fields", "Kind"]


class Kind(Protocol):
    """What is known of a value. `str` of it is how an error calls the type."""

    def attribute(self, name: str) -> Kind | None:
        """What an attribute is, or `None` if there is none of the name."""
        ...

    def item(self, key: object) -> Kind | None:
        """What is under a key or an index, or `None` if nothing can be."""
        ...

    def element(self) -> Kind | None:
        """What a loop over the value takes in turn, or `None` if it can't be looped over."""
        ...

    def called(self) -> Kind:
        """What a call of the value gives."""
        ...

    def names(self) -> Collection[str]:
        """The attributes that are known, for suggestions."""
        ...


@dataclass(frozen=True)
class _Unknown:
    """A value of which nothing is known: whatever is asked of it may be there."""

    def attribute(self, name: str) -> Kind | None:
        return self

    def item(self, key: object) -> Kind | None:
        return self

    def element(self) -> Kind | None:
        return self

    def called(self) -> Kind:
        return self

    def names(self) -> Collection[str]:
        return ()


UNKNOWN: Kind = _Unknown()


@dataclass(frozen=True)
class Fields:
    """A value with these attributes and no others: Jinja2's `loop`, for one."""

    name: str
    fields: Mapping[str, Kind]

    def __str__(self) -> str:
        return self.name

    def attribute(self, name: str) -> Kind | None:
        return self.fields.get(name)

    def item(self, key: object) -> Kind | None:
        return self.fields.get(key) if isinstance(key, str) else None

    def element(self) -> Kind | None:
        return UNKNOWN

    def called(self) -> Kind:
        return UNKNOWN

    def names(self) -> Collection[str]:
        return self.fields.keys()


@dataclass(frozen=True)
class Elements:
    """A sequence, of which only the elements are known: what a filter such as `sort` gives."""

    of: Kind

    def __str__(self) -> str:
        return f"a sequence of {self.of}"

    def attribute(self, name: str) -> Kind | None:
        return UNKNOWN

    def item(self, key: object) -> Kind | None:
        return self.of if isinstance(key, int) else UNKNOWN

    def element(self) -> Kind | None:
        return self.of

    def called(self) -> Kind:
        return UNKNOWN

    def names(self) -> Collection[str]:
        return ()


@dataclass(frozen=True)
class Either:
    """A value that is of one of several kinds: what one of them has may be there."""

    kinds: tuple[Kind, ...]

    @staticmethod
    def of(kinds: Iterable[Kind]) -> Kind:
        """One kind for several; unknown where one of them is, or there are none."""
        every = tuple(kinds)
        if not every or UNKNOWN in every:
            return UNKNOWN
        return every[0] if len(every) == 1 else Either(every)

    def __str__(self) -> str:
        return " | ".join(dict.fromkeys(map(str, self.kinds)))

    def attribute(self, name: str) -> Kind | None:
        return self._known(kind.attribute(name) for kind in self.kinds)

    def item(self, key: object) -> Kind | None:
        return self._known(kind.item(key) for kind in self.kinds)

    def element(self) -> Kind | None:
        return self._known(kind.element() for kind in self.kinds)

    def called(self) -> Kind:
        return UNKNOWN

    def names(self) -> Collection[str]:
        return {name for kind in self.kinds for name in kind.names()}

    @staticmethod
    def _known(found: Iterable[Kind | None]) -> Kind | None:
        known = [kind for kind in found if kind is not None]
        return Either.of(known) if known else None
