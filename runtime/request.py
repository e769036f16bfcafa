"""Requests and outcomes: the input and the output of an engine.

A request is made once and never changed. It knows messages, a constraint and sampling options, no Python types. An outcome
is a finished answer; the errors that take its place are in `errors`. LoRA adapters are here too, as requests name them.
Invariant: equal requests have equal digests, in every process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Protocol, TypeGuard

from typefold.compiler import TEXT, Constraint, Message
from typefold.runtime.sampling import UNSET_LIMIT, asked, token_limit

logger = logging.getLogger(__name__)


class AdapterLike(Protocol):
    """An `Adapter`, or a `vllm.lora.request.LoRARequest`."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str | os.PathLike[str]: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter, for `lora_request=`.

    Adapters with equal names and folders are equal, so requests with them may share an answer. vLLM's own `LoRARequest`
    may be passed in its place.

    Attributes:
        name: The adapter's name (text, not empty). One engine knows one adapter by a name.
        path: Its folder in PEFT's format (`adapter_config.json` and the weights), or its name on the hub.

    Raises:
        ValueError: The name or the path is empty, or the name is not text.

    Example:
        >>> from typefold.runtime import Adapter, Request, Scheduler
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> scheduler = Scheduler(ScriptedEngine(answers=lambda request: f"as {request.options['lora_request'].name}"))
        >>> legal = Adapter("legal", "adapters/legal")
        >>> [future] = scheduler.submit([Request(prompt="Write a clause.", options={"lora_request": legal})])
        >>> future.result().text
        'as legal'
        >>> scheduler.close()
    """

    name: str
    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fsdecode(self.path))
        name: Any = self.name  # untyped code may give anything
        if not (isinstance(name, str) and name and self.path):
            raise ValueError(f"an adapter needs a name and a path, both as text, not {name!r} and {self.path!r}")


def is_adapter(value: Any) -> TypeGuard[AdapterLike]:
    """Return whether a value names an adapter: an `Adapter`, or a `LoRARequest` of vLLM."""
    return isinstance(value, Adapter) or all(
        isinstance(getattr(value, name, None), kind)
        for name, kind in (("lora_name", str), ("lora_int_id", int), ("lora_path", str))
    )


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
        prompt: Messages for the model's chat template, or a `str` that is sent as it stands.
        constraint: The constraint on the answer; by default free text.
        sampling_params: A `vllm.SamplingParams` to start from, or `None` for the model's defaults.
        sampling: Single sampling parameters by name, laid over `sampling_params`.
        options: Other request options of `LLM.generate`: `lora_request`, `priority`, ...
        chat_template_kwargs: Extra variables for the chat template.
        deadline: When the request fails with `TimedOut`, in seconds of `time.monotonic()`; `None` for never.
        function: The name of the prompt function, for messages and statistics.
        row: The index of the row that asks, or `None`.
        attempt: The number of this request for the row's answer; beyond 1 it is a retry.
        whole: Whether free text that is cut off at its limit is `Truncated`, and not a value.
        begun: Tokens of the answer that are there already, and texts of which the engine makes tokens: it goes on behind them
            and returns the new ones. The constraint is for the new part.
        thinking: Whether the prompt is to end where the model reasons, and not where it answers. Without it, an answer never
            begins inside a thought.
        settled_by: Texts of which each settles the answer as soon as it is written. An engine may stop there and return the
            answer up to there. Nothing else depends on it.
        begins: Texts of which the answer's only token begins one. An engine that knows its tokens may admit just those,
            without a grammar. Nothing else depends on it.
        probe: Whether only the log probabilities of the first tokens are wanted, so that an answer is never too short. With
            `begins`, an engine may return those of all tokens that begin one, and of `OTHERS`, without a constraint. It may go
            ahead then: put the only token that can come next behind the prompt, and first in the outcome, as a certain one.
        place: The row of the program that asks, in a few bytes that are the same each time the program runs. A journal
            tells equal sampled requests apart by it.
        source: The caller's own object, for tests and tools that look at requests later. The runtime never reads it.
        on_delta: Streams the answer: called with each piece of its text as it is written. It runs on the engine's thread, so
            it must be quick. `None` for an answer that comes whole, which is cheaper.
        before: The constraint of an answer that goes on behind this text, for which room is left in the context; `None` for a
            text that is an answer itself.
        version: The version of the prompt function, for journals and traces. Nothing else depends on it.
    """

    prompt: tuple[Message, ...] | str
    constraint: Constraint = TEXT
    sampling_params: Any = None
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    deadline: float | None = None
    function: str = "generate"
    row: int | None = None
    attempt: int = 1
    whole: bool = False
    begun: tuple[int | str, ...] = ()
    thinking: bool = False
    settled_by: tuple[str, ...] = field(default=(), compare=False, repr=False)
    begins: tuple[str, ...] = field(default=(), compare=False, repr=False)
    probe: bool = False
    place: bytes = b""
    source: object = field(default=None, compare=False, repr=False)
    on_delta: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
    before: Constraint | None = field(default=None, compare=False, repr=False)
    version: str | None = field(default=None, compare=False, repr=False)

    def asked(self, name: str, defaults: object = None) -> Any:
        """Return a sampling parameter as asked for.

        Args:
            name: The name of the parameter.
            defaults: The model's own parameters, which hold where the request has no `sampling_params`.

        Returns:
            The single parameter, else that of `sampling_params`, else the default; `None` where there is none.

        Example:
            >>> Request(prompt="?", sampling={"temperature": 0.5}).asked("temperature")
            0.5
        """
        return asked(self.sampling, defaults if self.sampling_params is None else self.sampling_params, name)

    def is_deterministic(self, defaults: object = None) -> bool:
        """Return whether the content settles the answer: decoding is greedy, or drawn with a seed.

        Args:
            defaults: The model's own parameters, where they are known. A request that leaves the temperature to unknown
                ones is taken for a sampled one.
        """
        seed = self.asked("seed", defaults)  # of which -1 is vLLM's word for none
        return seed not in (None, -1) or bool(self.asked("temperature", defaults) == 0)

    def token_limit(self) -> int | None:
        """Return the token limit that the request sets itself, or `None`; see `sampling.token_limit`.

        A limit of 16 in an object, which may be vLLM's default, is logged once a function.
        """
        is_text = self.constraint.kind == "text"
        if "max_tokens" not in self.sampling and getattr(self.sampling_params, "max_tokens", None) == UNSET_LIMIT:
            _log_unset_limit(self.function, is_text)
        return token_limit(self.sampling, self.sampling_params, text=is_text)

    def prompt_content(self) -> str:
        """Return a text that equal prompts have in common, and others have not: their roles, texts and images."""
        prompt = self.prompt
        return repr(
            prompt if isinstance(prompt, str) else [(each.role, each.content, *each.image_digests) for each in prompt]
        )

    def digest(self, context: bytes, parameters: bytes) -> bytes:
        """Return 16 bytes that stand for the content of the request.

        Args:
            context: A digest of the answering model, or another beginning.
            parameters: A text of all else that bears on the answer: sampling, template variables, adapter, ...
        """
        state = blake2b(context, digest_size=16)
        state.update(self.constraint.digest)
        state.update(parameters)
        state.update(self.prompt_content().encode("utf-8", "surrogatepass"))
        return state.digest()


