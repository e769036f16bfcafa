"""What a scheduler has done, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a scheduler has done so far; a snapshot.

    Attributes:
        submitted: Requests taken in.
        succeeded: Requests that gave an outcome.
        failed: Requests that gave an error.
        cut: Free texts among the succeeded that were cut off at their token limit.
        waiting: Requests not yet handed to the engine.
        running: Requests in the engine's hands.
        steps: Engine steps taken.
        prompt_tokens: Prompt tokens of the succeeded requests.
        cached_tokens: How many of those the prefix cache held.
        output_tokens: Tokens that the succeeded requests were answered with.
    """

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cut: int = 0
    waiting: int = 0
    running: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
