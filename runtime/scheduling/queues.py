"""The requests that wait: in order of arrival for the engine, and by deadline for their time limits.

Requests wait in the order in which they came; those that were in flight at a crash go first. `recovery` says how many of these
may share the engine. Any thread may add to a queue without waiting; the engine's thread alone takes out.

Invariant: a request that is done is released soon, not when its deadline would have passed. A million answered requests
with an hour each would otherwise stay in memory for that hour.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable

from typefold.runtime.scheduling.pending import PendingRequest

_SWEEP = 1024  # heaps shorter than this are not worth sweeping


class RequestQueue:
    """The requests that the engine has not been given."""

    def __init__(self) -> None:
        self._inbox: deque[PendingRequest] = deque()  # deque's append and popleft are atomic: no lock is needed
        self._retried: deque[PendingRequest] = deque()

    def __len__(self) -> int:
        return len(self._inbox) + len(self._retried)

    def add(self, several: Iterable[PendingRequest]) -> None:
        """Put new requests at the end; from any thread."""
        self._inbox.extend(several)

    def put_back(self, several: Iterable[PendingRequest]) -> None:
        """Put requests that were in flight before all others, in their order."""
        self._retried.extendleft(reversed([*several]))

    def first(self) -> PendingRequest | None:
        """Return the next request, and drop those before it that are done (cancelled or late)."""
        for queue in (self._retried, self._inbox):
            while queue:
                if not queue[0].done():
                    return queue[0]
                queue.popleft()
        return None

    def take(self) -> PendingRequest:
        return self._retried.popleft() if self._retried else self._inbox.popleft()

    def drain(self) -> list[PendingRequest]:
        left = [*self._retried, *self._inbox]
        self._retried.clear()
        self._inbox.clear()
        return left


class Deadlines:
    """The requests that have a deadline, the soonest first; from any thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, PendingRequest]] = []
        self._order = itertools.count()  # requests have no order of their own
        self._sweep_at = _SWEEP
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, several: Iterable[PendingRequest]) -> None:
        """Watch the requests that have a deadline."""
        for pending in several:
            if (deadline := pending.request.deadline) is not None:
                with self._lock:
                    heapq.heappush(self._heap, (deadline, next(self._order), pending))
                    if len(self._heap) > self._sweep_at:
                        self._heap = [item for item in self._heap if not item[2].done()]
                        heapq.heapify(self._heap)
                        self._sweep_at = max(_SWEEP, 2 * len(self._heap))

    def take_late(self) -> list[PendingRequest]:
        """Take out the requests whose deadline has passed; some of them may be done."""
        if not self._heap:
            return []
        late: list[PendingRequest] = []
        with self._lock:
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                late.append(heapq.heappop(self._heap)[2])
        return late

    def clear(self) -> None:
        with self._lock:
            self._heap.clear()
