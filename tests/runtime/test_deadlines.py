"""Time limits: the soonest first, and nothing that is done is kept for its limit."""

from __future__ import annotations

import time

from typefold.runtime import FinishReason, Outcome, Request, Scheduler
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling.pending import Deadlines, PendingRequest

DONE = Outcome(text="", finish_reason=FinishReason.STOP, prompt_tokens=1, output_tokens=1)


def entry(deadline: float | None) -> PendingRequest:
    return PendingRequest(Request(prompt="x", deadline=deadline), lambda entry: None)


def test_the_late_are_given_the_soonest_first_and_once() -> None:
    deadlines, now = Deadlines(), time.monotonic()
    second, first, later, never = entry(now - 1), entry(now - 2), entry(now + 1000), entry(None)
    deadlines.add([second, first, later, never])
    assert len(deadlines) == 3
    assert deadlines.take_late() == [first, second]
    assert deadlines.take_late() == []
    deadlines.clear()
    assert len(deadlines) == 0


def test_entries_that_are_done_are_let_go_of_before_their_limit() -> None:
    deadlines, soon = Deadlines(), time.monotonic() + 1000
    waiting = entry(soon)
    deadlines.add([waiting])
    for _ in range(10_000):
        done = entry(soon)
        done.set_result(DONE)
        deadlines.add([done])
        assert len(deadlines) <= 1025
    assert deadlines.take_late() == []


def test_a_scheduler_keeps_no_request_that_is_answered() -> None:
    scheduler = Scheduler(ScriptedEngine(lambda request: "y", tokens_per_step=64))
    for _ in range(60):
        for future in scheduler.submit([Request(prompt="x", deadline=time.monotonic() + 3600)] * 100):
            future.result(30)
    assert len(scheduler._deadlines) <= 2048  # pyright: ignore[reportPrivateUsage]  # there is no other sign of it
    scheduler.close()
