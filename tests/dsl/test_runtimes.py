"""`Runtime`: which one is meant, what `generate` gives, and how it ends."""

import asyncio
import json
import logging
import pickle
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Literal, TypeVar

import pytest
from pydantic import BaseModel
from returns.result import Success

from typefold import (
    BatchError,
    Cancelled,
    EngineFailed,
    NoRuntime,
    PromptTooLong,
    PromptUsageError,
    Runtime,
    TimedOut,
    Truncated,
    UnsupportedType,
    ask,
    configure,
    current,
    prompt,
    raw,
    system,
    user,
)
from typefold.execution.open_runtimes import entered
from typefold.runtime import Request
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import ScriptedEngine

T = TypeVar("T")


class Point(BaseModel):
    x: int
    y: int


@prompt
def number(text: str) -> int:
    return ask(text)


@prompt
def story(text: str) -> str:
    return ask(text)


def test_generate_gives_text_by_default_and_values_by_type(runtime: Runtime) -> None:
    assert isinstance(runtime.generate("Tell me."), str)
    assert isinstance(runtime.generate("A point?", output_type=Point), Point)
    assert runtime("Yes or no?", output_type=Literal["yes", "no"]) in ("yes", "no")
    assert all(isinstance(point, Point) for point in runtime.generate(["a", "b"], output_type=Point))
    assert isinstance(runtime.generate([system("Be brief."), user("Hello.")]), str)
    assert isinstance(runtime.generate(raw("<s>Hello")), str)


def test_generate_takes_a_type_for_each_prompt(runtime: Runtime) -> None:
    integer, text, point = runtime.generate(["a", "b", "c"], output_type=[int, str, Point])
    assert (type(integer), type(text), type(point)) == (int, str, Point)


def test_generate_refuses_a_type_before_the_engine_sees_it(runtime: Runtime, engine: ScriptedEngine) -> None:
    with pytest.raises(UnsupportedType, match="output_type: "):
        runtime.generate("x", output_type=threading.Thread)
    assert engine.requests == []


def test_the_innermost_runtime_is_current() -> None:
    with Runtime(ScriptedEngine(answers=["1"])) as outer:
        with Runtime(ScriptedEngine(answers=["2"])) as inner:
            assert current() is inner
            assert number("x") == 2
        assert current() is outer
        assert number("x") == 1


def test_configure_sets_the_default_and_worker_threads_see_a_with_block() -> None:
    runtime = configure(ScriptedEngine(answers=lambda request: "5"))
    assert current() is runtime
    with Runtime(ScriptedEngine(answers=lambda request: "6")), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(number, ["a", "b", "c"])) == [6, 6, 6]
    assert number("x") == 5


class PatientEngine(ScriptedEngine):
    """An engine that takes its first step when `crowd` requests are in."""

    def __init__(self, crowd: int, answer: str) -> None:
        super().__init__(answers=lambda request: answer)
        self._missing = crowd

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        self._missing -= 1
        super().add(key, request, token_ids, max_tokens)

    def step(self) -> Sequence[Completion]:
        return super().step() if self._missing <= 0 else []


def test_calls_from_threads_share_one_batch() -> None:
    alone = ScriptedEngine(answers=lambda request: "123456789")
    with Runtime(alone):
        number("x")
    engine = PatientEngine(32, "123456789")
    with Runtime(engine), ThreadPoolExecutor(32) as pool:
        assert list(pool.map(number, ["x"] * 32)) == [123456789] * 32
    assert engine.steps == alone.steps


def test_a_prompt_names_its_own_runtime(runtime: Runtime) -> None:
    other = Runtime(ScriptedEngine(answers=["99"]))
    assert number.using(runtime=other)("x") == 99
    other.close()


def test_text_cut_at_its_limit_is_a_value_or_an_error() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "a long story")):
        assert story.using(max_tokens=6)("x") == "a long"
        with pytest.raises(Truncated):
            story.using(max_tokens=6, truncation="error")("x")


def test_a_typed_answer_cut_at_its_limit_is_truncated() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "1234567")), pytest.raises(Truncated) as caught:
        number.using(max_tokens=3)("x")
    assert caught.value.text == "123" and caught.value.max_tokens == 3


