"""Deduplication:  equal requests whose answer is settled share one generation, and nothing else does."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from typefold.compiler import Constraint, Message
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import (
    Cancelled,
    EngineFailed,
    FinishReason,
    Outcome,
    Refused,
    Request,
    Scheduler,
    TimedOut,
    Truncated,
)
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import Answers, ScriptedEngine
from typefold.runtime.scheduling.deduplicator import Deduplicator
from typefold.runtime.scheduling.pending import Generation, Limits, PendingRequest

COLOUR = Constraint.of(Language(choice("red", "green")))


def greedy(text: str = "hello", **facts: Any) -> Request:
    return Request(prompt=(Message("user", text),), sampling={"temperature": 0}, **facts)


class Held(ScriptedEngine):
    """An engine that takes no step until it is let go."""

    def __init__(self, answers: Answers | None = None, **options: Any) -> None:
        super().__init__(answers, **options)
        self.go = threading.Event()
        self.aborted: list[str] = []

    def step(self) -> Sequence[Completion]:
        self.go.wait(30)
        return super().step()

    def abort(self, keys: Any) -> None:
        self.aborted += keys
        super().abort(keys)


@pytest.fixture
def engine() -> Held:
    return Held(lambda request: "y" * 50)


@pytest.fixture
def scheduler(engine: Held) -> Iterator[Scheduler]:
    scheduler = Scheduler(engine)
    yield scheduler
    engine.go.set()
    scheduler.close()


def test_equal_greedy_requests_in_flight_share_one_generation(engine: Held, scheduler: Scheduler) -> None:
    futures = scheduler.submit([greedy(row=row, function=f"f{row}") for row in range(10)])
    engine.go.set()
    assert {id(future.result(30)) for future in futures} == {id(futures[0].result())}
    assert len(engine.requests) == 1
    stats = scheduler.statistics
    assert (stats.submitted, stats.succeeded, stats.deduplicated) == (10, 10, 9)
    assert stats.output_tokens == 51 == futures[0].result().output_tokens


def test_what_has_finished_is_remembered(engine: Held, scheduler: Scheduler) -> None:
    engine.go.set()
    [first] = scheduler.submit([greedy()])
    before = first.result(30), engine.steps
    [again] = scheduler.submit([greedy(row=3)])
    assert (again.result(30), engine.steps) == before
    assert scheduler.statistics.deduplicated == 1


@pytest.mark.parametrize(
    "other",
    [
        Request(prompt=(Message("user", "hello"),)),
        Request(prompt=(Message("user", "hello"),), sampling={"temperature": 0.7}),
        Request(prompt=(Message("user", "hello"),), sampling={"temperature": 0, "top_k": 5}),
        Request(prompt=(Message("user", "hello"),), sampling={"temperature": 0, "max_tokens": 60}),
        greedy("hello "),
        Request(prompt="hello", sampling={"temperature": 0}),
        greedy(constraint=COLOUR),
        greedy(options={"priority": 1}),
        greedy(chat_template_kwargs={"enable_thinking": True}),
        greedy(on_delta=print),
    ],
    ids=lambda request: "",
)
def test_requests_that_differ_are_answered_apart(other: Request) -> None:
    engine = Held(lambda request: "red")
    scheduler = Scheduler(engine)
    futures = scheduler.submit([greedy(), other, other])
    engine.go.set()
    wait(futures, 30)
    scheduler.close()
    alone = engine.identity(other) is None or other.on_delta is not None
    assert len(engine.requests) == (3 if alone else 2)


def test_a_seed_settles_an_answer_and_another_seed_another(engine: Held, scheduler: Scheduler) -> None:
    def seeded(seed: int) -> Request:
        return Request(prompt="x", sampling={"temperature": 1.0, "seed": seed})

    futures = scheduler.submit([seeded(1), seeded(2), seeded(1), seeded(2)])
    engine.go.set()
    wait(futures, 30)
    assert len(engine.requests) == 2


def test_an_object_that_shows_only_its_address_is_never_taken_for_another(engine: Held, scheduler: Scheduler) -> None:
    futures = scheduler.submit([greedy(options={"lora_request": object()})] * 2)
    engine.go.set()
    wait(futures, 30)
    assert len(engine.requests) == 2


def test_a_script_that_is_used_up_answers_every_request() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=["a", "b"]))
    assert [future.result(30).text for future in scheduler.submit([greedy(), greedy()])] == ["a", "b"]
    scheduler.close()


def test_it_can_be_switched_off() -> None:
    engine = Held(lambda request: "y")
    scheduler = Scheduler(engine, deduplicate=False)
    futures = scheduler.submit([greedy(), greedy()])
    engine.go.set()
    wait(futures, 30)
    scheduler.close()
    assert len(engine.requests) == 2
    assert scheduler.statistics.deduplicated == 0


def soon(condition: Callable[[], bool]) -> None:
    """Wait until the scheduler's thread has done something."""
    ready = threading.Event()
    for _ in range(3000):
        if condition():
            return
        ready.wait(0.01)
    raise AssertionError("it did not come")


@pytest.mark.parametrize("leaving", [0, 1, 2])
def test_one_who_leaves_takes_nothing_from_the_others(leaving: int, engine: Held, scheduler: Scheduler) -> None:
    futures = scheduler.submit([greedy(), greedy(), greedy()])
    soon(lambda: scheduler.statistics.deduplicated == 2)
    assert futures[leaving].cancel()
    engine.go.set()
    for index, future in enumerate(futures):
        if index != leaving:
            assert future.result(30).text == "y" * 50
    assert engine.aborted == []
    assert scheduler.statistics.cancelled == 1


