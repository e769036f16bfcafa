"""Waiting, for a thread, for a row of `run` or for a task.

A mailbox is where other threads leave things. Taking one out waits: a plain thread blocks, a row parks, and its thread
goes on with the other rows. All waiting of this package goes through here, so whatever waits can be a row of a program.
An `AsyncMailbox` is awaited instead, by a task of any event loop.

A row that was cancelled hears so at each wait. One that will not end (`while True: try: ... except: pass`) is left behind:
parked for good, with what it holds, since ending it would only run its code again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, NoReturn, Protocol, TypeVar
from weakref import WeakSet

from greenlet import GreenletExit, getcurrent, greenlet

from typefold.compiler.contained import register_fatal
from typefold.errors import PromptUsageError
from typefold.runtime import Cancelled
from typefold.runtime.ownership import Owner, refusal

__all__ = [
    "CANCELLATIONS",
    "LEFT_BEHIND",
    "AsyncMailbox",
    "Mailbox",
    "Parked",
    "RowCancelled",
    "awaited",
    "check_stopped",
    "current_row",
    "heed",
    "is_stopped",
    "refuse_waiting",
    "row_index",
    "stop",
]


class Stop:
    """The state of the main thread: whether it was told to stop.

    Attributes:
        asked: The exception that ends its batch, once it was told to stop.
        noticed: Whether the batch knows.
    """

    def __init__(self) -> None:
        self.asked: type[BaseException] | None = None
        self.noticed = False


stop = Stop()


def is_stopped() -> bool:
    """Whether this is the main thread, and it was told to stop."""
    return stop.asked is not None and threading.current_thread() is threading.main_thread()


def check_stopped() -> None:
    """End the batch that runs here if it was told to stop.

    Raises:
        BaseException: It was: `KeyboardInterrupt` or `Terminated`.
    """
    if stop.asked is not None and is_stopped():
        stop.noticed = True
        raise stop.asked


logger = logging.getLogger(__name__)

T = TypeVar("T")

_CALL = "a call under way"

CANCELLATIONS = 3
"""The number of times that a row is told to end before it is left behind."""

LEFT_BEHIND = "a row that was cancelled does not end, so it is left behind where it waits"


class RowCancelled(BaseException):
    """The row is to end: its `run` was left. No `except Exception` should hold that up."""


register_fatal(RowCancelled, GreenletExit)


class Home(Protocol):
    """What runs rows: it is told when one can go on."""

    def wake(self, row: Parked, /) -> None:
        """Let a row go on soon; from any thread."""
        ...


class Parked(greenlet):
    """A greenlet that parks where a thread would block.

    Args:
        home: What runs it.
        key: The row's number for its home.
        index: The row as messages name it, if they do.
        work: What it does.

    Attributes:
        cancelled: Why the row is to end, once it is: each further wait raises it again.
        left: Whether it did not end although it was told to, and will never be let go on.
        owner: The process that it is a row of: a fork within a row is in none.
    """

    def __init__(self, home: Home, key: int, index: int | None, work: Callable[[], None]) -> None:
        super().__init__(work)
        self.home = home
        self.key = key
        self.index = index
        self.cancelled: BaseException | None = None
        self.left = False
        self.owner = Owner()
        self._told = 0
        self._submitted: WeakSet[Future[Any]] | None = None

    def park(self) -> None:
        """Let other rows run until this one is woken.

        Raises:
            RowCancelled: The row was cancelled, now or before.
        """
        if self.cancelled is None:
            self._switch()
        if self.cancelled is not None:
            self.give_up(self.cancelled)

    def owns(self, future: Future[Any]) -> None:
        """Have a future cancelled if this row is."""
        if self._submitted is None:
            self._submitted = WeakSet()
        self._submitted.add(future)

    def withdraw(self) -> None:
        """Cancel what this row submitted and has no answer to."""
        for future in list(self._submitted or ()):
            future.cancel()

    def give_up(self, why: BaseException) -> NoReturn:
        """End this row: now, and again wherever it would go on; by the row itself."""
        self.cancelled = why
        self._told += 1
        if self._told > CANCELLATIONS:
            logger.warning(LEFT_BEHIND)
            self.left = True
            self.withdraw()
        while self.left:
            self._switch()
        raise why

    def fail(self, why: BaseException) -> NoReturn:
        """End this row and those that it runs in; by the row itself."""
        around = self.parent
        while isinstance(around, Parked):
            around.cancelled = around.cancelled or why
            around = around.parent
        self.give_up(why)

    def cancel(self, why: BaseException) -> None:
        """End this row, which waits; from its thread."""
        self.cancelled = why
        self._told += 1
        self.parent = getcurrent()
        if not self.dead and not self.left:
            self.throw(why)

    def _switch(self) -> None:
        parent = self.parent
        assert parent is not None
        parent.switch()


class Mailbox(Generic[T]):
    """A queue from any thread to whoever waits at it, one at a time."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._waiting: Parked | None = None
        self._owner = Owner()

    def put(self, item: T) -> None:
        """Leave something; from any thread."""
        self._items.put(item)
        row = self._waiting
        if row is not None:
            row.home.wake(row)

    def get(self) -> T:
        """The next thing, once there is one.

        Raises:
            RowCancelled: A row waited, and is to end.
            UsedAfterFork: It is waited for in another process than things are left in.
        """
        self._owner.check(_CALL)
        row = current_row()
        if row is None:
            if self._items.empty():
                refuse_waiting()
            check_stopped()
            return self._items.get()
        self._waiting = row  # set before the queue is looked at: what comes after that wakes the row
        try:
            while self._items.empty():
                row.park()  # it may be woken for an earlier mailbox: look again
            return self._items.get()
        finally:
            self._waiting = None


class AsyncMailbox(Generic[T]):
    """A queue from any thread to whoever awaits it, one at a time."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._waiting: asyncio.Future[None] | None = None
        self._owner = Owner()

    def put(self, item: T) -> None:
        """Leave something; from any thread."""
        self._items.put(item)
        waiting = self._waiting
        if waiting is not None:
            with suppress(RuntimeError):  # its loop was closed: nobody waits any more
                waiting.get_loop().call_soon_threadsafe(_end, waiting)

    async def get(self) -> T:
        """The next thing, once there is one; see `Mailbox.get`."""
        self._owner.check(_CALL)
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
    """Say that this thread is no place to wait for an answer, where it is one that answers come from.

    Raises:
        PromptUsageError: It is.
    """
    if (reason := refusal()) is not None:
        raise PromptUsageError(reason)


def current_row() -> Parked | None:
    """The row that runs now, if code of a row does."""
    running: Any = getcurrent()
    return running if isinstance(running, Parked) and not running.owner.elsewhere else None


def heed() -> None:
    """End the row that asks for something, if it or its batch was told to end: it may not have to wait for that.

    Raises:
        RowCancelled: It is to end.
    """
    if (row := current_row()) is not None and (row.cancelled is not None or is_stopped()):
        row.park()


def row_index() -> int | None:
    """The index, for messages, of the row that runs now; `None` outside of rows and where they have none."""
    row = current_row()
    return None if row is None else row.index


class _Task:
    """The home of a greenlet that a task waits for."""

    def __init__(self) -> None:
        self.woken: AsyncMailbox[None] = AsyncMailbox()

    def wake(self, row: Parked) -> None:
        self.woken.put(None)


async def awaited(work: Callable[[], T]) -> T:
    """What a function gives that may wait as rows do; it runs in a copy of the task's context."""
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
