"""Kinds of values, as far as the checker of templates knows them.

A `Kind` says what an attribute, an item, an element or a call of a value gives: another kind, `None` where there is no such
thing, or `UNKNOWN`. Kinds made from mypy's types and from the types of a running program derive from it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice, product


class Kind:
    """A kind of values. By itself an unknown one, which may have any attribute; `str()` of it names the type in errors."""

    def attribute(self, name: str) -> Kind | None:
        """The kind of an attribute, or `None` if there is none of the name."""
        return UNKNOWN

    def item(self, key: object) -> Kind | None:
        """The kind of the item under a key or an index, or `None` if there can be none.

        The key is `...` if it is not known, and a slice gives a part of the value.
        """
        return UNKNOWN

    def element(self) -> Kind | None:
        """The kind of the elements in a loop, or `None` if the value can't be looped over."""
        return UNKNOWN

    def called(self) -> Kind | None:
        """The kind of what a call gives, or `None` if the value can't be called."""
        return UNKNOWN

    def samples(self) -> Sequence[object]:
        """Values on which operators and filters fail with a `TypeError` as they would on this one; none if that is open."""
        return ()

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
class Like(Kind):
    """A value of a plain class, of which some values like it are known: a literal, or the result of an operator."""

    values: tuple[object, ...]

    def __str__(self) -> str:
        return " | ".join(dict.fromkeys(type(value).__name__ for value in self.values))

    def attribute(self, name: str) -> Kind | None:
        return UNKNOWN if any(hasattr(value, name) for value in self.values) else None

    def item(self, key: object) -> Kind | None:
        return self if self.element() is not None and (key is ... or isinstance(key, (int, slice))) else None

    def element(self) -> Kind | None:
        return self if any(isinstance(value, str) for value in self.values) else None

    def called(self) -> Kind | None:
        return None

    def samples(self) -> Sequence[object]:
        return self.values

    def names(self) -> Collection[str]:
        return [name for name in dir(self.values[0]) if not name.startswith("_")]


_PLAIN = (bool, int, float, str)
SAMPLES: Mapping[type[object], object] = {
    **{bool: True, int: 3, float: 1.5, complex: 1j, str: "a", bytes: b"a", Decimal: Decimal(3)},
    **{datetime: datetime(2000, 1, 2), date: date(2000, 1, 2), time: time(3), timedelta: timedelta(4)},
}
"""Values by their class. A class that derives from one of these is taken for it."""


class Open(Exception):
    """An operator of a value's own class was reached, which may do anything."""


def _open(self: object, *args: object) -> object:
    raise Open


_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")
_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
METHODS = {
    *(f"__{side}{name}__" for side in ("", "r") for name in _OPERATORS),
    *("__neg__", "__pos__", "__abs__", "__round__", "__int__", "__float__", "__index__", "__bool__", "__len__"),
    *("__iter__", "__contains__", "__getitem__", "__call__", "__str__", "__format__", "__html__", *_ORDER),
}
"""The methods of a class on which it depends what operators, filters and tests do with its instances."""


@cache
def stand_ins(names: frozenset[str]) -> Sequence[object]:
    """Make two values of a class that has these methods of operators and the like, and no others."""
    with_order = names | ({*_ORDER} if names.intersection(_ORDER) else set[str]())  # as functools.total_ordering gives
    made = type("Value", (), dict.fromkeys(METHODS & with_order, _open))
    return made(), made()


def elements(kind: Kind) -> Sequence[object]:
    """A value or two of a kind, to be in a collection; none if the kind is open."""
    first = [*kind.samples()][:2]
    return first if len({type(value) for value in first}) == 1 else first[:1]


def tried(work: Callable[..., object], *kinds: Kind) -> Kind | None:
    """The kind of what some work on values of these kinds gives; `None` if it fails with a `TypeError` on all of them."""
    choices = [kind.samples() for kind in kinds]
    if not all(choices):
        return UNKNOWN
    found: list[object] = []
    for values in islice(product(*choices), 100):
        try:
            found.append(work(*values))
        except TypeError:
            continue
        except Exception:  # due to the value, and not to its class
            return UNKNOWN
    if not found:
        return None
    return Like(tuple(found)) if all(type(value) in _PLAIN for value in found) else UNKNOWN


@dataclass(frozen=True)
class Elements(Kind):
    """A sequence of which only the elements are known: the result of a filter such as `sort`."""

    of: Kind

    def __str__(self) -> str:
        return f"a sequence of {self.of}"

    def item(self, key: object) -> Kind | None:
        return self if isinstance(key, slice) else self.of if key is ... or isinstance(key, int) else UNKNOWN

    def samples(self) -> Sequence[object]:
        return [[*elements(self.of)]]

    def element(self) -> Kind | None:
        return self.of


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds: it may have what one of them has."""

    kinds: tuple[Kind, ...]

    @staticmethod
    def of(kinds: Iterable[Kind]) -> Kind:
        """One kind for several; unknown where one of them is, or there are none."""
        every = tuple({id(kind): kind for kind in kinds}.values())
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

    def called(self) -> Kind | None:
        return self._known(kind.called() for kind in self.kinds)

    def samples(self) -> Sequence[object]:
        every = [kind.samples() for kind in self.kinds]
        return [value for values in every for value in values] if all(every) else ()

    def names(self) -> Collection[str]:
        return {name for kind in self.kinds for name in kind.names()}

    @staticmethod
    def _known(found: Iterable[Kind | None]) -> Kind | None:
        known = [kind for kind in found if kind is not None]
        return Either.of(known) if known else None
