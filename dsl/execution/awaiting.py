"""Work that waits as a row does, awaited by a task: its event loop goes on meanwhile.

`awaited` runs a function in a greenlet. Where the function would wait for an answer, the greenlet parks and the task
awaits; the function goes on in the task's own thread, so nothing of the user's runs in two threads. What else it does,
it does in the loop's time. Cancelling the task ends the function where it waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from greenlet import getcurrent

from typefold.execution.greenlets import AsyncMailbox, Parked, RowCancelled
from typefold.execution.seeding import end_if_over
from typefold.runtime import Cancelled

__all__ = ["awaited"]

T = TypeVar("T")


class _Task:
    """The home of a greenlet that a task waits for."""

    def __init__(self) -> None:
        self.woken: AsyncMailbox[None] = AsyncMailbox()

    def wake(self, row: Parked) -> None:
        self.woken.put(None)


async def awaited(work: Callable[[], T]) -> T:
    """What a function gives that may wait as rows do; it runs in a copy of the task's context."""
    await end_if_over()
    made: list[T] = []

    def body() -> None:
        try:
            made.append(work())
        except RowCancelled:
            if row.cancelled is None:  # by the task it is thrown in, and need not come out
                raise

    task, thread = _Task(), threading.get_ident()
    row = Parked(task, 0, None, body)
    row.gr_context = copy_context()
    try:
        while True:
            row.parent = getcurrent()
            row.switch()
            if row.dead:
                return made[0]
            if row.left:
                raise Cancelled
            await task.woken.get()
    finally:
        if not row.dead and threading.get_ident() == thread:  # a greenlet can't be ended from another thread
            row.cancel(RowCancelled())
