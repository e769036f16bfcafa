"""Carrying calls to their runtimes and back: one, many, awaited.

A batch of N calls gives N results. What goes wrong with a row is that row's `PromptError`; what is wrong with the program
(misuse, no runtime) is raised at once. Calls are made as there is room for them, a few times as many as the engine runs
at once, so that rendering and decoding go on while it works and the rows that wait cost no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from returns.result import Failure, Result, Success

from typefold.calls import Call, Exchange
from typefold.mailbox import Mailbox, RowCancelled, current_row
from typefold.places import Batch, seed_for
from typefold.progress import Progress, length
from typefold.runtime import Cancelled, Outcome, PromptError, Request
from typefold.runtimes import Runtime, current

__all__ = ["advance", "answer", "answer_awaited", "answers", "answers_awaited", "begin", "opened", "runtime_of", "told"]

T = TypeVar("T")

_AHEAD = 4  # how many times max_num_seqs may be under way: what runs, what the engine has queued, and what is made


@dataclass(slots=True)
class _Open(Generic[T]):
    """A call under way."""

    exchange: Exchange[T]
    runtime: Runtime
    future: Future[Outcome] | None = None


def answer(call: Call[T] | PromptError) -> T:
    """One call's value; a row of `run` parks while it waits.

    Raises:
        PromptError: The call gave none.
    """
    if isinstance(call, PromptError):
        raise call
    row = current_row()
    exchange, runtime = opened(call, None if row is None else row.index)
    mailbox: Mailbox[Future[Outcome]] = Mailbox()
    said = begin(exchange)
    while isinstance(said, Request):
        [future] = runtime.submit([said])
        future.add_done_callback(mailbox.put)
        try:
            mailbox.get()
        except BaseException:  # Ctrl-C, mostly: nothing of this call stays in the engine
            future.cancel()
            raise
        said = advance(exchange, future)
    return told(said)


def told(result: Result[T, Exception]) -> T:
    """The value of a call, told to whoever waited for it.

    Raises:
        PromptError: The call gave none.
        RowCancelled: It was cancelled, and this is a row, which is to end.
    """
    if isinstance(result, Success):
        value: T = result.unwrap()
        return value
    error, row = result.failure(), current_row()
    if row is not None and isinstance(error, Cancelled):  # no `except PromptError` may keep the row going
        cancelled = RowCancelled()
        cancelled.__cause__ = error
        row.give_up(cancelled)
    raise error


def answers(calls: Iterable[Call[T] | PromptError], total: int | None = None) -> list[Result[T, PromptError]]:
    """Every call's result, in order, from one batch.

    Args:
        calls: The calls, or the errors that their arguments gave. They are taken as there is room for them.
        total: How many there are, for those who watch, where that is known.
    """
    total = length(calls) if total is None else total
    results: dict[int, Result[T, PromptError]] = {}
    with Progress(total) as progress:
        for row, result in _as_answered(calls):
            results[row] = result
            progress.row(failed=not isinstance(result, Success))
    return [results[row] for row in range(len(results))]


def _as_answered(calls: Iterable[Call[T] | PromptError]) -> Iterator[tuple[int, Result[T, PromptError]]]:
    """The results as they come, each with its row."""
    mailbox: Mailbox[tuple[int, Future[Outcome]]] = Mailbox()
    under_way: dict[int, _Open[T]] = {}
    source, exhausted = enumerate(calls), False
    share = 0  # max_num_seqs of the engine, once a call says which that is
    batch: Batch | None = None

    def send(said: Sequence[tuple[int, Request]]) -> None:
        """Send what rows say, that of one runtime together."""
        by_runtime: dict[Runtime, list[tuple[int, Request]]] = {}
        for row, request in said:
            by_runtime.setdefault(under_way[row].runtime, []).append((row, request))
        for runtime, requests in by_runtime.items():
            futures = runtime.submit([request for _, request in requests])
            for (row, _), future in zip(requests, futures, strict=True):
                under_way[row].future = future
                future.add_done_callback(partial(_deliver, mailbox, row))

    try:
        while not exhausted or under_way:
            if not exhausted and len(under_way) <= (_AHEAD - 1) * share:
                said: list[tuple[int, Request]] = []
                for row, call in source:
                    if isinstance(call, PromptError):
                        yield row, Failure(call)
                        continue
                    batch = batch or Batch(call.function)
                    exchange, runtime = opened(call, row, batch)
                    share = share or runtime.engine.max_num_seqs
                    first = begin(exchange)
                    if not isinstance(first, Request):
                        yield row, first
                        continue
                    under_way[row] = _Open(exchange, runtime)
                    said.append((row, first))
                    if len(said) >= share:
                        break
                else:
                    exhausted = True
                send(said)
                continue
            row, future = mailbox.get()
            answered = advance(under_way[row].exchange, future)
            if isinstance(answered, Request):
                send([(row, answered)])
            else:
                del under_way[row]
                yield row, answered
    finally:  # left early, by Ctrl-C mostly: nothing of this batch stays in the engine
        for call_under_way in under_way.values():
            if call_under_way.future is not None:
                call_under_way.future.cancel()


def _deliver(mailbox: Mailbox[tuple[int, Future[Outcome]]], row: int, future: Future[Outcome]) -> None:
    mailbox.put((row, future))


async def answer_awaited(call: Call[T] | PromptError, row: int | None = None, batch: Batch | None = None) -> T:
    """One call's value, awaited; cancelling the task withdraws the request.

    Raises:
        PromptError: The call gave none.
    """
    if isinstance(call, PromptError):
        raise call
    exchange, runtime = opened(call, row, batch)
    said = begin(exchange)
    while isinstance(said, Request):
        [future] = runtime.submit([said])
        with suppress(PromptError):  # the exchange hears of it
            await asyncio.wrap_future(future)
        said = advance(exchange, future)
    if isinstance(said, Success):
        value: T = said.unwrap()
        return value
    raise said.failure()


async def answers_awaited(calls: Iterable[Call[T] | PromptError]) -> list[Result[T, PromptError]]:
    """Every call's result, in order, awaited together."""
    every = list(calls)
    batch = Batch(every[0].function) if every else None
    with Progress(len(every)) as progress:
        return await asyncio.gather(*(_result_awaited(call, row, batch, progress) for row, call in enumerate(every)))


