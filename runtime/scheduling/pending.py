"""Pending requests and generations: the scheduler's view of a request, and the errors by which it may end.

A pending request is one caller's request and future. A generation is one request in the engine's hands with the pending
requests that wait for it: one, or several where equal requests share it.
Requests wait in the order in which they came; those that were in flight at a crash go first. Any thread may add to a queue; the
engine's thread alone takes out.

Invariant: a request that is done is released soon, not when its deadline would have passed. A million answered requests with an
hour each would otherwise stay in memory for that hour.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar

from typefold.compiler import Message
from typefold.compiler.grammar.early_stop import EarlyStop
from typefold.runtime.errors import Cancelled, EngineFailed, PromptError, Refused, Truncated
from typefold.runtime.ownership import OwnFuture, refusal
from typefold.runtime.request import FinishReason, Outcome, Request

T = TypeVar("T")

logger = logging.getLogger(__name__)


class AnswerFuture(OwnFuture[Outcome]):
    """A future that refuses to be waited for in a thread that delivers answers."""

    finished: tuple[Limits, Outcome] | None = None  # the end that the engine gave it

    def result(self, timeout: float | None = None) -> Outcome:
        """Return the outcome. Raises RuntimeError where this thread would have to deliver it."""
        self._check()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception that it ended with, or `None` for an outcome; waits as `result` does."""
        self._check()
        return super().exception(timeout)

    def _check(self) -> None:
        if not self.done() and (reason := refusal()) is not None:
            raise RuntimeError(reason)


class PendingRequest(AnswerFuture):
    """One caller's request and future: one object, and no cycle for the garbage collector."""

    def __init__(self, request: Request, withdraw: Callable[[PendingRequest], None]) -> None:
        super().__init__()
        self.request = request
        self.timeout = 0.0 if request.deadline is None else max(0.0, request.deadline - time.monotonic())  # seconds
        self.generation: Generation | None = None  # once it is in the engine's hands
        self.crashes = 0  # of the engine, while it was in flight
        self.is_read = False  # a piece of the answer, by its caller
        self.partial_text = ""  # of an answer that will not come
        self._withdraw = withdraw

    def cancel(self) -> bool:
        before = self.cancelled()
        cancelled = super().cancel()
        if cancelled and not before:
            self._withdraw(self)
        return cancelled

    def claim(self) -> bool:
        """Return whether it is still to be settled; from then on it can't be cancelled, and must be settled."""
        return not self.done() and self.set_running_or_notify_cancel()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an answer."""

    max_tokens: int  # in force
    needed: int | None  # always enough for the type
    room: int | None = None  # left by the context
    early_stop: EarlyStop | None = None  # the place where the answer is determined, and generation may end

    @property
    def asked(self) -> int:
        settled = None if self.early_stop is None else self.early_stop.tokens
        return self.max_tokens if settled is None else min(self.max_tokens, settled)

    def complete(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its text completed, where it was cut off behind the place that determines it."""
        if self.early_stop is None or outcome.finish_reason not in (FinishReason.LENGTH, FinishReason.STOP):
            return outcome
        whole = self.early_stop.complete(outcome.text)
        if whole is None or (whole == outcome.text and outcome.finish_reason is FinishReason.STOP):
            return outcome
        return replace(outcome, text=whole, finish_reason=FinishReason.STOP)


@dataclass(slots=True, eq=False)
class Generation:
    """One request in the engine's hands."""

    key: str
    limits: Limits
    identity: bytes | None = None  # `None` where none may join
    waiters: list[PendingRequest] = field(default_factory=list[PendingRequest])

    def join(self, pending: PendingRequest) -> None:
        self.waiters.append(pending)
        pending.generation = self

    def stream(self, text: str) -> None:
        for pending in self.waiters:
            if pending.request.on_delta is not None:
                pending.is_read = True
                try:
                    pending.request.on_delta(text)
                except BaseException:  # it is the caller's: no other row may suffer from it
                    logger.exception("%s: on_delta failed", pending.request.function)

    def leave(self, pending: PendingRequest) -> bool:
        if pending in self.waiters:
            self.waiters.remove(pending)
        return not self.waiters


def settle(end: Callable[[T], None], result: T) -> None:
    """End a future, as in `settle(future.set_result, value)`, and survive its callbacks.

    Callbacks are the caller's, and exceptions of theirs that are no `Exception` (of `sys.exit`, say) come through to the code
    that ends the future. A thread that serves other rows must not end of it. In the main thread they pass on, since there it
    may be Ctrl-C.
    """
    try:
        end(result)
    except BaseException:
        if threading.current_thread() is threading.main_thread():
            raise
        logger.exception("a callback of a future failed")


