"""Rows of a program, each in a greenlet or a task of its own, all in one batch.

`Rows` starts functions and returns results as they end. A row that waits for an answer parks and the next one runs, in the same
thread, so no user code runs in two threads at once. `AsyncRows` does the same for coroutine functions, on an event loop in a
thread of its own. Rows inside rows wait as rows do, so any nesting is one batch.

Invariant: a row that was started is active, ended and in the queue, or returned.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from greenlet import GreenletExit, getcurrent
from returns.result import Failure, Result, Success

from typefold.errors import NoRuntime
from typefold.execution.ends import TaskEnds, running
from typefold.execution.executor import AHEAD
from typefold.execution.greenlets import Mailbox, Parked, RowCancelled, current_row, end_if_cancelled, stop
from typefold.execution.open_runtimes import any_journaled
from typefold.execution.seeding import Batch, Place, here
from typefold.runtime import Cancelled, PromptError
from typefold.runtime.ownership import Owner, end_child
from typefold.runtimes.current import current
from typefold.signatures.parameters import name_of

T = TypeVar("T")

_FAULT = -1  # in place of the index of a row: the batch is to end
_UNKNOWN = 256  # max_num_seqs as long as no engine is loaded


def default_rows_in_flight() -> int:
    """Return the number of rows to begin at once, so that the engine never waits for one. It is not loaded to find out."""
    try:
        most = current().max_num_seqs
    except NoRuntime:
        most = None
    return AHEAD * (most or _UNKNOWN)


class _Row(Parked, Generic[T]):
    """A greenlet in which rows of a plain function run, one after the other.

    To begin a greenlet costs more than all else about a row, so one that has run a row takes another, if not cancelled.
    """

    def __init__(self, home: Rows[T]) -> None:
        super().__init__(home, -1, None, self._serve)
        self.result: Result[T, Exception] | None = None
        self.idle = True
        self._work: Callable[[], T] | None = None
        self._place = Place()

    def take(self, key: int, index: int | None, place: Place, work: Callable[[], T]) -> None:
        """Take a row, to run it in a copy of the caller's context when it is switched to."""
        self.key, self.index, self._place, self._work = key, index, place, work
        self._submitted = None
        self.idle = False
        self.gr_context = copy_context()

    def put_down(self) -> Result[T, Exception] | None:
        """Return the result of the row that has ended; `None` where it ended with no `Exception` (Ctrl-C)."""
        if self.left:
            return _cancelled(self.cancelled, self.index)
        result, self.result, self._work = self.result, None, None
        if not self.dead:
            self.gr_context = None
        return result

    def _serve(self) -> None:
        while True:
            self._run()
            if self.cancelled is not None:
                return
            self.idle = True
            parent = self.parent
            assert parent is not None
            parent.switch()

    def _run(self) -> None:
        assert self._work is not None
        here.set(self._place)
        try:
            self.result = Success(self._work())
        except (RowCancelled, GreenletExit) as cancelled:
            self.withdraw()
            self.cancelled = cancelled
            self.result = _cancelled(cancelled, self.index)
        except Exception as error:
            self.result = Failure(error)


class Rows(Generic[T]):
    """Rows of a plain function, in greenlets of the thread that made this.

    Messages name rows by their index if `named`, else by that of the row around. `key` makes the name of a row in a
    journal of its arguments; by default these are its name.
    """

    def __init__(
        self, function: Callable[..., T], *, named: bool = True, key: Callable[..., object] | None = None
    ) -> None:
        end_if_cancelled()
        self._function = function
        self._key = key
        self._named = named
        self.batch = Batch(name_of(function))
        running.add(self.batch)
        self._around = current_row()
        self._ready: Mailbox[Parked] = Mailbox()
        self._ended: deque[tuple[int, Result[T, Exception]]] = deque()
        self._rows: dict[int, _Row[T]] = {}
        self._idle: list[_Row[T]] = []
        self._thread = threading.get_ident()
        self._owner = Owner()
        self.active = self.failed = 0

    def wake(self, row: Parked) -> None:
        self._ready.put(row)

    def start(self, index: int, *args: Any) -> None:
        """Begin a row with these arguments; it runs until it parks or ends."""
        named = index if self._named else self._around.index if self._around is not None else None
        row = self._idle.pop() if self._idle else _Row(self)
        row.take(index, named, _place(self.batch, index, args, self._key), partial(self._function, *args))
        self._rows[index] = row
        self.active += 1
        self._go_on(row)

    def next(self) -> tuple[int, Result[T, Exception]]:
        """Wait for the next row that ends, and return its index and result."""
        while not self._ended:
            row = self._rows.get(self._ready.get().key)
            if row is not None:  # one that has ended may have been woken once more
                self._go_on(row)
        self.active -= 1
        index, result = self._ended.popleft()
        self.failed -= isinstance(result, Failure)
        return index, result

    def close(self) -> None:
        """End the active rows: each gets `RowCancelled` where it waits, so its `finally` blocks run."""
        running.discard(self.batch)
        if threading.get_ident() != self._thread or self._owner.elsewhere:
            return  # a greenlet can't be ended from another thread, nor those of the parent in a fork of it
        for row in list(self._rows.values()):
            row.cancel(RowCancelled())
        for row in self._idle:
            row.parent = getcurrent()  # it may have run last for another greenlet, which is gone
            row.throw(GreenletExit)
        self._rows.clear()
        self._idle.clear()
        self._ended.clear()
        self.active = 0

    def _go_on(self, row: _Row[T]) -> None:
        row.parent = getcurrent()  # where it parks to
        try:
            row.switch()
        finally:
            if row.dead or row.idle or row.left:
                del self._rows[row.key]
                if (result := row.put_down()) is not None:
                    self._ended.append((row.key, result))
                    self.failed += isinstance(result, Failure)
                if row.idle and not row.dead:
                    self._idle.append(row)
        if stop.is_due:  # the row may have swallowed it
            if (outer := current_row()) is None:
                stop.check()
            else:
                outer.park()  # nor may the row around swallow it: its own rows raise it


