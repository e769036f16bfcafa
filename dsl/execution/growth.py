"""An answer as it grows: what a stream hears from the engine, and what there is to say of it. It waits for nothing.

Invariant: the pieces of a part, joined, are the text that its outcome has, also where no piece came before that. Only a
stream refers to a growth; when that is dropped the growth is gone, and its request withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Generic, TypeAlias, TypeVar

from pydantic import JsonValue
from pydantic_core import from_json
from returns.result import Failure, Result, Success

from typefold.compiler.wire_format import partial_json
from typefold.execution.call import Call
from typefold.execution.executor import advance, begin, opened
from typefold.execution.greenlets import current_row
from typefold.runtime import Cancelled, Outcome, PromptError, Request

__all__ = ["Growth", "Heard"]

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
