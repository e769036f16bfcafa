"""Seeing a batch work: a line that is kept up to date on a terminal and in a notebook, log lines elsewhere.

One batch is shown at a time: the outermost, which those inside of it are part of. A thread reads the figures a few times
a second (for logs, every ten seconds) and shows them; the batch itself only counts its rows. Where nothing is to be shown
there is no thread, and counting is all that is done.

Log lines go to the logger `typefold.progress` at level INFO, so a program that configures logging so has them, and tests
and scripts that don't stay quiet. `TYPEFOLD_PROGRESS=0` in the environment switches everything off.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sized
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TextIO

from typefold.figures import Figures, Meter
from typefold.interrupts import Interruptible
from typefold.runtime.forks import Owner, lock
from typefold.selection import statistics

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Display", "Log", "Notebook", "Progress", "Terminal", "length"]

logger = logging.getLogger(__name__)


class Display(Protocol):
    """Where figures are shown; `every` of its class says after how many seconds they are shown first, and again."""

    def show(self, figures: Figures) -> None:
        """Show these in the place of those before."""
        ...

    def close(self, figures: Figures, seconds: float) -> None:
        """The batch has ended, after so many seconds."""
        ...


class Terminal:
    """A bar and a line of figures below what the program prints; it is wiped off at the end.

    Args:
        console: Where; standard error unless given.
    """

    every: ClassVar[float] = 0.25

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console  # rich takes 50 ms to import: only where something is shown
        from rich.live import Live

        self._live = Live(console=console or Console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()

    def show(self, figures: Figures) -> None:
        """Draw the bar and the figures anew."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text("rows", style="bold"),
            ProgressBar(total=figures.total, completed=figures.done, width=24, pulse=figures.total is None),
            Text(figures.rows, style="bold", no_wrap=True),
            Text(" · ".join(figures.details), no_wrap=True, overflow="ellipsis"),
        )
        self._live.update(line, refresh=True)

    def close(self, figures: Figures, seconds: float) -> None:
        """Wipe them off."""
        self._live.stop()


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
        self._write(f"{figures} · {seconds:.1f} s")

    def _write(self, line: str) -> None:
        data = {"text/plain": line}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


class Log:
    """A log line every ten seconds, and one at the end of a batch that took longer than that."""

    every: ClassVar[float] = 10.0

    def show(self, figures: Figures) -> None:
        """Log the figures."""
        logger.info("%s", figures)

    def close(self, figures: Figures, seconds: float) -> None:
        """Log the last figures."""
        logger.info("%s · ended after %.0f s", figures, seconds)


class Progress:
    """Counts the rows of a batch, and shows how it stands where somebody may see it.

    Args:
        total: How many rows there are, where that is known.
        draw: Whether it may be drawn; log lines alone for a batch that runs while the program does something else.
    """

    def __init__(self, total: int | None, *, draw: bool = True) -> None:
        self._total = total
        self._draw = draw
        self._done = self._failed = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._interruptible = Interruptible()
        self._owner = Owner()

    def __enter__(self) -> Self:
        self._interruptible.begin()
        if self._total != 1 and (wanted := _wanted(draw=self._draw)) is not None and _shown.acquire(blocking=False):
            try:
                meter = Meter(statistics, time.monotonic, self._total)
                self._thread = threading.Thread(
                    target=self._keep_showing, args=(meter, *wanted), name="typefold-progress", daemon=True
                )
                self._thread.start()
            except BaseException as error:
                _shown.release()
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
                _shown.release()
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
        try:
            while not self._ended.wait(every):
                display = display or make()
                display.show(meter.read(self._done, self._failed))
            if display is not None:
                display.close(meter.read(self._done, self._failed), meter.seconds)
        except Exception:  # showing it must not cost anybody their results
            logger.debug("showing progress failed", exc_info=True)


def length(rows: object) -> int | None:
    """How many rows there are, where that is known before they are taken."""
    try:
        return len(rows) if isinstance(rows, Sized) else None
    except TypeError:  # an array without a dimension
        return None


_shown = lock(threading.Lock)  # held by the batch that is shown


def _wanted(*, draw: bool) -> tuple[Callable[[], Display], float] | None:
    """What shows a batch here, and how often; `None` where nobody would see it."""
    if os.environ.get("TYPEFOLD_PROGRESS") == "0":
        return None
    if draw and (display := _notebook()) is not None:
        return partial(Notebook, display), Notebook.every
    if draw and _is_terminal(sys.stderr):
        return Terminal, Terminal.every
    return (Log, Log.every) if logger.isEnabledFor(logging.INFO) else None


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
