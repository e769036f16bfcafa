"""A progress bar for batches: on a terminal, for more than one row, and nowhere else.

Logs and tests see nothing of it. `Runtime(progress=False)` or the environment variable `TYPEFOLD_PROGRESS=0` switch it off.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from typefold.runtime import Outcome

__all__ = ["Progress"]


class Progress:
    """Watches futures and shows how many are done, at what rate, and how many failed."""

    def __init__(self, futures: Sequence[Future[Outcome]]) -> None:
        self._futures = futures
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._tokens = 0
        self._failed = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if len(self._futures) > 1 and _wanted():
            # rich takes 50 ms to import: only where something is shown.
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns: list[Any] = [
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
            ]
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("rows", total=len(self._futures), note="")
            self._bar.start()
            for future in self._futures:
                future.add_done_callback(self._done)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _done(self, future: Future[Outcome]) -> None:
        bar, task = self._bar, self._task
        if bar is None or task is None:
            return
        if future.cancelled() or future.exception() is not None:
            self._failed += 1
        else:
            self._tokens += future.result().output_tokens
        rate = self._tokens / max(time.monotonic() - self._started, 1e-9)
        failed = f", {self._failed} failed" if self._failed else ""
        bar.update(task, advance=1, note=f"{rate:,.0f} tok/s{failed}")


def _wanted() -> bool:
    return os.environ.get("TYPEFOLD_PROGRESS", "1") != "0" and sys.stderr.isatty()
