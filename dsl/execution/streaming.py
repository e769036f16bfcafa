"""Answers while they are written: the pieces of text, the JSON value that they have come to, and the value at last.

`Stream` is for plain code and for rows of `run`, `AsyncStream` for `async` code; both are views of a `Growth` and do the
waiting. A stream's request joins the running batch like any other, the moment the stream is made.

Invariants: a stream that is closed or dropped leaves nothing in the engine. What waits to be read is never more than one
answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Generic, Self, TypeVar

from pydantic import JsonValue

from typefold.execution.call import Call
from typefold.execution.executor import told, value_in
from typefold.execution.greenlets import AsyncMailbox, Mailbox, row_index
from typefold.execution.growth import Growth, Heard
from typefold.execution.interrupts import interruptible
from typefold.execution.seeding import end_if_over
from typefold.runtime import PromptError

__all__ = ["AsyncStream", "Stream"]

R = TypeVar("R")


class _Written(Generic[R]):
    """What streams of both colours share."""

    _growth: Growth[R]

    def __repr__(self) -> str:
        growth = self._growth
        state = "closed" if growth.closed else "running" if growth.result is None else "ended"
        return f"<stream of {growth.function}: {state}, {len(growth.text)} characters>"

    @property
    def text(self) -> str:
        """What was read so far of the part at hand."""
        return self._growth.text

    @property
    def part(self) -> int:
        """Which of the call's requests is being read, counted from 1; for most calls it is the only one."""
        return self._growth.part

    def close(self) -> None:
        """Withdraw the request, unless it is answered. May be called twice."""
        self._growth.close()


class Stream(_Written[R], Iterator[str]):
    """An answer while it is written, from `prompt.stream(...)`. One thread at a time may read it.

    Iterating gives the text in pieces, as the engine writes them; `partials` gives the JSON value that they have come to,
    `result` the value of the prompt's type. Each goes on where the last one stopped. If the call fails, all of them raise
    its `PromptError`, after the pieces that came.

    Closing the stream, leaving its `with` block or dropping it withdraws the request from the engine. A stream that is
    not read goes on in the engine, and waits in memory. A call that asks more than once (`Reasoned` for thoughts and
    answer, `retries=` and `retry_truncated=` for another answer) has a part for each: the pieces of one follow those of the other,
    `part` tells which is being read, and `text` and `partials` begin anew.

    Example:
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def colours(count: int) -> list[str]:
        ...     return ask(f"Name {count} colours.")
        >>> with Runtime(ScriptedEngine(answers=['["red", "blue"]'] * 2, tokens_per_step=5)):
        ...     list(colours.stream(2))
        ...     stream = colours.stream(2)
        ...     list(stream.partials())
        ...     stream.result()
        ['["red', '", "b', 'lue"]']
        [['red'], ['red', 'b'], ['red', 'blue']]
        ['red', 'blue']
    """

    def __init__(self, call: Call[R] | PromptError) -> None:
        self._mailbox: Mailbox[Heard] = Mailbox()
        self._growth = Growth(call, row_index(), self._mailbox.put)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        growth = self._growth
        while growth.result is None:
            try:
                with interruptible():
                    heard = self._mailbox.get()
                piece = growth.hear(heard)
            except BaseException:  # Ctrl-C, mostly, or the end of the row
                self.close()
                raise
            if piece:
                return piece
        if not growth.closed:
            told(growth.result)
        raise StopIteration

    def partials(self) -> Iterator[JsonValue]:
        """The JSON value as it grows: each time it has grown, all of it so far.

        Items and fields are added at the end and never taken back; the last string may still get longer, while a number
        comes when it is whole. It is JSON as the model writes it, before any validation: a list or a `dict`, say, where
        the prompt's type is a dataclass. Of bare text (`str`, a `Literal` of strings) it is the text so far. The last one
        is the whole answer. To look into it, `match` it or take it apart with `isinstance`.

        Raises:
            PromptError: The call failed.
        """
        for _ in self:
            yield from self._growth.values()
        yield from self._growth.values()

    def result(self) -> R:
        """The value, once all of the answer is there.

        Raises:
            PromptError: The call failed; `Cancelled` if this stream was closed before its end.
        """
        for _ in self:
            pass
        return _value(self._growth)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStream(_Written[R], AsyncIterator[str]):
    """An answer while it is written, from `stream(...)` of an `async def` prompt. One task at a time may read it.

    What `Stream` is for plain code, this is for `async` code: `async for`, `async with`, `await stream.result()`.
    Cancelling the task that reads it withdraws the request.

    Example:
        >>> import asyncio
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... async def greet(name: str) -> str:
        ...     return ask(f"Greet {name}.")
        >>> async def main() -> list[str]:
        ...     return [piece async for piece in greet.stream("Ada")]
        >>> with Runtime(ScriptedEngine(answers=["Hello, Ada!"], tokens_per_step=4)):
        ...     asyncio.run(main())
        ['Hell', 'o, A', 'da!']
    """

    def __init__(self, call: Call[R] | PromptError) -> None:
        self._mailbox: AsyncMailbox[Heard] = AsyncMailbox()
        self._growth = Growth(call, None, self._mailbox.put)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        await end_if_over()
        growth = self._growth
        while growth.result is None:
            try:
                with interruptible():
                    heard = await self._mailbox.get()
                piece = growth.hear(heard)
            except BaseException:
                self.close()
                raise
            if piece:
                return piece
        if not growth.closed:
            _value(growth)
        raise StopAsyncIteration

    async def partials(self) -> AsyncIterator[JsonValue]:
        """The JSON value as it grows; see `Stream.partials`."""
        async for _ in self:
            for value in self._growth.values():
                yield value
        for value in self._growth.values():
            yield value

    async def result(self) -> R:
        """The value, once all of the answer is there; see `Stream.result`."""
        async for _ in self:
            pass
        return _value(self._growth)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _value(growth: Growth[R]) -> R:
    """The value of an answer that has ended.

    Raises:
        PromptError: There is none.
    """
    assert growth.result is not None
    return value_in(growth.result)
