"""The step loop: requests in, outcomes out, in the order in which the engine finishes them.

One thread owns the engine; others leave requests in the inbox and hold futures. The loop is a generator that never
sleeps: it yields when nothing is unfinished, and its driver waits for work. The engine's queue is kept fed to twice the
number of requests that it runs at once, and no further, so that what waits costs no engine memory.

Invariant: an entry is waiting, running or done, never two, and a done entry's future is settled exactly once. A failing
request settles its own future and touches no other; a failing engine settles all of them.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from typefold.runtime.deadlines import Deadlines
from typefold.runtime.engine import Engine, EngineRefusal
from typefold.runtime.entry import Entry, Flight, Limits, cannot_run, facts_of, verdict
from typefold.runtime.errors import BadInput, PromptError, PromptTooLong, Refused, TimedOut, Truncated
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.single_flight import SingleFlight
from typefold.runtime.statistics import Counts, Statistics

__all__ = ["Scheduler"]

logger = logging.getLogger(__name__)

_FEED = 2  # the engine's queue is kept at this many times max_num_seqs


class Scheduler:
    """Owns an engine and its step loop.

    Args:
        engine: The engine; from now on only this scheduler may touch it.
        single_flight: Whether equal requests, greedy or seeded, share one generation.

    Example:
        >>> from typefold.runtime import Request, Scheduler
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> scheduler = Scheduler(ScriptedEngine(answers=lambda request: "Hello."))
        >>> [future] = scheduler.submit([Request(prompt="Say hello.")])
        >>> future.result().text
        'Hello.'
        >>> scheduler.close()
    """

    def __init__(self, engine: Engine, *, single_flight: bool = True) -> None:
        self._engine = engine
        self._keys = itertools.count()
        self._inbox: deque[Entry] = deque()  # deque's append and popleft are atomic: the inbox needs no lock
        self._withdrawn: deque[Entry] = deque()
        self._deadlines = Deadlines()
        self._running: dict[str, Flight] = {}
        self._single_flight = SingleFlight(engine) if single_flight else None
        self._counts = Counts()
        self._work = threading.Event()
        self._closing = False
        self._broken: str | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drive, name="typefold-engine", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine:
        """The engine: its facts may be read from any thread, its verbs are the scheduler's."""
        return self._engine

    @property
    def statistics(self) -> Statistics:
        """What has been done so far."""
        return self._counts.snapshot(waiting=len(self._inbox), running=len(self._running))

    @property
    def broken(self) -> str | None:
        """Why the engine can't be used any more, or `None` while it can."""
        return self._broken

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Queue requests; from any thread.

        Cancelling a future withdraws its request from the engine, unless others wait for the same answer.

        Args:
            requests: What to ask. They join whatever the engine is working on.

        Returns:
            A future each, in order. Each ends in an `Outcome` or a `PromptError`.
        """
        now = time.monotonic()
        entries = [
            Entry(request, None if request.timeout is None else now + request.timeout, self._withdraw)
            for request in requests
        ]
        with self._lock:  # a request is either in the inbox before the loop ends, or fails here
            ended = self._broken or ("the runtime was closed" if self._closing else None)
            if ended is None:
                self._deadlines.add(entries)
                self._inbox.extend(entries)
                self._counts.submitted += len(entries)
                self._counts.retried += sum(request.attempt > 1 for request in requests)
        if ended is not None:
            for entry in entries:
                self._fail(entry, cannot_run(entry.request, ended, broken=self._broken is not None))
        if not self._work.is_set():  # it is cleared before the inbox is looked at
            self._work.set()
        return [*entries]

    def close(self) -> None:
        """Abort what is in flight, end the loop and free the engine. May be called twice."""
        with self._lock:
            self._closing = True
        self._work.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _withdraw(self, entry: Entry) -> None:
        # A destructor may get here from anywhere, so no lock is taken that its thread may be holding. The loop need not
        # be woken: as long as a request can be withdrawn, it turns.
        self._counts.cancellation()
        self._withdrawn.append(entry)

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
            left = [entry for flight in self._running.values() for entry in flight.waiters]
            left += self._inbox
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
            self._fail(entry, cannot_run(entry.request, reason, broken=self._broken is not None))

    def _drop_withdrawn(self) -> None:
        if self._withdrawn:
            self._leave([self._withdrawn.popleft() for _ in range(len(self._withdrawn))])

    def _leave(self, entries: Sequence[Entry]) -> None:
        """Let entries wait no more, and drop what nobody waits for any more."""
        dropped: list[str] = []
        for entry in entries:
            flight, entry.flight = entry.flight, None
            if flight is not None and flight.leave(entry) and self._running.pop(flight.key, None) is not None:
                dropped.append(flight.key)
                if self._single_flight is not None:
                    self._single_flight.gone(flight)
        if dropped:
            self._engine.abort(dropped)

    def _admit(self) -> None:
        while self._inbox and len(self._running) < _FEED * self._engine.max_num_seqs:
            entry = self._inbox.popleft()
            if entry.done():  # cancelled, or late
                continue
            try:
                self._add(entry)
            except PromptError as error:
                self._fail(entry, error)

    def _add(self, entry: Entry) -> None:
        """Hand a request to the engine, unless an equal one is there or was."""
        request = entry.request
        try:
            identity = None if self._single_flight is None else self._single_flight.identity(request)
            if self._single_flight is None or identity is None:
                self._start(request).join(entry)
                return
            before = self._single_flight.find(identity)
            if before is None:
                before = self._start(request, identity)
                self._single_flight.started(identity, before)
            else:
                self._counts.shared += 1
            if isinstance(before, Flight):
                before.join(entry)
            else:
                self._settle(entry, before.limits, before.outcome)
        except EngineRefusal as error:
            raise Refused(**facts_of(request), reason=str(error)) from error

    def _start(self, request: Request, identity: bytes | None = None) -> Flight:
        engine = self._engine
        try:
            token_ids = engine.tokenize(request)
        except Exception as error:
            raise BadInput(**facts_of(request), reason=f"{type(error).__name__}: {error}") from error
        own_limit = engine.max_tokens(request)
        bounds = request.constraint.token_bounds(engine.vocabulary)
        least = 1 if request.probe else bounds.least
        room = engine.max_model_len - len(token_ids)
        if room < least:
            raise PromptTooLong(
                **facts_of(request),
                prompt_tokens=len(token_ids),
                max_model_len=engine.max_model_len,
                needed=least,
            )
        limit = room if bounds.most is None else min(room, bounds.most)
        max_tokens = limit if own_limit is None else min(own_limit, room)
        if max_tokens < least:
            needed = bounds.most or bounds.least
            raise Truncated(**facts_of(request), max_tokens=max_tokens, needed=needed, room=room)
        flight = Flight(f"typefold-{next(self._keys)}", Limits(max_tokens, bounds.most, room), identity)
        engine.add(flight.key, request, token_ids, max_tokens)
        self._running[flight.key] = flight
        return flight

    def _expire(self) -> None:
        late = [entry for entry in self._deadlines.late() if not entry.done()]
        for entry in late:
            self._fail(entry, TimedOut(**facts_of(entry.request), timeout=entry.request.timeout or 0.0))
        self._leave(late)

    def _step(self) -> None:
        completions = self._engine.step()
        self._counts.steps += 1
        for delta in self._engine.deltas():
            flight = self._running.get(delta.key)
            if flight is not None:
                flight.tell(delta.text)
        for completion in completions:
            flight = self._running.pop(completion.key, None)
            if flight is None:
                continue
            if self._single_flight is not None:
                self._single_flight.landed(flight, completion.outcome)
            self._counts.generated(completion.outcome)
            for entry in flight.waiters:
                self._settle(entry, flight.limits, completion.outcome)

    def _settle(self, entry: Entry, limits: Limits, outcome: Outcome) -> None:
        entry.flight = None
        error = verdict(entry.request, limits, outcome)
        if error is not None:
            self._fail(entry, error)
        elif entry.set_running_or_notify_cancel():
            self._counts.succeeded += 1
            self._counts.cut += outcome.finish_reason is FinishReason.LENGTH and entry.request.constraint.kind == "text"
            entry.set_result(outcome)

    def _fail(self, entry: Entry, error: PromptError) -> None:
        if not entry.done() and entry.set_running_or_notify_cancel():
            self._counts.failure()
            entry.set_exception(error)
