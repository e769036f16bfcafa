"""Requests and outcomes: what goes to an engine and what comes back.

A request is made once and never changed; it knows messages, a constraint and sampling options, no Python types. An
outcome is a finished answer. What can go wrong instead is in `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from typefold.compiler import TEXT, Constraint, Message

__all__ = ["FinishReason", "Outcome", "Request"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished answer.

    Attributes:
        text: The answer, without special tokens.
        finish_reason: Why the engine stopped.
        prompt_tokens: Tokens of the prompt.
        output_tokens: Tokens of the answer, the end-of-text token included.
        cached_tokens: Prompt tokens that the prefix cache held.
        logprobs: The engine's log probabilities where they were asked for, one entry a token.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    logprobs: Any = None
