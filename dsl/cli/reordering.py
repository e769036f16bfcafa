"""Results that are there before their turn: a few in memory, those beyond in a temporary file.

One slow row may hold up millions behind it. sqlite keeps the overflow on the disk and gives the space back.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Generic, TypeVar

from typefold.cli.target import CommandError

T = TypeVar("T")

_IN_MEMORY = 1 << 26  # bytes


class Waiting(Generic[T]):
    """Items by their numbers, given back from number 0 on without a gap.

    Example:
        >>> waiting = Waiting[str]()
        >>> [list(waiting.due(number, text)) for number, text in ((1, "b"), (2, "c"), (0, "a"))]
        [[], [], ['a', 'b', 'c']]
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._most = in_memory
        self._turn = 0
        self._held: dict[int, bytes] = {}
        self._size = 0
        self._disk: sqlite3.Connection | None = None

    def __enter__(self) -> Waiting[T]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._disk is not None:
            self._disk.close()

    def due(self, number: int, item: T) -> Generator[T]:
        """Take an item; yield the items that are due."""
        if number != self._turn:
            self._keep(number, pickle.dumps(item))
            return
        yield item
        self._turn += 1
        while (data := self._take(self._turn)) is not None:
            yield pickle.loads(data)
            self._turn += 1

    def rest(self) -> Generator[T]:
        """Yield the remaining items in order, at the end."""
        numbers = [*self._held]
        if self._disk is not None:
            numbers += [number for (number,) in self._disk.execute("SELECT number FROM items")]
        for number in sorted(numbers):
            if (data := self._take(number)) is not None:
                yield pickle.loads(data)

    def _keep(self, number: int, data: bytes) -> None:
        if self._size + len(data) <= self._most:
            self._held[number] = data
            self._size += len(data)
            return
        with _on_the_disk():
            self._spill(number, data)

    def _spill(self, number: int, data: bytes) -> None:
        if self._disk is None:
            self._disk = sqlite3.connect("", isolation_level=None)
            self._disk.execute("PRAGMA journal_mode = MEMORY")  # so that a full disk leaves the rest to be read
            self._disk.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, data BLOB)")
        self._disk.execute("INSERT INTO items VALUES (?, ?)", (number, data))

    def _take(self, number: int) -> bytes | None:
        data = self._held.pop(number, None)
        if data is not None:
            self._size -= len(data)
            return data
        if self._disk is None:
            return None
        with (
            _on_the_disk(),
            closing(self._disk.execute("DELETE FROM items WHERE number = ? RETURNING data", (number,))) as cursor,
        ):
            rows = cursor.fetchall()
        return rows[0][0] if rows else None


@contextmanager
def _on_the_disk() -> Generator[None]:
    """Say in a line that the temporary folder is full, or can't be used."""
    try:
        yield
    except sqlite3.Error as error:
        raise CommandError(
            f"results that wait for an older row can't be kept in the temporary folder ({error}); make room, or name another "
            f"folder with SQLITE_TMPDIR"
        ) from error
