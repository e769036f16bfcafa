"""Ends of batches that are about no row: a journal or an engine that fails, and rows that go on regardless.

A batch remembers such an error, so that rows which catch it don't go on without end. A row in a greenlet is ended where it waits
(`greenlets`); a row that is a task of an event loop is ended by the calls that it makes (`TaskEnds`). An engine that can't be
loaded is not tried again by the batches and tasks that needed it (`FailedLoad`).
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from typefold.errors import EngineLoadError
from typefold.execution.greenlets import CANCELLATIONS, LEFT_BEHIND, AsyncMailbox, current_row, stop
from typefold.execution.seeding import Batch, Place, around, here
from typefold.runtime.journal import JournalError

logger = logging.getLogger(__name__)

running: WeakSet[Batch] = WeakSet()
"""The batches of programs that run now, in any thread."""


class _EndingBatches:  # a generator would cost more, and each call passes through it
    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, JournalError | EngineLoadError):
            end_batches(error)
            if (row := current_row()) is not None:
                row.fail(error)


ending_batches = _EndingBatches()
"""Around code: a journal or a load that fails there ends the batches that the code is in a row of, and the row."""


def end_batches(error: Exception) -> None:
    """End the batches that this code is in a row of, by an error that is about none of their rows."""
    for batch in around():
        batch.fault = batch.fault or error
        if batch.wake_reader is not None:
            batch.wake_reader()


async def end_if_over() -> None:
    """End a call that is awaited, by CancelledError, in a row of a batch of tasks which is over or is to end."""
    for batch in around():
        if batch.end_call is not None:
            await batch.end_call()


class TaskEnds:
    """The end of rows that are tasks of one event loop."""

    def __init__(self, batch: Batch, wake_reader: Callable[[], None]) -> None:
        batch.wake_reader, batch.end_call = wake_reader, self.end_call
        self._batch = batch
        self.places: WeakKeyDictionary[asyncio.Task[Any], Place] = WeakKeyDictionary()  # shared with the tasks of a row
        self._over: Future[None] = Future()
        self._cancelled: Counter[Place | None] = Counter()
        self._left: set[asyncio.Task[Any] | None] = set()
        self._one_left = asyncio.Event()

    async def end_all(self, *, whole_loop: bool = True) -> None:
        """Cancel the tasks of this loop, or those of the rows alone; wait until all have ended or are left behind."""
        self._over.set_result(None)
        tasks = asyncio.all_tasks() - {asyncio.current_task()} if whole_loop else set(self.places)
        for task in tasks:
            task.cancel()
        waiting = asyncio.ensure_future(self._one_left.wait())
        while pending := {task for task in tasks - self._left if not task.done()}:
            self._one_left.clear()
            await asyncio.wait({*pending, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting = asyncio.ensure_future(self._one_left.wait())
        waiting.cancel()
        await asyncio.gather(waiting, *(tasks - self._left), return_exceptions=True)
        if whole_loop and not self._left:
            await asyncio.get_running_loop().shutdown_asyncgens()

    async def end_call(self) -> None:
        """End a call if the batch is over: the first few times with its task, then by never coming back."""
        if not self._over.done():
            if stop.is_due and self._batch.wake_reader is not None:  # the row has swallowed it
                self._batch.wake_reader()
            elif self._batch.fault is None:  # else its end is near
                return
            over: AsyncMailbox[object] = AsyncMailbox()
            self._over.add_done_callback(over.put)
            await over.get()
        place = here.get()
        self._cancelled[place] += 1
        if self._cancelled[place] < CANCELLATIONS:
            raise asyncio.CancelledError
        if self._cancelled[place] == CANCELLATIONS:
            logger.warning(LEFT_BEHIND)
        for task in {asyncio.current_task(), *(task for task, its in self.places.items() if its is place)}:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))  # to free it would run its code again, without end
            self._left.add(task)
            if task is not None:
                asyncio._unregister_task(task)  # the end of the loop would wait for it
        self._one_left.set()
        await asyncio.get_running_loop().create_future()


class FailedLoad:
    """A load that failed, and the batches and tasks that needed it: they are not to try it again, but a later job may."""

    def __init__(self, error: EngineLoadError) -> None:
        self._model, self._reason = error.model, error.reason  # the error's frames hold the engine's memory
        self._batches = WeakSet([*around()][-1:] or _all_running())
        self._tasks = _tasks()
        end_batches(error)

    def again(self) -> EngineLoadError:
        return EngineLoadError(self._model, self._reason)

    @property
    def ends_caller(self) -> bool:
        own = list(around())
        if own:
            return own[-1] in self._batches
        return any(batch in self._batches for batch in _all_running()) or _task() in self._tasks


def _all_running() -> Iterable[Batch]:
    """The batches that this thread may belong to, though no place names them: any row may have started it."""
    return () if threading.current_thread() is threading.main_thread() else list(running)


def _task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _tasks() -> WeakSet[Any]:
    try:
        return WeakSet(asyncio.all_tasks())
    except RuntimeError:
        return WeakSet()
