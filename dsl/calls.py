"""A call: what is asked, and how its answer becomes a value.

A call is an exchange with the model: it says a request, hears an outcome, and ends in a value or a `PromptError`. It does
not wait; `batch` and `eager` carry exchanges, many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from returns.result import Result, Success

from typefold.compiler import DecodeError, Message, OutputType
from typefold.errors import BatchError, PromptUsageError
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.runtime import (
    BadInput,
    Cancelled,
    FinishReason,
    Invalid,
    Outcome,
    PromptError,
    Request,
    Truncated,
)

__all__ = ["Call", "Exchange", "attempt", "values", "with_shape"]

T = TypeVar("T")

Exchange: TypeAlias = Generator[Request, Outcome, T]
"""What a call says and hears until it has its value; a failed request is thrown into it as its `PromptError`."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call, ready to be sent.

    Attributes:
        function: The name for messages and statistics.
        messages: What is asked, complete: with examples and shape.
        kind: The type of the answer.
        options: The options in force.
    """

    function: str
    messages: tuple[Message, ...] | RawPrompt
    kind: OutputType[T]
    options: Options

    def exchange(self, row: int | None) -> Exchange[T]:
        """The way from the first request to the value.

        Args:
            row: The index of the row that asks, for messages.

        Raises:
            PromptError: The call gave no value.
        """
        try:
            outcome = yield self.request(row)
        except Cancelled as error:  # by whoever held the future: it knew nothing of the call
            raise error.at(function=self.function, row=row) from error.__cause__
        return self.conclude(outcome, row)

    def request(self, row: int | None) -> Request:
        """The call as the runtime takes it."""
        options = self.options
        return Request(
            prompt=str(self.messages) if isinstance(self.messages, RawPrompt) else self.messages,
            constraint=self.kind.constraint,
            sampling_params=options.sampling_params,
            sampling=options.sampling,
            options=options.engine,
            chat_template_kwargs=options.chat_template_kwargs,
            timeout=options.timeout,
            function=self.function,
            row=row,
        )

    def conclude(self, outcome: Outcome, row: int | None) -> T:
        """The value of an answer.

        Raises:
            PromptError: `Invalid` if it fails a post-check, `Truncated` if plain text was cut and that is an error.
        """
        facts: dict[str, Any] = {
            "function": self.function,
            "row": row,
            "prompt": self.messages,
            "text": outcome.text,
        }
        cut = outcome.finish_reason is not FinishReason.STOP and self.kind.constraint.kind == "text"
        if cut and self.options.truncation == "error":
            raise Truncated(**facts, max_tokens=outcome.output_tokens)
        try:
            return self.kind.decode(outcome.text)
        except DecodeError as error:
            raise Invalid(
                **facts, check=error.check, detail=error.detail, errors=tuple(error.errors)
            ) from error.__cause__


def with_shape(
    messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options
) -> tuple[Message, ...] | RawPrompt:
    """The messages, the last user message told the shape of a JSON answer (unless the options say no)."""
    if kind.shape is None or not options.shape or isinstance(messages, RawPrompt):
        return messages
    users = [index for index, message in enumerate(messages) if message.role == "user"]
    if not users:
        return messages
    last = users[-1]
    told = Message("user", f"{messages[last].content}\n\nAnswer with JSON in this form:\n{kind.shape}")
    return (*messages[:last], told, *messages[last + 1 :])


def attempt(make: Callable[[], Call[T]], function: str, row: int | None) -> Call[T] | PromptError:
    """A call, or the `BadInput` that its arguments gave."""
    try:
        return make()
    except PromptUsageError:
        raise
    except Exception as error:
        failed = BadInput(function=function, row=row, reason=f"{type(error).__name__}: {error}")
        failed.__cause__ = error
        return failed


def values(results: Sequence[Result[T, PromptError]]) -> list[T]:
    """The values of a batch.

    Raises:
        BatchError: At least one row failed; it holds every result.
    """
    good: list[T] = []
    for result in results:
        if isinstance(result, Success):
            good.append(result.unwrap())
    if len(good) < len(results):
        raise BatchError(results)
    return good
