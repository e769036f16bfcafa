"""The feeder: prompts are tokenised ahead of the engine, in order, and no request is lost there or answered twice."""

# Tests look inside:
# pyright: reportPrivateUsage=false

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, Literal, cast

import pytest

from typefold.compiler import output_type
from typefold.runtime import (
    BadInput,
    Cancelled,
    Completion,
    EngineFailed,
    Outcome,
    PromptTooLong,
    Request,
    Scheduler,
    TimedOut,
)
from typefold.runtime.engine import EngineRefusal, TokenizesAhead
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.errors import Refused
from typefold.runtime.ownership import UsedAfterFork
from typefold.runtime.scheduling import feeder, loop, scheduler

LONG = 30  # seconds in which everything here has happened


def request(text: object = "hello", **facts: Any) -> Request:
    return Request(prompt=str(text), **facts)


def yes(asked: Request) -> str:
    return "yes"


def nothing(prompt: str) -> None:
    """Before a prompt is tokenised."""


class Noting(ScriptedEngine):
    """A scripted engine that notes where prompts are tokenised.

    Attributes:
        tokenised: The prompts that were tokenised, each with the name of the thread that did it.
        before: Called with each prompt before it is tokenised.
    """

    def __init__(
        self, answers: Callable[[Request], str] = yes, *, before: Callable[[str], object] = nothing, **options: Any
    ) -> None:
        super().__init__(answers, **options)
        self.tokenised: list[tuple[str, str]] = []
        self.before = before

    def tokenize(self, request: Request) -> Sequence[int]:
        prompt = str(request.prompt)
        self.before(prompt)
        self.tokenised.append((prompt, threading.current_thread().name))
        if prompt.startswith("refused"):
            raise EngineRefusal(prompt)
        return super().tokenize(request)


class Ahead(Noting):
    """One whose prompts may be tokenised in another thread."""

    def tokenize_all(self, requests: Sequence[Request]) -> Sequence[Sequence[int] | Exception]:
        found: list[Sequence[int] | Exception] = []
        for each in requests:
            try:
                found.append(self.tokenize(each))
            except Exception as error:
                found.append(error)
        return found


class Busy(Ahead):
    """One that a request keeps busy until that is cancelled."""

    def step(self) -> Sequence[Completion]:
        for each in self._running:
            if each.request.prompt == "busy":
                each.given = -1
        time.sleep(0.0005)
        return super().step()


