"""Kinds of values, as far as the checker of templates knows them.

A `Kind` says what an attribute, an item, an element or a call of a value gives: another kind, `None` where there is no such
thing, or `UNKNOWN`. Kinds made from mypy's types and from the types of a running program derive from it elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


class Kind:
    """A kind of values. By itself an unknown one, which may have any attribute; `str()` of it names the type in errors."""

    def attribute(self, name: str) -> Kind | None:
        """The kind of an attribute, or `None` if there is none of the name."""
        return UNKNOWN

    def item(self, key: object) -> Kind | None:
        """The kind of the item under a key or an index, or `None` if there can be none."""
        return UNKNOWN

    def element(self) -> Kind | None:
        """The kind of the elements in a loop, or `None` if the value can't be looped over."""
        return UNKNOWN

    def called(self) -> Kind:
        return UNKNOWN

    def names(self) -> Collection[str]:
        """The known attributes, for suggestions."""
        return ()


UNKNOWN = Kind()


@dataclass(frozen=True)
class Fields(Kind):
    """A value with these attributes and no others: Jinja2's `loop`, for one."""

    name: str
    fields: Mapping[str, Kind]

    def __str__(self) -> str:
        return self.name

    def attribute(self, name: str) -> Kind | None:
        return self.fields.get(name)

    def item(self, key: object) -> Kind | None:
        return self.fields.get(key) if isinstance(key, str) else None

    def names(self) -> Collection[str]:
        return self.fields.keys()


@dataclass(frozen=True)
class Elements(Kind):
    """A sequence of which only the elements are known: the result of a filter such as `sort`."""

    of: Kind

    def __str__(self) -> str:
        return f"a sequence of {self.of}"

    def item(self, key: object) -> Kind | None:
        return self.of if isinstance(key, int) else UNKNOWN

    def element(self) -> Kind | None:
        return self.of


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds: it may have what one of them has."""

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

    def names(self) -> Collection[str]:
        return {name for kind in self.kinds for name in kind.names()}

    @staticmethod
    def _known(found: Iterable[Kind | None]) -> Kind | None:
        known = [kind for kind in found if kind is not None]
        return Either.of(known) if known else None
