"""What there is to say of a batch while it runs: rows, calls, speed, and when it will be done.

A meter is read a few times a second at most and costs nothing in between: it compares snapshots of the runtimes'
statistics. Speed is that of the last ten seconds. It shows nothing itself; `progress` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from typefold.runtime import Statistics

__all__ = ["Figures", "Meter"]

_WINDOW = 10.0  # seconds over which speed is averaged


@dataclass(frozen=True)
class Figures:
    """How a batch stands.

    Attributes:
        done: Rows that have ended.
        total: Rows that there are, where that is known.
        failed: Rows that ended without a value.
        calls: Requests that were answered.
        tokens_per_second: Tokens of the answers that ended lately, by the second.
        running: Requests that the engine works on.
        waiting: Requests that wait for their turn.
        cached: The share of prompt tokens that the prefix cache held, where any were read.
        left: Seconds until the end, where that can be told.
        restarts: How often an engine was built again since the batch began.
        replayed: Requests that a journal answered.
    """

    done: int
    total: int | None
    failed: int
    calls: int
    tokens_per_second: float
    running: int
    waiting: int
    cached: float | None
    left: float | None
    restarts: int = 0
    replayed: int = 0

    def __str__(self) -> str:
        return " · ".join([f"rows {self.rows}", *self.details])

    @property
    def rows(self) -> str:
        """How many rows are done, of how many."""
        return f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"

    @property
    def details(self) -> list[str]:
        """All but the rows, each as a few words; what says nothing is left out."""
        words = [
            f"{self.calls:,} calls",
            f"{self.tokens_per_second:,.0f} tok/s",
            f"{self.running:,} running, {self.waiting:,} waiting",
        ]
        if self.replayed:
            words.append(f"{self.replayed:,} from the journal")
        if self.cached:
            words.append(f"prefix cache {self.cached:.0%}")
        if self.failed:
            words.append(f"{self.failed:,} failed")
        if self.restarts:
            words.append(f"engine restarted {self.restarts}x")
        if self.left is not None:
            words.append(f"{clock(self.left)} left")
        return words


class Meter:
    """Makes figures of snapshots.

    Args:
        statistics: Takes a snapshot: the statistics, and how many requests can run at once.
        now: Tells the time in seconds.
        total: Rows that there are, where that is known.
    """

    def __init__(
        self, statistics: Callable[[], tuple[Statistics, int]], now: Callable[[], float], total: int | None
    ) -> None:
        self._statistics = statistics
        self._now = now
        self._total = total
        self._start = statistics()[0]
        self._started = now()
        self._seen: deque[tuple[float, int]] = deque([(self._started, self._start.output_tokens)])

    @property
    def seconds(self) -> float:
        """How long the batch has been running."""
        return self._now() - self._started

    def read(self, done: int, failed: int) -> Figures:
        """The figures now."""
        (stats, at_once), now, start = self._statistics(), self._now(), self._start
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()
        since, tokens = self._seen[0]
        self._seen.append((now, stats.output_tokens))
        speed = (stats.output_tokens - tokens) / (now - since) if now > since else 0.0
        read = stats.prompt_tokens - start.prompt_tokens
        running = min(stats.running, at_once)
        return Figures(
            done=done,
            total=self._total,
            failed=failed,
            calls=stats.succeeded + stats.failed - start.succeeded - start.failed,
            tokens_per_second=max(0.0, speed),
            running=running,
            waiting=stats.waiting + stats.running - running,
            cached=(stats.cached_tokens - start.cached_tokens) / read if read > 0 else None,
            left=self._left(now - self._started, done),
            restarts=stats.restarts - start.restarts,
            replayed=stats.replayed - start.replayed,
        )

    def _left(self, seconds: float, done: int) -> float | None:
        if self._total is None or not 0 < done < self._total:
            return None
        return seconds * (self._total - done) / done


def clock(seconds: float) -> str:
    """A time span, as clocks show it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
