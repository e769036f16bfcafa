"""Seeing that calls share a batch, without a clock: the engine takes no step before all are in its hands.

How many steps a batch takes says little: on a busy machine the engine steps while it waits for a thread. Here calls that
wait for one another would wait for ever.
"""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from typefold.runtime import Request
from typefold.runtime.engine import Completion
from typefold.runtime.engines.vllm.engine import VllmEngine

_LONG = 120
"""Seconds after which it is said that some call does not come. Nothing else depends on them."""


class Together:
    """An engine's steps, each with a request of every row that goes on.

    Args:
        engine: The engine, whose `add` and `step` are this object's from here on.
        rows: How many rows there are. Each has one request at a time in the engine.
        last: Whether a request is its row's last.
    """

    def __init__(self, engine: VllmEngine, rows: int, last: Callable[[Request], bool]) -> None:
        self.rows = rows
        self.steps = 0
        self._engine = engine
        self._last = last
        self._final: set[str] = set()
        self._until = 0.0

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        if self._last(request):
            self._final.add(key)
        VllmEngine.add(self._engine, key, request, token_ids, max_tokens)
        self._until = time.monotonic() + _LONG

    def step(self) -> Sequence[Completion]:
        if len(self._engine._keys) < self.rows:
            assert time.monotonic() < self._until, f"{len(self._engine._keys)} of {self.rows} rows have asked"
            time.sleep(0.0005)  # and the loop adds those that have come since
            return []
        done = VllmEngine.step(self._engine)
        self.steps += 1
        ended = {completion.key for completion in done} & self._final
        self.rows -= len(ended)
        return done
