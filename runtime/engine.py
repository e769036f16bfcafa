"""The protocol between the scheduler and an engine: methods, and frozen facts.

One thread drives an engine, the scheduler's, and no other (but see `TokenizesAhead`). It passes token ids, so that the counted prompt is sent,
and receives completions in the order in which they finish. Streamed answers also come in pieces, as they are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from typefold.compiler import Vocabulary
from typefold.compiler.guards import is_list
from typefold.runtime.request import Outcome, Request

ControlTokenPolicy = Literal["keep", "refuse", "escape"]
"""The treatment of messages that hold the ordinary text with which a chat template marks turns."""


class EngineRefusal(ValueError):
    """The engine does not take this request (a bad constraint or parameter); other requests are unharmed."""


class PromptTooLarge(ValueError):
    """A prompt has far more tokens than there is room for, and was not tokenised to its end."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.tokens = tokens

    def __str__(self) -> str:
        return f"the beginning of the prompt alone has {self.tokens} tokens, more than there is room for"


class EngineGone(RuntimeError):
    """The engine's process died or was ended. The message tells users how."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A request that has left the engine.

    Attributes:
        key: The key under which it was added.
        outcome: The answer; its finish reason says whether it is complete.
    """

    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer.

    Attributes:
        key: The key under which the request was added.
        text: The new text; never empty, and never half a character.
    """

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The form in which a reasoning model thinks before it answers: between a start and an end marker.

    Attributes:
        opening: Tokens that make it think; none where its chat template ends in them.
        end: The token of the end marker, which the model writes itself; `None` where the marker is ordinary text.
        closing: Tokens between its reasoning and the answer, the end marker included.
        answer: The tokens of `closing` behind the end marker.
        always: Whether its chat template begins each answer inside a thought, and has no switch for that.
        marks: The texts of the two markers.
        switches: Variables of the chat template, each with the values that switch reasoning on and off.
    """

    opening: tuple[int, ...]
    end: int | None
    closing: tuple[int, ...]
    answer: tuple[int, ...] = ()
    always: bool = False
    marks: tuple[str, str] = ("", "")
    switches: tuple[tuple[str, Any, Any], ...] = ()

    def switched(self, variables: Mapping[str, Any]) -> bool | None:
        """Return whether template variables switch reasoning on or off; `None` where they leave it alone.

        Args:
            variables: The variables by name.

        Example:
            >>> thinking = Thinking((1,), 2, (2,), switches=(("enable_thinking", True, False),))
            >>> thinking.switched({"enable_thinking": False}), thinking.switched({})
            (False, None)
        """
        for name, on, off in self.switches:
            if name in variables and variables[name] in (on, off):
                return bool(variables[name] == on)
        return None


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if is_list(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """Facts about an engine that a program needs beside its answers. A journal keeps them, so that it needs no engine.

    Attributes:
        max_num_seqs: The number of requests that run at once; of several replicas, all together.
        max_logprobs: The most log probabilities that the engine returns for a token.
        thinking: The form in which its model thinks before it answers; `None` for a model without one.
    """

    max_num_seqs: int
    max_logprobs: int
    thinking: Thinking | None = None

    @classmethod
    def from_json(cls, text: str) -> EngineFacts:
        """Return the facts in a `text` that `as_json` returned."""
        held: dict[str, Any] = json.loads(text)
        found = held.pop("thinking")
        thinking = found and Thinking(**{name: _as_tuples(value) for name, value in found.items()})
        return EngineFacts(**held, thinking=thinking)

    def as_json(self) -> str:
        """Return the facts as a text for a journal."""
        thinking = self.thinking and asdict(self.thinking)
        return json.dumps({"max_num_seqs": self.max_num_seqs, "max_logprobs": self.max_logprobs, "thinking": thinking})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo(EngineFacts):
    """All facts about an engine that is loaded. They never change, so any thread may read them.

    Attributes:
        provider: The name of the library, as in `gen_ai.provider.name` of OpenTelemetry: `vllm`, `scripted`, ...
        model: The model's name or path.
        max_model_len: The most tokens of a prompt and its answer together.
        vocabulary: Facts about the tokens, special ones excluded, for token bounds.
        model_options: The options that tell the model apart beside its name: revision, quantization, ...
        backend: The backend of structured output; empty where there is only one.
        device: The device that the model runs on: `cpu`, `cuda`, ...; empty where there is none.
        decodes_as_graph: Whether a step without a prompt runs as one CUDA graph, and a step with one piece by piece.
    """

    provider: str
    model: str
    max_model_len: int
    vocabulary: Vocabulary
    model_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    backend: str = ""
    device: str = ""
    decodes_as_graph: bool = False


@runtime_checkable
class ReportsPartialText(Protocol):
    """An engine that can return the text of an answer that is not finished; an `Engine` need not."""

    def partial_text(self, key: str) -> str:
        """Return the text so far of a request; empty for one that is unknown or has not begun."""
        ...


@runtime_checkable
class TokenizesAhead(Protocol):
    """An engine whose prompts another thread may tokenise while it takes steps; an `Engine` need not.

    A thread of the scheduler's then calls `tokenize_all`, `tokenize`, `max_tokens` and `identity`, one at a time, beside the engine's
    own thread.
    """

    def tokenize_all(self, requests: Sequence[Request]) -> Sequence[Sequence[int] | Exception]:
        """Return for each request the tokens that `tokenize` returns, or the error that it raises."""
        ...


class CountsTokens(Protocol):
    """The part of an `Engine` that knows prompts: facts, tokens and limits."""

    @property
    def info(self) -> EngineInfo: ...

    def tokenize(self, request: Request) -> Sequence[int]: ...

    def max_tokens(self, request: Request) -> int | None: ...


class Engine(Protocol):
    """A batch engine: adds requests at any time, and finishes them step by step.

    Implementations are `engines.vllm.engine.VllmEngine` and `engines.scripted.ScriptedEngine`. `engines.engine_registry`
    says how to add one.

    Attributes:
        info: The engine's facts.

    Example:
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> engine: Engine = ScriptedEngine(answers=["yes"])
        >>> request = Request(prompt="Is it?")
        >>> engine.add("a", request, engine.tokenize(request), max_tokens=10)
        >>> [done for _ in range(4) for done in engine.step()][0].outcome.text
        'yes'
    """

    @property
    def info(self) -> EngineInfo: ...

    def tokenize(self, request: Request) -> Sequence[int]:
        """Return the request's prompt as token ids, the chat template applied.

        Args:
            request: The request; its prompt, template variables, images and `begun` tokens count.

        Raises:
            ValueError: The prompt can't be rendered or tokenised.
        """
        ...

    def max_tokens(self, request: Request) -> int | None:
        """Return the token limit that `request` or the model's own configuration sets; `None` without one.

        Raises:
            EngineRefusal: The limit is none that the engine takes.
        """
        ...

    def identity(self, request: Request) -> str | None:
        """Return the parameters and the constraint of `request` as they will really be if it is deterministic, else `None`.

        A request is deterministic where decoding is greedy or drawn with a seed. Such requests whose prompts, options and
        identities are equal may share one answer.

        Raises:
            EngineRefusal: The engine does not take the request's parameters.
        """
        ...

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        """Queue a request.

        Args:
            key: A name for it, unique in this engine.
            request: The request.
            token_ids: Its prompt, as `tokenize` returned it.
            max_tokens: The most tokens of the answer, at least 1.

        Raises:
            EngineRefusal: The engine does not take it. Nothing of it stays behind.
        """
        ...

    def step(self) -> Sequence[Completion]:
        """Run one step and return the requests that it finished. Called only while something is unfinished.

        Raises:
            Exception: The engine is broken and will not be used again.
        """
        ...

    def deltas(self) -> Sequence[Delta]:
        """Return the new text of streamed requests (`Request.on_delta`) since the last call.

        The deltas of an answer, joined, are the text of its outcome; the last come with its completion. Called after each
        step, so that requests which are not streamed cost nothing here.
        """
        ...

    def abort(self, keys: Iterable[str]) -> None:
        """Drop the requests of these `keys`; they give no completion. Unknown keys are ignored."""
        ...

    def kill(self) -> bool:
        """End the engine at once, though a call into it hangs: that call then raises. May be called from any thread.

        Returns:
            Whether it could be ended. Most engines that run in this process can't.
        """
        ...

    def close(self) -> None:
        """Free the engine, its memory and its processes. May be called twice."""
        ...
