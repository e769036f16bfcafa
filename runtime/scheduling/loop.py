"""The step loop of one engine: requests in, outcomes out, in the order in which the engine finishes them.

The loop is a generator that never sleeps: it yields before each turn, and its driver waits where there is nothing to do. The
engine is given as many requests as `admission` says and no more, so that waiting requests cost no engine memory. A request that does not fit is an error of its own row, found before the engine sees it (`admit`).

Equal requests whose answer their content settles, greedy or seeded ones, are answered once (`Deduplicator`): a request joins an equal
one in flight, and a fixed number of finished answers is remembered. Left out: answers with log probabilities are not remembered,
for their size.

Invariant: a request waits, is in flight or is done, never two. A failing request settles its own future and touches no other.
When the engine fails, the loop raises and settles nothing: the scheduler takes the requests in flight (`take_all`) and decides
about them. Only the engine's thread comes here.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from typefold.compiler import TokenBounds
from typefold.compiler.grammar.early_stop import ForcedEnding
from typefold.runtime.engine import Engine, EngineRefusal, PromptTooLarge, ReportsPartialText
from typefold.runtime.errors import BadInput, PromptError, PromptTooLong, Refused, TimedOut, Truncated
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.admission import FEED, Admission
from typefold.runtime.scheduling.pending import (
    Deadlines,
    Generation,
    Limits,
    PendingRequest,
    RequestQueue,
    error_fields,
    error_of,
    settle,
)
from typefold.runtime.scheduling.recovery import admission_limit
from typefold.runtime.statistics import Counts

_LENGTHS = 4096  # texts of which the number of tokens is known
_keys = itertools.count()


class Loop:
    """Feeds one engine, steps it and settles the requests that it finishes."""

    def __init__(
        self,
        engine: Engine,
        waiting: RequestQueue,
        withdrawn: deque[PendingRequest],
        deadlines: Deadlines,
        counts: Counts,
        *,
        deduplicate: bool,
        early_stop: bool,
        hold: int,
        beat: Callable[[], None],  # called when a call into the engine has returned; its errors end the loop
    ) -> None:
        self._engine = engine
        self._waiting = waiting
        self._withdrawn = withdrawn
        self._deadlines = deadlines
        self._counts = counts
        self._deduplicator = Deduplicator(engine) if deduplicate else None
        self._early_stop = early_stop
        self._admission = Admission(engine.info.max_num_seqs, hold=hold)
        self._lengths: dict[str, int] = {}
        self._beat = beat
        self._running: dict[str, Generation] = {}
        self._suspects: dict[str, int] = {}  # the crashes of generations that were in flight at some
        self._being_added: PendingRequest | None = None  # taken out, and not yet in a generation

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

    def turns(self) -> Iterator[bool]:
        """Turn for ever; before each turn, yield whether there is anything to do."""
        while True:
            yield bool(self._running or self._waiting)
            if self._withdrawn:
                self._leave([self._withdrawn.popleft() for _ in range(len(self._withdrawn))])
            self._admit()
            self._expire()
            if self._running:
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
        most = self._admission.limit(len(self._waiting), len(self._running))
        while (pending := self._waiting.first()) is not None and len(self._running) < self._capacity(pending, most):
            self._being_added = pending = self._waiting.take()
            try:
                self._add(pending)
            except PromptError as error:
                self._fail(pending, error)
            self._being_added = None

    def _capacity(self, pending: PendingRequest, most: int) -> int:
        crashes = max(pending.crashes, *self._suspects.values()) if self._suspects else pending.crashes
        return admission_limit(crashes, FEED * self._engine.info.max_num_seqs) if crashes else most

    def _add(self, pending: PendingRequest) -> None:
        """Give a request to the engine, unless an equal one is or was there."""
        request = pending.request
        try:
            identity = None if self._deduplicator is None else self._deduplicator.identity(request)
            if self._deduplicator is None or identity is None:
                self._start(pending, None)
                return
            before = self._deduplicator.find(identity)
            if before is None:
                self._deduplicator.start(identity, self._start(pending, identity))
                return
            self._counts.deduplicated += 1
            if isinstance(before, Generation):
                before.join(pending)
            else:
                self._settle(pending, *before)
        except EngineRefusal as error:
            raise Refused(**error_fields(request), reason=str(error)) from error

    def _start(self, pending: PendingRequest, identity: bytes | None) -> Generation:
        token_ids, limits = admit(self._engine, pending.request, early_stop=self._early_stop)
        generation = Generation(f"typefold-{next(_keys)}", limits, identity)
        request = pending.request
        if (early := limits.early_stop) is not None and (early.stops or early.begins):
            request = replace(request, settled_by=early.stops, begins=early.begins)
        self._engine.add(generation.key, request, token_ids, limits.asked)
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
        running = len(self._running)
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
                self._counts.tokens_saved += self._tokens_saved(generation.limits, completion.outcome, outcome.text)
            for pending in generation.waiters:
                self._settle(pending, generation.limits, outcome)

    def _tokens_saved(self, limits: Limits, written: Outcome, whole: str) -> int:
        early = limits.early_stop
        if isinstance(early, ForcedEnding) and (stop := early.stop_of(written.text)) is not None:
            return max(0, self._tokens_of(stop + early.rests[stop]) - self._tokens_of(stop) + 1)
        return max(0, self._tokens_of(whole) - written.output_tokens)

    def _tokens_of(self, text: str) -> int:
        """Return the number of tokens that the tokenizer makes of an answer, with the one that ends it."""
        if (known := self._lengths.get(text)) is None:
            if len(self._lengths) >= _LENGTHS:
                self._lengths.clear()
            try:
                bare, whole = (len(self._engine.tokenize(Request(prompt=each))) for each in ("", text))
            except ValueError:
                bare = whole = 0
            known = self._lengths[text] = whole - bare + 1
        return known

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


def admit(engine: Engine, request: Request, *, early_stop: bool = False) -> tuple[Sequence[int], Limits]:
    """Return the tokens of a request's prompt, and the limits of its answer. Raises EngineRefusal for its parameters."""
    fields, info = error_fields(request), engine.info
    try:
        token_ids = engine.tokenize(request)
    except PromptTooLarge as error:
        raise PromptTooLong(**fields, prompt_tokens=error.tokens, max_model_len=info.max_model_len) from error
    except EngineRefusal:
        raise
    except Exception as error:
        raise BadInput(**fields, reason=f"{type(error).__name__}: {error}") from error
    own_limit = engine.max_tokens(request)
    bounds = request.constraint.token_bounds(info.vocabulary)
    early = early_stop and _may_end_early(request)
    few = request.constraint.few_answers if early else None
    least = 1 if request.probe else bounds.least if few is None else min(bounds.least, few.tokens)
    room = info.max_model_len - len(token_ids)
    kept = 0 if request.before is None else _kept_for(request.before.token_bounds(info.vocabulary), room)
    room -= kept
    if room < least:
        needed = least + kept
        raise PromptTooLong(**fields, prompt_tokens=len(token_ids), max_model_len=info.max_model_len, needed=needed)
    limit = room if bounds.most is None else min(room, bounds.most)
    max_tokens = limit if own_limit is None else min(own_limit, room)
    if max_tokens < least:
        raise Truncated(**fields, max_tokens=max_tokens, needed=bounds.most or bounds.least, room=room)
    ending = request.constraint.forced_ending if early and few is None else None
    return token_ids, Limits(max_tokens, bounds.most, room, few or ending)


def _kept_for(answer: TokenBounds, room: int) -> int:
    """Return the part of a context's room that reasoning leaves to the answer behind it: half of it, if it needs no less or more."""
    half = room // 2 if answer.most is None else min(answer.most, room // 2)
    return max(answer.least, half) + _MARKS


def _may_end_early(request: Request) -> bool:
    """Return whether the caller neither sees nor counts the tokens behind those that determine the answer."""
    if request.probe or request.on_delta is not None or request.constraint.kind == "text":
        return False
    return not request.asked("min_tokens") and request.asked("logprobs") is None


_REMEMBERED = 1024
_MARKS = 16  # tokens that may stand between reasoning and an answer

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
