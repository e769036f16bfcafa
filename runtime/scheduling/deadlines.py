"""Time limits of requests.

Invariant: what is done is let go of soon, not when its limit would have passed: a million answered requests with an hour
each would otherwise stay in memory for that hour.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterable

from typefold.runtime.scheduling.pending import Entry

__all__ = ["Deadlines"]

_SWEEP = 1024  # heaps shorter than this are not worth sweeping


class Deadlines:
    """The entries that have a time limit, the soonest first; from any thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()  # entries have no order of their own
        self._sweep_at = _SWEEP
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, entries: Iterable[Entry]) -> None:
        """Watch those of the entries that have a limit."""
        for entry in entries:
            if (deadline := entry.request.deadline) is not None:
                with self._lock:
                    heapq.heappush(self._heap, (deadline, next(self._order), entry))
                    if len(self._heap) > self._sweep_at:
                        self._heap = [item for item in self._heap if not item[2].done()]
                        heapq.heapify(self._heap)
                        self._sweep_at = max(_SWEEP, 2 * len(self._heap))

    def late(self) -> list[Entry]:
        """Those whose limit has passed, some of them done long ago; they are watched no more."""
        if not self._heap:
            return []
        out: list[Entry] = []
        with self._lock:
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                out.append(heapq.heappop(self._heap)[2])
        return out

    def clear(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._heap.clear()
