"""`await` of deferred values, and what is heard later of `async def` prompts."""
# Without its mypy plugin, and under pyright, returns leaves types open:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import gc
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from returns.future import FutureResult
from returns.io import IOSuccess
from returns.iterables import Fold
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


def answer(request: Request) -> str:
    """The sum of the numbers in the prompt and one."""
    assert not isinstance(request.prompt, str)
    words = request.prompt[-1].content.split()
    return "nonsense" if words[0] == "Fail" else str(sum(int(word) for word in words if word.isdigit()) + 1)


@prompt(describe_format=False)
async def plus_one(number: int) -> int:
    return ask(f"Add {number} and one")


@prompt(describe_format=False)
async def plus_one_last(number: int) -> int:
    return ask(f"At last add {number} and one")


@prompt(describe_format=False)
def added(one: int, other: int) -> int:
    return ask(f"Add {one} and {other} and one")


@prompt(describe_format=False)
async def failing(number: int) -> int:
    return ask(f"Fail at {number}")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(answers=answer, max_model_len=10**5)


@pytest.fixture
def endless() -> ScriptedEngine:
    """An engine that is never done with an answer."""
    return ScriptedEngine(answers=lambda request: "1" * 10**5, max_model_len=10**6, step_seconds=0.001)


# --- awaiting deferred values ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_a_deferred_value_is_awaited_with_all_that_it_is_made_from() -> None:
    async def main() -> tuple[int, int]:
        one = plus_one.defer(1)
        total = added.defer(one, one.then(lambda number: number * 10))
        return await total, await one

    assert asyncio.run(main()) == (23, 2)


@pytest.mark.usefixtures("runtime")
def test_the_loop_goes_on_meanwhile_and_all_is_done_in_its_thread() -> None:
    """The engine is not asked before the loop has gone on, so a wait that held it up would never end."""
    gone_on, threads = threading.Event(), list[int]()

    def waits(number: int) -> int:
        threads.append(threading.get_ident())
        return number + added(number, 1)

    async def main() -> int:
        value = asyncio.ensure_future(plus_one.defer(1).then(held).then(waits))
        await asyncio.sleep(0)
        gone_on.set()
        return await value

    def held(number: int) -> int:
        return later.submit(number).result()

    @prompt(describe_format=False)
    def later(number: int) -> int:
        return ask(f"Add {number}")

    engine = ScriptedEngine(answers=lambda request: (gone_on.wait(20), answer(request))[1])
    with Runtime(engine):
        assert asyncio.run(main()) == 3 + 5
    assert threads == [threading.get_ident()]


def test_values_that_are_awaited_together_are_one_batch(lockstep: MakeEngine) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(plus_one_last.defer(plus_one.defer(10 + k)) for k in range(8)))

    engine = lockstep(8, answer)
    with Runtime(engine):
        assert asyncio.run(main()) == [12 + k for k in range(8)]
    assert engine.steps == 3 + 3  # two digits and an end, twice


def test_what_values_that_are_awaited_together_share_is_done_once(engine: ScriptedEngine) -> None:
    async def main() -> list[int]:
        shared = plus_one.defer(1)
        return await asyncio.gather(*(added.defer(shared, k) for k in range(8)))

    with Runtime(engine):
        assert asyncio.run(main()) == [3 + k for k in range(8)]
    assert len(engine.requests) == 9


@pytest.mark.usefixtures("runtime")
def test_gather_defer_is_awaited_as_a_tuple_or_a_list() -> None:
    async def main() -> None:
        one = plus_one.defer(1)
        assert await gather.defer(one, one.then(str)) == (2, "2")
        assert await gather.defer([plus_one.defer(n) for n in range(3)]) == [1, 2, 3]

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
def test_awaiting_raises_what_the_value_ended_in() -> None:
    async def main() -> None:
        bad = failing.defer(1)
        with pytest.raises(Invalid, match="failing"):
            await bad
        with pytest.raises(InputFailed, match="failing"):
            await plus_one.defer(bad)
        with pytest.raises(ZeroDivisionError):
            await plus_one.defer(1).then(lambda number: number // 0)
        bad_after_good = asyncio.gather(plus_one.defer(3), bad, return_exceptions=True)
        good, error = await bad_after_good
        assert good == 4 and isinstance(error, Invalid)

    asyncio.run(main())


def test_without_a_runtime_awaiting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)

    async def main() -> int:
        return await plus_one.defer(1)

    with pytest.raises(NoRuntime):
        asyncio.run(main())


