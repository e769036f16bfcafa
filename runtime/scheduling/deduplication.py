"""Single flight: equal requests whose answer their content settles are answered once.

Requests are equal if prompt, template variables, constraint, options and the parameters that the engine will really use
are. Only greedy and seeded ones take part; the engine tells which those are, since a model's own generation config may
set a temperature. Those in flight are joined; the last ones that finished are remembered, a fixed number of them.

Invariant: of equal requests at most one is in flight. Only the scheduler's thread calls this, so it needs no lock. Left
out: answers with log probabilities are shared in flight and not remembered, for their size.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from typefold.runtime.engine import Engine
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.pending import Flight, Limits

__all__ = ["SETTLED", "Deduplicator", "Landed"]

_REMEMBERED = 1024

SETTLED = frozenset({FinishReason.STOP, FinishReason.LENGTH, FinishReason.REPETITION})
"""How an answer ends that an equal request would end with too."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A flight that has ended.

    Attributes:
        outcome: How.
        limits: How long the answer might have got.
    """

    outcome: Outcome
    limits: Limits


class Deduplicator:
    """What is in flight, and what has landed, by identity.

    Args:
        engine: Tells which requests are settled by their content.
        size: How many answers are remembered.
    """

    def __init__(self, engine: Engine, size: int = _REMEMBERED) -> None:
        self._engine = engine
        self._size = size
        self._flights: dict[bytes, Flight] = {}
        self._landed: OrderedDict[bytes, Landed] = OrderedDict()

    def identity(self, request: Request) -> bytes | None:
        """What equal requests have in common; `None` for one that must be answered by itself, as a streamed one is.

        Raises:
            EngineRefusal: The engine will not take the request's parameters.
        """
        settled_by = self._engine.identity(request)
        if settled_by is None or request.on_delta is not None:
            return None
        rest = [repr(sorted(named.items())) for named in (request.chat_template_kwargs, request.options) if named]
        if any(" at 0x" in each for each in rest):  # an object that says no more than where it lies
            return None
        if not isinstance(request.prompt, str):
            rest += [repr(message.image_digests) for message in request.prompt if message.images]
        content = repr(
            (request.prompt, request.begun, request.thinking, settled_by, rest, len(request.chat_template_kwargs))
        )
        return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def find(self, identity: bytes) -> Flight | Landed | None:
        """What an equal request has come to, if there was one."""
        landed = self._landed.get(identity)
        if landed is not None:
            self._landed.move_to_end(identity)
            return landed
        return self._flights.get(identity)

    def started(self, identity: bytes, flight: Flight) -> None:
        """A request is in the engine now, and may be joined."""
        self._flights[identity] = flight

    def gone(self, flight: Flight) -> None:
        """A flight has ended: nobody may join it any more."""
        if flight.identity is not None:
            self._flights.pop(flight.identity, None)

    def landed(self, flight: Flight, outcome: Outcome) -> None:
        """A flight has ended with an outcome, which is remembered if an equal request would end alike."""
        self.gone(flight)
        if flight.identity is not None and outcome.finish_reason in SETTLED and outcome.logprobs is None:
            self._landed[flight.identity] = Landed(outcome, flight.limits)
            if len(self._landed) > self._size:
                self._landed.popitem(last=False)
