"""The last requests of a runtime: the messages as they were sent, the answer as it came, tokens. For debugging."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from typefold.compiler import Message
from typefold.runtime import Outcome, PromptError, Request
from typefold.runtime.request import conversation

KEPT = 50
"""The number of requests that a runtime remembers."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One request as it was sent, and the answer as it came; see `Runtime.history`. Printed, it is the conversation.

    Attributes:
        function: The name of the prompt function (`generate` for a runtime's own method).
        row: The index of the row, or `None`.
        attempt: The number of this request for the row's answer; beyond 1 it is a retry.
        messages: The messages, with examples and the description of the format, or the text of a `raw(...)` prompt.
        outcome: The answer: its `text`, `finish_reason`, `prompt_tokens`, `output_tokens`, ...; `None` where there is none.
        error: The error in its place; `None` where there is none (yet). A text that is no value of the type counts as an
            answer here; the call's own error has the reason.

    Example:
        >>> from typefold import Runtime
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> with Runtime(ScriptedEngine(answers=["42"])) as runtime:
        ...     _ = runtime.generate("Count them.")
        >>> [entry] = runtime.history
        >>> entry.text, entry.messages[-1].content
        ('42', 'Count them.')
        >>> print(entry)
        generate: 31 + 3 tokens, stop
          user: Count them.
          -> 42
    """

    function: str
    row: int | None
    attempt: int
    messages: tuple[Message, ...] | str
    outcome: Outcome | None
    error: BaseException | None

    @property
    def text(self) -> str | None:
        """The text of the answer, as far as it came; `None` where there is none."""
        if isinstance(self.error, PromptError):
            return self.error.text
        return None if self.outcome is None else self.outcome.text

    def __str__(self) -> str:
        outcome, turns = self.outcome, self.messages
        told = [f"{turns}"] if isinstance(turns, str) else [f"{each.role}: {each.shown}" for each in turns]
        if outcome is not None:
            state = f"{outcome.prompt_tokens} + {outcome.output_tokens} tokens, {outcome.finish_reason}"
        else:
            state = "under way" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        if self.text is not None:
            told.append(f"-> {self.text}")
        return conversation(self.function, self.row, self.attempt, state, told)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # in notebooks


def entries(sent: Iterable[tuple[Request, Future[Outcome]]]) -> tuple[HistoryEntry, ...]:
    """Return requests with what has become of them by now."""
    return tuple(_entry(request, future) for request, future in sent)


def _entry(request: Request, future: Future[Outcome]) -> HistoryEntry:
    outcome: Outcome | None = None
    error: BaseException | None = None
    if future.done():
        try:
            error = future.exception()
            outcome = None if error is not None else future.result()
        except CancelledError as cancelled:
            error = cancelled
    return HistoryEntry(request.function, request.row, request.attempt, request.prompt, outcome, error)
