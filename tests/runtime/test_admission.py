"""Requests that are held back enter the engine together: soon, in their order, and only where many run."""

# pyright: reportPrivateUsage=false

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.priced import WORK, Engine, Price, go, waves
from benchmarks.priced import Row as Cost
from benchmarks.workload import STAGES, Program, Row, floor, rows
from typefold import Runtime, run
from typefold.runtime import Completion, Outcome, Request, Scheduler, TimedOut
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling.admission import HOLD, Admission


def test_one_request_beside_many_waits_for_so_many_steps_and_no_longer() -> None:
    admission = Admission(512, hold=8)
    limits: list[int] = []
    for _ in range(10):
        limits.append(admission.limit(waiting=1, running=400))
        admission.stepped(0, 400)
    assert limits == [400] * 8 + [512] + [400]


def test_an_eighth_of_those_that_run_enters_at_once() -> None:
    assert Admission(512, hold=8).limit(waiting=50, running=400) == 512
    assert Admission(512, hold=8).limit(waiting=49, running=400) == 400


@pytest.mark.parametrize("running", range(17))
def test_nothing_is_held_back_where_few_run(running: int) -> None:
    assert Admission(512, hold=8).limit(waiting=1, running=running) == 512


def test_without_holding_back_the_queue_of_the_engine_is_kept_at_twice_what_it_runs() -> None:
    assert {Admission(64, hold=0).limit(waiting, running) for waiting in (0, 1, 500) for running in (0, 60, 120)} == {
        128
    }


@pytest.mark.parametrize("most", [1, 8, 16])
def test_an_engine_that_runs_few_is_kept_full(most: int) -> None:
    assert Admission(most, hold=8).limit(waiting=100, running=most) == 2 * most


def test_an_engine_that_is_full_gets_nothing_more_where_answers_are_long() -> None:
    admission = Admission(64, hold=8)
    for _ in range(100):
        assert admission.limit(waiting=200, running=64) == 64
        admission.stepped(0, 64)
    assert admission.limit(waiting=200, running=63) == 63  # the steps before there was a place do not count


def test_an_engine_whose_answers_are_short_gets_requests_of_its_own() -> None:
    admission = Admission(64, hold=8)
    for _ in range(30):
        admission.stepped(64, 64)
    assert 120 <= admission.limit(waiting=200, running=64) <= 128
    for _ in range(30):
        admission.stepped(0, 64)
    assert admission.limit(waiting=200, running=64) == 64


def test_before_the_first_step_the_limit_of_an_answer_says_whether_it_is_short() -> None:
    admission = Admission(64, hold=8)
    assert admission.limit(waiting=200, running=0, tokens=2) == 128
    assert admission.limit(waiting=200, running=0, tokens=300) == 64
    admission.stepped(0, 64)
    assert admission.limit(waiting=200, running=64, tokens=1) == 64  # steps say it from then on


def test_answers_of_one_length_that_end_together_are_not_taken_for_short_ones() -> None:
    admission = Admission(64, hold=8)
    admission.stepped(64, 64)
    assert admission.limit(waiting=200, running=32) == 64


