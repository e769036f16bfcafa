"""Thoughts before an answer: two requests, of which the second begins with all that the first had and wrote.

A model that was made to think has marks around its thoughts. It is made to begin with the first mark, stopped at the
second or at the limit, and the answer is held to its type behind the second; so the engine's prefix cache holds all but
the last tokens. Any other model is asked to think in the user's message, and for the answer in a further turn.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typefold.compiler import TEXT, Message
from typefold.execution.call import Thoughts
from typefold.execution.retries import Attempt
from typefold.messages import RawPrompt
from typefold.runtime import FinishReason, Outcome, Request, Thinking

if TYPE_CHECKING:
    from typefold.execution.call import Call

__all__ = ["thought_through"]

_THINK = "First think it through, step by step. Do not give the answer yet."
_ANSWER = "Now give the answer, in the form that was asked for and nothing else."


def thought_through(
    call: Call[Any], row: int | None, thinking: Thinking | None, attempt: Attempt
) -> Generator[Request, Outcome, tuple[Any, str]]:
    """One attempt at an answer with thoughts before it.

    Args:
        call: What is asked.
        row: The row that asks.
        thinking: The model's own way of thinking, if it has one.
        attempt: The attempt.

    Returns:
        The value and the thoughts.

    Raises:
        PromptError: There is no value.
    """
    assert not isinstance(attempt.messages, RawPrompt)
    if thinking is not None:
        request = replace(call.request(row, attempt), thinking=True)
        thoughts = yield _free(request, call, begun=thinking.opening, stop_token_ids=[thinking.end])
        # What ended them, the mark or the end of the text, is the last token; at the limit there is none.
        written = thoughts.token_ids[:-1] if thoughts.finish_reason is FinishReason.STOP else thoughts.token_ids
        request = replace(request, begun=(*thinking.opening, *written, *thinking.closing))
    else:
        asked = _asked_to_think(attempt.messages)
        thoughts = yield _free(replace(call.request(row, attempt), prompt=asked), call)
        turns = (Message("assistant", thoughts.text), Message("user", _ANSWER))
        request = replace(call.request(row, attempt), prompt=(*asked, *turns))
    outcome = yield request
    return call.conclude(outcome, row, attempt), thoughts.text.strip()


def _free(request: Request, call: Call[Any], begun: tuple[int, ...] = (), **sampling: Any) -> Request:
    """The request for the thoughts: no constraint, and nothing that was meant for the answer."""
    own: Mapping[str, Any] = {
        **request.sampling,
        "max_tokens": call.options.max_reasoning_tokens,
        "min_tokens": 0,
        "stop": [],
        "stop_token_ids": [],
        "ignore_eos": False,
        "logprobs": None,
        **sampling,
    }
    return replace(request, constraint=TEXT, begun=begun, sampling=own, whole=False, source=Thoughts(call))


def _asked_to_think(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    last = messages[-1]
    return (*messages[:-1], replace(last, content=f"{last.content}\n\n{_THINK}"))
