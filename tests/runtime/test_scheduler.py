"""The step loop: continuous batching, cancellation, refusal, death, and that each future is settled once."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import pytest

from typefold.compiler import Constraint
from typefold.compiler.grammar.nodes import Language, Ref, choice, seq
from typefold.runtime import (
    BadInput,
    Cancelled,
    Completion,
    EngineFailed,
    FinishReason,
    Outcome,
    PromptTooLong,
    Refused,
    Request,
    Scheduler,
    TimedOut,
    Truncated,
)
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import ScriptedEngine

ENDLESS = Constraint.of(Language(Ref("x"), {"x": choice(seq("x", Ref("x")), ".")}))


def request(text: str = "hello", **facts: Any) -> Request:
    return Request(prompt=text, **facts)


def test_requests_that_come_later_join_the_running_batch() -> None:
    joined = threading.Event()
    more: list[Future[Outcome]] = []

    def answer(asked: Request) -> str:
        if asked.prompt == "first" and not joined.is_set():
            joined.set()
            more.extend(scheduler.submit([request("second")]))
        return "y" * 100

    engine = ScriptedEngine(answers=answer)
    scheduler = Scheduler(engine)
    [first] = scheduler.submit([request("first")])
    first.result(30)
    more[0].result(30)
    scheduler.close()
    assert engine.steps < 150


def test_no_more_than_twice_max_num_seqs_wait_in_the_engine() -> None:
    seen: list[int] = []

    class Watched(ScriptedEngine):
        def step(self) -> Sequence[Completion]:
            seen.append(scheduler.statistics.running)
            return super().step()

    engine = Watched(answers=lambda asked: "yy", max_num_seqs=8)
    scheduler = Scheduler(engine)
    wait(scheduler.submit([request(str(n)) for n in range(100)]), 30)
    scheduler.close()
    assert max(seen) <= 16


def test_a_cancelled_future_withdraws_its_request() -> None:
    holding = threading.Event()

    class Slow(ScriptedEngine):
        def step(self) -> Sequence[Completion]:
            holding.wait(30)
            return super().step()

    scheduler = Scheduler(Slow(answers=lambda asked: "y" * 5000))
    long, short = scheduler.submit([request("long"), request("short", sampling={"max_tokens": 3})])
    assert long.cancel()
    holding.set()
    assert short.result(30).finish_reason is FinishReason.LENGTH
    with pytest.raises(CancelledError):
        long.result(30)
    assert scheduler.statistics.running == 0
    scheduler.close()


def test_a_refused_request_harms_no_other() -> None:
    class Picky(ScriptedEngine):
        def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
            if request.prompt == "bad":
                raise EngineRefusal("no such adapter")
            super().add(key, request, token_ids, max_tokens)

    scheduler = Scheduler(Picky(answers=lambda asked: "fine"))
    good, bad, other = scheduler.submit([request("a"), request("bad"), request("b")])
    assert good.result(30).text == other.result(30).text == "fine"
    with pytest.raises(Refused, match="no such adapter"):
        bad.result(30)
    scheduler.close()


def test_a_prompt_that_cannot_be_tokenised_is_bad_input() -> None:
    scheduler = Scheduler(ScriptedEngine())
    [future] = scheduler.submit([request("\ud800")])
    with pytest.raises(BadInput):
        future.result(30)
    scheduler.close()


def test_the_room_left_is_the_limit_where_the_type_has_none() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=lambda asked: "x" * 500, max_model_len=100))
    [future] = scheduler.submit([request("12345678", constraint=ENDLESS)])
    with pytest.raises(Truncated) as caught:
        future.result(30)
    assert caught.value.max_tokens == 100 - 8
    [too_long] = scheduler.submit([request("1" * 100)])
    with pytest.raises(PromptTooLong):
        too_long.result(30)
    scheduler.close()


def test_an_answer_that_is_whole_at_its_limit_is_no_failure() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=lambda asked: "keep"))
    kind = Constraint.of(Language(choice("keep", "drop")))
    [future] = scheduler.submit([request(constraint=kind, sampling={"max_tokens": 4})])
    assert future.result(30).text == "keep"
    prefix = Constraint.of(Language(choice("keep", "keeper")))
    [open_ended] = scheduler.submit([request(constraint=prefix, sampling={"max_tokens": 4})])
    with pytest.raises(Truncated):
        open_ended.result(30)
    scheduler.close()


def test_a_dead_engine_fails_everything_and_everything_after() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=lambda asked: "y" * 50, fail_at_step=5))
    futures = scheduler.submit([request(str(n)) for n in range(10)])
    for future in futures:
        with pytest.raises(EngineFailed):
            future.result(30)
    [later] = scheduler.submit([request("later")])
    with pytest.raises(EngineFailed):
        later.result(30)
    assert scheduler.broken
    scheduler.close()
    scheduler.close()


def test_close_cancels_what_waits_and_ends_the_thread() -> None:
    before = set(threading.enumerate())
    scheduler = Scheduler(ScriptedEngine(answers=lambda asked: "y" * 7000, max_num_seqs=2))
    futures = scheduler.submit([request(str(n)) for n in range(20)])
    scheduler.close()
    ends = [future.exception(30) for future in futures]
    assert all(end is None or isinstance(end, Cancelled) for end in ends)
    assert any(isinstance(end, Cancelled) for end in ends)
    assert "typefold-engine" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_a_timeout_ends_one_request_alone() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=lambda asked: "y" * 100))
    late, good = scheduler.submit([request("a", deadline=0.0), request("b", deadline=time.monotonic() + 1e9)])
    with pytest.raises(TimedOut):
        late.result(30)
    assert good.result(30).text == "y" * 100
    scheduler.close()


def test_tokens_are_counted_without_asking_while_the_engine_works_and_not_after_its_end() -> None:
    engine = ScriptedEngine(answers=lambda request: "said", max_model_len=60)
    scheduler = Scheduler(engine)
    asked = [Request(prompt="Say it."), Request(prompt="x" * 80), Request(prompt="ä", sampling={"max_tokens": 0})]
    running = scheduler.submit([Request(prompt="Say it.")] * 50)
    short, long, refused = scheduler.measure(asked)
    assert (short.prompt_tokens, short.error) == (len(engine.tokenize(asked[0])), None)
    assert (short.least, short.most) == (1, 60 - short.prompt_tokens)
    assert isinstance(long.error, PromptTooLong)
    assert isinstance(refused.error, Refused)
    assert {each.result().text for each in running} == {"said"}
    assert len(engine.requests) == 50
    scheduler.close()
    with pytest.raises(RuntimeError, match="the engine has ended"):
        scheduler.measure(asked)