@given(
    most=st.integers(1, 80),
    hold=st.integers(0, 12),
    arrivals=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_whatever_comes_is_admitted_soon_and_ends(most: int, hold: int, arrivals: list[tuple[int, int]]) -> None:
    admission = Admission(most, hold=hold)
    waiting: list[int] = []  # the steps that each takes
    queued: list[int] = []
    runs: list[int] = []
    came = ended = entered = held = step = 0
    while step < len(arrivals) or ended < came:
        if step < len(arrivals):
            count, length = arrivals[step]
            waiting += [length] * count
            came += count
        running = len(queued) + len(runs)
        limit = admission.limit(len(waiting), running)
        assert limit <= 2 * most
        has_place = bool(waiting) and running < most
        new = waiting[: max(0, limit - running)]
        del waiting[: len(new)]
        held = held + 1 if has_place and not new else 0
        assert held <= hold
        assert not (has_place and running <= 16 and not new)
        assert not (has_place and new) or running + len(new) >= most or not waiting  # all for which there is a place
        entered += len(new)
        queued += new
        free = most - len(runs)
        runs += queued[:free]
        del queued[:free]
        runs = [left - 1 for left in runs]
        done, before = runs.count(0), running + len(new)
        runs = [left for left in runs if left]
        admission.stepped(done, before)
        ended += done
        step += 1
        assert step < 10_000
    assert came == entered == ended


@pytest.mark.parametrize(("name", "late"), [(name, late) for name in WORK for late in (0, 1, 2)])
def test_by_the_price_of_steps_holding_back_pays(name: str, late: int) -> None:
    work = WORK[name](600, cached=True)
    taken = {hold: go(work, Engine(128, Price()), hold, late=late) for hold in (0, HOLD)}
    assert taken[HOLD].mixed < 0.6 * taken[0].mixed
    assert taken[HOLD].milliseconds < taken[0].milliseconds
    assert taken[HOLD].milliseconds < waves(work, Engine(128, Price()), None, late=late).milliseconds


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("answer", [1, 4, 12])
def test_short_answers_lose_nothing(answer: int, late: int) -> None:
    work = [Cost((60,), (1 + number % answer,)) for number in range(512)]
    taken = [go(work, Engine(64, Price()), hold, late=late).milliseconds for hold in (0, HOLD)]
    assert taken[1] <= 1.005 * taken[0]


@pytest.mark.parametrize("most", [8, 16, 24, 48])
@pytest.mark.parametrize("name", list(WORK))
def test_few_at_once_lose_nothing(name: str, most: int) -> None:
    work = WORK[name](8 * most, cached=True)
    taken = [go(work, Engine(most, Price()), hold).milliseconds for hold in (0, HOLD)]
    assert taken[1] <= taken[0]


@pytest.mark.parametrize("name", list(WORK))
def test_where_long_prompts_hide_what_it_saves_it_costs_next_to_nothing(name: str) -> None:
    work = WORK[name](600, cached=False)
    taken = [go(work, Engine(128, Price(hidden=True)), hold).milliseconds for hold in (0, HOLD)]
    assert taken[1] < 1.02 * taken[0]


class Patient(ScriptedEngine):
    """Takes each step with the requests of all rows that are left in the scheduler's hands; counts those into which one comes.

    Args:
        work: The rows, which are in progress together.
        max_num_seqs: The number of requests that run at once.
    """

    def __init__(self, work: Sequence[Row], max_num_seqs: int) -> None:
        super().__init__(lambda request: "x" * 200, max_model_len=1024, max_num_seqs=max_num_seqs)
        self.runtime = Runtime(self, deduplicate=False)
        self.entered: list[str] = []  # the prompts, in the order in which they were added
        self.mixed = 0
        self._rows_left = len(work)
        self._last: set[str] = set()
        self._unstarted = 0

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        assert not isinstance(request.prompt, str)
        self.entered.append(request.prompt[-1].content)
        self._unstarted += 1
        if self.entered[-1].startswith(STAGES[-1]):
            self._last.add(key)

    def step(self) -> Sequence[Completion]:
        until = time.monotonic() + 60
        while (stats := self.runtime.stats).waiting + stats.running < self._rows_left:
            assert time.monotonic() < until, "a row did not come back"
            time.sleep(0.0001)
        places = self.info.max_num_seqs - len(self._running)
        self.mixed += bool(places and self._unstarted)
        self._unstarted = max(0, self._unstarted - places)
        done = super().step()
        self._rows_left -= len(self._last.intersection(completion.key for completion in done))
        return done


def ran(work: Sequence[Row], max_num_seqs: int, hold: int) -> tuple[Patient, list[str]]:
    engine = Patient(work, max_num_seqs)
    engine.runtime._scheduling["hold"] = hold
    with engine.runtime:
        return engine, run(Program(engine.runtime), work, max_rows_in_flight=len(work))


@pytest.mark.parametrize(("count", "most"), [(192, 64), (100, 128), (12, 64)])
def test_a_program_takes_few_steps_with_prompts_and_the_values_are_the_same(count: int, most: int) -> None:
    work = rows(count)
    (free, values), (held, same) = ran(work, most, 0), ran(work, most, HOLD)
    assert same == values
    assert sorted(held.entered) == sorted(free.entered)
    least = floor(work, most)
    assert held.steps <= free.steps + 3 * (HOLD + 1)
    assert held.steps <= (1.3 if count > most else 1.2) * least
    if count > 16:
        assert held.mixed < 0.6 * free.mixed
    else:  # nothing is held back
        assert held.mixed > 0.9 * free.mixed


def test_held_requests_enter_in_the_order_in_which_they_came() -> None:
    work = rows(150)
    engine, _ = ran(work, 64, HOLD)
    first = [prompt for prompt in engine.entered if prompt.startswith(STAGES[0])]
    assert first == [f"{STAGES[0]} lighthouse {row.number}" for row in work]


def test_an_engine_says_whether_its_requests_are_held_back() -> None:
    class Graphs(Patient):
        def __init__(self, work: Sequence[Row], max_num_seqs: int) -> None:
            super().__init__(work, max_num_seqs)
            self.info = replace(self.info, decodes_as_graph=True)

    work = rows(96)
    engine = Graphs(work, 128)
    with engine.runtime:
        run(Program(engine.runtime), work)
    assert engine.mixed < 0.6 * ran(work, 128, 0)[0].mixed


class Gated(ScriptedEngine):
    """Takes as many steps as it is let."""

    def __init__(self, **options: Any) -> None:
        super().__init__(lambda request: str(request.prompt) * 40, max_num_seqs=64, **options)
        self.gate = threading.Semaphore(0)

    def let(self, steps: int) -> None:
        until = time.monotonic() + 60
        goal = self.steps + steps
        self.gate.release(steps)
        while self.steps < goal:
            assert time.monotonic() < until, "the engine takes no step"
            time.sleep(0.0001)

    def step(self) -> Sequence[Completion]:
        assert self.gate.acquire(timeout=60)
        return super().step()


def many(scheduler: Scheduler, count: int) -> list[Future[Outcome]]:
    return scheduler.submit([Request(prompt=chr(ord("!") + number)) for number in range(count)])


def test_a_request_that_is_held_back_can_be_withdrawn() -> None:
    engine = Gated()
    scheduler = Scheduler(engine, hold=1000)
    first = many(scheduler, 40)
    engine.let(2)
    [held] = scheduler.submit([Request(prompt="held")])
    engine.let(5)
    assert len(engine.requests) == 40
    assert held.cancel()
    engine.gate.release(1000)
    assert [future.result(60).text[0] for future in first] == [chr(ord("!") + number) for number in range(40)]
    assert len(engine.requests) == 40
    scheduler.close()


def test_a_request_that_is_held_back_keeps_its_deadline() -> None:
    engine = Gated()
    scheduler = Scheduler(engine, hold=10**9)
    first = many(scheduler, 40)
    engine.let(2)
    [held] = scheduler.submit([Request(prompt="held", deadline=time.monotonic() + 0.01)])
    time.sleep(0.02)
    engine.gate.release(2)
    with pytest.raises(TimedOut):
        held.result(60)
    assert len(engine.requests) == 40
    engine.gate.release(1000)
    assert all(future.result(60).text for future in first)
    scheduler.close()


def test_requests_held_back_at_a_crash_are_no_suspects() -> None:
    broken, whole = Gated(fail_at_step=8), Gated()
    whole.gate.release(100_000)
    scheduler = Scheduler(broken, rebuild=lambda: whole, restarts=1, hold=1000)
    first = many(scheduler, 40)
    broken.let(2)
    held = scheduler.submit([Request(prompt="held"), Request(prompt="too")])
    broken.gate.release(10)
    assert [future.result(60).text for future in held] == ["held" * 40, "too" * 40]
    assert [future.result(60).text[0] for future in first] == [chr(ord("!") + number) for number in range(40)]
    assert len(broken.requests) == 40
    assert [str(request.prompt) for request in whole.requests[-2:]] == ["held", "too"]
    scheduler.close()
