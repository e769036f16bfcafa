"""The ways of calling, as one: rows in, and for each what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator
from returns.result import Failure, Result, Success

from typefold import PromptError, ask, gather, prompt, run


def _no_thirteen(value: int) -> int:
    if value == 13:
        raise ValueError("nobody wants thirteen")
    return value


Lucky = Annotated[int, AfterValidator(_no_thirteen)]


@prompt(timeout=1000)
def task(text: str) -> Lucky:
    return ask(text)


@prompt(timeout=1000)
async def task_awaited(text: str) -> Lucky:
    return ask(text)


def program(text: str) -> int:
    return task(text)


def caught(call: Callable[[], int]) -> Result[int, Exception]:
    try:
        return Success(call())
    except PromptError as error:
        return Failure(error)


def single(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    """The faulty one is a plain call; the others were submitted before."""
    futures = {text: task.submit(text) for text in rows if not text.startswith("faulty")}
    faulty = [caught(partial(task, text)) for text in rows if text not in futures]
    return [faulty.pop() if text not in futures else caught(futures[text].result) for text in rows]


def mapped(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    return list[Result[int, Exception]](task.safe.map(rows))


def ran(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    return run.safe(program, rows)


def deferred(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    return gather.safe([task.defer(text) for text in rows])


def streamed(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    """All of them are begun; the faulty one is read first."""
    streams = {text: task.stream(text) for text in rows}
    first = sorted(rows, key=lambda text: not text.startswith("faulty"))
    results = {text: caught(streams[text].result) for text in first}
    return [results[text] for text in rows]


def awaited(rows: Sequence[str]) -> Iterable[Result[int, Exception]]:
    async def one(text: str) -> Result[int, Exception]:
        try:
            return Success(await task_awaited(text))
        except PromptError as error:
            return Failure(error)

    async def every() -> list[Result[int, Exception]]:
        return await asyncio.gather(*map(one, rows))

    return asyncio.run(every())


WAYS: dict[str, Callable[[Sequence[str]], Iterable[Result[Any, Exception]]]] = {
    "a single call": single,
    "`.map`": mapped,
    "`run`": ran,
    "a deferred graph": deferred,
    "a stream": streamed,
    "asyncio": awaited,
}
