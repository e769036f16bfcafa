"""Results with the index of the pandas rows that they came from, so that `to_frame` puts them beside these rows.

They are a list like any other. Invariant: the index holds only while the results are as they were made. A slice has its part
of the index, and a list that is made of them has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import is_
from typing import Any, SupportsIndex, TypeVar, cast, overload

from typefold.errors import PromptUsageError
from typefold.signatures.parameters import names_of

T = TypeVar("T")
_WITH_INDEX = {("pandas", "Series"), ("pandas", "DataFrame")}


class Indexed(list[T]):
    """Results, in the order of the rows of a Series or a frame of pandas.

    Attributes:
        row_index: The index of these rows. (`index` is a list's own method.)
    """

    __slots__ = ("_made", "row_index")

    def __init__(self, results: Iterable[T], index: Any) -> None:
        super().__init__(results)
        self.row_index: Any = index
        self._made = tuple(self)

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, place: slice, /) -> list[T]: ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> T | list[T]:
        if isinstance(place, slice):
            part = super().__getitem__(place)
            return Indexed(part, self.row_index[place]) if self._is_as_made else part
        return super().__getitem__(place)

    def __reduce__(self) -> tuple[Callable[..., list[T]], tuple[Any, ...]]:
        return (Indexed, (list(self), self.row_index)) if self._is_as_made else (list, (list(self),))

    @property
    def _is_as_made(self) -> bool:
        return len(self) == len(self._made) and all(map(is_, self, self._made))

    def checked_index(self) -> Any:
        """Return the index. Refuses results that were moved, replaced, added or removed since."""
        if not self._is_as_made:
            raise PromptUsageError(
                "to_frame: these results were changed since they came, so the index of their rows may be another's; give it, "
                "as in index=frame.index, or list(results) to count from 0"
            )
        return self.row_index


def indexed(results: list[T], rows: object) -> list[T]:
    """Return results of rows, one a row, with the index of the rows if these are pandas' or earlier results."""
    if not isinstance(rows, Indexed) and not names_of(rows) & _WITH_INDEX:
        return results
    index = getattr(cast("Any", rows), "row_index" if isinstance(rows, Indexed) else "index")
    return Indexed(results, index) if len(index) == len(results) else results