OTHERS = -1
"""The number that stands for all tokens that are not listed, where the log probabilities of a step are complete."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that the model took, or could have taken.

    Attributes:
        token_id: Its number in the model's vocabulary; `OTHERS` for all that are not listed.
        logprob: The natural logarithm of its probability.
        written: The bytes it adds to the text: part of a character perhaps; nothing for a token that ends the text.
    """

    token_id: int
    logprob: float
    written: bytes

    @property
    def text(self) -> str:
        """The text it adds, for people: bytes that are no whole character are replaced."""
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


_logged: set[tuple[str, bool]] = set()


def _log_unset_limit(function: str, is_text: bool) -> None:
    if (function, is_text) in _logged:
        return
    _logged.add((function, is_text))
    consequence = (
        "answers are cut after 16 tokens, as vLLM does it; max_tokens= as an option sets another limit"
        if is_text
        else "it counts as not set, and an answer may be as long as its type; for a limit of 16, set max_tokens=16 as an option"
    )
    logger.warning(
        "%s: the given SamplingParams has max_tokens=%d, vLLM's default: %s", function, UNSET_LIMIT, consequence
    )


def conversation(function: str, row: int | None, attempt: int, state: str, turns: Iterable[str]) -> str:
    """Return a request and its answer for reading: a line on both, then their texts, indented."""
    where = "" if row is None else f", row {row}"
    again = f", attempt {attempt}" if attempt > 1 else ""
    return "\n".join(
        [f"{function}{where}{again}: {state}", *(f"  {line}" for turn in turns for line in turn.split("\n"))]
    )
