"""What a program must know of an engine beside what it answers, kept so that a program can run again without it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from typefold.runtime.engine import Engine, Thinking

__all__ = ["EngineFacts"]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Facts about an engine.

    Attributes:
        max_num_seqs: How many requests it runs at once.
        max_logprobs: The most log probabilities that it gives for a token.
        thinking: How its model thinks before it answers; `None` for one that has no form for that.
    """

    max_num_seqs: int
    max_logprobs: int
    thinking: Thinking | None = None

    @classmethod
    def of(cls, engine: Engine, *, max_num_seqs: int | None = None) -> EngineFacts:
        """The facts of an engine that is there; of several, how many requests they all run at once."""
        return cls(max_num_seqs or engine.max_num_seqs, engine.max_logprobs, engine.thinking)

    @classmethod
    def from_json(cls, text: str) -> EngineFacts:
        """The facts in a text that `as_json` gave."""
        held: dict[str, Any] = json.loads(text)
        marks = held.pop("thinking")
        thinking = marks and Thinking(tuple(marks["opening"]), marks["end"], tuple(marks["closing"]))
        return cls(**held, thinking=thinking)

    def as_json(self) -> str:
        """A text to be kept."""
        return json.dumps(asdict(self))
