"""The step loop: requests in, outcomes out, in the order in which the engine finishes them.

One thread owns the engine; others leave requests in the inbox and hold futures. The loop is a generator that never
sleeps: it yields when nothing is unfinished, and its driver waits for work. The engine's queue is kept fed to twice the
number of requests that it runs at once, and no further, so that what waits costs no engine memory.

Invariant: an entry is waiting, running or done, never two, and a done entry's future is settled exactly once. A failing
request settles its own future and touches no other; a failing engine settles all of them.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypedDict

from typefold.compiler import Message
from typefold.runtime.engine import Engine, EngineRefusal
from typefold.runtime.errors import (
    BadInput,
    Cancelled,
    EngineFailed,
    PromptError,
    PromptTooLong,
    Refused,
    TimedOut,
    Truncated,
)
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.statistics import Statistics

__all__ = ["Scheduler"]

logger = logging.getLogger(__name__)

_FEED = 2  # the engine's queue is kept at this many times max_num_seqs


@dataclass(slots=True, eq=False)
class _Entry:
    key: str
    request: Request
    future: Future[Outcome]
    deadline: float | None
    max_tokens: int = 0
    needed: int | None = field(default=None)  # a number of tokens that always suffices, once it is known


class Scheduler:
    """Owns an engine and its step loop.

    Args:
        engine: The engine; from now on only this scheduler may touch it.

    Example:
        >>> from typefold.runtime import Request, Scheduler
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> scheduler = Scheduler(ScriptedEngine(answers=lambda request: "Hello."))
        >>> [future] = scheduler.submit([Request(prompt="Say hello.")])
        >>> future.result().text
        'Hello.'
        >>> scheduler.close()
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys = itertools.count()
        self._inbox: deque[_Entry] = deque()  # deque's append and popleft are atomic: the inbox needs no lock
        self._withdrawn: deque[str] = deque()
        self._deadlines: list[tuple[float, int, _Entry]] = []  # a heap; entries that are done by then are passed over
        self._running: dict[str, _Entry] = {}
        self._statistics = Statistics()
        self._work = threading.Event()
        self._closing = False
        self._broken: str | None = None
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._drive, name="typefold-engine", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine:
        """The engine: its facts may be read from any thread, its verbs are the scheduler's."""
        return self._engine

    @property
    def statistics(self) -> Statistics:
        """What has been done so far."""
        return replace(self._statistics, waiting=len(self._inbox), running=len(self._running))

    @property
    def broken(self) -> str | None:
        """Why the engine can't be used any more, or `None` while it can."""
        return self._broken

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Queue requests; from any thread.

        Cancelling a future withdraws its request from the engine.

        Args:
            requests: What to ask. They join whatever the engine is working on.

        Returns:
            A future each, in order. Each ends in an `Outcome` or a `PromptError`.
        """
        now = time.monotonic()
        entries = [
            _Entry(
                key=f"typefold-{next(self._keys)}",
                request=request,
                future=Future(),
                deadline=None if request.timeout is None else now + request.timeout,
            )
            for request in requests
        ]
        with self._lock:  # a request is either in the inbox before the loop ends, or fails here
            ended = self._broken or ("the runtime was closed" if self._closing else None)
            if ended is None:
                self._inbox.extend(entries)
                self._count(submitted=len(entries))
                for entry in entries:
                    if entry.deadline is not None:
                        heapq.heappush(self._deadlines, (entry.deadline, id(entry), entry))
        for entry in entries:
            entry.future.add_done_callback(partial(self._withdraw, entry.key))
            if ended is not None:
                self._fail(entry, _cannot_run(entry, ended, broken=self._broken is not None))
        self._work.set()
        return [entry.future for entry in entries]

    def close(self) -> None:
        """Abort what is in flight, end the loop and free the engine. May be called twice."""
        with self._lock:
            self._closing = True
        self._work.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _withdraw(self, key: str, future: Future[Outcome]) -> None:
        if future.cancelled():
            self._withdrawn.append(key)
            self._work.set()

    def _drive(self) -> None:
        """Run the loop, waiting where it has nothing to do."""
        try:
            for _ in self._loop():
                self._work.wait()
                self._work.clear()
        except Exception as error:  # the engine broke: say so to every row, and to all that come later
            logger.exception("the engine failed")
            with self._lock:
                self._broken = f"{type(error).__name__}: {error}"
        finally:
            self._end()

    def _loop(self) -> Iterator[None]:
        while not self._closing:
            self._drop_withdrawn()
            self._admit()
            self._expire()
            if self._running:
                self._step()
            elif not self._inbox:
                yield

    def _end(self) -> None:
        with self._lock:
            self._closing = True
            reason = self._broken or "the runtime was closed"
            left = [*self._running.values(), *self._inbox]
            self._inbox.clear()
        try:
            if self._broken is None:
                self._engine.abort(list(self._running))
            self._engine.close()
        except Exception:
            logger.exception("closing the engine failed")
        self._running.clear()
        self._deadlines.clear()
        for entry in left:
            self._fail(entry, _cannot_run(entry, reason, broken=self._broken is not None))

    def _drop_withdrawn(self) -> None:
        keys = {self._withdrawn.popleft() for _ in range(len(self._withdrawn))}
        gone = [key for key in keys if self._running.pop(key, None) is not None]
        if gone:
            self._engine.abort(gone)

    def _admit(self) -> None:
        while self._inbox and len(self._running) < _FEED * self._engine.max_num_seqs:
            entry = self._inbox.popleft()
            if entry.future.done():  # cancelled, or late
                continue
            try:
                self._add(entry)
            except PromptError as error:
                self._fail(entry, error)

    def _add(self, entry: _Entry) -> None:
        request, engine = entry.request, self._engine
        facts = _facts(entry)
        try:
            token_ids = engine.tokenize(request)
        except Exception as error:
            raise BadInput(**facts, reason=f"{type(error).__name__}: {error}") from error
        try:
            own_limit = engine.max_tokens(request)
        except EngineRefusal as error:
            raise Refused(**facts, reason=str(error)) from error
        bounds = request.constraint.token_bounds(engine.vocabulary)
        room = engine.max_model_len - len(token_ids)
        if room < bounds.least:
            raise PromptTooLong(
                **facts, prompt_tokens=len(token_ids), max_model_len=engine.max_model_len, needed=bounds.least
            )
        limit = room if bounds.most is None else min(room, bounds.most)
        entry.max_tokens = limit if own_limit is None else min(own_limit, room)
        entry.needed = bounds.most
        if entry.max_tokens < bounds.least:
            raise Truncated(**facts, max_tokens=entry.max_tokens, needed=bounds.most or bounds.least)
        try:
            engine.add(entry.key, request, token_ids, entry.max_tokens)
        except EngineRefusal as error:
            raise Refused(**facts, reason=str(error)) from error
        self._running[entry.key] = entry

    def _expire(self) -> None:
        late: list[_Entry] = []
        with self._lock:
            while self._deadlines and self._deadlines[0][0] <= time.monotonic():
                late.append(heapq.heappop(self._deadlines)[2])
        for entry in late:
            if self._running.pop(entry.key, None) is not None:
                self._engine.abort([entry.key])
            self._fail(entry, TimedOut(**_facts(entry), timeout=entry.request.timeout or 0.0))

    def _step(self) -> None:
        completions = self._engine.step()
        self._count(steps=1)
        for completion in completions:
            entry = self._running.pop(completion.key, None)
            if entry is None:
                continue
            outcome = completion.outcome
            error = _verdict(entry, outcome)
            if error is not None:
                self._fail(entry, error)
            elif entry.future.set_running_or_notify_cancel():
                self._count(
                    succeeded=1,
                    cut=outcome.finish_reason is FinishReason.LENGTH and entry.request.constraint.kind == "text",
                    prompt_tokens=outcome.prompt_tokens,
                    cached_tokens=outcome.cached_tokens,
                    output_tokens=outcome.output_tokens,
                )
                entry.future.set_result(outcome)

    def _fail(self, entry: _Entry, error: PromptError) -> None:
        if not entry.future.done() and entry.future.set_running_or_notify_cancel():
            self._count(failed=1)
            entry.future.set_exception(error)

    def _count(self, **more: int) -> None:
        with self._counting:
            now = self._statistics
            self._statistics = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})


class _Facts(TypedDict):
    """The fields that every error of a row has."""

    function: str
    row: int | None
    prompt: tuple[Message, ...] | str
    text: str


def _facts(entry: _Entry, text: str = "") -> _Facts:
    request = entry.request
    return {"function": request.function, "row": request.row, "prompt": request.prompt, "text": text}


def _cannot_run(entry: _Entry, reason: str, *, broken: bool) -> PromptError:
    return EngineFailed(**_facts(entry), reason=reason) if broken else Cancelled(**_facts(entry))


def _verdict(entry: _Entry, outcome: Outcome) -> PromptError | None:
    """What is wrong with an answer, by its finish reason alone."""
    facts = _facts(entry, outcome.text)
    match outcome.finish_reason:
        case FinishReason.STOP:
            return None
        case FinishReason.LENGTH | FinishReason.REPETITION:
            if entry.request.constraint.decides(outcome.text):
                return None
            return Truncated(**facts, max_tokens=entry.max_tokens, needed=entry.needed)
        case FinishReason.ABORT:
            return Cancelled(**facts)
        case FinishReason.ERROR:
            reason = "it ended the request with finish reason 'error'; its log says more"
            if outcome.text or entry.request.constraint.kind == "text":
                return EngineFailed(**facts, reason=reason)
            return Refused(**facts, reason=f"{reason} (mostly: a grammar that its backend could not compile)")
