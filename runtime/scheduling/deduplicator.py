"""The deduplicator: equal requests whose answer their content settles, greedy or seeded ones, are answered once.

A request joins an equal one in flight, and a fixed number of finished answers is remembered. Left out: answers with log
probabilities are not remembered, for their size. The engine's thread owns it. `identity` and `knows` are for any thread.
"""

from __future__ import annotations

from collections import OrderedDict

from typefold.runtime.engine import Engine
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.pending import Generation, Limits

_REMEMBERED = 1024

SETTLED = frozenset({FinishReason.STOP, FinishReason.LENGTH, FinishReason.REPETITION})
"""The finish reasons with which an equal request would end too."""


class Deduplicator:
    """The generations in flight and the last finished ones, by the identity of their requests."""

    def __init__(self, engine: Engine, size: int = _REMEMBERED) -> None:
        self._engine = engine
        self._size = size
        self._in_flight: dict[bytes, Generation] = {}
        self._finished: OrderedDict[bytes, tuple[Limits, Outcome]] = OrderedDict()

    def identity(self, request: Request) -> bytes | None:
        """Return a digest that equal requests share; `None` for a request to be answered by itself, as a streamed one."""
        settled_by = self._engine.identity(request)
        if settled_by is None or request.on_delta is not None:
            return None
        named = [repr(sorted(each.items())) for each in (request.chat_template_kwargs, request.options)]
        if any(" at 0x" in each for each in named):  # an object that is told by its address alone
            return None
        before = None if request.before is None else request.before.digest  # on which the room depends
        parameters = repr((settled_by, request.begun, request.thinking, named, before))
        return request.digest(b"", parameters.encode("utf-8", "surrogatepass"))

    def knows(self, identity: bytes) -> bool:
        """Return whether an equal request is in flight or answered; from any thread."""
        return identity in self._in_flight or identity in self._finished

    def find(self, identity: bytes) -> Generation | tuple[Limits, Outcome] | None:
        finished = self._finished.get(identity)
        if finished is not None:
            self._finished.move_to_end(identity)
            return finished
        return self._in_flight.get(identity)

    def start(self, identity: bytes, generation: Generation) -> None:
        self._in_flight[identity] = generation

    def drop(self, generation: Generation) -> None:
        if generation.identity is not None:
            self._in_flight.pop(generation.identity, None)

    def finish(self, generation: Generation, outcome: Outcome) -> None:
        self.drop(generation)
        if generation.identity is not None and outcome.finish_reason in SETTLED and outcome.logprobs is None:
            self._finished[generation.identity] = generation.limits, outcome
            if len(self._finished) > self._size:
                self._finished.popitem(last=False)
