"""Calls that go on by themselves: `submit`, `aio` and `future`. Each promise of their docstrings is a test here."""
# Without its mypy plugin, and under pyright, returns leaves types open:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportPrivateUsage=false

import asyncio
import gc
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from concurrent.futures import wait as wait_for
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator
from returns.future import FutureResult
from returns.io import IOFailure, IOResult, IOSuccess
from returns.iterables import Fold
from returns.pipeline import flow
from returns.pointfree import bind
from returns.result import Result, Success

from typefold import (
    BadInput,
    Cancelled,
    Invalid,
    NoRuntime,
    PromptError,
    PromptUsageError,
    Runtime,
    ask,
    prompt,
    run,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

MakeEngine = Callable[[int, Answers], ScriptedEngine]


def echo(request: Request) -> str:
    """The number that the prompt ends with, plus one; three digits long."""
    return f"{int(_text(request).split()[-1]) + 1:3}".replace(" ", "1")


def _text(request: Request) -> str:
    return request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content


@prompt(describe_format=False)
def plus_one(number: int) -> int:
    return ask(f"One more than {number}")


@prompt(describe_format=False)
def plus_one_last(number: int) -> int:
    return ask(f"At last, one more than {number}")


@prompt(describe_format=False)
def for_ever(number: int) -> str:
    return ask(f"Write {number} books")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(answers=echo)


@pytest.fixture
def endless() -> Iterator[Runtime]:
    """A runtime that is never done with an answer."""
    engine = ScriptedEngine(answers=lambda request: "x" * 10**5, max_model_len=10**6, step_seconds=0.001)
    with Runtime(engine) as runtime:
        yield runtime


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes to be true."""
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.001)
    return holds()


# --- submit ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_submit_gives_a_standard_future_of_the_value() -> None:
    future = plus_one.submit(100)
    assert isinstance(future, Future)
    assert future.result() == future.result(timeout=1) == 101
    assert future.exception() is None
    futures = {plus_one.submit(number): number for number in range(100, 120)}
    assert {done.result(): futures[done] for done in as_completed(futures)} == {n + 1: n for n in range(100, 120)}


def test_submitted_calls_share_one_batch(lockstep: MakeEngine) -> None:
    engine = lockstep(32, echo)
    with Runtime(engine):
        futures = [plus_one_last.submit(number) for number in range(100, 132)]
        assert [future.result() for future in futures] == list(range(101, 133))
    assert engine.steps == 4  # three digits and an end


def test_cancelling_a_future_withdraws_its_request(endless: Runtime) -> None:
    future, other = for_ever.submit(1), for_ever.submit(2)
    assert soon(lambda: endless.stats.running == 2)
    assert future.cancel()
    assert soon(lambda: endless.stats.running == 1)
    assert wait_for([future], timeout=20).done == {future}  # whoever waits for it is told
    with pytest.raises(CancelledError):
        future.result()
    assert not other.done()
    other.cancel()
    assert soon(lambda: endless.stats.running == 0)


def test_a_future_cancelled_at_once_never_reaches_the_engine(engine: ScriptedEngine, runtime: Runtime) -> None:
    for number in range(50):
        future = plus_one.submit(number)
        assert future.cancel() or future.done()
    assert plus_one(1) == 112
    assert soon(lambda: runtime.stats.running == 0)


def test_waiting_for_a_future_may_end_before_the_call_does(endless: Runtime) -> None:
    future = for_ever.submit(1)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.01)
    with pytest.raises(TimeoutError):
        future.exception(timeout=0)
    assert not future.done()
    future.cancel()


@pytest.mark.usefixtures("runtime")
def test_what_becomes_of_the_row_is_told_by_the_future_and_misuse_at_once() -> None:
    @prompt
    def fails(text: str) -> int:
        raise LookupError(text)

    @prompt
    def nests(text: str) -> int:
        plus_one.submit(1)
        return ask(text)

    future = fails.submit("gone")
    with pytest.raises(BadInput, match="LookupError: gone"):
        future.result()
    assert isinstance(future.exception(), BadInput)
    with pytest.raises(TypeError, match="missing a required argument: 'number'"):
        plus_one.submit()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(PromptUsageError, match="nests: its body calls the prompt plus_one"):
        nests("x")


def test_a_bad_answer_is_the_futures_exception_and_no_other_futures() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "nonsense" if "7" in _text(request) else echo(request))):
        good, bad = plus_one.submit(100), plus_one.submit(7)
        assert good.result() == 101
        error = bad.exception()
    assert isinstance(error, Invalid)
    assert str(error).startswith("plus_one: ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_without_a_runtime_nothing_is_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    with pytest.raises(NoRuntime):
        plus_one.submit(1)


def test_a_runtime_closed_meanwhile_cancels_the_calls(endless: Runtime) -> None:
    future = for_ever.submit(1)
    assert soon(lambda: endless.stats.running == 1)
    endless.close()
    assert isinstance(future.exception(timeout=20), Cancelled)


place: ContextVar[str] = ContextVar("place", default="nowhere")
seen: list[tuple[str, str]] = []


def _see(number: int) -> int:
    seen.append((threading.current_thread().name, place.get()))
    return number


def test_validators_run_in_typefolds_own_thread_in_the_callers_context(runtime: Runtime) -> None:
    @prompt(describe_format=False)
    def looked_at(number: int) -> Annotated[int, AfterValidator(_see)]:
        return ask(f"One more than {number}")

    place.set("here")
    seen.clear()
    assert looked_at.submit(100).result() == 101
    assert seen == [("typefold-calls", "here")]


def _more(number: int) -> int:
    return plus_one.submit(number).result() if number < 105 else number


def test_a_validator_may_wait_for_calls_of_its_own(runtime: Runtime) -> None:
    @prompt(describe_format=False)
    def climbing(number: int) -> Annotated[int, AfterValidator(_more)]:
        return ask(f"One more than {number}")

    futures = [climbing.submit(number) for number in range(100, 110)]
    expected = [102, 103, 104, 105, 105, 106, 107, 108, 109, 110]
    assert [future.result(timeout=20) for future in futures] == expected


def test_follow_up_requests_of_a_call_are_sent_by_it_too() -> None:
    answers = {"One more than 1": "nonsense"}

    def answer(request: Request) -> str:
        return answers.get(_text(request), "2")

    with Runtime(ScriptedEngine(answers=answer)):
        assert plus_one.using(retries=1).submit(1).result(timeout=20) == 2


def test_what_is_no_error_of_a_row_reaches_whoever_waits(runtime: Runtime) -> None:
    class Stop(KeyboardInterrupt):
        pass

    def broken(number: int) -> int:
        raise Stop

    @prompt(describe_format=False)
    def checked(number: int) -> Annotated[int, AfterValidator(broken)]:
        return ask(f"One more than {number}")

    with pytest.raises(Stop):
        checked.submit(1).result(timeout=20)
    assert plus_one.submit(100).result(timeout=20) == 101  # the thread goes on


# --- submit in rows --------------------------------------------------------------------------------------------------


def test_waiting_for_a_future_in_a_row_lets_the_other_rows_go_on(lockstep: MakeEngine) -> None:
    def program(number: int) -> int:
        return plus_one_last.submit(plus_one.submit(number).result()).result()

    engine = lockstep(20, echo)
    with Runtime(engine):
        assert run(program, range(100, 120)) == list(range(102, 122))
    assert engine.steps == 8


def test_a_wait_in_a_row_may_end_before_the_call_does(endless: Runtime) -> None:
    def program(number: int) -> str:
        future = for_ever.submit(number)
        try:
            future.result(timeout=0.05)
        except TimeoutError:
            future.cancel()
            return "late"
        return "in time"

    assert run(program, range(20)) == ["late"] * 20
    assert soon(lambda: endless.stats.running == 0)


def test_a_row_that_is_ended_withdraws_what_it_submitted(endless: Runtime) -> None:
    def program(number: int) -> str:
        if number == 0:
            return "first"
        futures = [for_ever.submit(number), for_ever.submit(number)]
        return "".join(future.result() for future in futures)

    rows = run.stream(program, [1, 2, 0], max_rows_in_flight=3)
    assert next(rows) == (2, Success("first"))
    assert soon(lambda: endless.stats.running == 4)
    rows.close()
    assert soon(lambda: endless.stats.running == 0)


def test_a_runtime_closed_under_rows_that_wait_for_futures_ends_them(endless: Runtime) -> None:
    def program(number: int) -> str:
        try:
            if number == 3:
                return f"swallowed {for_ever.safe.submit(number).result()}"
            return for_ever.submit(number).result()
        except PromptError:
            return "swallowed"

    with ThreadPoolExecutor(1) as pool:
        outcome: Future[list[Result[str, Exception]]] = pool.submit(run.safe, program, [1, 2, 3])
        assert soon(lambda: endless.stats.running == 3)
        endless.close()
        results = outcome.result(timeout=20)
    assert [type(result.failure()) for result in results] == [Cancelled, Cancelled, Cancelled]


# --- aio -------------------------------------------------------------------------------------------------------------


def test_what_is_awaited_together_shares_a_batch(lockstep: MakeEngine) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(plus_one_last.aio(number) for number in range(100, 132)))

    engine = lockstep(32, echo)
    with Runtime(engine):
        assert asyncio.run(main()) == list(range(101, 133))
    assert engine.steps == 4


def test_cancelling_a_task_withdraws_its_request(endless: Runtime) -> None:
    async def main() -> None:
        task = asyncio.create_task(for_ever.aio(1))
        while endless.stats.running != 1:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(for_ever.aio(2), timeout=0.05)

    asyncio.run(main())
    assert soon(lambda: endless.stats.running == 0)


@pytest.mark.usefixtures("runtime")
def test_awaiting_raises_what_the_call_ended_in() -> None:
    @prompt
    def fails(text: str) -> int:
        raise LookupError(text)

    with pytest.raises(BadInput):
        asyncio.run(fails.aio("gone"))
    with pytest.raises(TypeError, match="missing a required argument"):
        asyncio.run(plus_one.aio())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- future ----------------------------------------------------------------------------------------------------------


async def awaited(future: FutureResult[int, PromptError]) -> IOResult[int, PromptError]:
    return await future


@pytest.mark.usefixtures("runtime")
def test_a_future_result_holds_the_value_and_is_awaited_as_often_as_you_like() -> None:
    future = plus_one.future(100)
    assert asyncio.run(awaited(future)) == IOSuccess(101)
    assert asyncio.run(awaited(future)) == IOSuccess(101)  # in another loop

    async def twice(future: FutureResult[int, PromptError]) -> list[IOResult[int, PromptError]]:
        return list(await asyncio.gather(awaited(future), awaited(future)))

    assert asyncio.run(twice(plus_one.future(100))) == [IOSuccess(101)] * 2


@pytest.mark.usefixtures("runtime")
def test_a_future_result_raises_nothing_for_a_row() -> None:
    @prompt
    def fails(text: str) -> int:
        raise LookupError(text)

    failed = asyncio.run(awaited(fails.future("gone")))
    assert isinstance(failed, IOFailure)
    assert isinstance(failed.failure()._inner_value, BadInput)


def test_fold_collect_over_futures_is_one_batch(lockstep: MakeEngine) -> None:
    async def main() -> IOResult[tuple[int, ...], PromptError]:
        futures = [plus_one_last.future(number) for number in range(100, 132)]
        empty: Any = FutureResult.from_value(())
        collected: Any = Fold.collect(futures, empty)
        return await collected  # type: ignore[no-any-return]

    engine = lockstep(32, echo)
    with Runtime(engine):
        assert asyncio.run(main()) == IOSuccess(tuple(range(101, 133)))
    assert engine.steps == 4


def test_chains_by_bind_and_flow_that_are_gathered_are_one_batch(lockstep: MakeEngine) -> None:
    async def main() -> Any:
        bound: list[Any] = [plus_one.future(number).bind(plus_one_last.future) for number in range(100, 116)]
        then: Any = bind(plus_one_last.future)
        flowing: list[Any] = [flow(number, plus_one.future, then) for number in range(116, 132)]
        empty: Any = IOSuccess(())
        return Fold.collect(await asyncio.gather(*bound, *flowing), empty)

    engine = lockstep(32, echo)
    with Runtime(engine):
        assert asyncio.run(main()) == IOSuccess(tuple(range(102, 134)))
    assert engine.steps == 8  # two calls one after the other, not thirty-two


def test_a_chain_goes_on_without_waiting_for_the_others(lockstep: MakeEngine) -> None:
    @prompt
    def write(length: int) -> str:
        return ask(f"Write {length}")

    @prompt
    def rewrite(text: str, length: int) -> str:
        return ask(f"At last, {text[:1]} {length}")

    async def main() -> None:
        one = write.future(30).bind(lambda text: rewrite.future(text, 2))
        other = write.future(2).bind(lambda text: rewrite.future(text, 30))
        await asyncio.gather(one, other)

    engine = lockstep(2, lambda request: "x" * int(_text(request).split()[-1]))
    with Runtime(engine):
        asyncio.run(main())
    assert engine.steps == 34  # 32 characters and two ends, as each chain has; by levels it would be 62


def test_the_last_task_to_give_up_a_future_withdraws_its_request(endless: Runtime) -> None:
    async def main() -> None:
        future = for_ever.future(1)

        async def hear() -> object:
            return await future

        one, other = asyncio.create_task(hear()), asyncio.create_task(hear())
        while endless.stats.running != 1:
            await asyncio.sleep(0.001)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        await asyncio.sleep(0.02)
        assert endless.stats.running == 1
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other

    asyncio.run(main())
    assert soon(lambda: endless.stats.running == 0)


def test_a_future_that_is_dropped_goes_on_without_a_word(engine: ScriptedEngine, runtime: Runtime) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plus_one.future(100)
        plus_one.submit(101)
        gc.collect()
    assert soon(lambda: runtime.stats.succeeded == 2)
