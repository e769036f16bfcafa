"""The step loop of one engine: requests in, outcomes out, in the order in which the engine finishes them.

The loop is a generator that never sleeps: it yields before each turn, and its driver waits where there is nothing to do.
The engine's queue is kept fed to twice the number of requests that it runs at once, and no further, so that what waits
costs no engine memory.

Invariant: an entry waits, is in flight or is done, never two. A failing request settles its own future and touches no
other. When the engine fails, the loop raises and settles nothing: `take_over` gives who was in its hands, for
the scheduler to decide about. Only the engine's thread comes here.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from typefold.compiler.grammar.early_stop import ForcedEnding
from typefold.runtime.engine import Engine, EngineRefusal, ReportsPartialText
from typefold.runtime.errors import PromptError, Refused, TimedOut
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.admission import admitted
from typefold.runtime.scheduling.deadlines import Deadlines
from typefold.runtime.scheduling.deduplication import Deduplicator
from typefold.runtime.scheduling.pending import Entry, Flight, Limits, facts_of, settle, verdict
from typefold.runtime.scheduling.queues import Waiting
from typefold.runtime.scheduling.recovery import at_once
from typefold.runtime.statistics import Counts

__all__ = ["Loop"]

_FEED = 2  # the engine's queue is kept at this many times max_num_seqs

_REMEMBERED = 4096  # texts of which the number of tokens is known
_keys = itertools.count()


class Loop:
    """Feeds one engine, steps it and settles what it finishes.

    Args:
        engine: The engine.
        waiting: Who waits for it.
        withdrawn: Whose callers have cancelled.
        deadlines: Who is late.
        counts: What has been done.
        deduplicate: Whether equal requests, greedy or seeded, share one generation.
        early_stop: Whether an answer is asked for no further than to where it is settled.
        beat: Called when a call into the engine has come back. What it raises ends the loop.
    """

    def __init__(
        self,
        engine: Engine,
        waiting: Waiting,
        withdrawn: deque[Entry],
        deadlines: Deadlines,
        counts: Counts,
        *,
        deduplicate: bool,
        early_stop: bool,
        beat: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._waiting = waiting
        self._withdrawn = withdrawn
        self._deadlines = deadlines
        self._counts = counts
        self._deduplicator = Deduplicator(engine) if deduplicate else None
        self._early_stop = early_stop
        self._lengths: dict[str, int] = {}
        self._beat = beat
        self._running: dict[str, Flight] = {}
        self._suspects: dict[str, int] = {}  # of those in how many crashes they were, where they were in any
        self._in_hand: Entry | None = None  # taken out, and not yet in a flight

    @property
    def running(self) -> int:
        """How many requests are in the engine's hands."""
        return len(self._running)

    def take_over(self) -> list[list[Entry]]:
        """Take out who is in the engine's hands, those that wait for one answer together: this loop has ended."""
        self._note_written()
        flights = [[*flight.waiters] for flight in [*self._running.values()]]
        self._running.clear()
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None and not any(in_hand in waiters for waiters in flights):
            flights.append([in_hand])
        return flights

    def turns(self) -> Iterator[bool]:
        """Turn for ever; before each turn, whether there is anything to do."""
        while True:
            yield bool(self._running or self._waiting)
            self._drop_withdrawn()
            self._admit()
            self._expire()
            if self._running:
                self._step()

    def abort(self) -> None:
        """Take everything out of the engine."""
        self._note_written()
        self._engine.abort(list(self._running))

    def _note_written(self) -> None:
        """Keep what there is of the answers that will not come; some of them have been noted."""
        for flight in [*self._running.values()]:
            text = self._written(flight.key)
            for entry in flight.waiters:
                entry.written = text or entry.written

    def _written(self, key: str) -> str:
        if not isinstance(self._engine, ReportsPartialText):
            return ""
        try:
            return self._engine.partial_text(key)
        except Exception:  # it may be in any state
            return ""

    def _drop_withdrawn(self) -> None:
        if self._withdrawn:
            self._leave([self._withdrawn.popleft() for _ in range(len(self._withdrawn))])

    def _leave(self, entries: Sequence[Entry]) -> None:
        """Let entries wait no more, and drop what nobody waits for any more."""
        dropped: list[str] = []
        for entry in entries:
            flight, entry.flight = entry.flight, None
            if flight is not None and flight.leave(entry) and self._landed(flight.key) is not None:
                dropped.append(flight.key)
                if self._deduplicator is not None:
                    self._deduplicator.gone(flight)
        if dropped:
            self._engine.abort(dropped)
            self._beat()

    def _admit(self) -> None:
        while (entry := self._waiting.first()) is not None and len(self._running) < self._most(entry):
            self._in_hand = entry = self._waiting.take()
            try:
                self._add(entry)
            except PromptError as error:
                self._fail(entry, error)
            self._in_hand = None

    def _most(self, entry: Entry) -> int:
        """How many may be in the engine's hands if this one is to come to them."""
        crashes = max(entry.crashes, *self._suspects.values()) if self._suspects else entry.crashes
        return at_once(crashes, _FEED * self._engine.info.max_num_seqs)

    def _add(self, entry: Entry) -> None:
        """Hand a request to the engine, unless an equal one is there or was."""
        request = entry.request
        try:
            identity = None if self._deduplicator is None else self._deduplicator.identity(request)
            if self._deduplicator is None or identity is None:
                self._start(entry, None)
                return
            before = self._deduplicator.find(identity)
            if before is None:
                self._deduplicator.started(identity, self._start(entry, identity))
                return
            self._counts.deduplicated += 1
            if isinstance(before, Flight):
                before.join(entry)
            else:
                self._settle(entry, before.limits, before.outcome)
        except EngineRefusal as error:
            raise Refused(**facts_of(request), reason=str(error)) from error

    def _start(self, entry: Entry, identity: bytes | None) -> Flight:
        token_ids, limits = admitted(self._engine, entry.request, early_stop=self._early_stop)
        flight = Flight(f"typefold-{next(_keys)}", limits, identity)
        request = entry.request
        if (decision := limits.early_stop) is not None and (decision.stops or decision.begins):
            request = replace(request, settled_by=decision.stops, begins=decision.begins)
        self._engine.add(flight.key, request, token_ids, limits.asked)
        self._beat()
        self._running[flight.key] = flight
        if entry.crashes:
            self._suspects[flight.key] = entry.crashes
        flight.join(entry)
        return flight

    def _landed(self, key: str) -> Flight | None:
        self._suspects.pop(key, None)
        return self._running.pop(key, None)

    def _expire(self) -> None:
        late = [entry for entry in self._deadlines.late() if not entry.done()]
        for entry in late:
            if entry.flight is not None:
                entry.written = self._written(entry.flight.key)
            self._fail(entry, TimedOut(**facts_of(entry.request, entry.written), timeout=entry.timeout))
        self._leave(late)

    def _step(self) -> None:
        completions = self._engine.step()
        self._beat()
        self._counts.steps += 1
        for delta in self._engine.deltas():
            flight = self._running.get(delta.key)
            if flight is not None:
                flight.tell(delta.text)
        for completion in completions:
            flight = self._landed(completion.key)
            if flight is None:
                continue
            outcome = flight.limits.concluded(completion.outcome)
            if self._deduplicator is not None:
                self._deduplicator.landed(flight, outcome)
            self._counts.generated(outcome)
            if outcome is not completion.outcome:
                self._counts.tokens_saved += self._saved(flight.limits, completion.outcome, outcome.text)
            for entry in flight.waiters:
                self._settle(entry, flight.limits, outcome)

    def _saved(self, limits: Limits, written: Outcome, whole: str) -> int:
        """How many tokens of an answer were not decoded, as its tokenizer would cut them."""
        if (
            isinstance(limits.early_stop, ForcedEnding)
            and (stop := limits.early_stop.stop_of(written.text)) is not None
        ):
            return max(0, self._tokens_of(stop + limits.early_stop.rests[stop]) - self._tokens_of(stop) + 1)
        return max(0, self._tokens_of(whole) - written.output_tokens)

    def _tokens_of(self, text: str) -> int:
        """How many tokens an answer takes, as its tokenizer cuts it, with the one that ends it."""
        if (known := self._lengths.get(text)) is None:
            if len(self._lengths) >= _REMEMBERED:
                self._lengths.clear()
            try:
                bare, whole = (len(self._engine.tokenize(Request(prompt=each))) for each in ("", text))
            except ValueError:
                bare = whole = 0
            known = self._lengths[text] = whole - bare + 1
        return known

    def _settle(self, entry: Entry, limits: Limits, outcome: Outcome) -> None:
        entry.flight, entry.landed = None, (limits, outcome)
        error = verdict(entry.request, limits, outcome)
        if error is not None:
            self._fail(entry, error)
        elif entry.claim():
            self._counts.succeeded += 1
            self._counts.truncated += (
                outcome.finish_reason is FinishReason.LENGTH and entry.request.constraint.kind == "text"
            )
            settle(entry.set_result, outcome)

    def _fail(self, entry: Entry, error: PromptError) -> None:
        if entry.claim():
            self._counts.failure()
            settle(entry.set_exception, error)
