"""Run calls: one, many, awaited.

A batch of N calls gives N results. An error of a row is that row's `PromptError`; an error of the program (misuse, no
runtime) is raised at once. Calls are made as there is room for them, a few times as many as the engine runs at once, so
that rendering and decoding go on while it works and the rows that wait cost no memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from returns.result import Failure, Result, Success

from typefold.errors import BatchError
from typefold.execution.call import Call, OpenCall, open_call
from typefold.execution.ends import end_if_over
from typefold.execution.greenlets import Mailbox, RowCancelled, current_row, end_if_cancelled, refuse_waiting
from typefold.execution.interrupts import interruptible
from typefold.execution.progress import Progress
from typefold.execution.seeding import Batch
from typefold.options import Submitter
from typefold.runtime import Cancelled, Outcome, PromptError, Request
from typefold.runtime.journal import JournalError
from typefold.tables.columns import length

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

AHEAD = 4
"""The multiple of `max_num_seqs` that may be under way: what runs, what the engine has queued, and what is being made."""

_PIECE = 64  # calls that are sent together at most: the engine's side begins with them while the next ones are made
_TOGETHER = 32  # answers that are followed up together at most: the others' requests are not kept waiting
_SLOW = 0.02  # seconds for a row, from which on none waits for the next one
_now = time.monotonic


def run_call(call: Call[T] | PromptError, index: int | None = None, batch: Batch | None = None) -> T:
    """Return one call's value or raise its `PromptError`; a row of `run` parks while it waits.

    By default the call is one of that row. With an index it is a row of a batch.
    """
    if isinstance(call, PromptError):
        end_if_cancelled()
        raise call
    row = current_row()
    under_way = open_call(call, index if row is None or batch is not None else row.index, batch)
    step = under_way.start()
    while isinstance(step, Request):
        future = under_way.submit(step)
        try:
            if row is None:
                mailbox: Mailbox[Future[Outcome]] = Mailbox()
                future.add_done_callback(mailbox.put)
                with interruptible():
                    mailbox.get()
            else:
                row.wait_for(future)
        except BaseException:  # Ctrl-C, mostly: nothing of this call stays in the engine
            under_way.withdraw()
            raise
        step = under_way.resume(future)
    return unwrap_in_row(step)


def unwrap_in_row(result: Result[T, Exception]) -> T:
    """Return the call's value or raise its `PromptError`; end this row (RowCancelled) if the call was cancelled."""
    row = current_row()
    if row is not None and isinstance(result, Failure) and isinstance(error := result.failure(), Cancelled):
        cancelled = RowCancelled()  # no `except PromptError` may keep the row going
        cancelled.__cause__ = error
        row.give_up(cancelled)
    return unwrap(result)


def unwrap(result: Result[T, Exception]) -> T:
    """Return the call's value or raise its `PromptError`."""
    if isinstance(result, Success):
        value: T = result.unwrap()
        return value
    raise result.failure()


def run_calls(
    calls: Iterable[Call[T] | PromptError], total: int | None = None, max_failures: int | None = None
) -> list[Result[T, PromptError]]:
    """Return every call's result, in order, from one batch. Raises BatchError after more than `max_failures`."""
    return in_order(as_answered(calls), length(calls) if total is None else total, max_failures)


def in_order(
    rows: Generator[tuple[int, Result[T, E]]], total: int | None, max_failures: int | None = None
) -> list[Result[T, E]]:
    """Return the results of rows that come as they end, each with its index; watched, and closed at the end."""
    end_if_cancelled()
    collected: _Collected[T, E] = _Collected(total, max_failures)
    with Progress(total) as progress, closing(rows):
        for row, result in rows:
            progress.row(failed=not isinstance(result, Success))
            collected.add(row, result)
    return collected.in_order


@dataclass
class FailureLimit:
    """The number of rows of a batch that may fail before it is ended; `None` for any."""

    max_failures: int | None
    failed: int = 0

    def count(self) -> bool:
        """Count one more failure, and return whether it is one too many."""
        self.failed += 1
        return self.max_failures is not None and self.failed > self.max_failures


class _Collected(Generic[T, E]):
    """Results by row, of a batch that ends early where too many rows failed."""

    def __init__(self, total: int | None, max_failures: int | None) -> None:
        self._total = total
        self._limit = FailureLimit(max_failures)
        self._results: dict[int, Result[T, E]] = {}

    @property
    def in_order(self) -> list[Result[T, E]]:
        return [self._results[row] for row in range(len(self._results))]

    def add(self, row: int, result: Result[T, E]) -> None:
        """Add the result of a row. Raises BatchError where it is one failure too many."""
        results = self._results
        results[row] = result
        if isinstance(result, Failure) and self._limit.count():
            name = str(getattr(result.failure(), "function", "run"))
            places = range(max(self._total or 0, max(results) + 1))
            raise BatchError(
                [results.get(place) or Failure(Cancelled(function=name, row=place)) for place in places],
                max_failures=self._limit.max_failures,
            )


