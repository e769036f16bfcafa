"""The retry policy: what is asked after an answer that failed a check, and after one that was cut off.

An invalid answer and its errors go to the model as further turns, behind those of earlier attempts, so no prompt is sent
twice; a seeded call takes another seed each time. A truncated answer is asked for again with the prompt and the seed that
it had, so it begins as before. A retry is one more request of its own row: other rows never wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from typefold.compiler import Message
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.runtime import Invalid, PromptError, PromptTooLong, Truncated

_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Attempt:
    """One attempt at an answer."""

    messages: tuple[Message, ...] | RawPrompt
    number: int = 1
    corrections: int = 0  # earlier attempts that were corrected
    max_tokens: int | None = None  # in place of that of the options
    failed: Invalid | None = None  # the failed check that this attempt is to mend

    def sampling(self, options: Options, seed: int | None = None) -> Mapping[str, Any]:
        if seed is None and self.number == 1:
            return options.sampling
        changes: dict[str, Any] = {} if self.max_tokens is None else {"max_tokens": self.max_tokens}
        given = options.asked("seed")
        ours = given in (None, -1)  # -1 is vLLM's word for none
        drawn = seed if ours else given
        if drawn is not None and (ours or self.corrections):
            changes["seed"] = _another(drawn, self.corrections) if self.corrections else drawn
        return {**options.sampling, **changes} if changes else options.sampling

    def after(self, error: PromptError, options: Options) -> Attempt:
        """Return the attempt that follows one that failed, or raise the error where none is left.

        Where the turns of a retry leave no room for an answer, that is the `Invalid` that they were to mend.
        """
        if isinstance(error, Truncated) and (limit := _larger_limit(error, options)) is not None:
            return replace(self, number=self.number + 1, max_tokens=limit)
        if isinstance(error, Invalid):
            failed = error.at(attempts=self.number)
            if self.corrections >= options.retries or isinstance(self.messages, RawPrompt):
                raise failed from error.__cause__
            return replace(
                self,
                messages=_corrected(self.messages, error),
                number=self.number + 1,
                corrections=self.corrections + 1,
                failed=failed,
            )
        if isinstance(error, PromptTooLong) and self.failed is not None:
            raise self.failed from error
        raise error


def _corrected(messages: tuple[Message, ...], error: Invalid) -> tuple[Message, ...]:
    begun = messages[-1:] if messages and messages[-1].role == "assistant" else ()  # an answer goes on from these words
    answer = Message("assistant", "".join(message.content for message in begun) + error.text)
    return (*messages[: len(messages) - len(begun)], answer, Message("user", _correction(error)), *begun)


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


def _larger_limit(error: Truncated, options: Options) -> int | None:
    """Return twice the limit, as far as there is room; `None` where there is no more, or it may not grow."""
    if not options.retry_truncated or error.room is None or error.max_tokens >= error.room:
        return None
    return min(2 * error.max_tokens, error.room)


def _another(seed: object, correction: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed} {correction}".encode(), digest_size=8).digest()) >> 1