def test_cancelling_the_task_withdraws_what_was_asked_and_keeps_no_result(endless: ScriptedEngine) -> None:
    async def main() -> None:
        value = added.defer(plus_one.defer(1), plus_one.defer(2))
        task = asyncio.ensure_future(value)
        while runtime.stats.running != 2:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while runtime.stats.running:
            await asyncio.sleep(0.001)
        assert "not worked out" in repr(value)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(value, timeout=0.05)

    with Runtime(endless) as runtime:
        asyncio.run(main())
    gc.collect()


def test_a_runtime_that_is_closed_cancels_what_is_awaited(endless: ScriptedEngine) -> None:
    runtime = Runtime(endless)

    async def main() -> None:
        task = asyncio.ensure_future(plus_one.using(runtime=runtime).defer(1))
        while runtime.stats.running != 1:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(runtime.close)
        with pytest.raises(Cancelled):
            await task

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
def test_each_has_a_copy_of_its_tasks_context() -> None:
    setting = ContextVar("setting", default="none")

    def seen(number: int) -> str:
        before = setting.get()
        setting.set("changed inside")
        return before

    async def main() -> None:
        setting.set("task's")
        assert await plus_one.defer(1).then(seen) == "task's"
        assert setting.get() == "task's"

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
def test_rows_of_an_async_program_await_graphs() -> None:
    async def program(number: int) -> int:
        return await added.defer(plus_one.defer(number), await plus_one(number))

    assert run(program, range(3)) == [3, 5, 7]


# --- async prompts, heard later --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("runtime")
def test_async_prompts_are_submitted_deferred_and_made_futures_of() -> None:
    async def main() -> None:
        future = plus_one.submit(1)
        assert await asyncio.wrap_future(future) == 2
        deferred: Deferred[int] = plus_one.defer(plus_one.submit(3).result())
        assert await deferred == 5
        both: Any = Fold.collect([plus_one.future(1), plus_one.future(2)], FutureResult.from_value(()))
        assert await both == IOSuccess((2, 3))

    asyncio.run(main())
    assert plus_one.defer(plus_one.defer(number=1)).result() == 3  # in plain code too
    assert gather(plus_one.defer(1), added.defer(1, plus_one.defer(1))) == (2, 4)


@pytest.mark.usefixtures("runtime")
def test_async_prompts_have_starmap_and_safe() -> None:
    @prompt(describe_format=False)
    async def total(one: int, other: int) -> int:
        return ask(f"Add {one} and {other} and one")

    async def main() -> None:
        assert await total.starmap([(1, 2), (3, 4)]) == [4, 8]
        assert await plus_one.safe(1) == Success(2)
        assert await plus_one.safe.map([1, 2]) == [Success(2), Success(3)]
        assert await total.safe.starmap([(1, 2)]) == [Success(4)]
        failed = await failing.safe(1)
        assert isinstance(failed, Failure) and isinstance(failed.failure(), Invalid)
        with pytest.raises(BatchError):
            await failing.starmap([(1,)])

    asyncio.run(main())


def test_submitted_async_prompts_share_one_batch(lockstep: MakeEngine) -> None:
    engine = lockstep(32, answer)
    with Runtime(engine):
        futures: list[Any] = [plus_one_last.submit(number) for number in range(100, 132)]
        assert [future.result() for future in futures] == list(range(101, 133))
    assert engine.steps == 4


@pytest.mark.usefixtures("runtime")
def test_a_body_is_no_place_to_await_a_graph() -> None:
    @prompt
    async def nested(number: int) -> int:
        return ask(f"{await plus_one.defer(number)}")

    with pytest.raises(PromptUsageError, match=r"its body uses plus_one\.defer"):
        asyncio.run(nested(1))
