"""The figures of a batch while it runs: rows, failures, speed, when it will be done, or what it waits for.

A meter is read now and then and costs nothing in between: it compares snapshots of the runtimes' statistics. Speed is that of
the last ten seconds; the time left goes by the rows that ended since there was work. Rows that a journal answered count for
neither: they say nothing of how long the others take. It shows nothing itself; `progress` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from typefold.runtime import Statistics

__all__ = ["Figures", "Meter", "clock"]

_WINDOW = 10.0  # seconds over which speed is averaged


@dataclass(frozen=True)
class Figures:
    """How a batch stands.

    Attributes:
        done: Rows that have ended.
        total: Rows that there are, where that is known.
        failed: Rows that ended without a value.
        rows_per_second: Rows that ended lately, by the second, without those that a journal answered.
        tokens_per_second: Tokens of the answers that ended lately, by the second.
        running: Requests that the engine works on.
        waiting: Requests that wait for their turn.
        cached: The share of prompt tokens that the prefix cache held, where any were read.
        left: Seconds until the end, where that can be told.
        restarts: How often an engine was built again since the batch began.
        replayed: Requests that a journal answered.
        loading: The model that is being loaded, and for how many seconds so far.
    """

    done: int
    total: int | None
    failed: int
    rows_per_second: float
    tokens_per_second: float
    running: int
    waiting: int
    cached: float | None
    left: float | None
    restarts: int = 0
    replayed: int = 0
    loading: tuple[str, float] | None = None

    def __str__(self) -> str:
        return self.line()

    @property
    def rows(self) -> str:
        """How many rows are done, of how many."""
        return f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"

    def line(self, width: int | None = None, *, last: str = "") -> str:
        """All in a line, so much of it as there is room for; what says nothing is left out.

        Args:
            width: Characters that it may take; `None` for any number.
            last: Words that stand at its end in any case.
        """
        words = self._words(width)
        while True:
            line = " · ".join([f"rows {self.rows}", *(word for _, word in words), *([last] if last else [])])
            if width is None or len(line) <= width or not words:
                return line if width is None or len(line) <= width else f"{line[: max(0, width - 1)]}…"
            words.remove(max(words, key=lambda word: word[0]))

    def _words(self, width: int | None) -> list[tuple[int, str]]:
        """All but the rows, each as a few words with its rank: the highest goes first where there is no room."""
        words: list[tuple[int, str]] = []
        if self.failed:
            words.append((0, f"{self.failed:,} failed"))
        if self.loading is not None:
            model, seconds = self.loading
            room = len(model) if width is None else max(8, width - 48)
            short = model if len(model) <= room else f"…{model[1 - room :]}"
            words.append((1, f"loading {short} {seconds:.0f} s"))
        elif self.rows_per_second or self.tokens_per_second or not self.replayed:
            words += [(2, _speed(self.rows_per_second)), (3, f"{self.tokens_per_second:,.0f} tok/s")]
        if self.left is not None:
            words.append((1, f"{clock(self.left)} left"))
        if self.restarts:
            words.append((4, f"engine restarted {self.restarts}x"))
        if self.replayed:
            words.append((5, f"{self.replayed:,} from the journal"))
        if self.running or self.waiting:
            words.append((6, f"{self.running:,} running, {self.waiting:,} waiting"))
        if self.cached:
            words.append((7, f"prefix cache {self.cached:.0%}"))
        return words


class Meter:
    """Makes figures of snapshots.

    Args:
        statistics: Takes a snapshot: the statistics, and how many requests can run at once.
        now: Tells the time in seconds.
        total: Rows that there are, where that is known.
        loads: The models that are being loaded.
    """

    def __init__(
        self,
        statistics: Callable[[], tuple[Statistics, int]],
        now: Callable[[], float],
        total: int | None,
        loads: Callable[[], list[str]] = list[str],
    ) -> None:
        self._statistics = statistics
        self._now = now
        self._total = total
        self._loads = loads
        self._loading: tuple[str, float] | None = None  # and since when
        self._start = statistics()[0]
        self._started = self._begun = now()
        self._seen: deque[tuple[float, int, float]] = deque([(self._started, self._start.output_tokens, 0.0)])

    @property
    def seconds(self) -> float:
        """How long the batch has been running."""
        return self._now() - self._started

    def read(self, done: int, failed: int, *, whole: bool = False) -> Figures:
        """The figures now.

        Args:
            done: Rows that have ended.
            failed: The number of them that gave no value.
            whole: Whether speed is that of the whole batch.
        """
        (stats, at_once), now, start = self._statistics(), self._now(), self._start
        calls = stats.succeeded + stats.failed - start.succeeded - start.failed
        replayed = stats.replayed - start.replayed
        worked = done * (1 - replayed / calls) if calls > 0 else float(done)  # rows that no journal answered
        loading = self._loaded(now)
        if stats.elapsed <= start.elapsed and (loading is not None or replayed):  # no engine has worked yet
            self._begun = now
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()
        since, tokens, rows = (self._begun, start.output_tokens, 0.0) if whole else self._seen[0]
        self._seen.append((now, stats.output_tokens, worked))
        span = now - since
        read = stats.prompt_tokens - start.prompt_tokens
        running = min(stats.running, at_once)
        return Figures(
            done=done,
            total=self._total,
            failed=failed,
            rows_per_second=max(0.0, (worked - rows) / span) if span > 0 else 0.0,
            tokens_per_second=max(0.0, (stats.output_tokens - tokens) / span) if span > 0 else 0.0,
            running=running,
            waiting=stats.waiting + stats.running - running,
            cached=(stats.cached_tokens - start.cached_tokens) / read if read > 0 else None,
            left=self._left(now - self._begun, done, worked),
            restarts=stats.restarts - start.restarts,
            replayed=replayed,
            loading=loading,
        )

    def _left(self, seconds: float, done: int, worked: float) -> float | None:
        if self._total is None or done >= self._total or worked <= 0:
            return None
        return seconds * (self._total - done) / worked

    def _loaded(self, now: float) -> tuple[str, float] | None:
        loads = self._loads()
        if not loads:
            self._loading = None
        elif self._loading is None or self._loading[0] not in loads:
            self._loading = loads[0], self._seen[-1][0]  # since the last time that it was looked
        return None if self._loading is None else (self._loading[0], now - self._loading[1])


def _speed(rows_per_second: float) -> str:
    if 0 < rows_per_second < 0.1:
        return f"{60 * rows_per_second:.1f} rows/min"
    return f"{rows_per_second:,.{0 if rows_per_second >= 10 else 1}f} rows/s"


def clock(seconds: float) -> str:
    """A time span, as clocks show it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