class Gate:
    """Holds up the tokenising of prompts that begin with "slow", until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, prompt: str) -> None:
        if prompt.startswith("slow"):
            self.reached.set()
            assert self.open.wait(LONG)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def held(asked: Scheduler, gate: Gate, *prompts: str, **facts: Any) -> list[Future[Outcome]]:
    """Send requests behind a running one, and wait until the feeder is held up."""
    futures = asked.submit([request(prompt, **facts) for prompt in prompts])
    assert gate.reached.wait(LONG)
    return futures


def busy_scheduler(engine: Ahead, **options: Any) -> tuple[Scheduler, Future[Outcome]]:
    """Return a scheduler whose engine is busy, so that its thread tokenises nothing itself, with what keeps it so."""
    asked = Scheduler(engine, **options)
    [busy] = asked.submit([request("busy")])
    while asked.statistics.running != 1:
        time.sleep(0.001)
    return asked, busy


@contextmanager
def running(engine: Busy, **options: Any) -> Generator[tuple[Scheduler, Future[Outcome]]]:
    asked, busy = busy_scheduler(engine, **options)
    yield asked, busy
    asked.close()


def test_which_engines_are_fed_ahead() -> None:
    assert isinstance(Ahead(), TokenizesAhead) and not isinstance(ScriptedEngine(), TokenizesAhead)


@pytest.mark.parametrize("deduplicate", [True, False])
def test_requests_go_to_the_engine_in_order_with_their_own_tokens_or_errors(deduplicate: bool) -> None:
    prompts = [f"{'refused ' if n % 31 == 0 else ''}{n}{chr(0xD800) if n % 37 == 0 else ''}" for n in range(1000)]
    prompts[500] = "long" * 5000
    one, many = Noting(max_num_seqs=16), Ahead(max_num_seqs=16)
    ends: list[list[tuple[str, str]]] = []
    for engine in (one, many):
        asked = Scheduler(engine, deduplicate=deduplicate)
        futures = asked.submit([request(prompt) for prompt in prompts])
        ends.append([_end(future) for future in futures])
        asked.close()
    assert ends[0] == ends[1]
    assert [each.prompt for each in many.requests] == [each.prompt for each in one.requests]
    assert {kind for kind, _ in ends[1]} == {"Outcome", "Refused", "BadInput", "PromptTooLong"}
    assert {name for _, name in many.tokenised} == {"typefold-feeder", "typefold-engine"}


def _end(future: Future[Outcome]) -> tuple[str, str]:
    error = future.exception(LONG)
    if error is None:
        return "Outcome", f"{future.result().text} {future.result().prompt_tokens}"
    assert isinstance(error, Refused | BadInput | PromptTooLong)
    return type(error).__name__, str(error)


def test_one_request_alone_is_tokenised_where_the_engine_is() -> None:
    engine = Ahead()
    asked = Scheduler(engine)
    for number in range(20):
        [future] = asked.submit([request(number)])
        future.result(LONG)
        while asked.statistics.running:
            time.sleep(0.001)
    asked.close()
    assert {name for _, name in engine.tokenised} == {"typefold-engine"}


def test_prompts_are_tokenised_while_the_engine_takes_a_step() -> None:
    tokenised = threading.Event()

    class Waiting(Ahead):
        def step(self) -> Sequence[Completion]:
            if any(each.prompt == "busy" for each in self.requests):
                assert tokenised.wait(LONG)  # else neither of them would ever end
            return super().step()

    engine = Waiting(before=lambda prompt: tokenised.set() if prompt == "next" else None)
    asked = Scheduler(engine)
    [first] = asked.submit([request("busy")])
    while not engine.requests:
        time.sleep(0.001)
    [second] = asked.submit([request("next")])
    assert first.result(LONG).text == second.result(LONG).text == "yes"
    asked.close()


def test_a_request_that_is_cancelled_while_it_is_tokenised_is_never_added(gate: Gate) -> None:
    engine = Busy(before=gate)
    with running(engine) as (asked, _):
        one, two, three = held(asked, gate, "slow 1", "slow 2", "slow 3")
        assert two.cancel()
        gate.open.set()
        assert one.result(LONG).text == three.result(LONG).text == "yes"
        assert [each.prompt for each in engine.requests] == ["busy", "slow 1", "slow 3"]
        statistics = asked.statistics
        assert (statistics.submitted, statistics.cancelled, statistics.waiting) == (4, 1, 0)


def test_a_deadline_that_passes_in_the_feeder_is_kept_though_nothing_else_happens(gate: Gate) -> None:
    engine = Ahead(before=gate)
    asked = Scheduler(engine)
    first = [request(number) for number in range(feeder._FEW)]  # which the engine's own thread tokenises
    *others, slow, late = asked.submit([*first, request("slow"), request("late", deadline=time.monotonic() + 0.1)])
    assert gate.reached.wait(LONG)
    with pytest.raises(TimedOut):
        late.result(LONG)
    gate.open.set()
    assert {future.result(LONG).text for future in (*others, slow)} == {"yes"}
    asked.close()
    assert [each.prompt for each in engine.requests] == [*map(str, range(feeder._FEW)), "slow"]


def test_closing_leaves_no_request_unanswered_that_the_feeder_has(gate: Gate) -> None:
    engine = Busy(before=gate)
    asked, busy = busy_scheduler(engine)
    futures = held(asked, gate, *map(str, range(5)), *("slow" for _ in range(3)), *map(str, range(200)))
    assert asked.statistics.waiting == 208
    closing = threading.Thread(target=asked.close)
    closing.start()
    for future in [busy, *futures]:
        with pytest.raises(Cancelled):
            future.result(LONG)
    closed = [engine.closed]  # a prompt is being tokenised
    gate.open.set()
    closing.join(LONG)
    assert [*closed, engine.closed] == [False, True]
    assert [each.prompt for each in engine.requests] == ["busy"]
    assert asked.statistics.waiting == 0


def test_an_engine_that_is_built_again_is_given_what_the_feeder_had(gate: Gate) -> None:
    crash = threading.Event()

    class Crashing(Busy):
        def step(self) -> Sequence[Completion]:
            if crash.is_set():
                raise RuntimeError("CUDA error")
            return super().step()

    made: list[Ahead] = [Crashing(before=gate)]

    def build() -> Ahead:
        made.append(Ahead())
        return made[-1]

    asked, busy = busy_scheduler(made[0], rebuild=build, restarts=1)
    futures = held(asked, gate, "slow", *map(str, range(300)))
    crash.set()
    while asked.statistics.restarts < 1:
        time.sleep(0.001)
    gate.open.set()
    assert {future.result(LONG).text for future in [busy, *futures]} == {"yes"}
    asked.close()
    assert [each.prompt for each in made[0].requests] == ["busy"]
    assert [each.prompt for each in made[1].requests] == ["busy", "slow", *map(str, range(300))]  # each once, in order
    assert asked.statistics.restarts == 1


def test_an_error_that_is_no_rows_ends_the_engine_and_costs_no_other_row() -> None:
    def before(prompt: str) -> None:
        if prompt == "bad":
            raise SystemExit(3)

    made = [Ahead(before=before)]

    def build() -> Ahead:
        made.append(Ahead(before=before))
        return made[-1]

    asked = Scheduler(made[0], rebuild=build, restarts=3)
    prompts = [*map(str, range(40)), "bad", *map(str, range(40, 100))]
    futures = asked.submit([request(prompt) for prompt in prompts])
    ends = [future.exception(LONG) for future in futures]
    asked.close()
    assert [prompt for prompt, end in zip(prompts, ends, strict=True) if end is not None] == ["bad"]
    assert asked.statistics.restarts == 3


def test_a_tokenizer_that_gives_too_few_prompts_is_a_crash_and_no_endless_wait() -> None:
    class Short(Ahead):
        def tokenize_all(self, requests: Sequence[Request]) -> Sequence[Sequence[int] | Exception]:
            return []

    asked = Scheduler(Short())
    for future in asked.submit([request(number) for number in range(100)]):
        assert isinstance(future.exception(LONG), EngineFailed)
    asked.close()


def test_a_prompt_that_is_tokenised_for_ever_fails_all_rows_within_the_limit(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", 0.2)
    engine = Busy(before=gate)
    asked, busy = busy_scheduler(engine, watchdog=0.2)
    futures = held(asked, gate, "1", "slow", *map(str, range(100)))
    for future in futures:
        with pytest.raises(EngineFailed, match=r"no prompts were tokenised within watchdog=0\.2 s"):
            future.result(LONG)
    assert busy.exception(LONG) is not None
    assert asked.broken
    [after] = asked.submit([request("after")])
    with pytest.raises(EngineFailed):
        after.result(LONG)
    asked.close()


def test_no_more_is_tokenised_ahead_than_the_engine_runs_at_once() -> None:
    released = threading.Event()

    class Held(Ahead):
        def step(self) -> Sequence[Completion]:
            assert released.wait(LONG)
            return super().step()

    engine = Held(max_num_seqs=100)
    asked = Scheduler(engine, deduplicate=False)
    futures = asked.submit([request(number) for number in range(3000)])
    most = 3 * 100 + feeder._CHUNK
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert len(engine.tokenised) <= most
        time.sleep(0.01)
    assert len(engine.tokenised) > 100
    released.set()
    wait(futures, LONG)
    asked.close()
    assert len(engine.tokenised) == len(engine.requests) == 3000


def test_long_prompts_are_tokenised_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "_CHARACTERS", 5000)
    chunks: list[int] = []

    class Counting(Ahead):
        def tokenize_all(self, requests: Sequence[Request]) -> Sequence[Sequence[int] | Exception]:
            chunks.append(sum(len(str(each.prompt)) for each in requests))
            return super().tokenize_all(requests)

    asked = Scheduler(Counting())
    wait(asked.submit([request(f"{number} " * 1000) for number in range(60)]), LONG)
    asked.close()
    assert chunks and max(chunks) <= 5000


def test_equal_requests_are_tokenised_once() -> None:
    engine = Ahead()
    asked = Scheduler(engine)
    futures = asked.submit([request("same", sampling={"temperature": 0}) for _ in range(500)])
    assert {future.result(LONG).text for future in futures} == {"yes"}
    statistics = asked.statistics
    asked.close()
    assert (len(engine.tokenised), len(engine.requests), statistics.deduplicated) == (1, 1, 499)


def test_a_request_whose_equal_is_withdrawn_gets_tokens_of_its_own(gate: Gate) -> None:
    engine = Busy(before=gate, max_num_seqs=1)
    with running(engine) as (asked, busy):
        greedy = {"temperature": 0}
        one, two = asked.submit([request("same", sampling=greedy), request("same", sampling=greedy)])
        held(asked, gate, "slow")  # so those two are ready, the second without tokens
        assert one.cancel()
        gate.open.set()
        busy.cancel()
        assert two.result(LONG).text == "yes"
        assert [prompt for prompt, _ in engine.tokenised].count("same") >= 1


def test_whatever_threads_do_each_request_ends_once_and_is_added_once_at_most() -> None:
    engine = Ahead(lambda asked: "y" * (hash(asked.prompt) % 7), max_num_seqs=8)
    asked = Scheduler(engine)
    ended: Counter[str] = Counter()

    def user(seed: int) -> None:
        rng = random.Random(seed)
        for turn in range(20):
            names = [f"{seed} {turn} {number}" for number in range(rng.randrange(1, 40))]
            limits = [rng.choice([None, None, time.monotonic() + 0.01]) for _ in names]
            futures = asked.submit([request(name, deadline=limit) for name, limit in zip(names, limits, strict=True)])
            for future in rng.sample(futures, len(futures) // 3):
                future.cancel()
            for name, future in zip(names, futures, strict=True):
                with suppress(CancelledError, TimedOut):
                    future.result(LONG)
                ended[name] += 1

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(user, seed) for seed in range(6)]:
            done.result(2 * LONG)
    statistics = asked.statistics
    asked.close()
    assert statistics.submitted == len(ended) == statistics.succeeded + statistics.failed + statistics.cancelled
    assert max(Counter(each.prompt for each in engine.requests).values()) == 1
    assert (statistics.waiting, statistics.running) == (0, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_ends_its_copies_of_what_the_feeder_has(gate: Gate) -> None:
    with running(Busy(before=gate)) as (asked, busy):
        futures = held(asked, gate, "1", "slow", *map(str, range(100)))
        child = os.fork()
        if child == 0:
            ended = all(isinstance(future.exception(0), UsedAfterFork) for future in [busy, *futures])
            os._exit(0 if ended else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.open.set()
        assert {future.result(LONG).text for future in futures} == {"yes"}


def test_a_batch_is_not_begun_with_a_step_for_a_few_of_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_GATHER", LONG)
    engine = Ahead(max_num_seqs=256, before=lambda prompt: time.sleep(0.0002))
    asked = Scheduler(engine, deduplicate=False)
    futures = asked.submit([request(number) for number in range(256)])
    wait(futures, LONG)
    asked.close()
    assert engine.steps == len("yes") + 1


def test_rows_do_not_wait_for_their_first_step_until_a_slow_prompt_is_tokenised(gate: Gate) -> None:
    engine = Ahead(before=gate)
    asked = Scheduler(engine)
    *quick, slow = asked.submit([*(request(number) for number in range(feeder._FEW)), request("slow")])
    assert {future.result(LONG).text for future in quick} == {"yes"}
    assert not slow.done()
    gate.open.set()
    assert slow.result(LONG).text == "yes"
    asked.close()


class Unreadable:
    """An option that can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no text for it")


