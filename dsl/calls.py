"""From a call to a value: requests are made, the runtime answers, answers are decoded; each row on its own.

A batch of N calls gives N results in order. What goes wrong with a row is that row's `PromptError`; what is wrong with the
program (misuse, no runtime) is raised at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from returns.result import Failure, Result, Success

from typefold.compiler import DecodeError, Message, OutputType
from typefold.errors import BatchError, PromptUsageError
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.progress import Progress
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
from typefold.runtimes import Runtime, current

__all__ = ["Call", "answer", "answers", "attempt", "conclude", "submit", "values", "with_shape", "withdraw"]

T = TypeVar("T")


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


def submit(calls: Sequence[Call[T] | PromptError], *, numbered: bool) -> list[Future[Outcome]]:
    """Send calls to their runtimes, those of one runtime together; a call that is an error already stays one."""
    futures: dict[int, Future[Outcome]] = {}
    by_runtime: dict[int, tuple[Runtime, list[int]]] = {}
    for index, call in enumerate(calls):
        if isinstance(call, PromptError):
            futures[index] = Future()
            futures[index].set_exception(call)
        else:
            runtime = call.options.runtime or current()
            by_runtime.setdefault(id(runtime), (runtime, []))[1].append(index)
    for runtime, rows in by_runtime.values():
        ready = [call for index in rows if isinstance(call := calls[index], Call)]
        requests = [call.request(row if numbered else None) for row, call in zip(rows, ready, strict=True)]
        futures.update(zip(rows, runtime.submit(requests), strict=True))
    return [futures[index] for index in range(len(calls))]


def conclude(call: Call[T] | PromptError, outcome: Outcome, row: int | None) -> T:
    """The value of an answer.

    Raises:
        PromptError: `Invalid` if it fails a post-check, `Truncated` if plain text was cut and that is an error.
    """
    if isinstance(call, PromptError):
        raise call
    facts: dict[str, Any] = {
        "function": call.function,
        "row": row,
        "prompt": call.messages,
        "text": outcome.text,
    }
    cut = outcome.finish_reason is not FinishReason.STOP and call.kind.constraint.kind == "text"
    if cut and call.options.truncation == "error":
        raise Truncated(**facts, max_tokens=outcome.output_tokens)
    try:
        return call.kind.decode(outcome.text)
    except DecodeError as error:
        raise Invalid(**facts, check=error.check, detail=error.detail, errors=tuple(error.errors)) from error.__cause__


def answers(calls: Sequence[Call[T] | PromptError]) -> list[Result[T, PromptError]]:
    """Every call's result, in order, from one batch."""
    futures = submit(calls, numbered=True)
    results: list[Result[T, PromptError]] = []
    try:
        with Progress(futures):
            for row, (call, future) in enumerate(zip(calls, futures, strict=True)):
                results.append(_result(call, future, row))
    except BaseException:  # Ctrl-C, mostly: nothing of this batch stays in the engine
        withdraw(futures)
        raise
    return results


def answer(call: Call[T] | PromptError) -> T:
    """One call's value.

    Raises:
        PromptError: The call gave none.
    """
    futures = submit([call], numbered=False)
    try:
        result = _result(call, futures[0], None)
    except BaseException:
        withdraw(futures)
        raise
    if isinstance(result, Success):
        value: T = result.unwrap()
        return value
    raise result.failure()


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


def withdraw(futures: Iterable[Future[Outcome]]) -> None:
    """Cancel what is still to be answered."""
    for future in futures:
        future.cancel()


def _result(call: Call[T] | PromptError, future: Future[Outcome], row: int | None) -> Result[T, PromptError]:
    try:
        return Success(conclude(call, future.result(), row))
    except PromptError as error:
        return Failure(error)
    except CancelledError:
        function = call.function
        return Failure(Cancelled(function=function, row=row))
