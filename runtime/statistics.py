"""What a scheduler has done, as data.

Invariant: all but `failed` and `cancelled` are counted by the scheduler's thread alone, or under its lock, so counting
an answer takes no lock of its own.
"""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field

from typefold.runtime.request import Outcome

__all__ = ["Counts", "Statistics", "Stopwatch"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a scheduler has done so far; a snapshot.

    `submitted` is the sum of `succeeded`, `failed`, `cancelled` and of what is under way.

    Attributes:
        submitted: Requests taken in.
        succeeded: Requests that gave an outcome.
        failed: Requests that gave an error.
        cancelled: Requests that their callers withdrew.
        deduplicated: Requests, among those that ended by themselves, that were answered by the generation of an equal one.
        retried: Requests, among the submitted, that asked again for the answer of a row that had given no value.
        restarts: How often the engine was built again after it had crashed.
        truncated: Free texts among the succeeded that were cut off at their token limit.
        waiting: Requests not yet handed to the engine.
        running: Requests in the engine's hands, in its own queue too; those that share one generation count once.
        steps: Engine steps taken.
        prompt_tokens: Prompt tokens of what the engine has finished; a shared generation counts once.
        cached_tokens: How many of those the prefix cache held.
        output_tokens: Tokens that the engine has finished answers with, failed ones too.
        tokens_saved: Tokens that were not asked for, since those before had settled the answer: as many as the tokenizer cuts it
            into, and the one that ends it, less those that were drawn.
        from_journal: Requests, among the submitted, that a journal answered; no engine saw them.
        elapsed: Seconds in which requests were in flight, by the clock; loading a model is none of them. The replicas of a
            runtime share one clock. Statistics that are added up add their seconds, as those of two processors are:
            rates are then those of one runtime on average. It is no part of comparisons.

    Example:
        >>> both = Statistics(succeeded=30, output_tokens=600, elapsed=2.0) + Statistics(succeeded=10, elapsed=2.0)
        >>> both.elapsed, both.requests_per_second, both.tokens_per_second
        (4.0, 10.0, 150.0)
    """

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    deduplicated: int = 0
    retried: int = 0
    restarts: int = 0
    truncated: int = 0
    waiting: int = 0
    running: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    from_journal: int = 0
    tokens_saved: int = 0
    elapsed: float = field(default=0.0, compare=False)

    @property
    def requests_per_second(self) -> float:
        """Requests that ended by themselves and that no journal answered, by the second of `elapsed`; 0 before any."""
        return (self.succeeded + self.failed - self.from_journal) / self.elapsed if self.elapsed else 0.0

    @property
    def tokens_per_second(self) -> float:
        """`output_tokens` by the second of `elapsed`; 0 before any."""
        return self.output_tokens / self.elapsed if self.elapsed else 0.0

    def __add__(self, other: Statistics) -> Statistics:
        """What two schedulers have done together."""
        return Statistics(*map(operator.add, astuple(self), astuple(other)))


class Stopwatch:
    """Measures the time in which anyone works: several at once count once.

    Args:
        now: Tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._working = 0
        self._state: tuple[float, float | None] = (0.0, None)  # seconds before, and since when; read without the lock

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        before, since = self._state
        return before if since is None else before + self._now() - since

    def begin(self) -> None:
        """One more works from now on."""
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._state = self._state[0], self._now()

    def rest(self) -> None:
        """One of them works no more."""
        with self._lock:
            self._working -= 1
            if not self._working:
                self._state = self.seconds, None


class Counts:
    """The counters behind `Statistics`.

    Args:
        stopwatch: Measures the time in which there is anything to do.
    """

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._busy = False
        self.submitted = 0  # under the scheduler's lock
        self.retried = 0  # as well
        self.succeeded = 0
        self.deduplicated = 0
        self.restarts = 0
        self.truncated = 0
        self.steps = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.output_tokens = 0
        self.tokens_saved = 0
        self._failed = 0
        self._cancelled = 0
        self._lock = threading.RLock()  # a destructor may withdraw a request while its thread counts another

    def generated(self, outcome: Outcome) -> None:
        """The engine has finished an answer."""
        self.prompt_tokens += outcome.prompt_tokens
        self.cached_tokens += outcome.cached_tokens
        self.output_tokens += outcome.output_tokens

    def busy(self, busy: bool) -> None:
        """There is something to do from now on, or nothing."""
        if busy is not self._busy:
            self._busy = busy
            (self._stopwatch.begin if busy else self._stopwatch.rest)()

    def failure(self) -> None:
        """A request gave an error; from any thread."""
        with self._lock:
            self._failed += 1

    def cancellation(self) -> None:
        """A caller withdrew a request; from any thread."""
        with self._lock:
            self._cancelled += 1

    def snapshot(self, *, waiting: int, running: int) -> Statistics:
        """The counters as they are now; from any thread."""
        return Statistics(
            submitted=self.submitted,
            succeeded=self.succeeded,
            failed=self._failed,
            cancelled=self._cancelled,
            deduplicated=self.deduplicated,
            retried=self.retried,
            restarts=self.restarts,
            truncated=self.truncated,
            waiting=waiting,
            running=running,
            steps=self.steps,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            tokens_saved=self.tokens_saved,
            elapsed=self._stopwatch.seconds,
        )
