"""Statistics of a scheduler: counts that add up, and the seconds that they took."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from typefold import Runtime, ask, prompt
from typefold.runtime import Request, Scheduler, Statistics
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling.replicas import Replicas
from typefold.runtime.statistics import Counts, Stopwatch


@prompt
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


def test_time_counts_while_anyone_works_and_once_for_all() -> None:
    now = 100.0
    stopwatch = Stopwatch(lambda: now)
    assert stopwatch.seconds == 0.0
    stopwatch.begin()
    now = 103.0
    assert stopwatch.seconds == 3.0
    stopwatch.begin()
    now = 104.0
    stopwatch.rest()
    now = 106.0
    stopwatch.rest()
    now = 200.0
    assert stopwatch.seconds == 6.0
    stopwatch.begin()
    now = 201.0
    assert stopwatch.seconds == 7.0


def test_what_is_busy_twice_is_busy_once() -> None:
    now = 0.0
    stopwatch = Stopwatch(lambda: now)
    counts = Counts(stopwatch)
    counts.busy(False)
    counts.busy(True)
    counts.busy(True)
    now = 2.0
    assert counts.snapshot(waiting=0, running=0).elapsed == 2.0
    counts.busy(False)
    counts.busy(False)
    now = 9.0
    assert counts.snapshot(waiting=0, running=0).elapsed == 2.0


def test_rates_are_by_the_second_and_a_journal_has_no_part_in_them() -> None:
    stats = Statistics(succeeded=30, failed=10, from_journal=20, output_tokens=500, elapsed=4.0)
    assert (stats.requests_per_second, stats.tokens_per_second) == (5.0, 125.0)
    assert (Statistics(succeeded=3).requests_per_second, Statistics(output_tokens=3).tokens_per_second) == (0.0, 0.0)


def test_sums_add_the_seconds_too_and_comparisons_leave_them_out() -> None:
    one, other = Statistics(succeeded=4, elapsed=2.0), Statistics(succeeded=2, elapsed=1.0)
    both = one + other
    assert (both.succeeded, both.elapsed, both.requests_per_second) == (6, 3.0, 2.0)
    assert one == replace(one, elapsed=9.0)


class Waited(ScriptedEngine):
    """An engine by whose clock each step takes a second."""

    now = 0.0

    def step(self) -> Sequence[Completion]:
        self.now += 1.0
        return super().step()


@pytest.mark.parametrize("requests", [1, 5])
def test_a_scheduler_measures_while_requests_are_in_flight(requests: int) -> None:
    engine = Waited(answers=lambda request: "yes")
    scheduler = Scheduler(engine, stopwatch=Stopwatch(lambda: engine.now))
    for _ in range(2):
        for future in scheduler.submit([Request(prompt=f"{number}?") for number in range(requests)]):
            future.result()
    scheduler.close()
    assert scheduler.statistics.elapsed == scheduler.statistics.steps
    engine.now += 1000.0
    assert scheduler.statistics.elapsed == scheduler.statistics.steps


def test_a_runtime_says_how_long_and_how_fast() -> None:
    with Runtime(ScriptedEngine(), replicas=1) as runtime:
        assert runtime.stats.elapsed == 0.0
        name.map(["a", "b", "c"])
        assert runtime.stats.elapsed > 0
        assert runtime.stats.requests_per_second == 3 / runtime.stats.elapsed
    assert runtime.stats.elapsed > 0


def test_schedulers_of_one_model_share_a_clock() -> None:
    now = 0.0
    stopwatch = Stopwatch(lambda: now)
    begun, go = threading.Barrier(3), threading.Event()

    def answer(request: Request) -> str:
        begun.wait(30)
        go.wait(30)
        return "yes"

    schedulers = [Scheduler(ScriptedEngine(answers=answer), stopwatch=stopwatch) for _ in range(2)]
    fleet = Replicas(schedulers)
    futures = [each.submit([Request(prompt="Is it?")])[0] for each in schedulers]
    begun.wait(30)
    now = 5.0
    assert fleet.statistics.elapsed == 5.0  # both work
    go.set()
    assert [future.result().text for future in futures] == ["yes", "yes"]
    fleet.close()
    assert (fleet.statistics.elapsed, fleet.statistics.requests_per_second) == (5.0, 0.4)
    assert Replicas([]).statistics == Statistics()