def test_a_limit_below_the_type_s_least_is_refused_before_the_engine() -> None:
    engine = ScriptedEngine()
    with Runtime(engine) as runtime, pytest.raises(Truncated) as caught:
        runtime.generate("x", output_type=Point, max_tokens=2)
    assert caught.value.needed is not None and caught.value.needed > 2
    assert engine.steps == 0


def test_an_engine_that_dies_fails_its_rows_and_says_so_later() -> None:
    engine = ScriptedEngine(answers=lambda request: "12345", fail_at_step=3)
    runtime = Runtime(engine)
    results = number.using(runtime=runtime).safe.map(["a", "b"])
    assert all(isinstance(result.failure(), EngineFailed) for result in results)
    with pytest.raises(EngineFailed):
        number.using(runtime=runtime)("again")
    runtime.close()


def test_a_finished_row_survives_the_engine_s_death() -> None:
    def answer(request: Request) -> str:
        return "1" if "short" in str(request.prompt) else "1" * 50

    with Runtime(ScriptedEngine(answers=answer, fail_at_step=20)):
        short, long = number.safe.map(["short", "long"])
    assert short == Success(1)
    assert isinstance(long.failure(), EngineFailed)


def test_a_call_that_is_late_times_out_and_its_neighbours_do_not() -> None:
    # The clock is not waited for: a limit of almost nothing has passed when the first step is taken.
    with Runtime(ScriptedEngine(answers=lambda request: "1" * 4000)):
        late = number.using(timeout=1e-9).safe("x")
        assert isinstance(late.failure(), TimedOut)
        assert len(str(number("x"))) == 4000


def test_closing_cancels_what_is_in_flight_and_later_calls_say_so() -> None:
    started = threading.Event()

    def answer(request: Request) -> str:
        started.set()
        return "1" * 4000

    runtime = Runtime(ScriptedEngine(answers=answer))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(number.using(runtime=runtime).safe, "x")
        started.wait(30)
        runtime.close()
        outcome = waiting.result(30)
    assert isinstance(outcome, Success) or isinstance(outcome.failure(), Cancelled)
    with pytest.raises(RuntimeError, match="was closed"):
        number.using(runtime=runtime)("x")


def test_a_prompt_that_is_too_long_says_how_long_it_is() -> None:
    with Runtime(ScriptedEngine(max_model_len=100)), pytest.raises(PromptTooLong, match="max_model_len is 100"):
        number("x" * 200)


def test_stats_count_what_was_done(runtime: Runtime) -> None:
    number.map(["a", "b", "c"])
    stats = runtime.stats
    assert (stats.submitted, stats.succeeded, stats.failed, stats.running, stats.waiting) == (3, 3, 0, 0, 0)
    assert stats.steps > 0 and stats.output_tokens > 0 and stats.prompt_tokens > 0


def test_any_sequence_of_prompts_will_do() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: re.findall("[0-9]", str(request.prompt))[-1])) as runtime:
        assert runtime.generate(deque(["a1", "b2"]), output_type=int) == [1, 2]
        assert runtime.generate(("a1", (system("Count."), user("b2")), deque([user("c3")])), output_type=int) == [
            1,
            2,
            3,
        ]
        assert runtime.generate(deque([system("Count."), user("a1")]), output_type=int) == 1
        with pytest.raises(PromptUsageError, match="not bytes"):
            untyped: Any = b"a1"
            runtime.generate(untyped)


def test_sixty_four_rows_of_eight_types_with_four_bad_ones_give_sixty_values() -> None:
    kinds: list[Any] = [str, int, bool, Point, Literal["a", "b"], list[int], int | None, dict[str, bool]]
    prompts = [f"row {index}" for index in range(64)]
    for bad in (3, 20, 41, 63):
        prompts[bad] = "x" * 9000
    with Runtime(ScriptedEngine(seed=3)) as runtime, pytest.raises(BatchError) as caught:
        runtime.generate(prompts, output_type=[kinds[index % 8] for index in range(64)], max_tokens=2000)
    failed = [index for index, result in enumerate(caught.value.results) if not isinstance(result, Success)]
    assert failed == [3, 20, 41, 63]
    assert all(isinstance(error, PromptTooLong) for error in caught.value.failures)


