"""Deferred values and `gather`: each promise of their docstrings is a test here."""

import gc
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from returns.result import Failure, Success

from typefold import (
    BatchError,
    Cancelled,
    Deferred,
    InputFailed,
    Invalid,
    NoRuntime,
    PromptUsageError,
    Runtime,
    ask,
    gather,
    prompt,
    run,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

MakeEngine = Callable[[int, Answers], ScriptedEngine]


def _text(request: Request) -> str:
    return request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content


def answer(request: Request) -> str:
    """The sum of the numbers in the prompt and one; for texts, as many letters as the prompt's last word says."""
    words = _text(request).split()
    if words[0] == "Write":
        return "x" * int(words[-1])
    if words[0] == "Fail":
        return "nonsense"
    return str(sum(int(word) for word in words if word.isdigit()) + 1)


@prompt(describe_format=False)
def plus_one(number: int) -> int:
    return ask(f"One more than {number}")


@prompt(describe_format=False)
def add(left: int, right: int) -> int:
    return ask(f"{left} and {right} and one")


@prompt(describe_format=False)
def total(numbers: list[int]) -> int:
    return ask(" and ".join(map(str, numbers)))


@prompt(describe_format=False)
def fail(number: int) -> int:
    return ask(f"Fail at {number}")


@prompt(describe_format=False)
def write(length: int) -> str:
    return ask(f"Write {length}")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(answers=answer)


def asked(engine: ScriptedEngine) -> list[str]:
    """What was asked, in order."""
    return [_text(request) for request in engine.requests]


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_nothing_runs_before_a_value_is_asked_for_and_then_once(engine: ScriptedEngine) -> None:
    one = plus_one.defer(1)
    both = add.defer(one, one)
    assert engine.requests == []
    assert both.result() == 5
    assert (one.result(), both.result(), both.safe()) == (2, 5, Success(5))
    assert asked(engine) == ["One more than 1", "2 and 2 and one"]


@pytest.mark.usefixtures("runtime")
def test_arguments_are_values_or_deferred_by_place_or_by_name(engine: ScriptedEngine) -> None:
    one = plus_one.defer(number=1)
    assert add.defer(one, 5).result() == 8
    assert add.defer(5, right=7).result() == 13
    named = add.defer(left=5, right=one)  # type: ignore[call-overload]  # pyright: ignore  # by name, at run time only
    assert named.result() == 8


@pytest.mark.usefixtures("runtime")
def test_only_what_is_needed_is_worked_out(engine: ScriptedEngine) -> None:
    one, other = plus_one.defer(1), plus_one.defer(100)
    assert add.defer(one, 3).result() == 6
    assert repr(one) == "<Deferred plus_one: <Success: 2>>"
    assert repr(other) == "<Deferred plus_one: not worked out>"


@pytest.mark.usefixtures("runtime")
def test_then_applies_a_function_which_may_call_prompts(engine: ScriptedEngine) -> None:
    def again(number: int) -> tuple[int, list[int]]:
        return plus_one(number), plus_one.map([number, number])

    assert plus_one.defer(1).then(again).result() == (3, [3, 3])
    assert plus_one.defer(1).then(plus_one).then(str).result() == "3"


@pytest.mark.usefixtures("runtime")
def test_prompts_of_objects_and_with_options_are_deferred_too(engine: ScriptedEngine) -> None:
    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        @prompt(describe_format=False)
        def add(self, number: int) -> int:
            return ask(f"{self.number} and {number}")

    assert Adder(4).add.using(temperature=0).defer(plus_one.defer(1)).result() == 7


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_value_is_asked_for_as_soon_as_its_inputs_are_there(lockstep: MakeEngine) -> None:
    @prompt
    def rewrite(text: str, length: int) -> str:
        return ask(f"Write {text[:1]} at last {length}")

    engine = lockstep(2, answer)
    with Runtime(engine):
        gather(rewrite.defer(write.defer(30), 2), rewrite.defer(write.defer(2), 30))
    assert engine.steps == 34  # 32 characters and two ends, as each chain has; by levels it would be 62


def test_gathered_values_of_many_types_are_one_batch(lockstep: MakeEngine) -> None:
    @prompt(describe_format=False)
    def grade(number: int) -> Literal["last"]:
        return ask(f"Grade {number} at last")

    @prompt(describe_format=False)
    def last(number: int) -> int:
        return ask(f"One more than {number} at last")

    engine = lockstep(20, lambda request: "last" if _text(request).startswith("Grade") else answer(request))
    with Runtime(engine):
        grades = [grade.defer(plus_one.defer(number)) for number in range(10)]
        numbers = [last.defer(plus_one.defer(number)) for number in range(10)]
        assert gather([*grades, *numbers]) == ["last"] * 10 + list(range(2, 12))
    assert engine.steps < 12


def test_graphs_in_rows_join_the_batch_of_the_run(lockstep: MakeEngine) -> None:
    @prompt(describe_format=False)
    def last(number: int) -> int:
        return ask(f"{number:03} at last")

    def program(number: int) -> int:
        return last.defer(plus_one.defer(number)).result()

    engine = lockstep(20, lambda request: answer(request).rjust(3, "1"))
    with Runtime(engine):
        run(program, range(20))
    assert engine.steps == 8


@pytest.mark.usefixtures("runtime")
def test_rows_that_share_a_value_work_it_out_once(engine: ScriptedEngine) -> None:
    shared = plus_one.defer(1).then(plus_one)
    assert run(lambda number: add.defer(shared, number).result(), [10, 20, 30]) == [14, 24, 34]
    assert len(engine.requests) == 5


@pytest.mark.usefixtures("runtime")
def test_threads_that_share_values_work_each_out_once(engine: ScriptedEngine) -> None:
    shared = [plus_one.defer(number) for number in range(20)]
    runs: list[int] = []

    def note(number: int) -> int:
        runs.append(number)
        time.sleep(0.001)
        return number

    noted = [value.then(note) for value in shared]
    sums = [total.defer(gather.defer(noted)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Deferred[int].result, sums)) == [211] * 8
    assert sorted(runs) == list(range(1, 21))
    assert len(engine.requests) == 28


def test_diamonds_upon_diamonds_stay_linear(engine: ScriptedEngine, runtime: Runtime) -> None:
    value = plus_one.defer(0)
    for _ in range(60):  # 2 ** 60 ways from the top to the bottom
        value = value.then(lambda number: number).then(lambda number: number)
        value = gather.defer(value, value).then(lambda pair: pair[0])
    assert value.result() == 1
    assert len(engine.requests) == 1


def test_a_graph_may_be_ten_thousand_deep(engine: ScriptedEngine, runtime: Runtime) -> None:
    value = plus_one.defer(0)
    for index in range(10_000):
        value = plus_one.defer(value) if index % 20 == 0 else value.then(lambda number: number)
    assert value.result() == 501
    deep: Deferred[object] = fail.defer(0)
    for _ in range(10_000):
        deep = deep.then(lambda value: value)
    error = deep.safe().failure()
    assert isinstance(error, InputFailed)
    assert len(str(error)) < 300
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    never_run: Deferred[object] = plus_one.defer(0)
    for _ in range(50_000):
        never_run = never_run.then(lambda value: value)
    del never_run, deep, value
    gc.collect()


def test_a_graph_may_be_ten_thousand_wide(engine: ScriptedEngine, runtime: Runtime) -> None:
    numbers = [plus_one.defer(number) for number in range(5_000)]
    results = gather([*numbers, *(number.then(lambda value: -value) for number in numbers)])
    assert results == [*range(1, 5_001), *range(-1, -5_001, -1)]


def test_a_value_that_nobody_holds_is_let_go_as_soon_as_it_was_used(runtime: Runtime) -> None:
    class Big:
        pass

    alive: list[weakref.ref[Big]] = []
    most = 0

    def big(number: int) -> Big:
        nonlocal most
        value = Big()
        alive.append(weakref.ref(value))
        most = max(most, sum(each() is not None for each in alive))
        return value

    gather(plus_one.defer(number).then(big).then(lambda value: type(value).__name__) for number in range(50))
    assert most < 5


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_what_is_made_from_a_failure_fails_and_names_it(engine: ScriptedEngine) -> None:
    bad = fail.defer(1)
    middle = add.defer(bad, 1)
    end = plus_one.defer(middle)
    with pytest.raises(
        InputFailed, match=r"^plus_one: not run, since its input fail failed: fail: the answer failed"
    ) as e:
        end.result()
    error = middle.safe().failure()
    assert isinstance(error, InputFailed)
    assert (error.function, error.input, type(error.cause)) == ("add", "fail", Invalid)
    assert error.cause is e.value.cause is e.value.__cause__ is bad.safe().failure()
    with pytest.raises(Invalid):
        bad.result()
    assert asked(engine) == ["Fail at 1"]  # kept: a failure isn't tried again


@pytest.mark.usefixtures("runtime")
def test_what_a_function_raises_is_its_own_and_fails_what_is_made_from_it() -> None:
    def divide(number: int) -> float:
        return 1 / (number - 2)

    one = plus_one.defer(1).then(divide)
    with pytest.raises(ZeroDivisionError):
        one.result()
    with pytest.raises(InputFailed, match="str: not run, since its input divide failed: ZeroDivisionError"):
        one.then(str).result()


@pytest.mark.usefixtures("runtime")
def test_gather_raises_one_error_that_holds_every_result() -> None:
    good, bad = plus_one.defer(1), fail.defer(1)
    with pytest.raises(
        BatchError, match=r"2 of 4 rows failed(.|\n)*gather.safe(.|\n)*fail, row 1: (.|\n)*add, row 2: "
    ) as e:
        gather(good, bad, add.defer(good, bad), good)
    first, second, third, fourth = e.value.results
    assert (first, fourth) == (Success(2), Success(2))
    invalid, dependent, alone = second.failure(), third.failure(), bad.safe().failure()
    assert isinstance(invalid, Invalid) and invalid.row == 1
    assert isinstance(dependent, InputFailed) and dependent.row == 2
    assert isinstance(alone, Invalid) and alone.row is None


@pytest.mark.usefixtures("runtime")
def test_gather_gives_a_tuple_or_a_list_and_safe_the_results() -> None:
    one, two = plus_one.defer(0), plus_one.defer(1).then(str)
    assert gather(one, two) == (1, "2")
    assert gather([one, one]) == [1, 1]
    assert gather(value for value in [one, one]) == [1, 1]
    assert gather(*[one] * 10) == (1,) * 10
    assert (gather([]), gather()) == ([], ())
    assert gather.safe(one, two) == (Success(1), Success("2"))
    [result] = gather.safe([fail.defer(1)])
    assert isinstance(result, Failure)


@pytest.mark.usefixtures("runtime")
def test_gather_defer_makes_one_deferred_value_of_many() -> None:
    numbers = [plus_one.defer(number) for number in (1, 2, 3)]
    assert total.defer(gather.defer(numbers)).result() == 10
    assert gather.defer(numbers[0], numbers[1].then(str)).result() == (2, "3")
    with pytest.raises(InputFailed, match="gather: not run, since its input fail failed"):
        gather.defer([*numbers, fail.defer(1)]).result()


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_what_was_broken_off_is_begun_anew_by_the_next_who_asks(runtime: Runtime, engine: ScriptedEngine) -> None:
    impatient = True

    def function(number: int) -> int:
        nonlocal impatient
        if impatient:
            impatient = False
            raise KeyboardInterrupt
        return number

    one = plus_one.defer(1)
    stopped = one.then(function)
    many = [plus_one.defer(number) for number in range(100, 150)]
    with pytest.raises(KeyboardInterrupt):
        gather([stopped, *many])
    assert plus_one(1) == 2
    assert runtime.stats.running == 0
    assert repr(stopped) == "<Deferred function: not worked out>"
    assert gather([stopped, *many]) == [2, *range(101, 151)]
    assert asked(engine).count("One more than 1") == 2  # once for `one`, which was done, and once for the plain call


def test_a_thread_that_waits_takes_over_what_another_broke_off(engine: ScriptedEngine, runtime: Runtime) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Stop(BaseException):
        pass

    def function(number: int) -> int:
        if not entered.is_set():
            entered.set()
            leave.wait(20)
            raise Stop
        return number

    value = plus_one.defer(1).then(function)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(value.result)
        assert entered.wait(20)
        second = pool.submit(value.then(str).result)
        time.sleep(0.02)
        leave.set()
        assert isinstance(first.exception(timeout=20), Stop)
        assert second.result(timeout=20) == "2"


def test_a_run_that_is_left_withdraws_what_its_graphs_asked() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "x" * 10**5, max_model_len=10**6)) as runtime:
        value = write.defer(1)
        rows = run.stream(lambda number: value.result() if number else "", [1, 2, 0], max_rows_in_flight=3)
        assert next(rows) == (2, Success(""))
        rows.close()
        end = time.monotonic() + 20
        while runtime.stats.running and time.monotonic() < end:
            time.sleep(0.001)
        assert runtime.stats.running == 0
        assert repr(value) == "<Deferred write: not worked out>"


