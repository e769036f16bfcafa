"""`run`: plain programs over many rows, as one batch. Each promise of its docstrings is a test here."""

import asyncio
import contextvars
import functools
import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Literal

import pytest
from returns.result import Failure, Result, Success

from typefold import BatchError, Cancelled, Invalid, PromptError, PromptUsageError, Runtime, ask, prompt, run
from typefold.execution.greenlets import Parked, RowCancelled
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

MakeEngine = Callable[[int, Answers], ScriptedEngine]


def echo(request: Request) -> str:
    """The number that the prompt ends with, plus one."""
    text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
    return str(int(text.split("\n")[0].split()[-1]) + 1)


@prompt(describe_format=False)
def plus_one(number: int) -> int:
    return ask(f"One more than {number}")


@prompt(describe_format=False)
async def plus_one_async(number: int) -> int:
    return ask(f"One more than {number}")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(answers=echo)


def thrice(number: int) -> int:
    for _ in range(3):
        number = plus_one(number)
    return number


@pytest.mark.usefixtures("runtime")
def test_rows_of_three_calls_each_come_back_in_order() -> None:
    assert run(thrice, range(100)) == [number + 3 for number in range(100)]


def test_many_rows_take_the_engine_steps_of_one(lockstep: MakeEngine) -> None:
    one, many = lockstep(1, echo), lockstep(50, echo)
    with Runtime(one):
        run(thrice, [10])
    with Runtime(many):
        run(thrice, [10] * 50)
    assert many.steps == one.steps == 3 * 3  # two digits and an end, thrice


@pytest.mark.usefixtures("runtime")
def test_loops_conditions_recursion_and_comprehensions_behave_as_in_a_plain_call() -> None:
    def climb(number: int) -> list[int]:
        if number >= 5:
            return [number]
        return [number, *climb(plus_one(number))]

    def program(number: int) -> tuple[list[int], int]:
        return climb(number), sum(plus_one(each) for each in range(number) if each % 2)

    assert run(program, [3, 4]) == [([3, 4, 5], 2), ([4, 5], 6)] == [program(3), program(4)]


@pytest.mark.usefixtures("runtime")
def test_with_blocks_and_libraries_that_call_prompts_behave_as_in_a_plain_call() -> None:
    entered: list[str] = []

    @contextmanager
    def block(name: str) -> Generator[int]:
        entered.append(f"into {name}")
        try:
            yield plus_one(len(name))
        finally:
            entered.append(f"out of {name} at {plus_one(1)}")

    def program(number: int) -> tuple[int, list[int], int, int]:
        with ExitStack() as stack, block(str(number)) as inner:
            stack.callback(plus_one, 3)
            together = sorted([3, 1, 2], key=lambda each: -plus_one(each))
            total = functools.reduce(lambda one, other: plus_one(one + other), [1, 2, number])
            return inner, together, total, next(map(plus_one, itertools.count(number)))

    rows = run(program, range(5))
    assert rows == [(2, [3, 2, 1], 5 + number, number + 1) for number in range(5)]
    in_batch = sorted(entered)
    entered.clear()
    assert rows == [program(number) for number in range(5)]
    assert in_batch == sorted(entered)


@pytest.mark.usefixtures("runtime")
def test_an_exception_of_whoever_reads_a_stream_ends_its_rows_and_leaves_the_runtime_usable(runtime: Runtime) -> None:
    ended: list[int] = []

    def program(number: int) -> int:
        try:
            return thrice(number)
        finally:
            ended.append(number)

    def read() -> None:
        for _ in run.stream(program, range(100), max_rows_in_flight=10):
            raise RuntimeError("of the reader")

    with pytest.raises(RuntimeError, match="of the reader"):
        read()
    gc.collect()
    assert len(ended) in (10, 11)
    assert run(thrice, [1]) == [4]
    assert runtime.stats.running == 0


def test_a_row_catches_its_own_prompt_error_and_no_other_row_sees_it() -> None:
    def answer(request: Request) -> str:
        return "nonsense" if "7" in str(request.prompt) else echo(request)

    def program(number: int) -> int:
        try:
            return plus_one(number)
        except Invalid as error:
            assert error.row == number
            return -1

    with Runtime(ScriptedEngine(answers=answer)):
        assert run(program, range(10)) == [1, 2, 3, 4, 5, 6, 7, -1, 9, 10]


