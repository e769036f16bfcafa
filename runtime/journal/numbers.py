"""Numbers for equal things in the order in which they come, of any count in bounded memory.

The first keys are counted in a dictionary, those that come when it is full in a temporary sqlite database, which goes to
the disk by itself as it grows.
"""

from __future__ import annotations

import sqlite3
import threading

__all__ = ["Numbers"]

_IN_MEMORY = 1 << 16


class Numbers:
    """Counts, by key.

    Example:
        >>> numbers = Numbers()
        >>> [numbers.next(key) for key in (b"a", b"b", b"a")]
        [0, 0, 1]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[bytes, int] = {}
        self._database: sqlite3.Connection | None = None

    def next(self, key: bytes) -> int:
        """How often the key was given before."""
        with self._lock:
            times = self._first.get(key, -1) + 1
            if times or len(self._first) < _IN_MEMORY:
                self._first[key] = times
                return times
            if self._database is None:
                self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
                self._database.execute("PRAGMA journal_mode = OFF")
                self._database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
            [times] = self._database.execute(
                "INSERT INTO seen VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times",
                (key,),
            ).fetchone()
            return int(times)

    def close(self) -> None:
        """Let go of them."""
        with self._lock:
            self._first.clear()
            if self._database is not None:
                self._database.close()
                self._database = None