def begin(exchange: Exchange[T]) -> Request | Result[T, PromptError]:
    """What an exchange says first, or how it ends where it has nothing to ask."""
    try:
        return next(exchange)
    except StopIteration as end:
        value: T = end.value
        return Success(value)
    except PromptError as error:
        return Failure(error)


def advance(exchange: Exchange[T], future: Future[Outcome]) -> Request | Result[T, PromptError]:
    """Tell an exchange how its request ended: what it says next, or how it ends itself."""
    try:
        try:
            outcome = future.result()
        except CancelledError:
            return exchange.throw(Cancelled())
        except PromptError as error:
            return exchange.throw(error)
        return exchange.send(outcome)
    except StopIteration as end:
        value: T = end.value
        return Success(value)
    except PromptError as error:
        return Failure(error)


def opened(call: Call[T], row: int | None, batch: Batch | None = None) -> tuple[Exchange[T], Runtime]:
    """A call as an exchange, and the runtime that answers it.

    Args:
        call: The call.
        row: The index of the row that asks, for messages.
        batch: The batch whose row the call is; `None` for a call by itself.

    Raises:
        NoRuntime: No model has been named.
    """
    runtime = runtime_of(call)
    seed = seed_for(runtime, call.function, batch, row)
    return (call if seed is None else replace(call, seed=seed)).exchange(row), runtime


def runtime_of(call: Call[T]) -> Runtime:
    """The runtime that answers a call.

    Raises:
        NoRuntime: No model has been named.
    """
    return call.options.runtime or current()


async def _result_awaited(
    call: Call[T] | PromptError, row: int, batch: Batch | None, progress: Progress
) -> Result[T, PromptError]:
    result: Result[T, PromptError]
    try:
        result = Success(await answer_awaited(call, row, batch))
    except PromptError as error:
        result = Failure(error)
    progress.row(failed=isinstance(result, Failure))
    return result
