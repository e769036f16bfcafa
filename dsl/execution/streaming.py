"""Answers while they are written: the pieces of text, the JSON value that they have come to, and the value at last.

`Stream` is for plain code and for rows of `run`, `AsyncStream` for `async` code; both are views of a `Growth` and do the
waiting. A stream's request joins the running batch like any other, the moment the stream is made.

Invariants: a stream that is closed or dropped leaves nothing in the engine. What waits to be read is never more than one
answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Generic, Self, TypeAlias, TypeVar

from pydantic import JsonValue
from pydantic_core import from_json
from returns.result import Failure, Result, Success

from typefold.compiler.wire_format import partial_json
from typefold.execution.call import Call
from typefold.execution.executor import advance, begin, opened, told, value_in
from typefold.execution.greenlets import AsyncMailbox, Mailbox, current_row, row_index
from typefold.execution.interrupts import interruptible
from typefold.execution.seeding import end_if_over
from typefold.runtime import Cancelled, Outcome, PromptError, Request

__all__ = ["AsyncStream", "Growth", "Heard", "Stream"]

R = TypeVar("R")

Heard: TypeAlias = str | Future[Outcome]
"""What comes of a request: pieces of text, and at the end its future."""


class Growth(Generic[R]):
    """An answer as it grows. Nothing but its stream refers to it, so it is gone, and its request too, when that is dropped.

    Args:
        call: What is asked, or the error that its arguments gave.
        row: The index of the row that asks.
        put: Where the engine's thread leaves what is to be heard.
    """

    _future: Future[Outcome] | None = None

    def __init__(self, call: Call[R] | PromptError, row: int | None, put: Callable[[Heard], None]) -> None:
        self.function = call.function
        self.part = 0
        self.result: Result[R, PromptError] | None = None
        self.closed = False
        self._row = row
        self._put = put
        self._pieces: list[str] = []
        self._shown: list[JsonValue] = []
        self._asked: Request | None = None
        if isinstance(call, PromptError):
            self.result = Failure(call)
            return
        self._kind = call.kind
        self._exchange, self._runtime = opened(call, row)
        self._go_on(begin(self._exchange))

    @property
    def text(self) -> str:
        """What was heard of the part at hand."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def hear(self, what: Heard) -> str:
        """The text that is new, which may be empty; `result` is set at the end."""
        if isinstance(what, str):
            self._pieces.append(what)
            return what
        if rest := self._rest(what):
            self._put(what)  # to be heard again behind it
            return self.hear(rest)
        self._go_on(advance(self._exchange, what))
        return ""

    def values(self) -> list[JsonValue]:
        """The value so far, if it is another than this last gave."""
        text, whole = self.text, isinstance(self.result, Success)
        if self.closed or self._asked is None or self._asked.constraint is not self._kind.constraint:
            return []  # thoughts, say: no answer
        try:
            if not self._kind.is_bare:
                value: JsonValue = self._kind.expanded(from_json(text) if whole else partial_json(text))
            elif text or whole:
                value = text
            else:
                return []
        except ValueError:  # nothing has begun, or a grammar of the user's own writes no JSON
            return []
        if value in self._shown:
            return []
        self._shown = [value]
        return [value]

    def close(self) -> None:
        """Hear no more; what is not there yet will not come."""
        if self.result is None:
            self.closed = True
            self.result = Failure(Cancelled(function=self.function, row=self._row))
        self._withdraw()

    def __del__(self) -> None:
        self._withdraw()

    def _withdraw(self) -> None:
        if self._future is not None:
            self._future.cancel()  # where the answer is there already, this does nothing

    def _rest(self, ended: Future[Outcome]) -> str:
        """What of the text did not come in pieces: all of it, or nothing."""
        if ended.cancelled() or ended.exception() is not None or self._asked is None or self._asked.probe:
            return ""
        return ended.result().text[len(self.text) :]

    def _go_on(self, said: Request | Result[R, PromptError]) -> None:
        if not isinstance(said, Request):
            self.result = said
            return
        self.part += 1
        self._pieces, self._shown, self._asked = [], [], said
        [self._future] = self._runtime.submit([said if said.probe else replace(said, on_delta=self._put)])
        self._future.add_done_callback(self._put)
        if (row := current_row()) is not None:
            row.owns(self._future)


R = TypeVar("R")


class _Written(Generic[R]):
    """What streams of both colours share."""

    _growth: Growth[Any]
    _safe: bool

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

    def _value(self) -> R:
        """Return the value of an answer that has ended; of a safe prompt its `Result`."""
        result: Any = self._growth.result
        value: R = result if self._safe else value_in(result)
        return value


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

    def __init__(self, call: Call[Any] | PromptError, *, safe: bool = False) -> None:
        self._safe = safe
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
            try:
                told(growth.result)
            except PromptError:
                if not self._safe:
                    raise
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
        return self._value()

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

    def __init__(self, call: Call[Any] | PromptError, *, safe: bool = False) -> None:
        self._safe = safe
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
            self._value()
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
        return self._value()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
