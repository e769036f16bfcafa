"""Streamed answers: pieces of text, the JSON value that they have come to, and the value at last.

`Stream` is for plain code and for rows of `run`, `AsyncStream` for `async` code; both wait, and hold a `PartialAnswer`, which does
not. A stream's request joins the running batch like any other, the moment the stream is made.

Invariants: a stream that is closed or dropped leaves nothing in the engine. No more than one answer waits to be read. The
pieces of a part, joined, are the text of its outcome, also where no piece came before that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Generic, Self, TypeAlias, TypeVar

from pydantic import JsonValue
from pydantic_core import from_json
from returns.result import Failure, Result, Success

from typefold.compiler.json_format import partial_json
from typefold.execution.call import Call, ReasoningSource, open_call
from typefold.execution.ends import end_if_over
from typefold.execution.executor import unwrap, unwrap_in_row
from typefold.execution.greenlets import AsyncMailbox, Mailbox, current_row, row_index
from typefold.execution.interrupts import interruptible
from typefold.runtime import Cancelled, Outcome, PromptError, Request

R = TypeVar("R")

_Event: TypeAlias = str | Future[Outcome]
"""An event of a request: a piece of text, or at the end its future."""


class PartialAnswer(Generic[R]):
    """Incremental state of a streamed answer. Never blocks.

    Only its stream refers to it, so when that is dropped it is gone, and its request is withdrawn. `put` takes the
    events of its requests, on the engine's thread.
    """

    _future: Future[Outcome] | None = None

    def __init__(self, call: Call[R] | PromptError, row: int | None, put: Callable[[_Event], None]) -> None:
        self.function = call.function
        self.part = 0
        self.result: Result[R, PromptError] | None = None
        self.closed = False
        self._row = row
        self._put = put
        self._pieces: list[str] = []
        self._shown: list[JsonValue] = []
        self._asked: Request | None = None
        self._hidden = True
        if isinstance(call, PromptError):
            self.result = Failure(call)
            return
        self._call = open_call(call, row)
        self._go_on(self._call.start())

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def feed(self, event: _Event) -> str:
        """Take an event, and return the text that is new, which may be empty. The last event sets `result`."""
        if isinstance(event, str):
            self._pieces.append(event)
            return event
        if rest := self._rest(event):
            self._put(event)  # to be taken again behind it
            return self.feed(rest)
        self._go_on(self._call.resume(event))
        return ""

    def values(self) -> list[JsonValue]:
        """Return the value so far, if it differs from the one that this last gave."""
        text, whole = self.text, isinstance(self.result, Success)
        if self.closed or self._asked is None or self._asked.constraint is not self._call.call.kind.constraint:
            return []
        kind = self._call.call.kind
        if isinstance(self._asked.source, ReasoningSource):  # text too, and no answer
            return []
        try:
            if not kind.is_bare:
                value: JsonValue = kind.expanded(from_json(text) if whole else partial_json(text))
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
        """Return the part of the text that did not come in pieces: all of it, or nothing."""
        if ended.cancelled() or ended.exception() is not None or self._hidden:
            return ""
        return ended.result().text[len(self.text) :]

    def _go_on(self, step: Request | Result[R, PromptError]) -> None:
        if not isinstance(step, Request):
            self.result = step
            return
        hidden = self._hidden = _is_hidden(step)
        if not (step.probe and self._pieces):  # behind an answer, of which it asks about parts
            self.part += step.probe or not hidden
            self._pieces, self._shown, self._asked = [], [], step
        self._future = self._call.submit(step if hidden else replace(step, on_delta=self._put))
        self._future.add_done_callback(self._put)
        if (row := current_row()) is not None:
            row.owns(self._future)


def _is_hidden(request: Request) -> bool:
    """Return whether a request writes nothing that is for the reader: a step of `Scored`, or reasoning that is no part of the value."""
    source = request.source
    return request.probe or (isinstance(source, ReasoningSource) and not source.shown)


class _View(Generic[R]):
    """Base class of `Stream` and `AsyncStream`: the state of the answer, and closing."""

    _answer: PartialAnswer[Any]
    _safe: bool

    def __repr__(self) -> str:
        answer = self._answer
        state = "closed" if answer.closed else "running" if answer.result is None else "ended"
        return f"<stream of {answer.function}: {state}, {len(answer.text)} characters>"

    @property
    def text(self) -> str:
        """The text of the current part, as far as it was read."""
        return self._answer.text

    @property
    def part(self) -> int:
        """The number of the request that is being read, from 1; most calls have only one."""
        return self._answer.part

    def close(self) -> None:
        """Withdraw the request, unless it is answered. May be called twice."""
        self._answer.close()

    def _value(self) -> R:
        result: Any = self._answer.result
        value: R = result if self._safe else unwrap(result)
        return value


class Stream(_View[R], Iterator[str]):
    """An answer while it is written, from `prompt.stream(...)`. One thread at a time may read it.

    Iterating yields the text in pieces, as the engine writes them; `partials` yields the JSON value so far, `result` returns
    the value of the prompt's type. Each goes on where the last one stopped. If the call fails, all of them raise its
    `PromptError`, after the pieces that came.

    Closing the stream, leaving its `with` block or dropping it withdraws the request from the engine. A stream that is
    not read goes on in the engine, and waits in memory. A call of several requests (`Reasoned` for reasoning and answer,
    `retries=` and `retry_truncated=` for another answer) has a part for each: the pieces of one follow those of the other,
    `part` is the number of the current one, and `text` and `partials` begin anew.

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
        self._mailbox: Mailbox[_Event] = Mailbox()
        self._answer = PartialAnswer(call, row_index(), self._mailbox.put)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        answer = self._answer
        while answer.result is None:
            try:
                with interruptible():
                    event = self._mailbox.get()
                piece = answer.feed(event)
            except BaseException:  # Ctrl-C, mostly, or the end of the row
                self.close()
                raise
            if piece:
                return piece
        if not answer.closed:
            try:
                unwrap_in_row(answer.result)
            except PromptError:
                if not self._safe:
                    raise
        raise StopIteration

    def partials(self) -> Iterator[JsonValue]:
        """Yield the JSON value as it grows: each time, all of it so far.

        Items and fields are added at the end and never taken back; the last string may still get longer, while a number
        comes when it is complete. It is JSON as the model writes it, before any validation: a list or a `dict`, say, where
        the prompt's type is a dataclass. Of bare text (`str`, a `Literal` of strings) it is the text so far. The last one
        is the complete answer. To look into it, use `match` or `isinstance`.

        Yields:
            The value so far, whenever it has grown.

        Raises:
            PromptError: The call failed.
        """
        for _ in self:
            yield from self._answer.values()
        yield from self._answer.values()

    def result(self) -> R:
        """Read the stream to its end and return the value.

        Returns:
            The value; of a safe prompt its `Result`.

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


class AsyncStream(_View[R], AsyncIterator[str]):
    """An answer while it is written, from `stream(...)` of an `async def` prompt. One task at a time may read it.

    It is a `Stream` for `async` code: `async for`, `async with`, `await stream.result()`.
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
        self._mailbox: AsyncMailbox[_Event] = AsyncMailbox()
        self._answer = PartialAnswer(call, None, self._mailbox.put)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        await end_if_over()
        answer = self._answer
        while answer.result is None:
            try:
                with interruptible():
                    event = await self._mailbox.get()
                piece = answer.feed(event)
            except BaseException:
                self.close()
                raise
            if piece:
                return piece
        if not answer.closed:
            self._value()
        raise StopAsyncIteration

    async def partials(self) -> AsyncIterator[JsonValue]:
        """Yield the JSON value as it grows; see `Stream.partials`.

        Yields:
            The value so far, whenever it has grown.

        Raises:
            PromptError: The call failed.
        """
        async for _ in self:
            for value in self._answer.values():
                yield value
        for value in self._answer.values():
            yield value

    async def result(self) -> R:
        """Read the stream to its end and return the value; see `Stream.result`.

        Returns:
            The value; of a safe prompt its `Result`.

        Raises:
            PromptError: The call failed; `Cancelled` if this stream was closed before its end.
        """
        async for _ in self:
            pass
        return self._value()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
