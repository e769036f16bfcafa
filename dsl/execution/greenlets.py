"""Waiting, for a thread, for a row of `run` or for a task.

Other threads put things into a `Mailbox`, and taking one out waits: a plain thread blocks; a row, which is a greenlet, parks,
and its thread goes on with the other rows. All waiting of the package goes through here, so any code that waits can be a
row of a program. A task awaits an `AsyncMailbox` instead, or runs code that waits as rows do (`awaited`).

A row that was cancelled is told so at each wait. One that does not end (`while True: try: ... except: pass`) is left behind:
parked for good, since ending it would only run its code again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, NoReturn, Protocol, TypeVar
from weakref import WeakSet

from greenlet import GreenletExit, getcurrent, greenlet

from typefold.compiler.contained import register_fatal
from typefold.errors import PromptUsageError
from typefold.runtime import Cancelled
from typefold.runtime.ownership import Owner, refusal

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Stop:
    """Whether Ctrl-C or SIGTERM told the main thread to stop while a batch ran in it.

    A signal's exception comes up in whatever code runs, a row's too, which may swallow it. So `interrupts` notes it here,
    and the batch raises it again wherever it takes its rows up again, or waits.
    """

    asked: type[BaseException] | None = None  # the exception that ends the batch
    noticed: bool = False  # whether the batch has raised it

    @property
    def is_due(self) -> bool:
        return self.asked is not None and threading.current_thread() is threading.main_thread()

    def check(self) -> None:
        """Raise the exception that ends the batch that runs here, if it was told to stop."""
        if self.asked is not None and self.is_due:
            self.noticed = True
            raise self.asked


stop = Stop()

CANCELLATIONS = 3
"""The number of times that a row is told to end before it is left behind."""

LEFT_BEHIND = "a row that was cancelled does not end, so it is left behind where it waits"


class RowCancelled(BaseException):
    """The row is to end, since its `run` was left. No `except Exception` can hold that up."""


register_fatal(RowCancelled, GreenletExit)


class Home(Protocol):
    """A runner of rows."""

    def wake(self, row: Parked, /) -> None:
        """Let a row go on soon. Any thread may call this."""


class Parked(greenlet):
    """A greenlet that parks where a thread would block."""

    def __init__(self, home: Home, key: int, index: int | None, work: Callable[[], None]) -> None:
        super().__init__(work)
        self.home = home
        self.key = key  # the row's number for its home
        self.index = index  # in messages
        self.cancelled: BaseException | None = None  # once it is to end: each further wait raises it again
        self.left = False  # it did not end although it was told to, so it will never go on
        self.owner = Owner()  # a fork within a row is in none
        self._cancellations = 0
        self._submitted: WeakSet[Future[Any]] | None = None

    def park(self) -> None:
        """Let other rows run until this one is woken; end it if it was cancelled, now or before."""
        if self.cancelled is None:
            self._switch()
        if self.cancelled is not None:
            self.give_up(self.cancelled)

    def wait_for(self, future: Future[Any]) -> None:
        """Let other rows run until a future has ended. The row itself calls this."""
        future.add_done_callback(lambda _: self.home.wake(self))
        while not future.done():  # it may be woken for an earlier one: look again
            self.park()

    def owns(self, future: Future[Any]) -> None:
        """Cancel a future when this row is cancelled."""
        if self._submitted is None:
            self._submitted = WeakSet()
        self._submitted.add(future)

    def withdraw(self) -> None:
        """Cancel the calls of this row that have no answer yet."""
        for future in list(self._submitted or ()):
            future.cancel()

    def give_up(self, why: BaseException) -> NoReturn:
        """End this row, now and again wherever it would go on. The row itself calls this."""
        self.cancelled = why
        self._cancellations += 1
        if self._cancellations > CANCELLATIONS:
            logger.warning(LEFT_BEHIND)
            self.left = True
            self.withdraw()
        while self.left:
            self._switch()
        raise why

    def fail(self, why: BaseException) -> NoReturn:
        """End this row and those around it. The row itself calls this."""
        around = self.parent
        while isinstance(around, Parked):
            around.cancelled = around.cancelled or why
            around = around.parent
        self.give_up(why)

    def cancel(self, why: BaseException) -> None:
        """End this row, which waits. Its thread calls this."""
        self.cancelled = why
        self._cancellations += 1
        self.parent = getcurrent()
        if not self.dead and not self.left:
            self.throw(why)

    def _switch(self) -> None:
        parent = self.parent
        assert parent is not None
        parent.switch()


class Mailbox(Generic[T]):
    """A queue from any thread to one waiting thread or row."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._waiting: Parked | None = None
        self._owner = Owner()

    def put(self, item: T) -> None:
        self._items.put(item)
        row = self._waiting
        if row is not None:
            row.home.wake(row)

    def get(self) -> T:
        """Take the next item out, once there is one. Raises RowCancelled in a row that is to end."""
        self._owner.check("a call under way")
        row = current_row()
        if row is None:
            if self._items.empty():
                refuse_waiting()
            stop.check()
            return self._items.get()
        self._waiting = row  # set before the queue is looked at: what comes after that wakes the row
        try:
            while self._items.empty():
                row.park()  # it may be woken for an earlier mailbox: look again
            return self._items.get()
        finally:
            self._waiting = None

    def get_some(self, most: int) -> list[T]:
        """Take so many items out at most, once there is one."""
        return [self.get(), *(self._items.get() for _ in range(min(most - 1, self._items.qsize())))]


class AsyncMailbox(Generic[T]):
    """A queue from any thread to one waiting task."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._waiting: asyncio.Future[None] | None = None
        self._owner = Owner()

    def put(self, item: T) -> None:
        self._items.put(item)
        waiting = self._waiting
        if waiting is not None:
            with suppress(RuntimeError):  # its loop was closed: nobody waits any more
                waiting.get_loop().call_soon_threadsafe(_end, waiting)

    async def get(self) -> T:
        self._owner.check("a call under way")
        refuse_waiting()
        while True:
            self._waiting = waiting = asyncio.get_running_loop().create_future()
            try:
                if not self._items.empty():  # looked at after it is known who waits, so that nothing is missed
                    return self._items.get()
                await waiting
            finally:
                self._waiting = None


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def refuse_waiting() -> None:
    """Refuse to wait for an answer in a thread that answers come from."""
    if (reason := refusal()) is not None:
        raise PromptUsageError(reason)


def current_row() -> Parked | None:
    """Return the row whose code runs now, if it is a row's."""
    running: Any = getcurrent()
    return running if isinstance(running, Parked) and not running.owner.elsewhere else None


def end_if_cancelled() -> None:
    """End the row that runs, if it or its batch was told to end."""
    if (row := current_row()) is not None and (row.cancelled is not None or stop.is_due):
        row.park()


def row_index() -> int | None:
    """Return the index, for messages, of the row that runs now; `None` where there is none."""
    row = current_row()
    return None if row is None else row.index


class _Task:
    """The home of a greenlet for which a task waits."""

    def __init__(self) -> None:
        self.woken: AsyncMailbox[None] = AsyncMailbox()

    def wake(self, row: Parked) -> None:
        self.woken.put(None)


async def awaited(work: Callable[[], T]) -> T:
    """Run a function that may wait as rows do, while the event loop goes on; return what it returns.

    Cancelling the task ends the function where it waits.
    """
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
            stop.check()  # a row within may have swallowed it
            await task.woken.get()
    finally:
        if not row.dead and threading.get_ident() == thread:  # a greenlet can't be ended from another thread
            row.cancel(RowCancelled())