class ErrorFields(TypedDict):
    """The fields that every error of a row has."""

    function: str
    row: int | None
    prompt: tuple[Message, ...] | str
    text: str
    tokens: int


def error_fields(request: Request, text: str = "", tokens: int = 0) -> ErrorFields:
    """Return the fields of an error of a request."""
    return {
        "function": request.function,
        "row": request.row,
        "prompt": request.prompt,
        "text": text,
        "tokens": tokens,
    }


@dataclass(frozen=True, slots=True)
class Broken:
    """An engine that can't be used any more."""

    reason: str
    todo: str


def failure_of(pending: PendingRequest, broken: Broken | None) -> PromptError:
    """Return the error of a request that an engine which broke, or was closed (`None`), will not answer."""
    fields = error_fields(pending.request, pending.partial_text)
    if broken is None:
        return Cancelled(**fields)
    return EngineFailed(**fields, reason=broken.reason, todo=broken.todo)


def error_of(request: Request, limits: Limits, outcome: Outcome) -> PromptError | None:
    """Return the error that the finish reason of an outcome means; `None` for an answer."""
    if outcome.finish_reason is FinishReason.STOP:
        return None
    fields = error_fields(request, outcome.text, outcome.prompt_tokens + outcome.output_tokens)
    match outcome.finish_reason:
        case FinishReason.LENGTH | FinishReason.REPETITION:
            cut_text = request.whole and request.constraint.kind == "text"
            if request.probe or (request.constraint.is_complete(outcome.text) and not cut_text):
                return None
            return Truncated(**fields, max_tokens=limits.max_tokens, needed=limits.needed, room=limits.room)
        case FinishReason.ABORT:
            return Cancelled(**fields)
        case FinishReason.ERROR:
            reason = "it ended the request with finish reason 'error'; its log says more"
            if outcome.text or request.constraint.kind == "text":
                return EngineFailed(**fields, reason=reason)
            return Refused(**fields, reason=f"{reason} (mostly: a grammar that its backend could not compile)")


_SWEEP = 1024  # heaps shorter than this are not worth sweeping


class RequestQueue:
    """The requests that the engine has not been given."""

    def __init__(self) -> None:
        self._inbox: deque[PendingRequest] = deque()  # deque's append and popleft are atomic: no lock is needed
        self._retried: deque[PendingRequest] = deque()

    def __len__(self) -> int:
        return len(self._inbox) + len(self._retried)

    def add(self, several: Iterable[PendingRequest]) -> None:
        """Put new requests at the end; from any thread."""
        self._inbox.extend(several)

    def put_back(self, several: Iterable[PendingRequest]) -> None:
        self._retried.extendleft(reversed([*several]))

    def first(self) -> PendingRequest | None:
        """Return the next request, and drop those before it that are done (cancelled or late)."""
        for queue in (self._retried, self._inbox):
            while queue:
                if not queue[0].done():
                    return queue[0]
                queue.popleft()
        return None

    def take(self) -> PendingRequest:
        return self._retried.popleft() if self._retried else self._inbox.popleft()

    def drain(self) -> list[PendingRequest]:
        left = [*self._retried, *self._inbox]
        self._retried.clear()
        self._inbox.clear()
        return left


class Deadlines:
    """The requests that have a deadline, the soonest first; from any thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, PendingRequest]] = []
        self._order = itertools.count()  # requests have no order of their own
        self._sweep_at = _SWEEP
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, several: Iterable[PendingRequest]) -> None:
        """Watch the requests that have a deadline."""
        for pending in several:
            if (deadline := pending.request.deadline) is not None:
                with self._lock:
                    heapq.heappush(self._heap, (deadline, next(self._order), pending))
                    if len(self._heap) > self._sweep_at:
                        self._heap = [item for item in self._heap if not item[2].done()]
                        heapq.heapify(self._heap)
                        self._sweep_at = max(_SWEEP, 2 * len(self._heap))

    def left(self) -> float | None:
        """Return the seconds until the soonest deadline; `None` where there is none."""
        with self._lock:
            return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def take_late(self) -> list[PendingRequest]:
        """Take out the requests whose deadline has passed; some of them may be done."""
        if not self._heap:
            return []
        late: list[PendingRequest] = []
        with self._lock:
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                late.append(heapq.heappop(self._heap)[2])
        return late

    def clear(self) -> None:
        with self._lock:
            self._heap.clear()