class CallersLoop:
    """The event loop that runs now, for rows whose caller lets it go on while he waits for them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.endings: list[asyncio.Task[None]] = []

    async def ended(self) -> None:
        """Wait for the ends of rows that were left."""
        await asyncio.gather(*self.endings)


class AsyncRows(Generic[T]):
    """Rows of a coroutine function, as tasks of one event loop: the caller's, or one in a thread of its own."""

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *,
        key: Callable[..., object] | None = None,
        on: CallersLoop | None = None,
    ) -> None:
        self._function = function
        self._key = key
        self.batch = Batch(name_of(function))
        running.add(self.batch)
        self._ended: Mailbox[int] = Mailbox()
        self._futures: dict[int, Future[T]] = {}
        self._on = on
        self._loop = asyncio.new_event_loop() if on is None else on.loop
        self._thread = threading.Thread(target=self._run, name="typefold-rows", daemon=True)
        self._owner = Owner()
        self.active = self.failed = 0
        self._count = threading.Lock()
        self._ends = TaskEnds(self.batch, partial(self._ended.put, _FAULT))
        if on is None:
            self._thread.start()

    def start(self, index: int, *args: Any) -> None:
        future: Future[T] = Future()
        self._futures[index] = future
        self.active += 1
        future.add_done_callback(partial(self._note, index))
        context = copy_context()
        context.run(here.set, _place(self.batch, index, args, self._key))
        if self._on is None:
            self._loop.call_soon_threadsafe(self._begin, future, args, context)
        else:
            self._begin(future, args, context)

    def next(self) -> tuple[int, Result[T, Exception]]:
        """Wait for the next row that ends. An error that is no `Exception`, or ends the whole batch, is raised."""
        index = self._ended.get()
        if index == _FAULT:
            stop.check()
            if self.batch.fault is not None:
                raise self.batch.fault
            return self.next()
        future = self._futures.pop(index)
        self.active -= 1
        with self._count:
            self.failed -= _has_failed(future)
        try:
            return index, Success(future.result())
        except CancelledError:
            return index, Failure(Cancelled(function=name_of(self._function), row=index))
        except Exception as error:
            return index, Failure(error)

    def close(self) -> None:
        """Cancel the tasks that are left, wait for their `finally` blocks, and end the loop.

        A task that swallows this and makes further calls is cancelled again, and then left behind, as a row in a greenlet is.
        """
        running.discard(self.batch)
        if self._owner.elsewhere:  # a fork shares what the parent's loop waits at
            return
        if self._on is not None:
            if not self._loop.is_closed():
                self._on.endings.append(self._loop.create_task(self._ends.end_all(whole_loop=False)))
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.active = 0

    def _note(self, index: int, future: Future[T]) -> None:
        with self._count:
            self.failed += _has_failed(future)
        self._ended.put(index)

    def _run(self) -> None:
        loop = self._loop
        try:
            loop.run_forever()
        except BaseException as error:  # Ctrl-C or SystemExit in a row ends the whole run
            if self._owner.elsewhere:
                end_child(error)
            for future in self._futures.values():
                if not future.done():
                    future.set_exception(error)
        loop.run_until_complete(self._ends.end_all())

    def _begin(self, future: Future[T], args: tuple[Any, ...], context: Context) -> None:
        task = self._loop.create_task(self._function(*args), context=context)
        self._ends.places[task] = context[here] or Place()
        task.add_done_callback(partial(_settle, future))


Starter: TypeAlias = Rows[T] | AsyncRows[T]
"""Rows of either kind: `start` begins one, `next` returns the result of one that has ended, `close` ends those that are left."""


def _cancelled(why: BaseException | None, row: int | None) -> Failure[Exception]:
    cause = None if why is None else why.__cause__
    return Failure(cause if isinstance(cause, PromptError) else Cancelled(row=row))


def _place(batch: Batch, index: int, arguments: tuple[Any, ...], key: Callable[..., object] | None) -> Place:
    return batch.place(index, arguments if key is None else key(*arguments), journaled=any_journaled())


def _has_failed(ended: Future[Any]) -> bool:
    return ended.cancelled() or ended.exception() is not None


def _settle(future: Future[T], task: asyncio.Task[T]) -> None:
    if future.done():
        return
    if task.cancelled():
        future.cancel()
        future.set_running_or_notify_cancel()
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
