"""The text in the error of an unfinished answer: all that the engine had written by then."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from typefold import Cancelled, EngineFailed, PromptError, Runtime, TimedOut, ask, prompt
from typefold.runtime import Completion, Request, Scheduler
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling import pending

ANSWER = "Once upon a time there was a ségment, cut."
STEP = 7


class Late(ScriptedEngine):
    """An engine that takes an hour for one of its steps, as far as limits are concerned."""

    def step(self) -> Sequence[Completion]:
        done = super().step()
        self.hours = int(self.steps >= STEP)
        return done

    hours = 0

    def monotonic(self) -> float:
        return time.monotonic() + 3600 * self.hours


def ended(scheduler: Scheduler, *requests: Request) -> list[BaseException | None]:
    return [future.exception(60) for future in scheduler.submit(requests)]


def test_a_row_that_is_late_says_what_was_written_and_so_do_those_that_share_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Late(lambda request: ANSWER, max_num_seqs=1)
    monkeypatch.setattr(pending, "time", engine)
    scheduler = Scheduler(engine)
    shared = Request(prompt="x", deadline=time.monotonic() + 60, sampling={"temperature": 0})
    behind = Request(prompt="y", deadline=time.monotonic() + 60, sampling={"temperature": 0})
    errors = ended(scheduler, shared, shared, behind)
    assert [type(error) for error in errors] == [TimedOut] * 3
    assert [getattr(error, "text", None) for error in errors] == [ANSWER[:STEP]] * 2 + [""]
    scheduler.close()


def test_a_character_that_was_not_whole_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Late(lambda request: "abcdef\N{LATIN SMALL LETTER E WITH ACUTE}gh")
    monkeypatch.setattr(pending, "time", engine)

    @prompt(timeout=60)
    def tell() -> str:
        return ask("?")

    with Runtime(engine), pytest.raises(TimedOut) as caught:
        tell()
    assert caught.value.text == "abcdef"


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_row_whose_engine_fails_says_what_was_written(restarts: int) -> None:
    def engine() -> ScriptedEngine:
        return ScriptedEngine(lambda request: ANSWER, fail_at_step=STEP)

    scheduler = Scheduler(engine(), rebuild=engine if restarts else None, restarts=restarts)
    [error] = ended(scheduler, Request(prompt="x"))
    assert isinstance(error, EngineFailed)
    assert error.text == ANSWER[: STEP - 1]
    scheduler.close()


def test_a_row_whose_runtime_is_closed_says_what_was_written() -> None:
    class Closing(ScriptedEngine):
        def step(self) -> Sequence[Completion]:
            done = super().step()
            if self.steps == STEP:
                scheduler.close()  # by the engine's own thread, which goes on to its end
            return done

    scheduler = Scheduler(Closing(lambda request: ANSWER))
    [error] = ended(scheduler, Request(prompt="x"))
    assert isinstance(error, Cancelled)
    assert error.text == ANSWER[:STEP]


def test_an_engine_that_can_not_tell_costs_nobody_his_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Late):
        def partial_text(self, key: str) -> str:
            raise KeyError(key)

    engine = Silent(lambda request: ANSWER)
    monkeypatch.setattr(pending, "time", engine)
    scheduler = Scheduler(engine)
    [error] = ended(scheduler, Request(prompt="x", deadline=time.monotonic() + 60))
    assert isinstance(error, PromptError)
    assert error.text == ""
    scheduler.close()