def test_a_generation_that_everybody_has_left_is_withdrawn(engine: Held, scheduler: Scheduler) -> None:
    futures = scheduler.submit([greedy(), greedy()])
    soon(lambda: scheduler.statistics.deduplicated == 1)
    assert all(future.cancel() for future in futures)
    engine.go.set()
    soon(lambda: scheduler.statistics.running == 0)
    assert len(engine.aborted) == 1
    [again] = scheduler.submit([greedy()])  # nothing of the first is left to join
    assert again.result(30).text == "y" * 50
    assert len(engine.requests) == 2


def test_a_time_limit_is_each_waiters_own(engine: Held, scheduler: Scheduler) -> None:
    patient, hasty, other = scheduler.submit(
        [greedy(), greedy(deadline=0.0, row=1), greedy(deadline=time.monotonic() + 1e9)]
    )
    engine.go.set()
    with pytest.raises(TimedOut, match="row 1"):
        hasty.result(30)
    assert patient.result(30) is other.result(30)
    assert len(engine.requests) == 1


def test_an_error_goes_to_all_who_wait_each_with_its_own_place() -> None:
    engine = Held(lambda request: FinishReason.ERROR)
    scheduler = Scheduler(engine)
    futures = scheduler.submit([greedy(constraint=COLOUR, function=f"f{row}", row=row) for row in range(3)])
    engine.go.set()
    errors = [future.exception(30) for future in futures]
    assert [(type(error), str(error)[:9]) for error in errors] == [(Refused, f"f{row}, row {row}") for row in range(3)]
    assert scheduler.statistics.failed == 3
    [again] = scheduler.submit([greedy(constraint=COLOUR)])  # an engine's failure is not remembered
    assert isinstance(again.exception(30), Refused)
    assert len(engine.requests) == 2
    scheduler.close()


def test_a_truncated_answer_is_remembered_and_judged_for_each() -> None:
    engine = ScriptedEngine(lambda request: "green")
    scheduler = Scheduler(engine, early_stop=False)
    cut = [
        Request(prompt="x", sampling={"temperature": 0, "max_tokens": 4}, constraint=COLOUR, row=row) for row in (1, 2)
    ]
    for request in cut:
        [future] = scheduler.submit([request])
        with pytest.raises(Truncated, match=f"row {request.row}.*max_tokens=4") as caught:
            future.result(30)
        assert caught.value.text == "gree"
    assert len(engine.requests) == 1
    scheduler.close()


def test_an_engine_that_breaks_or_closes_ends_all_who_wait() -> None:
    engine = Held(lambda request: "y" * 50, fail_at_step=2)
    scheduler = Scheduler(engine)
    futures = scheduler.submit([greedy(row=row) for row in range(3)])
    engine.go.set()
    assert [str(future.exception(30)).split(":")[0] for future in futures] == [f"generate, row {n}" for n in range(3)]
    assert isinstance(futures[1].exception(), EngineFailed)
    scheduler.close()
    closing = Scheduler(Held(lambda request: "y" * 50))
    futures = closing.submit([greedy(row=row) for row in range(3)])
    soon(lambda: closing.statistics.deduplicated == 2)
    held = closing.engine
    assert isinstance(held, Held)
    threading.Timer(0.05, held.go.set).start()
    closing.close()
    assert all(isinstance(future.exception(30), Cancelled | None) for future in futures)


def test_many_threads_that_ask_cancel_and_wait_all_get_an_end() -> None:
    scheduler = Scheduler(ScriptedEngine(lambda request: str(request.prompt)[-40:], max_num_seqs=4))

    def caller(number: int) -> int:
        rng, ends = random.Random(number), 0
        for _ in range(40):
            text = f"question {rng.randrange(5)}"
            [future] = scheduler.submit([greedy(text, deadline=rng.choice([None, 0.0, time.monotonic() + 30]))])
            if rng.random() < 0.3:
                future.cancel()
            try:
                assert text in str(future.result(30).text)
            except BaseException as error:
                assert type(error).__name__ in ("CancelledError", "TimedOut")
            ends += 1
        return ends

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(caller, range(8))) == 320
    end = time.monotonic() + 60
    while (
        stats := scheduler.statistics
    ).running or stats.waiting:  # the loop has yet to hear of what was cancelled last
        assert time.monotonic() < end, stats
        time.sleep(0.001)
    scheduler.close()
    assert stats.submitted == 320 == stats.succeeded + stats.failed + stats.cancelled


def test_only_so_many_answers_are_remembered_the_last_used_longest() -> None:
    known = Deduplicator(ScriptedEngine(), size=2)
    outcome = Outcome(text="", finish_reason=FinishReason.STOP, prompt_tokens=1, output_tokens=1)
    for name in (b"a", b"b"):
        known.finish(Generation("", Limits(1, None), name), outcome)
    assert known.find(b"a") == (Limits(1, None), outcome)
    known.finish(Generation("", Limits(1, None), b"c"), outcome)
    assert [known.find(name) is not None for name in (b"a", b"b", b"c")] == [True, False, True]


@pytest.mark.parametrize("shared", [False, True])
def test_an_answered_request_leaves_nothing_for_the_garbage_collector(shared: bool) -> None:
    scheduler = Scheduler(ScriptedEngine(lambda request: "y"), deduplicate=shared)
    gc.collect()
    gc.disable()
    try:
        wait(scheduler.submit([greedy(str(number // 2), function="here") for number in range(50)]), 30)
        scheduler.submit([greedy("last", function="here")])[0].result(30)
        left = [
            each for each in gc.get_objects() if isinstance(each, PendingRequest) and each.request.function == "here"
        ]
    finally:
        gc.enable()
    scheduler.close()
    assert len(left) <= 1  # the one in the loop's hands
