"""The step loop of one engine: requests in, outcomes out, in the order in which the engine finishes them.

The loop is a generator that never sleeps: it yields before each turn, and its driver waits where there is nothing to do. The
engine is given as many requests as `admission` says and no more, so that waiting requests cost no engine memory. They come from the
feeder, which has rendered and tokenised them. Equal requests are answered once (`Deduplicator`).

Invariant: a request waits, is in flight or is done, never two. A failing request settles its own future and touches no other.
When the engine fails, the loop raises and settles nothing: the scheduler takes the requests in flight (`take_all`) and decides
about them. Only the engine's thread comes here.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from typefold.runtime.engine import Engine, EngineRefusal, ReportsPartialText
from typefold.runtime.errors import PromptError, TimedOut
from typefold.runtime.request import FinishReason, Outcome
from typefold.runtime.scheduling.admission import FEED, Admission
from typefold.runtime.scheduling.deduplicator import Deduplicator
from typefold.runtime.scheduling.feeder import Feeder
from typefold.runtime.scheduling.pending import (
    Deadlines,
    Generation,
    Limits,
    PendingRequest,
    error_fields,
    error_of,
    settle,
)
from typefold.runtime.scheduling.preparation import Prepared, refused
from typefold.runtime.scheduling.recovery import admission_limit
from typefold.runtime.scheduling.saved_tokens import SavedTokens
from typefold.runtime.statistics import Counts

_GATHER = 0.5  # seconds for which the first step waits at most: a prompt may take long to tokenise, or for ever

_keys = itertools.count()


class Loop:
    """Feeds one engine, steps it and settles the requests that it finishes."""

    def __init__(
        self,
        engine: Engine,
        feeder: Feeder,
        withdrawn: deque[PendingRequest],
        deadlines: Deadlines,
        counts: Counts,
        *,
        saved: SavedTokens,
        deduplicator: Deduplicator | None,
        hold: int,
        beat: Callable[[], None],  # called when a call into the engine has returned; its errors end the loop
    ) -> None:
        self._engine = engine
        self._feeder = feeder
        self._withdrawn = withdrawn
        self._deadlines = deadlines
        self._counts = counts
        self._deduplicator = deduplicator
        self._admission = Admission(engine.info.max_num_seqs, hold=hold)
        self._saved = saved
        self._beat = beat
        self._running: dict[str, Generation] = {}
        self._suspects: dict[str, int] = {}  # the crashes of generations that were in flight at some
        self._being_added: PendingRequest | None = None  # taken out, and not yet in a generation
        self._is_fresh = True  # no step has been taken since nothing ran
        self._gathered_until = 0.0  # when the first step waits no more

    @property
    def running(self) -> int:
        return len(self._running)

    def take_all(self) -> list[list[PendingRequest]]:
        """Take out the requests in flight, grouped by their generations: this loop has ended."""
        self._note_partial_texts()
        groups = [[*generation.waiters] for generation in [*self._running.values()]]
        self._running.clear()
        added, self._being_added = self._being_added, None
        if added is not None and not any(added in waiters for waiters in groups):
            groups.append([added])
        return groups

    @property
    def rests(self) -> bool:
        """Whether there is nothing to do until a request comes, or is ready."""
        return self._feeder.first() is None and (not self._running or self._gathers())

    def _gathers(self) -> bool:
        """Return whether the first step waits for requests that are nearly ready, so that it is not one of a few alone."""
        if not self._is_fresh or self.patience == 0.0:
            return False
        is_full = len(self._running) >= self._engine.info.max_num_seqs
        return not is_full and self._feeder.is_behind and self._feeder.first() is None

    @property
    def patience(self) -> float | None:
        """The seconds for which the requests in flight may wait for a first step at most; `None` where there are none."""
        return max(0.0, self._gathered_until - time.monotonic()) if self._running else None

    def turns(self) -> Iterator[bool]:
        """Turn for ever; before each turn, yield whether any request is under way."""
        while True:
            yield bool(self._running or self._feeder.is_busy)
            if self._withdrawn:
                self._leave([self._withdrawn.popleft() for _ in range(len(self._withdrawn))])
            if not self._running:
                self._is_fresh = True
                self._feeder.prepare_few()
            self._feeder.wake()
            nothing_ran = not self._running
            self._admit()
            if nothing_ran and self._running:
                self._gathered_until = time.monotonic() + _GATHER
            self._expire()
            if self._running and not self._gathers():
                self._step()

    def abort(self) -> None:
        self._note_partial_texts()
        self._engine.abort(list(self._running))

    def _note_partial_texts(self) -> None:
        """Keep the texts so far of answers that will not come; some of them have been noted."""
        for generation in [*self._running.values()]:
            text = self._partial_text(generation.key)
            for pending in generation.waiters:
                pending.partial_text = text or pending.partial_text

    def _partial_text(self, key: str) -> str:
        if not isinstance(self._engine, ReportsPartialText):
            return ""
        try:
            return self._engine.partial_text(key)
        except Exception:  # it may be in any state
            return ""

    def _leave(self, several: Sequence[PendingRequest]) -> None:
        """Let requests wait no more, and abort the generations that no request waits for any more."""
        dropped: list[str] = []
        for pending in several:
            generation, pending.generation = pending.generation, None
            if generation is not None and generation.leave(pending) and self._pop(generation.key) is not None:
                dropped.append(generation.key)
                if self._deduplicator is not None:
                    self._deduplicator.drop(generation)
        if dropped:
            self._engine.abort(dropped)
            self._beat()

    def _admit(self) -> None:
        running = 0 if self._is_fresh else len(self._running)  # none is held back from the first step
        most = self._admission.limit(self._feeder.available, running, self._feeder.next_tokens)
        while (pending := self._feeder.first()) is not None and len(self._running) < self._capacity(pending, most):
            if (prepared := self._feeder.take()) is None:
                return
            self._being_added = pending = prepared.pending
            try:
                self._add(prepared)
            except PromptError as error:
                self._fail(pending, error)
            self._being_added = None

    def _capacity(self, pending: PendingRequest, most: int) -> int:
        crashes = max(pending.crashes, *self._suspects.values()) if self._suspects else pending.crashes
        return admission_limit(crashes, FEED * self._engine.info.max_num_seqs) if crashes else most

    def _add(self, prepared: Prepared) -> None:
        """Give a request to the engine, unless an equal one is or was there."""
        if self._deduplicator is None or prepared.identity is None:
            self._start(prepared)
            return
        before = self._deduplicator.find(prepared.identity)
        if before is None:
            self._deduplicator.start(prepared.identity, self._start(prepared))
            return
        self._counts.deduplicated += 1
        if isinstance(before, Generation):
            before.join(prepared.pending)
        else:
            self._settle(prepared.pending, *before)

    def _start(self, prepared: Prepared) -> Generation:
        pending = prepared.pending
        if prepared.error is None and prepared.token_ids is None:
            self._feeder.complete(prepared)
        if prepared.error is not None:
            try:
                raise prepared.error
            finally:
                prepared.error = None  # its traceback leads here
        token_ids, limits, request = prepared.token_ids, prepared.limits, pending.request
        assert token_ids is not None and limits is not None
        generation = Generation(f"typefold-{next(_keys)}", limits, prepared.identity)
        if (early := limits.early_stop) is not None and (early.stops or early.begins):
            request = replace(request, settled_by=early.stops, begins=early.begins)
        try:
            self._engine.add(generation.key, request, token_ids, limits.asked)
        except EngineRefusal as error:
            raise refused(request, error) from error
        self._beat()
        self._running[generation.key] = generation
        if pending.crashes:
            self._suspects[generation.key] = pending.crashes
        generation.join(pending)
        return generation

    def _pop(self, key: str) -> Generation | None:
        self._suspects.pop(key, None)
        return self._running.pop(key, None)

    def _expire(self) -> None:
        late = [pending for pending in self._deadlines.take_late() if not pending.done()]
        for pending in late:
            if pending.generation is not None:
                pending.partial_text = self._partial_text(pending.generation.key)
            fields = error_fields(pending.request, pending.partial_text)
            self._fail(pending, TimedOut(**fields, timeout=pending.timeout))
        self._leave(late)

    def _step(self) -> None:
        self._is_fresh, running = False, len(self._running)
        completions = self._engine.step()
        self._beat()
        self._counts.steps += 1
        self._admission.stepped(len(completions), running)
        for delta in self._engine.deltas():
            generation = self._running.get(delta.key)
            if generation is not None:
                generation.stream(delta.text)
        for completion in completions:
            generation = self._pop(completion.key)
            if generation is None:
                continue
            outcome = generation.limits.complete(completion.outcome)
            if self._deduplicator is not None:
                self._deduplicator.finish(generation, outcome)
            self._counts.generated(outcome)
            if outcome is not completion.outcome:
                self._saved.note(generation.limits, completion.outcome, outcome.text)
            for pending in generation.waiters:
                self._settle(pending, generation.limits, outcome)

    def _settle(self, pending: PendingRequest, limits: Limits, outcome: Outcome) -> None:
        request, pending.generation, pending.finished = pending.request, None, (limits, outcome)
        if (error := error_of(request, limits, outcome)) is not None:
            self._fail(pending, error)
        elif pending.claim():
            self._counts.succeeded += 1
            is_answer = request.constraint.kind == "text" and request.before is None
            is_cut = outcome.finish_reason is FinishReason.LENGTH and is_answer
            self._counts.truncated += is_cut
            settle(pending.set_result, outcome)

    def _fail(self, pending: PendingRequest, error: PromptError) -> None:
        if pending.claim():
            self._counts.failure()
            settle(pending.set_exception, error)
