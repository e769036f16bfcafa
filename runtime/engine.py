"""What the scheduler asks of an engine: its verbs, and some facts.

An engine is driven by one thread, the scheduler's, and by no other. It is handed token ids, so that what was counted is
what is sent, and gives back completions in the order in which they finish; of streamed answers also the pieces, as they
are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from typefold.compiler import Vocabulary
from typefold.runtime.request import Outcome, Request

__all__ = [
    "Completion",
    "ControlTokenPolicy",
    "Delta",
    "Engine",
    "EngineGone",
    "EngineRefusal",
    "PromptTooLarge",
    "Telling",
    "Thinking",
]

ControlTokenPolicy = Literal["keep", "refuse", "escape"]
"""What becomes of a message that holds what a chat template marks turns with as ordinary text."""


class EngineRefusal(ValueError):
    """The engine will not take this request (a bad constraint or parameter); other requests are unharmed."""


class PromptTooLarge(ValueError):
    """A prompt has far more tokens than there is room for, and was not tokenised to its end.

    Attributes:
        tokens: How many its beginning has.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.tokens = tokens

    def __str__(self) -> str:
        return f"the beginning of the prompt alone has {self.tokens} tokens, more than there is room for"


class EngineGone(RuntimeError):
    """The engine is no more: its process died, or was ended. The message says how, for users."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A request that has left the engine.

    Attributes:
        key: The key under which it was added.
        outcome: The answer so far; its finish reason tells whether it is whole.
    """

    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer.

    Attributes:
        key: The key under which the request was added.
        text: What the answer has grown by; never empty, and never half a character.
    """

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model thinks before it answers: between two marks.

    Attributes:
        opening: Tokens to begin with, so that it thinks; none where its chat template ends in them.
        end: The token that it writes when it has thought enough.
        closing: Tokens between its thoughts and the answer, `end` included.
    """

    opening: tuple[int, ...]
    end: int
    closing: tuple[int, ...]


@runtime_checkable
class Telling(Protocol):
    """An engine that can say what it has written of an answer that is not there yet; an `Engine` need not."""

    def written(self, key: str) -> str:
        """The text so far of a request; nothing for one that is unknown or has not begun."""
        ...


class Engine(Protocol):
    """A batch engine. Implementations: `engines.vllm.VllmEngine`, `engines.scripted.ScriptedEngine`.

    Attributes:
        max_model_len: The most tokens of a prompt and its answer together.
        max_num_seqs: How many requests run at once.
        vocabulary: Facts about the tokens, for token bounds.
        max_logprobs: The most log probabilities that it gives for a token.
        thinking: How its model thinks before it answers; `None` for one that has no form for that.
    """

    @property
    def max_model_len(self) -> int: ...

    @property
    def max_num_seqs(self) -> int: ...

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def max_logprobs(self) -> int: ...

    @property
    def thinking(self) -> Thinking | None: ...

    def tokenize(self, request: Request) -> Sequence[int]:
        """The request's prompt as token ids, the chat template applied.

        Raises:
            ValueError: The prompt cannot be rendered or tokenised.
        """
        ...

    def max_tokens(self, request: Request) -> int | None:
        """The caller's own token limit, from its sampling parameters; `None` where it set none."""
        ...

    def identity(self, request: Request) -> str | None:
        """Parameters and constraint as they will really be, if with them the prompt settles the answer; else `None`.

        They settle it where decoding is greedy, or drawn with a seed. Requests whose prompts, options and identities
        are equal may share one answer.

        Raises:
            EngineRefusal: The engine will not take the request's parameters.
        """
        ...

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        """Queue a request.

        Raises:
            EngineRefusal: The engine will not take it. Nothing of it stays behind.
        """
        ...

    def step(self) -> Sequence[Completion]:
        """One step of the engine; what finished in it. Called only while something is unfinished.

        Raises:
            Exception: The engine is broken and will not be used again.
        """
        ...

    def deltas(self) -> Sequence[Delta]:
        """What the answers of streamed requests (`Request.on_delta`) have grown by since this was last asked.

        The deltas of an answer, joined, are the text of its outcome; the last are there when its completion is. It is
        asked after each step, so that requests which are not streamed cost nothing here.
        """
        ...

    def abort(self, keys: Iterable[str]) -> None:
        """Drop requests; they give no completion. Unknown keys are ignored."""
        ...

    def kill(self) -> bool:
        """End the engine at once, though a call into it hangs: that call then raises. From any thread.

        Returns:
            Whether it can. Most can't where the engine runs in this process.
        """
        ...

    def close(self) -> None:
        """Free the engine, its memory and its processes. May be called twice."""
        ...
