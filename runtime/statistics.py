"""What a scheduler has done, as data.

Invariant: all but `failed` and `cancelled` are counted by the scheduler's thread alone, or under its lock, so counting
an answer takes no lock of its own.
"""

from __future__ import annotations

import operator
import threading
from dataclasses import astuple, dataclass

from typefold.runtime.request import Outcome

__all__ = ["Counts", "Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a scheduler has done so far; a snapshot.

    `submitted` is the sum of `succeeded`, `failed`, `cancelled` and of what is under way.

    Attributes:
        submitted: Requests taken in.
        succeeded: Requests that gave an outcome.
        failed: Requests that gave an error.
        cancelled: Requests that their callers withdrew.
        shared: Requests, among those that ended by themselves, that were answered by the generation of an equal one.
        retried: Requests, among the submitted, that asked again for the answer of a row that had given no value.
        restarts: How often the engine was built again after it had crashed.
        cut: Free texts among the succeeded that were cut off at their token limit.
        waiting: Requests not yet handed to the engine.
        running: Requests in the engine's hands, in its own queue too; those that share one generation count once.
        steps: Engine steps taken.
        prompt_tokens: Prompt tokens of what the engine has finished; a shared generation counts once.
        cached_tokens: How many of those the prefix cache held.
        output_tokens: Tokens that the engine has finished answers with, failed ones too.
        saved: Tokens that were not asked for, since those before had settled the answer: as many as the tokenizer cuts it
            into, and the one that ends it, less those that were drawn.
        replayed: Requests, among the submitted, that a journal answered; no engine saw them.
    """

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    shared: int = 0
    retried: int = 0
    restarts: int = 0
    cut: int = 0
    waiting: int = 0
    running: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    replayed: int = 0
    saved: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        """What two schedulers have done together."""
        return Statistics(*map(operator.add, astuple(self), astuple(other)))


class Counts:
    """The counters behind `Statistics`."""

    def __init__(self) -> None:
        self.submitted = 0  # under the scheduler's lock
        self.retried = 0  # as well
        self.succeeded = 0
        self.shared = 0
        self.restarts = 0
        self.cut = 0
        self.steps = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.output_tokens = 0
        self.saved = 0
        self._failed = 0
        self._cancelled = 0
        self._lock = threading.RLock()  # a destructor may withdraw a request while its thread counts another

    def generated(self, outcome: Outcome) -> None:
        """The engine has finished an answer."""
        self.prompt_tokens += outcome.prompt_tokens
        self.cached_tokens += outcome.cached_tokens
        self.output_tokens += outcome.output_tokens

    def failure(self) -> None:
        """A request gave an error; from any thread."""
        with self._lock:
            self._failed += 1

    def cancellation(self) -> None:
        """A caller withdrew a request; from any thread."""
        with self._lock:
            self._cancelled += 1

    def snapshot(self, *, waiting: int, running: int) -> Statistics:
        """The counters as they are now; from any thread."""
        return Statistics(
            submitted=self.submitted,
            succeeded=self.succeeded,
            failed=self._failed,
            cancelled=self._cancelled,
            shared=self.shared,
            retried=self.retried,
            restarts=self.restarts,
            cut=self.cut,
            waiting=waiting,
            running=running,
            steps=self.steps,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            saved=self.saved,
        )
