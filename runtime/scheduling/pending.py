"""A request on its way through the scheduler: who waits for it, and what is wrong with how it ended.

Everything here is the scheduler's own. An entry is one caller's request and their future. A flight is one request in the
engine's hands with the entries that wait for it: one, or several where equal requests share it (`deduplication`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar

from typefold.compiler import Message
from typefold.compiler.grammar.early_stop import EarlyStop
from typefold.runtime.errors import Cancelled, EngineFailed, PromptError, Refused, Truncated
from typefold.runtime.ownership import OwnFuture, refusal
from typefold.runtime.request import FinishReason, Outcome, Request

__all__ = ["Answer", "Broken", "Entry", "Facts", "Flight", "Limits", "cannot_run", "facts_of", "settle", "verdict"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Answer(OwnFuture[Outcome]):
    """A future that says so where waiting for it would never end."""

    def result(self, timeout: float | None = None) -> Outcome:
        """The outcome, once it is there.

        Raises:
            RuntimeError: It is not there, and this is a thread that it would come from.
        """
        self._check()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception that it ended with in place of an outcome; waits as `result` does."""
        self._check()
        return super().exception(timeout)

    def _check(self) -> None:
        if not self.done() and (reason := refusal()) is not None:
            raise RuntimeError(reason)


class Entry(Answer):
    """One request of one caller, and the future that they hold.

    It is both, so that nothing else need be made for a request, and none of it is a cycle for the garbage collector.

    Args:
        request: What is asked.
        withdraw: Called once if the caller cancels it.
    """

    def __init__(self, request: Request, withdraw: Callable[[Entry], None]) -> None:
        super().__init__()
        self.request = request
        self.timeout = 0.0 if request.deadline is None else max(0.0, request.deadline - time.monotonic())
        """The seconds that it had when it was submitted, where it has a deadline."""
        self.flight: Flight | None = None
        """What it waits for, once it is in the engine's hands."""
        self.crashes = 0
        """In how many crashes of the engine it was in flight."""
        self.heard = False
        """Whether its caller has read a piece of the answer."""
        self.written = ""
        """The text that the engine had written of an answer which will not come, where that was asked for."""
        self.landed: tuple[Limits, Outcome] | None = None
        """How the engine ended it, if it did."""
        self._withdraw = withdraw

    def cancel(self) -> bool:
        """Withdraw the request; `False` if it is answered already."""
        before = self.cancelled()
        cancelled = super().cancel()
        if cancelled and not before:
            self._withdraw(self)
        return cancelled

    def claim(self) -> bool:
        """Whether it is still to be settled; from then on it can't be cancelled, and must be."""
        return not self.done() and self.set_running_or_notify_cancel()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer may get.

    Attributes:
        max_tokens: The limit in force.
        needed: A number of tokens that always suffices for the type, or `None`.
        room: What the context leaves for an answer.
        early_stop: Where the answer, or the end of it, is one of a few texts: when it is settled, and sent for no further.
    """

    max_tokens: int
    needed: int | None
    room: int | None = None
    early_stop: EarlyStop | None = None

    @property
    def asked(self) -> int:
        """How many tokens the engine is asked for."""
        settled = None if self.early_stop is None else self.early_stop.tokens
        return self.max_tokens if settled is None else min(self.max_tokens, settled)

    def concluded(self, outcome: Outcome) -> Outcome:
        """The answer; the whole of it, where it was cut off at a place from which it can only go on in one way."""
        if self.early_stop is None or outcome.finish_reason not in (FinishReason.LENGTH, FinishReason.STOP):
            return outcome
        whole = self.early_stop.complete(outcome.text)
        if whole is None or (whole == outcome.text and outcome.finish_reason is FinishReason.STOP):
            return outcome
        return replace(outcome, text=whole, finish_reason=FinishReason.STOP)


@dataclass(slots=True, eq=False)
class Flight:
    """One request in the engine's hands.

    Attributes:
        key: Its name there.
        limits: How long its answer may get.
        identity: What makes requests equal to it; `None` where nobody may join.
        waiters: Whose it is.
    """

    key: str
    limits: Limits
    identity: bytes | None = None
    waiters: list[Entry] = field(default_factory=list[Entry])

    def join(self, entry: Entry) -> None:
        """Let an entry wait for this flight too."""
        self.waiters.append(entry)
        entry.flight = self

    def tell(self, text: str) -> None:
        """Hand a piece of the answer to those that have it streamed."""
        for entry in self.waiters:
            if entry.request.on_delta is not None:
                entry.heard = True
                try:
                    entry.request.on_delta(text)
                except BaseException:  # it is the caller's: no other row may suffer from it
                    logger.exception("%s: on_delta failed", entry.request.function)

    def leave(self, entry: Entry) -> bool:
        """Take an entry off; whether nobody is left."""
        if entry in self.waiters:
            self.waiters.remove(entry)
        return not self.waiters


def settle(end: Callable[[T], None], how: T) -> None:
    """End a future, `settle(future.set_result, value)`, whatever those who are told of it do.

    A future that has ended calls its callbacks. They are the caller's, and what of theirs is no `Exception` comes through
    to whoever ended it (`sys.exit` in a callback, say); a thread that serves other rows must not end of it. Only in the
    main thread it goes on: there it may be Ctrl-C.
    """
    try:
        end(how)
    except BaseException:
        if threading.current_thread() is threading.main_thread():
            raise
        logger.exception("a callback of a future failed")


class Facts(TypedDict):
    """The fields that every error of a row has."""

    function: str
    row: int | None
    prompt: tuple[Message, ...] | str
    text: str


def facts_of(request: Request, text: str = "") -> Facts:
    """Where an error happened."""
    return {"function": request.function, "row": request.row, "prompt": request.prompt, "text": text}


@dataclass(frozen=True, slots=True)
class Broken:
    """Why an engine can't be used any more.

    Attributes:
        reason: What happened.
        todo: What to do about it.
    """

    reason: str
    todo: str


def cannot_run(entry: Entry, broken: Broken | None) -> PromptError:
    """The error of a request that an engine which broke, or was closed, will not answer."""
    facts = facts_of(entry.request, entry.written)
    if broken is None:
        return Cancelled(**facts)
    return EngineFailed(**facts, reason=broken.reason, todo=broken.todo)


def verdict(request: Request, limits: Limits, outcome: Outcome) -> PromptError | None:
    """What is wrong with an answer, by its finish reason alone."""
    match outcome.finish_reason:
        case FinishReason.STOP:
            return None
        case FinishReason.LENGTH | FinishReason.REPETITION:
            cut_text = request.whole and request.constraint.kind == "text"
            if request.probe or (request.constraint.is_complete(outcome.text) and not cut_text):
                return None
            facts = facts_of(request, outcome.text)
            return Truncated(**facts, max_tokens=limits.max_tokens, needed=limits.needed, room=limits.room)
        case FinishReason.ABORT:
            return Cancelled(**facts_of(request, outcome.text))
        case FinishReason.ERROR:
            facts = facts_of(request, outcome.text)
            reason = "it ended the request with finish reason 'error'; its log says more"
            if outcome.text or request.constraint.kind == "text":
                return EngineFailed(**facts, reason=reason)
            return Refused(**facts, reason=f"{reason} (mostly: a grammar that its backend could not compile)")