def test_a_runtime_closed_meanwhile_cancels_the_values() -> None:
    started = threading.Event()

    def endless(request: Request) -> str:
        started.set()
        return "x" * 10**5

    with Runtime(ScriptedEngine(answers=endless, max_model_len=10**6)) as runtime, ThreadPoolExecutor(1) as pool:
        value = write.defer(1)
        result = pool.submit(gather.safe, value, value.then(str))
        assert started.wait(20)
        runtime.close()
        cancelled, dependent = result.result(timeout=20)
    assert isinstance(cancelled.failure(), Cancelled)
    assert isinstance(dependent.failure(), InputFailed)


# --- misuse ----------------------------------------------------------------------------------------------------------


def test_without_a_runtime_it_is_said_at_once_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    one = plus_one.defer(1)
    value = one.then(plus_one)
    with pytest.raises(NoRuntime):
        value.safe()
    with Runtime(ScriptedEngine(answers=answer)):
        assert value.result() == 3


@pytest.mark.usefixtures("runtime")
def test_a_deferred_value_is_refused_where_a_value_is_due() -> None:
    one = plus_one.defer(1)
    with pytest.raises(PromptUsageError, match=r"add: an argument is a Deferred.*add\.defer\(\.\.\.\)"):
        add(one, 1)  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(PromptUsageError, match="an argument is a Deferred"):
        plus_one.map([one])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(PromptUsageError, match="can't be text of a prompt"):
        total([one])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(PromptUsageError, match=r"total\.defer: a list of deferred values .* gather\.defer"):
        total.defer([one, 2])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(PromptUsageError, match="neither true nor false"):
        bool(one)
    with pytest.raises(PromptUsageError, match=r"gather: item 1 is not a deferred value, but int"):
        gather(one, 3)  # type: ignore[call-overload]  # pyright: ignore
    with pytest.raises(TypeError, match="missing a required argument: 'right'"):
        add.defer(1)  # type: ignore[call-overload]  # pyright: ignore


