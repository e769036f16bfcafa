"""Progress of a batch: a live line on a terminal and in a notebook, a line every 30 seconds elsewhere.

One batch is shown at a time: the outermost, and of those that run side by side the first; when that has ended, the next. A
thread reads the metrics and shows them; the batch itself only counts its rows.

Where there is no terminal, lines go to the logger of this module at level INFO, so that tests and scripts stay quiet; the command
line, and `TYPEFOLD_PROGRESS=1` in the environment, write them on standard error. `TYPEFOLD_PROGRESS=0` switches all of it off.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TextIO, TypeAlias

from typefold.execution.greenlets import current_row
from typefold.execution.interrupts import Interruptible
from typefold.execution.open_runtimes import loads, statistics
from typefold.runtime import Statistics
from typefold.runtime.ownership import Owner, lock

if TYPE_CHECKING:
    from rich.console import Console

_WINDOW = 10.0  # seconds over which speed is averaged


@dataclass(frozen=True)
class Metrics:
    """Metrics of a batch while it runs.

    Speed is that of the last ten seconds; the time left goes by the rows that ended since there was work. Rows that a
    journal answered count for neither: they say nothing of the time that the others take.
    """

    done: int
    total: int | None
    failed: int
    rows_per_second: float
    tokens_per_second: float
    running: int
    waiting: int
    cached: float | None  # the share of prompt tokens that the prefix cache held
    left: float | None  # seconds until the end
    restarts: int = 0
    from_journal: int = 0
    loading: tuple[str, float] | None = None  # the model, and the seconds so far

    def __str__(self) -> str:
        return self.line()

    @property
    def rows(self) -> str:
        return f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"

    def line(self, width: int | None = None, *, last: str = "") -> str:
        """Return the metrics in a line, as far as there is room; zeros are left out."""
        words = self._words(width)
        while True:
            line = " · ".join([f"rows {self.rows}", *(word for _, word in words), *([last] if last else [])])
            if width is None or len(line) <= width or not words:
                return line if width is None or len(line) <= width else f"{line[: max(0, width - 1)]}…"
            words.remove(max(words, key=lambda word: word[0]))

    def _words(self, width: int | None) -> list[tuple[int, str]]:
        """Return all but the rows, each as words with a rank: the highest is left out first where there is no room."""
        words: list[tuple[int, str]] = []
        if self.failed:
            words.append((0, f"{self.failed:,} failed"))
        if self.loading is not None:
            model, seconds = self.loading
            room = len(model) if width is None else max(8, width - 48)
            short = model if len(model) <= room else f"…{model[1 - room :]}"
            words.append((1, f"loading {short} {seconds:.0f} s"))
        elif self.rows_per_second or self.tokens_per_second or not self.from_journal:
            words += [(2, _speed(self.rows_per_second)), (3, f"{self.tokens_per_second:,.0f} tok/s")]
        if self.left is not None:
            words.append((1, f"{clock(self.left)} left"))
        if self.restarts:
            words.append((4, f"engine restarted {self.restarts}x"))
        if self.from_journal:
            words.append((5, f"{self.from_journal:,} from the journal"))
        if self.running or self.waiting:
            words.append((6, f"{self.running:,} running, {self.waiting:,} waiting"))
        if self.cached:
            words.append((7, f"prefix cache {self.cached:.0%}"))
        return words


class Meter:
    """Makes metrics by comparing snapshots of the runtimes' statistics; it costs nothing in between."""

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
        return self._now() - self._started

    def read(self, done: int, failed: int, *, whole: bool = False) -> Metrics:
        """Return the metrics now; where `whole`, with the speed of the whole batch."""
        (stats, at_once), now, start = self._statistics(), self._now(), self._start
        calls = stats.succeeded + stats.failed - start.succeeded - start.failed
        from_journal = stats.from_journal - start.from_journal
        worked = done * (1 - from_journal / calls) if calls > 0 else float(done)  # rows that no journal answered
        loading = self._loaded(now)
        if stats.elapsed <= start.elapsed and (loading is not None or from_journal):  # no engine has worked yet
            self._begun = now
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()
        since, tokens, rows = (self._begun, start.output_tokens, 0.0) if whole else self._seen[0]
        self._seen.append((now, stats.output_tokens, worked))
        span = now - since
        read = stats.prompt_tokens - start.prompt_tokens
        running = min(stats.running, at_once)
        return Metrics(
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
            from_journal=from_journal,
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
    """Return a time span as clocks show it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


logger = logging.getLogger(__name__)


class Clock:
    """The time, and waiting for it to pass."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, ended: threading.Event, seconds: float) -> bool:
        return ended.wait(seconds)


class Terminal:
    """A bar and a line of metrics below what the program prints; the last metrics stay in a line of their own."""

    every: ClassVar[float] = 0.25

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console  # rich takes 50 ms to import: only where something is shown
        from rich.live import Live

        self._console = console or Console(stderr=True)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=_is_terminal(sys.stdout),  # else what the program writes to a file would go to the terminal
        )
        self._live.start()

    def show(self, metrics: Metrics) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._console.width - 1
        text = Text(metrics.line(width), no_wrap=True, overflow="ellipsis")
        bar = next((size for size in (24, 10, 5) if size < width - len(text)), 0)  # words go before the bar
        text.stylize("bold", 0, len("rows ") + len(metrics.rows))
        line = Table.grid(padding=(0, 1))
        if bar:
            line.add_row(
                ProgressBar(total=metrics.total, completed=metrics.done, width=bar, pulse=metrics.total is None), text
            )
        else:
            line.add_row(text)
        self._live.update(line, refresh=True)

    def close(self, metrics: Metrics, seconds: float) -> None:
        from rich.text import Text

        self._live.stop()
        self._console.print(Text(metrics.line(self._console.width - 1, last=_duration(seconds)), no_wrap=True))