@pytest.mark.usefixtures("runtime")
def test_all_rows_end_before_the_batch_error_and_it_holds_every_result() -> None:
    def program(number: int) -> int:
        if number == 1:
            raise KeyError("lost")
        return plus_one(number)

    with pytest.raises(BatchError, match=r"1 of 3 rows failed(.|\n)*row 1: KeyError: 'lost'") as caught:
        run(program, range(3))
    first, second, third = caught.value.results
    assert (first, third) == (Success(1), Success(3))
    assert isinstance(second.failure(), KeyError)
    results = run.safe(program, range(3))
    assert [type(result) for result in results] == [Success, Failure, Success]


@pytest.mark.usefixtures("runtime")
def test_context_variables_are_a_rows_own() -> None:
    place: contextvars.ContextVar[int] = contextvars.ContextVar("place", default=-1)
    place.set(99)

    def program(number: int) -> tuple[int, int]:
        before = place.get()
        place.set(number)
        plus_one(number)
        return before, place.get()

    assert run(program, range(5)) == [(99, number) for number in range(5)]
    assert run(program, range(5), max_rows_in_flight=1) == [(99, number) for number in range(5)]
    assert place.get() == 99


@pytest.mark.usefixtures("runtime")
def test_a_row_leaves_nothing_to_the_next_in_its_greenlet_and_nothing_in_memory() -> None:
    class Thing:
        pass

    seen: list[weakref.ref[Thing]] = []

    def program(number: int) -> int:
        thing = Thing()
        seen.append(weakref.ref(thing))
        assert sys.exc_info() == (None, None, None)
        plus_one(number)
        if number % 2:
            raise ValueError(number)
        return number

    stream = run.stream(program, range(100), max_rows_in_flight=2)
    for index, result in stream:
        assert isinstance(result, Failure) == bool(index % 2)
        del result
        assert len([ref for ref in seen if ref() is not None]) <= 4
    gc.collect()
    assert all(ref() is None for ref in seen)


@pytest.mark.usefixtures("runtime")
def test_a_run_leaves_no_greenlet_behind() -> None:
    run(thrice, range(20), max_rows_in_flight=4)
    stream = run.stream(thrice, range(20), max_rows_in_flight=4)
    next(stream)
    stream.close()
    del stream
    gc.collect()
    assert [each for each in gc.get_objects() if isinstance(each, Parked) and not each.dead and not each.left] == []


@pytest.mark.usefixtures("runtime")
def test_a_runs_rows_are_taken_from_the_input_only_as_others_end() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    stream = run.stream(thrice, numbers(), max_rows_in_flight=8)
    done = [next(stream) for _ in range(40)]
    assert len(taken) <= 40 + 8
    assert all(result == Success(index + 3) for index, result in done)
    stream.close()


@pytest.mark.parametrize("rows", [500, pytest.param(1_000_000, marks=pytest.mark.prove)])
def test_memory_holds_the_rows_in_flight_and_not_those_of_the_job(rows: int) -> None:
    """No row's input outlives its result, however many there are."""

    class Row:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.add(self)

    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0
    with Runtime(ScriptedEngine(answers=lambda request: "1"), deduplicate=False) as runtime:
        stream = run.stream(lambda row: plus_one(row.number % 7), map(Row, range(rows)), max_rows_in_flight=16)
        for done, (_, result) in enumerate(stream, 1):
            assert result == Success(1)
            if done % 50 == 0:
                most = max(most, len(alive))
        assert runtime.stats.succeeded == rows
    assert most <= 16 + 1  # the one that is being begun


@pytest.mark.usefixtures("runtime")
def test_closing_a_stream_ends_its_rows_and_withdraws_what_they_asked(runtime: Runtime) -> None:
    ended: list[int] = []

    def program(number: int) -> int:
        try:
            return thrice(number)
        finally:
            ended.append(number)

    stream = run.stream(program, range(100), max_rows_in_flight=10)
    next(stream)
    stream.close()
    assert len(ended) in (10, 11)
    assert run(thrice, [1]) == [4]
    assert runtime.stats.running == 0


@pytest.mark.usefixtures("runtime")
def test_a_cancelled_row_can_neither_swallow_it_nor_ask_again() -> None:
    heard: list[type[BaseException]] = []

    def stubborn(number: int) -> int:
        try:
            return thrice(number)
        except PromptError:
            heard.append(PromptError)
            return 0
        finally:
            try:
                plus_one(1)
            except BaseException as error:
                heard.append(type(error))

    stream = run.stream(stubborn, [1, 2], max_rows_in_flight=2)
    stream_rows = iter(stream)
    next(stream_rows)
    stream.close()
    assert PromptError not in heard
    assert heard in ([RowCancelled], [])


