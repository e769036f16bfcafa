"""Calls in the background: sent at once, and brought to their value while the program does something else.

The engine's thread only hands answers over. One thread of typefold's, started with the first such call, reads them, sends the
next request of a call or settles its future. Validators run there, in a copy of the caller's context.

Invariant: a call is in the engine, handed over to that thread, or settled. One whose future is cancelled is withdrawn from
the engine.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet, ref

from returns.result import Failure, Result, Success

from typefold.execution.call import Call, OpenCall, open_call
from typefold.execution.ends import end_if_over
from typefold.execution.executor import unwrap_in_row
from typefold.execution.greenlets import Mailbox, current_row, refuse_waiting, row_index
from typefold.runtime import Cancelled, Outcome, PromptError, Request
from typefold.runtime.ownership import Owner, OwnFuture, in_child

if TYPE_CHECKING:
    from returns.future import FutureResult

logger = logging.getLogger(__name__)

T = TypeVar("T")


class CallFuture(OwnFuture[T]):
    """The value of a call in flight, from `prompt.submit(...)`. It is a `concurrent.futures.Future` in all ways.

    Waiting for it in a row of `run` parks that row and lets the others go on. Cancelling it withdraws the request from the
    engine, and so does the end of a row that was cancelled.
    """

    def result(self, timeout: float | None = None) -> T:
        """Wait for the value and return it.

        Args:
            timeout: The most seconds to wait; no limit by default.

        Raises:
            PromptError: The call gave no value.
            TimeoutError: It is not there yet. The call goes on; its own limit is the option `timeout`.
            concurrent.futures.CancelledError: This future was cancelled.
        """
        try:
            return super().result(self._wait(timeout))
        except Cancelled as error:
            ended: Result[T, Exception] = Failure(error)
            return unwrap_in_row(ended)  # in a row, by ending it

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does, and return the error of the call, or `None` where it gave a value."""
        return super().exception(self._wait(timeout))

    def _wait(self, timeout: float | None) -> float | None:
        """Wait where the thread must not block, and return the seconds that are left: all of them in any other thread."""
        if self.done():
            return 0
        if threading.current_thread() is _carrier.thread:  # a validator waits, or a callback
            while not self.done():
                _carrier.carry_next()
            return 0
        if current_row() is None:
            refuse_waiting()
            return timeout
        mailbox: Mailbox[object] = Mailbox()
        self.add_done_callback(mailbox.put)
        with _alarm(timeout, mailbox):
            mailbox.get()
        return 0


class _SafeFuture(CallFuture[Result[Any, PromptError]]):
    def result(self, timeout: float | None = None) -> Result[Any, PromptError]:
        try:
            return Success(super().result(timeout))
        except PromptError as error:
            return Failure(error)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        error = super().exception(timeout)
        return None if isinstance(error, PromptError) else error


@dataclass(slots=True, eq=False)
class _UnderWay(Generic[T]):
    future: CallFuture[T]
    call: OpenCall[T]
    context: Context = field(default_factory=copy_context)


class _Carrier:
    """The thread of the background calls, and the answers that wait for it."""

    def __init__(self) -> None:
        self._answered: SimpleQueue[tuple[_UnderWay[Any], Future[Outcome]]] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def send(self, call: _UnderWay[Any], request: Request) -> None:
        with self._lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._drive, name="typefold-calls", daemon=True)
                self.thread.start()
        asked = call.call.submit(request)
        asked.add_done_callback(lambda answered: self._answered.put((call, answered)))
        if call.future.cancelled():  # meanwhile
            call.call.withdraw()

    def carry_next(self) -> None:
        """Wait for the next answer, and bring its call one step on."""
        call, asked = self._answered.get()
        if call.future.cancelled():
            call.call.close()
            call.future.set_running_or_notify_cancel()  # wakes the code that waits for it
            return
        step: Request | Result[Any, BaseException]
        try:
            step = call.context.run(call.call.resume, asked)
            if isinstance(step, Request):
                call.context.run(self.send, call, step)
                return
        except BaseException as error:  # of a validator, say: the waiting caller is to see it, and this thread goes on
            step = Failure(error)
        call.context.run(_settle, call.future, step)  # and so its callbacks

    def _drive(self) -> None:
        while True:
            try:
                self.carry_next()
            except BaseException:  # of a caller's callback: it is theirs, and other calls go on
                logger.exception("a callback of a call raised")


_carrier = _Carrier()
_futures: WeakSet[CallFuture[Any]] = WeakSet()
_owner = Owner()


def _forked() -> None:
    global _carrier, _owner
    error = _owner.error("a future of a call")
    for future in [*_futures]:
        future.disown(error)
    _carrier, _owner = _Carrier(), Owner()


in_child(_forked)


def submit(call: Call[Any] | PromptError, *, safe: bool = False) -> CallFuture[Any]:
    """Send a call, and return a future of its value."""
    future: CallFuture[Any] = _SafeFuture() if safe else CallFuture()
    _futures.add(future)
    if isinstance(call, PromptError):
        _settle(future, Failure(call))
        return future
    row = current_row()
    under_way = _UnderWay(future, open_call(call, row_index()))
    step = under_way.call.start()
    if isinstance(step, Request):
        future.add_done_callback(partial(_withdraw, ref(under_way.call)))
        _carrier.send(under_way, step)
        if row is not None:
            row.owns(future)
    else:
        _settle(future, step)
    return future


def future_result(call: Call[T] | PromptError) -> FutureResult[T, PromptError]:
    """Send a call, and return its result as a `FutureResult`, to be awaited any number of times."""
    from returns.future import FutureResult  # 10 ms that most programs need not spend

    return FutureResult(_Awaited(submit(call), call.function))


@dataclass(eq=False)
class _Awaited(Generic[T]):
    """The result of a call, for any number of tasks. Cancelling the last one that awaits it withdraws the request."""

    _future: CallFuture[T]
    _function: str
    _waiting: int = 0

    def __await__(self) -> Generator[Any, None, Result[T, PromptError]]:
        return self._result().__await__()

    async def _result(self) -> Result[T, PromptError]:
        refuse_waiting()
        await end_if_over()
        self._waiting += 1
        try:
            return Success(await asyncio.shield(asyncio.wrap_future(self._future)))
        except PromptError as error:
            return Failure(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._future.cancelled() and not (task and task.cancelling()):  # by another hand
                return Failure(Cancelled(function=self._function))
            if self._waiting == 1:
                self._future.cancel()
            raise
        finally:
            self._waiting -= 1


@contextmanager
def _alarm(seconds: float | None, mailbox: Mailbox[Any]) -> Generator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, mailbox.put, [None])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _withdraw(call: ref[OpenCall[Any]], future: Future[Any]) -> None:
    """Take a call's request out of the engine, if its future was cancelled. The future keeps no prompt and no answer alive."""
    if future.cancelled() and (under_way := call()) is not None:
        under_way.withdraw()


def _settle(future: Future[T], result: Result[T, BaseException]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(result, Success):
        future.set_result(result.unwrap())
    else:
        future.set_exception(result.failure())
