"""Carrying calls to their runtimes and back: one, many, awaited.

A batch of N calls gives N results. What goes wrong with a row is that row's `PromptError`; what is wrong with the program
(misuse, no runtime) is raised at once. Calls are made as there is room for them, a few times as many as the engine runs
at once, so that rendering and decoding go on while it works and the rows that wait cost no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from returns.result import Failure, Result, Success

from typefold.errors import BatchError
from typefold.execution.call import Call, Exchange
from typefold.execution.greenlets import Mailbox, RowCancelled, current_row, heed, refuse_waiting, row_index
from typefold.execution.interrupts import interruptible
from typefold.execution.progress import Progress
from typefold.execution.seeding import Batch, end_batches, end_if_over, identity_here, seed_for
from typefold.runtime import Cancelled, Outcome, PromptError, Request
from typefold.runtime.journal import JournalError
from typefold.runtimes.runtime import AHEAD, Runtime
from typefold.tables.columns import length

__all__ = [
    "advance",
    "answer",
    "answer_awaited",
    "answers",
    "answers_awaited",
    "begin",
    "in_order",
    "opened",
    "told",
    "value_in",
]

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


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
        heed()
        raise call
    exchange, runtime = opened(call, row_index())
    mailbox: Mailbox[Future[Outcome]] = Mailbox()
    said = begin(exchange)
    while isinstance(said, Request):
        [future] = runtime.submit([said])
        future.add_done_callback(mailbox.put)
        try:
            with interruptible():
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
    row = current_row()
    if row is not None and isinstance(result, Failure) and isinstance(error := result.failure(), Cancelled):
        cancelled = RowCancelled()  # no `except PromptError` may keep the row going
        cancelled.__cause__ = error
        row.give_up(cancelled)
    return value_in(result)


def value_in(result: Result[T, Exception]) -> T:
    """The value of a call.

    Raises:
        PromptError: The call gave none.
    """
    if isinstance(result, Success):
        value: T = result.unwrap()
        return value
    raise result.failure()


def answers(
    calls: Iterable[Call[T] | PromptError], total: int | None = None, most: int | None = None
) -> list[Result[T, PromptError]]:
    """Every call's result, in order, from one batch.

    Args:
        calls: The calls, or the errors that their arguments gave. They are taken as there is room for them.
        total: How many there are, for those who watch, where that is known.
        most: The number of rows that may fail; all unless given.

    Raises:
        BatchError: More than that failed.
    """
    return in_order(_as_answered(calls), length(calls) if total is None else total, most)


def in_order(
    rows: Generator[tuple[int, Result[T, E]]], total: int | None, most: int | None = None
) -> list[Result[T, E]]:
    """The results of rows that come as they end, each with its index; watched, and closed at the end.

    Args:
        rows: The rows.
        total: How many there are, where that is known.
        most: The number of rows that may fail; all unless given.

    Raises:
        BatchError: More than that failed.
    """
    heed()
    collected: _Collected[T, E] = _Collected(total, most)
    with Progress(total) as progress, closing(rows):
        for row, result in rows:
            progress.row(failed=not isinstance(result, Success))
            collected.add(row, result)
    return collected.in_order


class _Collected(Generic[T, E]):
    """Results by row, of a batch that ends early where too many rows failed.

    Args:
        total: The number of rows, where it is known.
        most: The number of rows that may fail; all where it is `None`.
    """

    def __init__(self, total: int | None, most: int | None) -> None:
        self._total = total
        self._most = most
        self._failed = 0
        self._results: dict[int, Result[T, E]] = {}

    @property
    def in_order(self) -> list[Result[T, E]]:
        """All of them, where none is missing."""
        return [self._results[row] for row in range(len(self._results))]

    def add(self, row: int, result: Result[T, E]) -> None:
        """One more row has ended.

        Raises:
            BatchError: That was one failure too many. Rows that are not done are `Cancelled` in it.
        """
        results = self._results
        results[row] = result
        if not isinstance(result, Failure):
            return
        self._failed += 1
        if self._most is not None and self._failed > self._most:
            name = str(getattr(result.failure(), "function", "run"))
            places = range(max(self._total or 0, max(results) + 1))
            raise BatchError(
                [results.get(place) or Failure(Cancelled(function=name, row=place)) for place in places],
                max_failures=self._most,
            )


def _as_answered(calls: Iterable[Call[T] | PromptError]) -> Generator[tuple[int, Result[T, PromptError]]]:
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
            if not exhausted and len(under_way) <= (AHEAD - 1) * share:
                said: list[tuple[int, Request]] = []
                for row, call in source:
                    if isinstance(call, PromptError):
                        yield row, Failure(call)
                        continue
                    batch = batch or Batch(call.function)
                    exchange, runtime = opened(call, row, batch)
                    share = share or runtime.facts.max_num_seqs
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
    await end_if_over()
    if isinstance(call, PromptError):
        await asyncio.sleep(0)  # who asks it again without end lets others have their turn
        raise call
    refuse_waiting()
    exchange, runtime = opened(call, row, batch)
    said = begin(exchange)
    while isinstance(said, Request):
        [future] = runtime.submit([said])
        with interruptible(), suppress(PromptError):  # the exchange hears of it
            await asyncio.wrap_future(future)
        said = advance(exchange, future)
    return value_in(said)


async def answers_awaited(
    calls: Iterable[Call[T] | PromptError], most: int | None = None
) -> list[Result[T, PromptError]]:
    """Every call's result, in order, awaited together; what is about no row ends them all.

    Raises:
        BatchError: More than `most` failed.
    """
    await end_if_over()
    every = list(calls)
    batch = Batch(every[0].function) if every else None
    collected: _Collected[T, PromptError] = _Collected(len(every), most)
    for call in every:
        if not isinstance(call, PromptError):
            _ = call.runtime.facts  # what is wrong with it is no row's
            break
    tasks = [asyncio.ensure_future(_result_awaited(call, row, batch)) for row, call in enumerate(every)]
    try:
        with Progress(len(every)) as progress:
            for ended in asyncio.as_completed(tasks):
                row, result = await ended
                progress.row(failed=isinstance(result, Failure))
                collected.add(row, result)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return collected.in_order


def begin(exchange: Exchange[T]) -> Request | Result[T, PromptError]:
    """What an exchange says first, or how it ends where it has nothing to ask."""
    return _said(partial(next, exchange))


def advance(exchange: Exchange[T], future: Future[Outcome]) -> Request | Result[T, PromptError]:
    """Tell an exchange how its request ended: what it says next, or how it ends itself."""
    try:
        outcome = future.result()
    except JournalError as error:
        end_batches(error)
        raise
    except CancelledError:
        return _said(partial(exchange.throw, Cancelled()))
    except PromptError as error:
        return _said(partial(exchange.throw, error))
    return _said(partial(exchange.send, outcome))


def _said(step: Callable[[], Request]) -> Request | Result[Any, PromptError]:
    try:
        return step()
    except StopIteration as end:
        return Success(end.value)
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
    heed()
    runtime = call.runtime
    if call.sample is None:
        seed = seed_for(runtime, call.function, batch, row)
    else:
        row, sample = call.sample
        seed = seed_for(runtime, call.function, batch, row, sample)
    if seed is not None or runtime.journaled:
        call = replace(call, seed=seed, place=identity_here(batch) if runtime.journaled else b"")
    return call.exchange(row), runtime


async def _result_awaited(
    call: Call[T] | PromptError, row: int, batch: Batch | None
) -> tuple[int, Result[T, PromptError]]:
    try:
        return row, Success(await answer_awaited(call, row, batch))
    except PromptError as error:
        return row, Failure(error)
