"""Streamed answers: pieces of text, what they have come to (JSON, or a value of the type), and the value at last.

Invariants: a stream that is closed or dropped leaves nothing in the engine. No more than one answer waits to be read. The
pieces of a part, joined, are the text of its outcome, also where no piece came before that.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from typing import Any, Generic, Self, TypeAlias, TypeVar

from pydantic import JsonValue
from pydantic_core import from_json
from returns.result import Failure, Result, Success

from typefold.compiler import OutputType
from typefold.compiler.contained import is_fatal
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.json_format import partial_json
from typefold.execution.call import Call, ReasoningSource, Strategy, open_call
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
        self._shown: list[JsonValue] = []  # the data of the last of `values`
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

    def values(self, *, typed: bool) -> list[Any]:
        """Return the value so far, if it differs from the one that this last gave.

        It is JSON, or with `typed` a value of the type, if all fields of that have defaults.
        """
        whole = isinstance(self.result, Success)
        if self.closed or self._asked is None or self._asked.constraint is not self._kind.constraint:
            return []
        if isinstance(self._asked.source, ReasoningSource):  # text too, and no answer
            return []
        typed = typed and type(self._call.call.strategy) is Strategy and _has_defaults(self._kind)
        try:
            data, value = self._typed(whole) if typed else self._json(whole)
        except ValueError:  # nothing has begun, or a grammar of the user's own writes no JSON
            return []
        if data in self._shown:
            return []
        self._shown = [data]
        return [value]

    @property
    def _kind(self) -> OutputType[Any]:
        return self._call.call.kind

    def _json(self, whole: bool) -> tuple[JsonValue, JsonValue]:
        text = self.text
        if not self._kind.is_bare:
            text = self._kind.expanded(from_json(text) if whole else partial_json(text))
        elif not (text or whole):
            raise ValueError
        return text, text

    def _typed(self, whole: bool) -> tuple[JsonValue, Any]:
        if whole and self.result is not None:
            return self._json(whole)[0], self.result.unwrap()
        for data in _beginnings(self._kind, self.text):
            try:
                if (adapter := self._kind.adapter) is None:
                    return data, self._kind.codec.from_json(data)
                return data, adapter.validate_json(json.dumps(data))
            except BaseException as error:  # of a validator, which may raise anything
                if is_fatal(error):
                    raise
        raise ValueError

    def close(self) -> None:
        if self.result is None:
            self.closed = True
            self.result = Failure(Cancelled(function=self.function, row=self._row))
        self._withdraw()

    def __del__(self) -> None:
        self._withdraw()

    def _withdraw(self) -> None:
        if self._future is not None:
            self._call.withdraw()  # where the answer is there already, this does nothing

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


@lru_cache(maxsize=256)
def _has_defaults(kind: OutputType[Any]) -> bool:
    """Return whether this is a type with fields, of which a value can be made where none is given."""
    if kind.is_bare or not any("properties" in each for each in _options(kind.json_schema, kind.json_schema)):
        return False
    try:
        _ = kind.codec.from_json({}) if kind.adapter is None else kind.adapter.validate_json("{}")
    except BaseException as error:
        if is_fatal(error):
            raise
        return False
    return True


def _beginnings(kind: OutputType[Any], text: str) -> Iterator[JsonValue]:
    """Yield the JSON data of an answer so far: all of it, and then with less and less of what may be unfinished."""
    grown = kind.expanded(partial_json(text))
    if _may_grow(kind.json_schema, kind.json_schema, grown):
        yield grown
    data = kind.expanded(partial_json(text, strings=False))
    yield data
    yield from _shortened(data)


def _shortened(data: JsonValue) -> Iterator[JsonValue]:
    if is_dict(data) and data:
        last = [*data][-1]
        kept = {key: data[key] for key in data if key != last}
        yield from ({**kept, last: part} for part in _shortened(data[last]))
        yield kept
    elif is_list(data) and data:
        yield from ([*data[:-1], part] for part in _shortened(data[-1]))
        yield data[:-1]


def _may_grow(schema: Any, root: Any, data: JsonValue) -> bool:
    """Return whether the last text in the data is of plain text, so that its beginning is no other value's."""
    options = list(_options(schema, root))
    if is_dict(data) and data:
        key = [*data][-1]
        parts = [each.get("properties", {}).get(key, each.get("additionalProperties", True)) for each in options]
        return _all_grow(parts, root, data[key])
    if is_list(data) and data:
        known = [each.get("prefixItems", []) for each in options]
        parts = [
            (first[len(data) - 1 :] or [each.get("items", True)])[0] for each, first in zip(options, known, strict=True)
        ]
        return _all_grow(parts, root, data[-1])
    texts = [each for each in options if each.get("type") == "string" or "enum" in each or "const" in each]
    return bool(texts) and not any(_FIXED & each.keys() for each in texts)


_FIXED = {"enum", "const", "format", "pattern", "contentEncoding"}


def _all_grow(schemas: list[Any], root: Any, data: JsonValue) -> bool:
    return _may_grow({"anyOf": [each for each in schemas if is_dict(each)]}, root, data)


def _options(schema: Any, root: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas that a schema stands for: those that it refers to, the members of a union."""
    if (name := schema.get("$ref")) is not None:
        yield from _options(root["$defs"][name.rpartition("/")[2]], root)
    elif members := [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ())]:
        for each in members:
            yield from _options(each, root)
    else:
        yield schema


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

    Iterating yields the text in pieces, as the engine writes them; `partials` yields the value so far, `result` returns
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

    def partials(self) -> Iterator[R | JsonValue]:
        """Yield the value as it grows: each time, all of it so far.

        Items and fields are added at the end and never taken back; the last string may still get longer, while a number
        comes when it is complete. The last one is the complete answer.

        Where the prompt's type is a class with fields that all have defaults, it is a value of that type. Fields that are
        not there yet have their defaults, and so has one whose value so far is no value of its type: an item that lacks
        required fields, half a date, half a choice. Validators run for each value, and while one refuses what is
        complete, no value comes.

        Of other types, of `Logged` and the like and of a safe prompt it is JSON as the model writes it, before any
        validation: a list or a `dict`. Of bare text (`str`, a `Literal` of strings) it is the text so far. To look into
        it, use `match` or `isinstance`.

        Yields:
            The value so far, whenever it has grown.

        Raises:
            PromptError: The call failed.

        Example:
            >>> from dataclasses import dataclass
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @dataclass
            ... class Dish:
            ...     name: str = ""
            ...     minutes: int | None = None
            >>> @prompt
            ... def dish(kind: str) -> Dish:
            ...     return ask(f"Invent a {kind}.")
            >>> with Runtime(ScriptedEngine(answers=['{"name": "Pea soup", "minutes": 20}'], tokens_per_step=14)):
            ...     for so_far in dish.stream("soup").partials():
            ...         print(so_far)
            Dish(name='Pea ', minutes=None)
            Dish(name='Pea soup', minutes=None)
            Dish(name='Pea soup', minutes=20)
        """
        for _ in self:
            yield from self._answer.values(typed=not self._safe)
        yield from self._answer.values(typed=not self._safe)

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

    async def partials(self) -> AsyncIterator[R | JsonValue]:
        """Yield the value as it grows; see `Stream.partials`.

        Yields:
            The value so far, whenever it has grown.

        Raises:
            PromptError: The call failed.
        """
        async for _ in self:
            for value in self._answer.values(typed=not self._safe):
                yield value
        for value in self._answer.values(typed=not self._safe):
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
