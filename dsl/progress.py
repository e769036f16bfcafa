"""A progress bar for batches: on a terminal, for more than one row, not for a batch inside a row, and nowhere else.

Logs and tests see nothing of it. The environment variable `TYPEFOLD_PROGRESS=0` switches it off.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Self

from typefold.mailbox import current_row

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Progress"]


class Progress:
    """Shows how many rows are done, and how many of them failed.

    Args:
        total: How many rows there are, where that is known.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._failed = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._total != 1 and _wanted():
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
            self._task = self._bar.add_task("rows", total=self._total, note="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def row(self, *, failed: bool) -> None:
        """One more row is done."""
        self._failed += failed
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, note=f"{self._failed} failed" if self._failed else "")


def _wanted() -> bool:
    return os.environ.get("TYPEFOLD_PROGRESS", "1") != "0" and sys.stderr.isatty() and current_row() is None
