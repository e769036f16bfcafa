"""What the scheduler asks of an engine: five verbs and three facts.

An engine is driven by one thread, the scheduler's, and by no other. It is handed token ids, so that what was counted is
what is sent, and gives back completions in the order in which they finish.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from typefold.compiler import Vocabulary
from typefold.runtime.request import Outcome, Request

__all__ = ["Completion", "Engine", "EngineRefusal"]


class EngineRefusal(ValueError):
    """The engine will not take this request (a bad constraint or parameter); other requests are unharmed."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A request that has left the engine.

    Attributes:
        key: The key under which it was added.
        outcome: The answer so far; its finish reason tells whether it is whole.
    """

    key: str
    outcome: Outcome


class Engine(Protocol):
    """A batch engine. Implementations: `engines.vllm.VllmEngine`, `engines.scripted.ScriptedEngine`.

    Attributes:
        max_model_len: The most tokens of a prompt and its answer together.
        max_num_seqs: How many requests run at once.
        vocabulary: Facts about the tokens, for token bounds.
    """

    @property
    def max_model_len(self) -> int: ...

    @property
    def max_num_seqs(self) -> int: ...

    @property
    def vocabulary(self) -> Vocabulary: ...

    def tokenize(self, request: Request) -> Sequence[int]:
        """The request's prompt as token ids, the chat template applied.

        Raises:
            ValueError: The prompt cannot be rendered or tokenised.
        """
        ...

    def max_tokens(self, request: Request) -> int | None:
        """The caller's own token limit, from its sampling parameters; `None` where it set none."""
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

    def abort(self, keys: Iterable[str]) -> None:
        """Drop requests; they give no completion. Unknown keys are ignored."""
        ...

    def close(self) -> None:
        """Free the engine, its memory and its processes. May be called twice."""
        ...