def test_maps_and_runs_inside_rows_join_the_same_batch(assembled: MakeEngine) -> None:
    def inner(number: int) -> list[int]:
        return plus_one.map([number, number + 1]) + run(thrice, [number])

    with Runtime(assembled(60, echo)):  # the two calls of each row's map
        assert run(inner, range(10, 40)) == [[n + 1, n + 2, n + 3] for n in range(10, 40)]

    def other(number: int) -> list[int]:
        return run(thrice, [number])

    with Runtime(assembled(30, echo)):
        assert run(other, range(10, 40)) == [[n + 3] for n in range(10, 40)]


def test_async_programs_run_on_a_loop_of_their_own_in_one_batch(assembled: MakeEngine) -> None:
    async def program(number: int) -> list[int]:
        first, second = await asyncio.gather(plus_one_async(number), plus_one_async(number + 1))
        return [first, second, *await plus_one_async.map([second])]

    expected = [[n + 1, n + 2, n + 3] for n in range(10, 40)]
    with Runtime(assembled(60, echo)):  # two calls of each of the thirty rows
        assert run(program, range(10, 40)) == expected


@pytest.mark.usefixtures("runtime")
def test_async_programs_run_where_a_loop_is_running_already() -> None:
    async def program(number: int) -> list[int]:
        return [await plus_one_async(number), *await plus_one_async.map([number + 1])]

    expected = [[n + 1, n + 2] for n in range(10, 40)]

    async def outside() -> list[list[int]]:
        return run(program, range(10, 40))  # a loop is running in this thread already, as in a notebook

    assert asyncio.run(outside()) == expected
    assert run(lambda numbers: run(program, numbers), [[10], [11]]) == [[expected[0]], [expected[1]]]


@pytest.mark.usefixtures("runtime")
def test_an_async_row_that_fails_fails_alone_and_closing_ends_the_others() -> None:
    ended: list[int] = []

    async def program(number: int) -> int:
        try:
            if number == 1:
                raise ValueError("no")
            return await plus_one_async(number)
        finally:
            ended.append(number)

    good, bad = run.safe(program, [0, 1])
    assert good == Success(1)
    assert isinstance(bad.failure(), ValueError)
    stream = run.stream(program, range(50), max_rows_in_flight=5)
    next(stream)
    stream.close()
    assert "typefold-rows" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("runtime")
def test_rows_without_a_prompt_and_no_rows_at_all_need_no_engine() -> None:
    assert run(lambda text: text.upper(), ["a", "b"]) == ["A", "B"]
    assert run(thrice, []) == []


@pytest.mark.usefixtures("runtime")
def test_prompts_in_a_rows_thread_pool_work_too() -> None:
    def program(number: int) -> list[int]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(plus_one, [number, number + 1]))

    assert run(program, range(5)) == [[n + 1, n + 2] for n in range(5)]


@pytest.mark.usefixtures("runtime")
def test_ctrl_c_in_a_row_ends_the_run_and_leaves_the_runtime_usable(runtime: Runtime) -> None:
    def program(number: int) -> int:
        value = plus_one(number)
        if number == 3:
            raise KeyboardInterrupt
        return value

    with pytest.raises(KeyboardInterrupt):
        run(program, range(50))
    assert plus_one(1) == 2
    assert runtime.stats.running == 0


def test_a_runtime_closed_under_a_run_cancels_its_rows() -> None:
    started = threading.Event()

    def answer(request: Request) -> str:
        started.set()
        return "1" * 10_000

    def program(number: int) -> int:
        try:
            return plus_one(number)
        except PromptError:
            return -1

    runtime = Runtime(ScriptedEngine(answers=answer, max_model_len=100_000))
    with runtime, ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(run.safe, program, [1, 2])
        started.wait()
        runtime.close()
        results: list[Result[int, Exception]] = outcome.result()
    assert [type(result.failure()) for result in results] == [Cancelled, Cancelled]


def test_a_function_that_hands_out_a_coroutine_is_refused() -> None:
    async def program(number: int) -> int:
        return number

    with pytest.raises(PromptUsageError, match="give run the `async def` function itself"):
        run.safe(lambda number: program(number), [1])
    with pytest.raises(PromptUsageError, match="max_rows_in_flight is a number of rows"):
        run(program, [1], max_rows_in_flight=0)


@pytest.mark.usefixtures("runtime")
def test_starmap_spreads_tuples() -> None:
    def program(left: int, right: str) -> str:
        return right * plus_one(left)

    assert run.starmap(program, [(1, "a"), (2, "b")]) == ["aa", "bbb"]


def test_a_prompt_itself_is_a_program() -> None:
    @prompt
    def judge(text: str) -> Literal["keep", "drop"]:
        return ask(text)

    with Runtime(ScriptedEngine(answers=lambda request: "keep")):
        assert run(judge, ["a", "b"]) == ["keep", "keep"]