@pytest.mark.parametrize("make", [Noting, Ahead])
@pytest.mark.parametrize(
    "bad", [Request(prompt=cast("str", None)), request("bad", options={"x": Unreadable()}, sampling={"temperature": 0})]
)
def test_a_request_that_cannot_even_be_looked_at_costs_no_other_row(make: type[Noting], bad: Request) -> None:
    asked = Scheduler(make())
    futures = asked.submit(
        [*(request(number) for number in range(30)), bad, *(request(number) for number in range(30))]
    )
    ends = [future.exception(LONG) for future in futures]
    asked.close()
    assert isinstance(ends.pop(30), BadInput) and not any(ends)


def test_an_error_of_the_feeders_own_is_a_crash_and_no_endless_wait() -> None:
    def fail() -> None:
        raise RuntimeError("it fails")

    with running(Busy()) as (asked, busy):
        asked._feeder._chore = fail
        for future in asked.submit([request(number) for number in range(100)]):
            assert isinstance(future.exception(LONG), EngineFailed)
        assert isinstance(busy.exception(LONG), EngineFailed)


def test_a_tokenizer_that_fails_over_an_answer_costs_no_row() -> None:
    class Failing(Ahead):
        def tokenize(self, request: Request) -> Sequence[int]:
            if request.prompt == "alpha":
                raise RuntimeError("the tokenizer fails")
            return super().tokenize(request)

    asked = Scheduler(Failing(lambda asked: "alpha"))
    constraint = output_type(Literal["alpha", "beta"]).constraint
    futures = asked.submit([request(number, constraint=constraint) for number in range(40)])
    assert {future.result(LONG).text for future in futures} == {"alpha"}
    assert asked.statistics.tokens_saved == 0
    asked.close()
