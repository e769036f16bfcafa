"""Statistics: the counts of a scheduler, as data.

Invariant: all counts but `failed` and `cancelled` are kept by the scheduler's thread alone, or under its lock, so counting an
answer takes no lock of its own.
"""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field, fields

from typefold.runtime.request import Outcome


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counts of a scheduler so far; a snapshot. Two may be added up.

    `submitted` is the sum of `succeeded`, `failed`, `cancelled` and the requests under way.

    Attributes:
        submitted: Requests taken in.
        succeeded: Requests that gave an outcome.
        failed: Requests that gave an error.
        cancelled: Requests that their callers withdrew.
        deduplicated: Requests, among those that ended by themselves, that were answered by the generation of an equal one.
        retried: Requests, among the submitted, that asked again for the answer of a row that had given no value.
        restarts: The number of times that the engine was built again after a crash.
        truncated: Free texts among the succeeded that were cut off at their token limit.
        waiting: Requests that the engine has not been given.
        running: Requests in the engine's hands, in its own queue too; those that share one generation count once.
        steps: Engine steps.
        prompt_tokens: Prompt tokens of finished generations; a shared generation counts once.
        cached_tokens: The part of `prompt_tokens` that the prefix cache held.
        output_tokens: Tokens of finished generations, failed ones too.
        tokens_saved: Tokens that were not generated, since those before had determined the answer: the tokens of the rest, and
            the one that ends the text.
        from_journal: Requests, among the submitted, that a journal answered; no engine saw them.
        elapsed: Seconds in which requests were in flight; loading a model does not count. The replicas of a runtime share one
            clock. Added statistics add their seconds, as those of two processors are, so that rates are those of one runtime on
            average. Comparisons leave it out.

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
        """Requests that ended by themselves and that no journal answered, per second of `elapsed`; 0 before any."""
        return (self.succeeded + self.failed - self.from_journal) / self.elapsed if self.elapsed else 0.0

    @property
    def tokens_per_second(self) -> float:
        """`output_tokens` per second of `elapsed`; 0 before any."""
        return self.output_tokens / self.elapsed if self.elapsed else 0.0

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(*map(operator.add, astuple(self), astuple(other)))

    def _repr_html_(self) -> str:
        rates = {"requests per second": self.requests_per_second, "tokens per second": self.tokens_per_second}
        shown = {**asdict(self), **rates}.items()
        cells = ((name.replace("_", " "), f"{n:,.1f}" if isinstance(n, float) else f"{n:,}") for name, n in shown if n)
        rows = "".join(f'<tr><th style="text-align: left">{name}</th><td>{figure}</td></tr>' for name, figure in cells)
        return f"<table>{rows}</table>"


class Stopwatch:
    """Measures the time in which any of several works; overlapping work counts once."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._working = 0
        self._state: tuple[float, float | None] = (0.0, None)  # seconds before, and since when; read without the lock

    @property
    def seconds(self) -> float:
        before, since = self._state
        return before if since is None else before + self._now() - since

    def begin(self) -> None:
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._state = self._state[0], self._now()

    def rest(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                self._state = self.seconds, None


class Counts:
    """The counters behind `Statistics`."""

    submitted = retried = 0  # under the scheduler's lock
    succeeded = deduplicated = restarts = truncated = steps = 0
    prompt_tokens = cached_tokens = output_tokens = tokens_saved = 0
    failed = cancelled = 0  # under this one's

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._busy = False
        self._lock = threading.RLock()  # a destructor may withdraw a request while its thread counts another

    def generated(self, outcome: Outcome) -> None:
        self.prompt_tokens += outcome.prompt_tokens
        self.cached_tokens += outcome.cached_tokens
        self.output_tokens += outcome.output_tokens

    def busy(self, busy: bool) -> None:
        if busy is not self._busy:
            self._busy = busy
            (self._stopwatch.begin if busy else self._stopwatch.rest)()

    def failure(self) -> None:
        with self._lock:
            self.failed += 1

    def cancellation(self) -> None:
        with self._lock:
            self.cancelled += 1

    def snapshot(self, *, waiting: int, running: int) -> Statistics:
        counted = {name: getattr(self, name) for name in _COUNTED}
        return Statistics(waiting=waiting, running=running, elapsed=self._stopwatch.seconds, **counted)


_COUNTED = [field.name for field in fields(Statistics) if hasattr(Counts, field.name)]
