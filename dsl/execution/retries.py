"""Asking again: a row whose answer failed a check is told what is wrong, and one that was cut off gets more room.

The answer and its errors go to the model as further turns, behind those of earlier attempts, so that no prompt is sent
twice; a seeded call takes another seed each time. A cut answer is asked for again with the prompt and seed that it had,
and so begins as it did. Other rows never wait: a retry is one more request of its own row.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from typefold.compiler import Message
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.runtime import Invalid, Outcome, PromptError, PromptTooLong, Request, TimedOut, Truncated

__all__ = ["Answered", "Attempt", "retried", "within"]

T = TypeVar("T")

_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Attempt:
    """One attempt at an answer.

    Attributes:
        messages: What is asked this time.
        number: How many attempts there are with this one.
        corrections: How many of those before were told that they were wrong.
        max_tokens: The token limit this time; `None` for that of the options.
    """

    messages: tuple[Message, ...] | RawPrompt
    number: int = 1
    corrections: int = 0
    max_tokens: int | None = None

    def sampling(self, options: Options, seed: int | None = None) -> Mapping[str, Any]:
        """The sampling parameters of this attempt.

        Args:
            options: What the caller set.
            seed: What is drawn with where they set no seed.
        """
        changes: dict[str, Any] = {} if self.max_tokens is None else {"max_tokens": self.max_tokens}
        given = options.asked("seed")
        ours = given in (None, -1)  # -1 is vLLM's word for none
        drawn = seed if ours else given
        if drawn is not None and (ours or self.corrections):
            changes["seed"] = _another(drawn, self.corrections) if self.corrections else drawn
        return {**options.sampling, **changes} if changes else options.sampling


@dataclass(frozen=True)
class Answered(Generic[T]):
    """A value, and how it came about.

    Attributes:
        value: The value.
        attempts: How many answers were asked for.
    """

    value: T
    attempts: int


def retried(
    first: tuple[Message, ...] | RawPrompt,
    options: Options,
    ask: Callable[[Attempt], Generator[Request, Outcome, T]],
) -> Generator[Request, Outcome, Answered[T]]:
    """Attempts, until one gives a value or none is left.

    Args:
        first: What is asked first.
        options: How often, and whether limits grow.
        ask: Makes one attempt.

    Raises:
        PromptError: That of the last attempt. Where the turns of a retry leave no room for an answer, the `Invalid` that
            they were to mend.
    """
    attempt, failed = Attempt(first), None
    while True:
        try:
            return Answered((yield from ask(attempt)), attempt.number)
        except Truncated as error:
            limit = _grown(error, options)
            if limit is None:
                raise
            attempt = _next(attempt, max_tokens=limit)
        except Invalid as error:
            failed = error.at(attempts=attempt.number)
            if attempt.corrections >= options.retries or isinstance(attempt.messages, RawPrompt):
                raise failed from error.__cause__
            messages = corrected(attempt.messages, error)
            attempt = _next(attempt, messages=messages, corrections=attempt.corrections + 1)
        except PromptTooLong as error:
            if failed is None:
                raise
            raise failed from error


def within(timeout: float | None, exchange: Generator[Request, Outcome, T]) -> Generator[Request, Outcome, T]:
    """An exchange whose requests share one time limit, and so one deadline."""
    if timeout is None:
        return (yield from exchange)
    deadline = time.monotonic() + timeout
    try:
        said = next(exchange)
        while True:
            try:
                outcome = yield replace(said, deadline=deadline)
            except TimedOut as error:
                raise error.at(timeout=timeout) from error.__cause__
            except PromptError as error:
                said = exchange.throw(error)
            else:
                said = exchange.send(outcome)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        exchange.close()


def corrected(messages: tuple[Message, ...], error: Invalid) -> tuple[Message, ...]:
    """The conversation with the answer, and what is wrong with it, as further turns."""
    begun = messages[-1:] if messages and messages[-1].role == "assistant" else ()  # an answer goes on from these words
    said = Message("assistant", "".join(message.content for message in begun) + error.text)
    return (*messages[: len(messages) - len(begun)], said, Message("user", _correction(error)), *begun)


def _correction(error: Invalid) -> str:
    problems = [_problem(each) for each in error.errors] or [error.detail]
    shown = problems[:_MOST_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return "\n".join(["That answer is not valid:", *(f"- {each}" for each in shown), "Answer again, in the same form."])


def _problem(problem: Mapping[str, Any]) -> str:
    place = ".".join(map(str, problem["loc"]))
    reason = str(problem["msg"])
    for prefix in ("Value error, ", "Assertion failed, "):
        reason = reason.removeprefix(prefix)
    return f"{place}: {reason}" if place else reason


def _grown(error: Truncated, options: Options) -> int | None:
    """Twice the limit, as far as there is room; `None` where there is no more, or it may not grow."""
    if not options.retry_truncated or error.room is None or error.max_tokens >= error.room:
        return None
    return min(2 * error.max_tokens, error.room)


def _next(attempt: Attempt, **changes: Any) -> Attempt:
    return replace(attempt, number=attempt.number + 1, **changes)


def _another(seed: object, correction: int) -> int:
    """A seed made of another: always the same, and as far as can be told unlike it."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {correction}".encode(), digest_size=8).digest()) >> 1
