"""Seeing a batch work: a line that is kept up to date on a terminal and in a notebook, a line every 30 seconds elsewhere.

One batch is shown at a time: the outermost, which those inside of it are part of, and of those that run side by side the
first; when that has ended, the next. A thread reads the figures and shows them; the batch itself only counts its rows. Where
nothing is to be shown there is no thread, and counting is all that is done.

Where there is no terminal, lines go to the logger `typefold.execution.progress` at level INFO: a program that configures logging so has
them, and tests and scripts that don't stay quiet. The command line, and `TYPEFOLD_PROGRESS=1` in the environment, write them
on standard error without that. `TYPEFOLD_PROGRESS=0` switches everything off.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TextIO

from typefold.execution.figures import Figures, Meter, clock
from typefold.execution.greenlets import current_row
from typefold.execution.interrupts import Interruptible
from typefold.execution.open_runtimes import loads
from typefold.runtime.ownership import Owner, lock
from typefold.runtimes.current import statistics

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Clock", "Display", "Lines", "Log", "Notebook", "Progress", "Terminal", "showing"]

logger = logging.getLogger(__name__)


class Display(Protocol):
    """Where figures are shown; `every` of its class says after how many seconds they are shown first, and again."""

    def show(self, figures: Figures) -> None:
        """Show these in the place of those before."""
        ...

    def close(self, figures: Figures, seconds: float) -> None:
        """The batch has ended, after so many seconds."""
        ...


class Clock:
    """The time, and waiting for it to pass."""

    def now(self) -> float:
        """Seconds since some point in time."""
        return time.monotonic()

    def wait(self, ended: threading.Event, seconds: float) -> bool:
        """Wait for so long, or until an event; whether it is there."""
        return ended.wait(seconds)


class Terminal:
    """A bar and a line of figures below what the program prints; the last figures stay in a line of their own.

    Args:
        console: Where; standard error unless given.
    """

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

    def show(self, figures: Figures) -> None:
        """Draw the bar and the figures anew."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._console.width - 1
        text = Text(figures.line(width), no_wrap=True, overflow="ellipsis")
        bar = next((size for size in (24, 10, 5) if size < width - len(text)), 0)  # what is said goes before
        text.stylize("bold", 0, len("rows ") + len(figures.rows))
        line = Table.grid(padding=(0, 1))
        if bar:
            line.add_row(
                ProgressBar(total=figures.total, completed=figures.done, width=bar, pulse=figures.total is None), text
            )
        else:
            line.add_row(text)
        self._live.update(line, refresh=True)

    def close(self, figures: Figures, seconds: float) -> None:
        """Leave the last figures, and how long it took."""
        from rich.text import Text

        self._live.stop()
        self._console.print(Text(figures.line(self._console.width - 1, last=_took(seconds)), no_wrap=True))


class Notebook:
    """A line of figures in the output of the cell, which stays with the last ones.

    Args:
        display: `IPython.display.display`.
    """

    every: ClassVar[float] = 0.5

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, figures: Figures) -> None:
        """Write the line, or write it anew."""
        self._write(str(figures))

    def close(self, figures: Figures, seconds: float) -> None:
        """Leave the last figures, and how long it took."""
        self._write(figures.line(last=_took(seconds)))

    def _write(self, line: str) -> None:
        data = {"text/plain": line}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


class Log:
    """A log line every 30 seconds, and one at the end of a batch that took longer than that."""

    every: ClassVar[float] = 30.0

    def show(self, figures: Figures) -> None:
        """Log the figures."""
        self.write(figures.line())

    def close(self, figures: Figures, seconds: float) -> None:
        """Log the last figures."""
        self.write(figures.line(last=_took(seconds)))

    def write(self, line: str) -> None:
        """Log a line."""
        logger.info("%s", line)


class Lines(Log):
    """The same lines on standard error, for programs that configure no logging."""

    def write(self, line: str) -> None:
        """Write a line."""
        print(f"typefold: {line}", file=sys.stderr, flush=True)


def _took(seconds: float) -> str:
    return f"took {clock(seconds)}"


class Progress:
    """Counts the rows of a batch, and shows how it stands where somebody may see it.

    Args:
        total: How many rows there are, where that is known.
        draw: Whether it may be drawn; log lines alone for a batch that runs while the program does something else.
        clock: Tells the time; the system's unless given.
    """

    def __init__(self, total: int | None, *, draw: bool = True, clock: Clock | None = None) -> None:
        self._clock = clock or _clock
        self._total = total
        self._draw = draw
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
                self._interruptible.end(error, self._told)
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
            self._interruptible.end(error, self._told)

    @property
    def _told(self) -> str:
        """How far it has come, in words."""
        total = "" if self._total is None else f" of {self._total:,}"
        failed = f" ({self._failed:,} of them without a value)" if self._failed else ""
        return f"{self._done:,}{total} rows done{failed}"

    def row(self, *, failed: bool) -> None:
        """One more row is done."""
        self._done += 1
        self._failed += failed

    def _keep_showing(self, meter: Meter, make: Callable[[], Display], every: float) -> None:
        """The thread: what ends before the first time is never shown."""
        display: Display | None = None
        last, is_ours = 0.0, False
        try:
            while not self._clock.wait(self._ended, min(every, _LOOK)):
                figures, seconds = meter.read(self._done, self._failed), meter.seconds
                if seconds - last < every:
                    continue
                is_ours = is_ours or _shown.acquire(blocking=False)
                if is_ours:
                    last, display = seconds, display or make()
                    display.show(figures)
            if display is not None:
                display.close(meter.read(self._done, self._failed, whole=True), meter.seconds)
        except Exception:  # showing it must not cost anybody their results
            logger.debug("showing progress failed", exc_info=True)
        finally:
            if is_ours:
                _shown.release()


@contextmanager
def showing(*, quiet: bool) -> Generator[None]:
    """Show batches inside, in lines on standard error where there is no terminal; or nothing of them."""
    global _chosen
    before, _chosen = _chosen, "0" if quiet else "1"
    try:
        yield
    finally:
        _chosen = before


_LOOK = 1.0  # seconds after which the figures are looked at, shown or not
_clock = Clock()
_shown = lock(threading.Lock)  # held for the batch that is shown, by its thread
_chosen: str | None = None  # what TYPEFOLD_PROGRESS would say


def _wanted(*, draw: bool) -> tuple[Callable[[], Display], float] | None:
    """What shows a batch here, and how often; `None` where nobody would see it."""
    said = os.environ.get("TYPEFOLD_PROGRESS") or _chosen
    if "0" in (said, _chosen):
        return None
    if draw and (display := _notebook()) is not None:
        return partial(Notebook, display), Notebook.every
    is_dumb = os.environ.get("TERM") in ("dumb", "unknown")
    if draw and _is_terminal(sys.stderr) and not is_dumb:
        return Terminal, Terminal.every
    if logger.isEnabledFor(logging.INFO):
        return Log, Log.every
    return (Lines, Lines.every) if said == "1" or (draw and _is_terminal(sys.stderr)) else None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # pythonw has none


def _notebook() -> Callable[..., Any] | None:
    """What displays things in the notebook that this runs in, if it does."""
    ipython: Any = sys.modules.get("IPython")  # where there is a notebook, it is there already
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from importlib import import_module

    display: Callable[..., Any] = import_module("IPython.display").display
    return display
