"""What waits for the engine: requests that came in, and before them those that go again after a crash.

Who waits in the order in which they came, and who was in flight at a crash goes first. How many may share the engine
depends on how many crashes they were in: see `recovery`. Invariant: whoever puts something in is never held up, so any
thread may; only the engine's thread takes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from typefold.runtime.scheduling.pending import Entry

__all__ = ["Waiting"]


class Waiting:
    """The entries that are not in the engine's hands."""

    def __init__(self) -> None:
        self._inbox: deque[Entry] = deque()  # deque's append and popleft are atomic: no lock is needed
        self._again: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._inbox) + len(self._again)

    def add(self, entries: Iterable[Entry]) -> None:
        """Put new entries at the end; from any thread."""
        self._inbox.extend(entries)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put entries that were in flight before all others, in their order."""
        self._again.extendleft(reversed([*entries]))

    def first(self) -> Entry | None:
        """Who is next; those that are done, being cancelled or late, are let go of."""
        for queue in (self._again, self._inbox):
            while queue:
                if not queue[0].done():
                    return queue[0]
                queue.popleft()
        return None

    def take(self) -> Entry:
        """Take out who is next, once `first` has said that there is one."""
        return self._again.popleft() if self._again else self._inbox.popleft()

    def drain(self) -> list[Entry]:
        """Take out everything."""
        left = [*self._again, *self._inbox]
        self._again.clear()
        self._inbox.clear()
        return left