def as_answered(
    calls: Iterable[Call[T] | PromptError], indices: Iterable[int] | None = None
) -> Generator[tuple[int, Result[T, PromptError]]]:
    """Yield the result of each call as it comes, with its index: its place, unless `indices` has others."""
    mailbox: Mailbox[tuple[int, Future[Outcome]]] = Mailbox()
    under_way: dict[int, OpenCall[T]] = {}
    source, exhausted = zip(count() if indices is None else indices, calls, strict=False), False
    share = 0  # max_num_seqs of the engine, once a call says which that is
    batch: Batch | None = None

    def send(steps: Sequence[tuple[int, Request]]) -> None:
        by_runtime: dict[Submitter, list[tuple[int, Request]]] = {}
        for row, request in steps:
            opened = under_way[row]
            by_runtime.setdefault(opened.call.runtime, []).extend((row, each) for each in opened.due(request))
        for runtime, requests in by_runtime.items():
            futures = runtime.submit([request for _, request in requests]) if requests else []
            for (row, request), future in zip(requests, futures, strict=True):
                under_way[row].sent(request, future)
        for row, request in steps:
            under_way[row].waited(request).add_done_callback(partial(_deliver, mailbox, row))

    try:
        while not exhausted or under_way:
            if not exhausted and len(under_way) <= (AHEAD - 1) * share:
                first: list[tuple[int, Request]] = []
                asked = _now()
                for row, call in source:
                    is_slow = _now() - asked > _SLOW
                    if isinstance(call, PromptError):
                        yield row, Failure(call)
                        asked = _now()
                        continue
                    batch = batch or Batch(call.function)
                    opened = open_call(call, row, batch)
                    share = share or call.runtime.facts.max_num_seqs
                    step = opened.start()
                    if not isinstance(step, Request):
                        yield row, step
                        continue
                    under_way[row] = opened
                    first.append((row, step))
                    if is_slow or len(first) >= min(share, _PIECE):
                        break
                    asked = _now()
                else:
                    exhausted = True
                send(first)
                continue
            further: list[tuple[int, Request]] = []
            ended: list[tuple[int, Result[T, PromptError]]] = []
            try:
                for row, future in mailbox.get_some(_TOGETHER):
                    step = under_way[row].resume_far(future)
                    if isinstance(step, Request):
                        further.append((row, step))
                    else:
                        del under_way[row]
                        ended.append((row, step))
            except JournalError:
                yield from ended  # which were finished before
                raise
            send(further)
            yield from ended
    finally:  # left early, by Ctrl-C mostly: nothing of this batch stays in the engine
        for opened in under_way.values():
            opened.withdraw()


def _deliver(mailbox: Mailbox[tuple[int, Future[Outcome]]], row: int, future: Future[Outcome]) -> None:
    mailbox.put((row, future))


async def run_call_async(call: Call[T] | PromptError, row: int | None = None, batch: Batch | None = None) -> T:
    """Return one call's value, awaited; cancelling the task withdraws the request."""
    await end_if_over()
    if isinstance(call, PromptError):
        await asyncio.sleep(0)  # a caller that asks it again without end lets others have their turn
        raise call
    refuse_waiting()
    under_way = open_call(call, row, batch)
    step = under_way.start()
    while isinstance(step, Request):
        future = under_way.submit(step)
        try:
            with interruptible(), suppress(PromptError):  # the call hears of it
                await asyncio.wrap_future(future)
        except BaseException:
            under_way.withdraw()
            raise
        step = under_way.resume(future)
    return unwrap(step)


async def run_calls_async(
    calls: Iterable[Call[T] | PromptError], max_failures: int | None = None
) -> list[Result[T, PromptError]]:
    """Return every call's result, in order, awaited together; an error that is about no row ends them all."""
    await end_if_over()
    every = list(calls)
    batch = Batch(every[0].function) if every else None
    collected: _Collected[T, PromptError] = _Collected(len(every), max_failures)
    if (first := next((call for call in every if not isinstance(call, PromptError)), None)) is not None:
        _ = first.runtime.facts  # loads the engine now: an error of that is no row's
    tasks = [asyncio.ensure_future(_result_async(call, row, batch)) for row, call in enumerate(every)]
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


async def _result_async(
    call: Call[T] | PromptError, row: int, batch: Batch | None
) -> tuple[int, Result[T, PromptError]]:
    try:
        return row, Success(await run_call_async(call, row, batch))
    except PromptError as error:
        return row, Failure(error)
