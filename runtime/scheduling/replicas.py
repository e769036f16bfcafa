"""Replicas: several engines of one model as one. Each request goes to the engine that has the least to do.

Requests whose prompts begin alike go to the same engine while that has not much more to do than the least busy one, so that its
prefix cache holds their common beginning. (Consistent hashing with bounded loads; Mirrokni, Thorup, Zadimoghaddam 2018,
https://arxiv.org/abs/1608.01350.) With one beginning for all, every engine reads it once.

Invariant: a request is in the hands of one scheduler. An engine that can't be used any more gets no requests; its rows end as its
scheduler says. Left out: joining equal requests across engines. Since equal prompts begin alike they mostly meet.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import TypeAlias

from typefold.runtime.engine import Engine, EngineInfo
from typefold.runtime.ownership import Owner
from typefold.runtime.request import Outcome, Request
from typefold.runtime.scheduling.preparation import Size
from typefold.runtime.scheduling.scheduler import Scheduler
from typefold.runtime.statistics import Statistics

_BEGINNING = 1024  # characters of a prompt that its engine is chosen by
_SLACK = 0.25  # of an engine's max_num_seqs: how much more a prompt's own engine may have to do


class Replicas:
    """Schedulers of the same model as one."""

    def __init__(self, schedulers: Sequence[Scheduler]) -> None:
        self._schedulers = schedulers
        self._owner = Owner()
        self._under_way = [0] * len(schedulers)
        self._lock = threading.RLock()  # a future that has ended tells of it in the thread that adds the call

    @property
    def engine(self) -> Engine:
        return self._schedulers[0].engine

    @property
    def info(self) -> EngineInfo:
        """The facts of each engine, but for `max_num_seqs`: that of all together."""
        each = [scheduler.info for scheduler in self._schedulers]
        return replace(each[0], max_num_seqs=sum(info.max_num_seqs for info in each))

    @property
    def statistics(self) -> Statistics:
        each = self.each
        elapsed = max((statistics.elapsed for statistics in each), default=0.0)  # all have one stopwatch
        return replace(sum(each, Statistics()), elapsed=elapsed)

    @property
    def each(self) -> list[Statistics]:
        return [scheduler.statistics for scheduler in self._schedulers]

    @property
    def broken(self) -> str | None:
        """The reason why none of the engines can be used any more, or `None` while one can."""
        reasons = [scheduler.broken for scheduler in self._schedulers]
        return reasons[0] if all(reasons) else None

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Queue requests, each where it fits best; from any thread. Raises UsedAfterFork."""
        self._owner.check("an engine")
        shares: dict[int, list[int]] = {}
        with self._lock:
            usable = [number for number, each in enumerate(self._schedulers) if each.broken is None]
            usable = usable or [*range(len(self._schedulers))]
            for index, request in enumerate(requests):
                number = self._choose(request, usable)
                self._under_way[number] += 1
                shares.setdefault(number, []).append(index)
        futures: dict[int, Future[Outcome]] = {}
        for number, indices in shares.items():
            sent = self._schedulers[number].submit([requests[index] for index in indices])
            for index, future in zip(indices, sent, strict=True):
                future.add_done_callback(partial(self._ended, number))
                futures[index] = future
        return [futures[index] for index in range(len(requests))]

    def measure(self, requests: Sequence[Request]) -> list[Size]:
        """Return the tokens of requests without asking them; see `Scheduler.measure`."""
        usable = (scheduler for scheduler in self._schedulers if scheduler.broken is None)
        return next(usable, self._schedulers[0]).measure(requests)

    def close(self) -> None:
        """End all, one after the other: a process that several threads wait for at once is taken for alive."""
        for scheduler in self._schedulers:
            scheduler.close()

    def _choose(self, request: Request, usable: Sequence[int]) -> int:
        own = max(usable, key=partial(_weight, _beginning(request)))
        idle = min(usable, key=self._under_way.__getitem__)
        slack = _SLACK * self._schedulers[own].info.max_num_seqs
        return own if self._under_way[own] <= self._under_way[idle] + slack else idle

    def _ended(self, number: int, _: Future[Outcome]) -> None:
        with self._lock:
            self._under_way[number] -= 1


Worker: TypeAlias = Scheduler | Replicas


def _beginning(request: Request) -> bytes:
    adapter = getattr(request.options.get("lora_request"), "name", "")  # an adapter has a cache of its own
    return f"{adapter}\x00{request.prompt_content()[:_BEGINNING]}".encode("utf-8", "surrogatepass")


def _weight(beginning: bytes, number: int) -> bytes:
    """Return the weight of an engine for a beginning: the highest wins, and most beginnings keep theirs when one drops out."""
    return blake2b(beginning, digest_size=8, salt=number.to_bytes(8)).digest()
