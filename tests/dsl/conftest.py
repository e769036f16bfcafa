"""Fixtures of tests of batches: an engine whose steps no clock decides."""

import time
from collections.abc import Callable, Iterable, Sequence

import pytest

from typefold.runtime import Request
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import Answers, ScriptedEngine


class Lockstep(ScriptedEngine):
    """An engine that steps only while all rows that go on have a request in its hands.

    So its steps depend on the answers' lengths and on who waits for whom. Each row asks one thing at a time; the prompt
    of what it asks last holds the word `last`.

    Args:
        rows: How many rows there are.
        answers: As for a scripted engine.
    """

    def __init__(self, rows: int, answers: Answers) -> None:
        super().__init__(answers=answers)
        self._rows = rows
        self._last: dict[str, bool] = {}

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self._last[key] = "last" in str(request.prompt)

    def step(self) -> Sequence[Completion]:
        if len(self._last) < self._rows:
            time.sleep(0.0005)
            return []
        done = super().step()
        self._rows -= sum(self._last.pop(completion.key) for completion in done)
        return done

    def abort(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        super().abort(keys)
        for key in keys:
            self._last.pop(key, None)


class Assembled(ScriptedEngine):
    """An engine that takes its first step only when a number of requests are in its hands: they share a batch for sure.

    Calls that wait for one another before that would wait for ever; the engine breaks then.

    Args:
        requests: How many requests there must be.
        answers: As for a scripted engine.
    """

    _LONG = 120
    """Seconds after the last request. Nothing else depends on them."""

    def __init__(self, requests: int, answers: Answers) -> None:
        super().__init__(answers=answers)
        self._due = requests
        self._until = 0.0

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self._until = time.monotonic() + self._LONG

    def step(self) -> Sequence[Completion]:
        if len(self.requests) < self._due:
            assert time.monotonic() < self._until, f"{len(self.requests)} of {self._due} requests came"
            time.sleep(0.0005)
            return []
        return super().step()


@pytest.fixture
def assembled() -> Callable[[int, Answers], ScriptedEngine]:
    """Makes engines that take no step before so many requests are in their hands."""
    return Assembled


@pytest.fixture
def lockstep() -> Callable[[int, Answers], ScriptedEngine]:
    """Makes engines that step only while all of so many rows have a request in their hands."""
    return Lockstep
