"""Requests and outcomes: what goes to an engine and what comes back.

A request is made once and never changed; it knows messages, a constraint and sampling options, no Python types. An
outcome is a finished answer. What can go wrong instead is in `errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from typefold.compiler import TEXT, Constraint, Message

__all__ = ["FinishReason", "Outcome", "Request", "TokenLogprob"]


class FinishReason(StrEnum):
    """Why an engine stopped, in vLLM's words (`vllm.v1.engine.FinishReason`)."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"
    ERROR = "error"
    REPETITION = "repetition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of the model.

    Attributes:
        prompt: Messages, to be put into the model's chat template, or a `str` that is sent as it stands.
        constraint: How the answer must read.
        sampling_params: A `vllm.SamplingParams` to start from, or `None` for the model's defaults.
        sampling: Single sampling parameters by name, laid over `sampling_params`.
        options: What else `LLM.generate` takes for a request: `lora_request`, `priority`, ...
        chat_template_kwargs: Extra variables for the chat template.
        timeout: Seconds from submission until the request fails with `TimedOut`; `None` for no limit.
        function: The name of the prompt function, for messages and statistics.
        row: The index of the row that asks, or `None`.
        attempt: Which of the row's requests for its answer this is; beyond 1 it is a retry.
        whole: Whether free text that is cut off at its limit is `Truncated`, and not a value.
        begun: Tokens of the answer that are there already: the engine goes on behind them, and gives what is new. The
            constraint says how the new part must read.
        thinking: Whether the model is to think before it answers, where its chat template has a switch for that.
        settled_by: Texts of which each settles the answer as soon as it is written: an engine may stop there, and gives the
            answer up to there. Nothing else depends on it.
        begins: Texts of which the answer's only token begins one: an engine that knows its tokens may keep to those that do, with
            no grammar. Nothing else depends on it.
        probe: Whether only the log probabilities of the first tokens are wanted, so that a cut answer is none too short.
        place: Which row of the program asks, in a few bytes that are the same each time the program runs: tells equal
            sampled requests apart in a journal.
        source: What asks, for whoever looks at requests later, such as tests; the runtime never does.
        on_delta: Streams the answer: called with each piece of its text as it is written, by the engine's thread, so it
            must be quick. `None` for an answer that comes whole, which is cheaper.
    """

    prompt: tuple[Message, ...] | str
    constraint: Constraint = TEXT
    sampling_params: Any = None
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout: float | None = None
    function: str = "generate"
    row: int | None = None
    attempt: int = 1
    whole: bool = False
    begun: tuple[int, ...] = ()
    thinking: bool = False
    settled_by: tuple[str, ...] = field(default=(), compare=False, repr=False)
    begins: tuple[str, ...] = field(default=(), compare=False, repr=False)
    probe: bool = False
    place: bytes = b""
    source: object = field(default=None, compare=False, repr=False)
    on_delta: Callable[[str], None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that the model took, or could have taken.

    Attributes:
        token_id: Its number in the model's vocabulary.
        logprob: The natural logarithm of its probability.
        written: What it adds to the text: part of a character perhaps; nothing for a token that ends the text.
    """

    token_id: int
    logprob: float
    written: bytes

    @property
    def text(self) -> str:
        """What it adds to the text, to be read."""
        return self.written.decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished answer.

    Attributes:
        text: The answer, without special tokens.
        finish_reason: Why the engine stopped.
        prompt_tokens: Tokens of the prompt.
        output_tokens: Tokens of the answer, the end-of-text token included.
        cached_tokens: Prompt tokens that the prefix cache held.
        token_ids: The tokens of the answer, the end-of-text token included.
        logprobs: Where they were asked for: for each token of the answer itself and the likeliest others, in that order.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[tuple[TokenLogprob, ...], ...] | None = None