@pytest.mark.usefixtures("runtime")
def test_a_body_is_no_place_for_graphs() -> None:
    one = plus_one.defer(1)
    uses: list[Callable[[], object]] = [
        lambda: plus_one.defer(2),
        lambda: one.then(str),
        one.result,
        one.safe,
        lambda: gather(one),
        lambda: gather.defer(one),
    ]
    for use in uses:

        @prompt
        def body(use: Callable[[], object]) -> str:
            use()
            return ask("x")

        with pytest.raises(PromptUsageError, match=r"body: its body uses .*a prompt's body makes its message"):
            body(use)


@pytest.mark.usefixtures("runtime")
def test_a_function_given_to_then_is_plain_and_gives_a_value() -> None:
    async def later(number: int) -> int:
        return number

    with pytest.raises(PromptUsageError, match="later returned a coroutine"):
        plus_one.defer(1).then(later).safe()
    with pytest.raises(PromptUsageError, match="returned a Deferred; inside it, call prompts plainly"):
        plus_one.defer(1).then(lambda number: plus_one.defer(number)).result()


@pytest.mark.usefixtures("runtime")
def test_a_value_that_waits_for_itself_is_found_out() -> None:
    values: dict[str, Deferred[int]] = {}

    def ask_for(name: str) -> Callable[[int], int]:
        return lambda number: plus_one.defer(number).result() + values[name].result()

    values["own"] = plus_one.defer(1).then(ask_for("own"))
    values["one"] = plus_one.defer(1).then(ask_for("other"))
    values["other"] = plus_one.defer(1).then(ask_for("one"))
    for name in ("own", "one"):
        with pytest.raises(PromptUsageError, match="waits for itself"):
            values[name].result()
    values["user"] = values["one"].then(str).then(int)
    values["one"] = plus_one.defer(1)
    assert plus_one.defer(1).then(ask_for("one")).result() == 5  # graphs in functions are fine where they end