def test_parameters_of_generate_may_be_lists_one_a_prompt(runtime: Runtime, engine: ScriptedEngine) -> None:
    runtime.generate(["a", "b"], sampling_params=[None, None], priority=[3, 1], output_type=bool)
    assert [dict(request.options) for request in engine.requests] == [{"priority": 3}, {"priority": 1}]
    with pytest.raises(PromptUsageError, match="2 prompts, and a list of 3 for priority"):
        runtime.generate(["a", "b"], priority=[1, 2, 3])
    with pytest.raises(PromptUsageError, match="2 prompts, and a list of 1 for output_type"):
        runtime.generate(["a", "b"], output_type=[int])


# --- which runtime is meant, and when none is ------------------------------------------------------------------------


def fixed(answer: str) -> ScriptedEngine:
    return ScriptedEngine(answers=lambda request: answer)


def in_thread(work: Callable[[], T]) -> T:
    """The result of some work in a thread that begins now."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(60)


@contextmanager
def elsewhere(engine: ScriptedEngine) -> Generator[ThreadPoolExecutor]:
    """A thread in whose `with` block a runtime is, for as long as this block lasts."""
    entered, leave = threading.Event(), threading.Event()
    pools: list[ThreadPoolExecutor] = []

    def hold() -> None:
        with Runtime(engine), ThreadPoolExecutor(1) as pool:
            pool.submit(int).result(60)  # its thread begins in the block
            pools.append(pool)
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    try:
        yield pools[0]
    finally:
        leave.set()
        thread.join(60)


OUTSIDE = r"Runtime\('ScriptedEngine'\) is open, but this call names none and is not in its `with` block"
SEVERAL = (
    r"and Runtime\('ScriptedEngine'\) are open, but this call names none and can't be told to be in the `with` block of"
)


@pytest.mark.parametrize("variable", [None, "org/model"])
def test_a_runtime_that_is_open_elsewhere_is_no_calls_by_chance(
    monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    if variable:
        monkeypatch.setenv("TYPEFOLD_MODEL", variable)
    beside = "; TYPEFOLD_MODEL names 'org/model', which is not loaded beside it" if variable else ""
    calls: list[Callable[[str], object]] = [
        number,
        lambda text: number.map([text]),
        number.submit,
        lambda text: number.defer(text).result(),
    ]
    with elsewhere(fixed("7")) as pool:
        for call in calls:
            with pytest.raises(NoRuntime, match=OUTSIDE + beside):
                call("x")
        assert pool.submit(number, "x").result(60) == 7  # inside
    made = Runtime(fixed("8"))
    with pytest.raises(NoRuntime, match=OUTSIDE + beside) as caught:
        number("x")
    assert (caught.value.open, caught.value.model) == (["ScriptedEngine"], variable)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert number.using(runtime=made)("x") == 8
    made.close()


def test_with_none_open_the_model_of_the_environment_answers_and_a_log_line_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TYPEFOLD_MODEL", "org/model")
    with Runtime(fixed("1")):
        assert number("x") == 1
    with caplog.at_level(logging.INFO, logger="typefold"):
        found = current()
        assert current() is found and found.name == "org/model"
    assert caplog.messages == ["calls that name no runtime are answered by org/model, as TYPEFOLD_MODEL says"]
    other = Runtime(fixed("2"))
    with pytest.raises(NoRuntime, match=OUTSIDE):
        current()
    other.close()
    assert current() is found


def test_a_default_that_was_set_answers_whatever_else_is_open() -> None:
    configure(fixed("5"))
    other = Runtime(fixed("6"))
    with elsewhere(fixed("7")) as pool:
        assert (number("x"), in_thread(lambda: number("x")), pool.submit(number, "x").result(60)) == (5, 7, 7)
    assert in_thread(lambda: number("x")) == 5
    other.close()


def test_threads_that_begin_in_a_block_are_in_it_and_contexts_tell_of_all_others() -> None:
    with ThreadPoolExecutor(1) as old, Runtime(fixed("1")):
        assert in_thread(lambda: number("x")) == 1
        assert old.submit(number, "x").result(60) == 1  # a pool's threads begin with its first task
        with Runtime(fixed("2")):
            assert in_thread(lambda: in_thread(lambda: number("x"))) == 2  # a thread of a thread
            with pytest.raises(NoRuntime, match=SEVERAL):
                old.submit(number, "x").result(60)  # begun in the outer, called in the inner
            assert old.submit(copy_context().run, number, "x").result(60) == 2
            assert asyncio.run(asyncio.to_thread(number, "x")) == 2
        assert old.submit(number, "x").result(60) == 1


def test_two_threads_with_blocks_of_their_own_do_not_answer_for_each_other() -> None:
    with elsewhere(fixed("1")) as one, elsewhere(fixed("2")) as two:
        assert one.submit(number, "x").result(60) == 1
        with pytest.raises(NoRuntime, match=SEVERAL):  # begun when both were open, by whom can't be known
            two.submit(number, "x").result(60)
        with pytest.raises(NoRuntime, match=SEVERAL):
            in_thread(lambda: number("x"))  # begun when both were open


def test_a_task_outside_of_a_block_in_another_task_is_outside_of_it() -> None:
    async def inside(entered: asyncio.Event, leave: asyncio.Event) -> int:
        with Runtime(fixed("3")):
            entered.set()
            await leave.wait()
            return await number.aio("x")

    async def main() -> int:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(inside(entered, leave))
        await entered.wait()
        with pytest.raises(NoRuntime, match=OUTSIDE):
            await number.aio("x")
        leave.set()
        return await task

    assert asyncio.run(main()) == 3


def test_a_block_left_in_another_context_ends_as_well() -> None:
    runtime = Runtime(fixed("4"))
    copy_context().run(runtime.__enter__)
    runtime.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="was closed"):
        number.using(runtime=runtime)("x")
    assert not entered


def test_a_callback_of_a_future_calls_the_runtime_of_its_call() -> None:
    said: list[int] = []
    told = threading.Event()

    def end(last: Future[int]) -> None:
        said.append(last.result())
        told.set()

    def go_on(future: Future[int]) -> None:
        said.append(future.result())
        number.submit("y").add_done_callback(end)

    with Runtime(fixed("1")):
        number.submit("x").result()  # the thread that carries calls has begun
    with Runtime(fixed("2")):
        number.submit("x").add_done_callback(go_on)
        assert told.wait(60)
    assert said == [2, 2]


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
NO_TYPES: list[Any] = [
    (json.dumps(SCHEMA), r"not the text .*give json\.loads\(text\)"),
    (
        ["yes", "no"],
        r"not a list of texts; for one of them write Literal\['yes', 'no'\], or Annotated\[str, OneOf\(names\)\]",
    ),
    (("a", "b", "c", "d"), r"Literal\['a', 'b', \.\.\.\]"),
]


@pytest.mark.parametrize("prompt", ["a", ["a", "b"]], ids=["one", "several"])
@pytest.mark.parametrize(("given", "said"), NO_TYPES)
def test_what_other_libraries_take_for_a_type_is_refused_with_the_type_to_write(
    prompt: Any, given: Any, said: str
) -> None:
    engine = ScriptedEngine()
    with Runtime(engine) as runtime, pytest.raises(PromptUsageError, match=said):
        runtime.generate(prompt, output_type=given)
    assert not engine.requests


def test_a_list_of_types_is_for_a_list_of_prompts() -> None:
    wrong: Any = [int, str]
    with Runtime(ScriptedEngine()) as runtime, pytest.raises(PromptUsageError, match=r"write a union, A \| B"):
        runtime.generate("a", output_type=wrong)


def test_what_generate_sends_can_be_seen_without_an_engine() -> None:
    engine = ScriptedEngine(answers=lambda _: "[1]")
    with Runtime(engine, describe_format="In brackets: {{ format }}") as runtime:
        seen = runtime.render([system("Count."), user("Which?")], output_type=list[int], temperature=0)
        assert not runtime.loaded
        runtime.generate([system("Count."), user("Which?")], output_type=list[int], temperature=0)
        assert engine.requests[0].prompt == seen == (system("Count.\n\nIn brackets: [integer, ...]"), user("Which?"))
        assert runtime.render(raw("<s>"), output_type=int) == raw("<s>")
        several: Any = ["a", "b"]
        unknown: Any = {"temprature": 1}
        with pytest.raises(PromptUsageError, match=r"render\(\) takes one prompt"):
            runtime.render(several)
        with pytest.raises(PromptUsageError, match="there is no option 'temprature'"):
            runtime.render("a", **unknown)