class Log:
    """A log line every 30 seconds, and one at the end of a batch that took longer than that."""

    every: ClassVar[float] = 30.0

    def show(self, metrics: Metrics) -> None:
        self.write(metrics.line())

    def close(self, metrics: Metrics, seconds: float) -> None:
        self.write(metrics.line(last=_duration(seconds)))

    def write(self, line: str) -> None:
        logger.info("%s", line)


class Lines(Log):
    """The same lines on standard error, for programs that configure no logging."""

    def write(self, line: str) -> None:
        print(f"typefold: {line}", file=sys.stderr, flush=True)


class Notebook(Log):
    """A line of metrics in the output of the cell, written anew; the last one stays."""

    every: ClassVar[float] = 0.5

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def write(self, line: str) -> None:
        data = {"text/plain": line}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


Display: TypeAlias = Terminal | Log
"""A place where metrics are shown: first after the seconds in its `every`, and again after as many."""


def _duration(seconds: float) -> str:
    return f"took {clock(seconds)}"


class Progress:
    """Counts the rows of a batch, and shows its metrics on a terminal, in a notebook or in a log."""

    def __init__(self, total: int | None, *, draw: bool = True, clock: Clock | None = None) -> None:
        self._clock = clock or _clock
        self._total = total
        self._draw = draw  # else there are log lines alone, since the program may print meanwhile
        self._done = self._failed = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._interruptible = Interruptible()
        self._owner = Owner()

    def __enter__(self) -> Self:
        self._interruptible.begin()
        if self._total != 1 and current_row() is None and (wanted := _wanted(draw=self._draw)) is not None:
            try:
                meter = Meter(statistics, self._clock.now, self._total, lambda: list(loads))
                self._thread = threading.Thread(
                    target=self._keep_showing, args=(meter, *wanted), name="typefold-progress", daemon=True
                )
                self._thread.start()
            except BaseException as error:
                self._interruptible.end(error, self._state)
                raise
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._owner.elsewhere:  # a fork: the batch is the parent's
            return
        try:
            if self._thread is not None:
                self._ended.set()
                self._thread.join()
                self._thread = None
        finally:
            self._interruptible.end(error, self._state)

    @property
    def _state(self) -> str:
        total = "" if self._total is None else f" of {self._total:,}"
        failed = f" ({self._failed:,} of them without a value)" if self._failed else ""
        return f"{self._done:,}{total} rows done{failed}"

    def row(self, *, failed: bool) -> None:
        self._done += 1
        self._failed += failed

    def _keep_showing(self, meter: Meter, make: Callable[[], Display], every: float) -> None:
        """Show metrics until the batch ends; one that ends before the first time is never shown."""
        display: Display | None = None
        last, is_ours = 0.0, False
        try:
            while not self._clock.wait(self._ended, min(every, _LOOK)):
                metrics, seconds = meter.read(self._done, self._failed), meter.seconds
                if seconds - last < every:
                    continue
                is_ours = is_ours or _shown.acquire(blocking=False)
                if is_ours:
                    last, display = seconds, display or make()
                    display.show(metrics)
            if display is not None:
                display.close(meter.read(self._done, self._failed, whole=True), meter.seconds)
        except Exception:  # a display must not cost the results
            logger.debug("showing progress failed", exc_info=True)
        finally:
            if is_ours:
                _shown.release()


@contextmanager
def showing(*, quiet: bool) -> Generator[None]:
    """Show the batches inside, in lines on standard error where there is no terminal; if quiet, show none."""
    global _chosen
    before, _chosen = _chosen, "0" if quiet else "1"
    try:
        yield
    finally:
        _chosen = before


_LOOK = 1.0  # seconds after which the metrics are looked at, shown or not
_clock = Clock()
_shown = lock(threading.Lock)  # held for the batch that is shown, by its thread
_chosen: str | None = None  # what TYPEFOLD_PROGRESS would say


def _wanted(*, draw: bool) -> tuple[Callable[[], Display], float] | None:
    """Return the display for a batch here, and its interval in seconds; `None` where there is none."""
    chosen = os.environ.get("TYPEFOLD_PROGRESS") or _chosen
    if "0" in (chosen, _chosen):
        return None
    if draw and (display := _notebook()) is not None:
        return partial(Notebook, display), Notebook.every
    is_dumb = os.environ.get("TERM") in ("dumb", "unknown")
    if draw and _is_terminal(sys.stderr) and not is_dumb:
        return Terminal, Terminal.every
    if logger.isEnabledFor(logging.INFO):
        return Log, Log.every
    return (Lines, Lines.every) if chosen == "1" or (draw and _is_terminal(sys.stderr)) else None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # pythonw has none


def _notebook() -> Callable[..., Any] | None:
    ipython: Any = sys.modules.get("IPython")  # where there is a notebook, it is there already
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from importlib import import_module

    display: Callable[..., Any] = import_module("IPython.display").display
    return display
