"""`run.aio`: rows in code of an event loop, which goes on meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from contextvars import ContextVar

import pytest
from returns.result import Failure, Success

from typefold import BatchError, PromptUsageError, Runtime, ask, prompt, run
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

MakeEngine = Callable[[int, Answers], ScriptedEngine]


def echo(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    return str(int(request.prompt[-1].content) + 1)


@prompt(describe_format=False)
def plus_one(number: int) -> int:
    return ask(str(number))


@prompt(describe_format=False)
async def plus_one_async(number: int) -> int:
    return ask(str(number))


def twice(number: int) -> int:
    return plus_one(plus_one(number))


async def twice_async(number: int) -> int:
    return await plus_one_async(await plus_one_async(number))


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(ScriptedEngine(answers=echo)) as runtime:
        yield runtime


@pytest.mark.parametrize("program", [twice, twice_async])
def test_its_rows_are_one_batch_in_order(program: Callable[[int], int], assembled: MakeEngine) -> None:
    with Runtime(assembled(30, echo)):
        assert asyncio.run(run.aio(program, range(30))) == [number + 2 for number in range(30)]


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("program", [twice, twice_async])
def test_the_loop_goes_on_meanwhile(program: Callable[[int], int]) -> None:
    async def main() -> None:
        done = asyncio.Event()
        turns = 0

        async def other() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.ensure_future(other())
        first, second = await asyncio.gather(run.aio(program, range(20)), run.aio(program, range(20, 40)))
        done.set()
        await beside
        assert first + second == [number + 2 for number in range(40)]
        assert turns > 1

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
def test_rows_share_what_belongs_to_the_loop_and_its_thread() -> None:
    setting: ContextVar[int] = ContextVar("setting")

    async def main() -> None:
        lock = asyncio.Semaphore(3)
        loop = asyncio.get_running_loop()
        setting.set(5)

        async def program(number: int) -> int:
            assert asyncio.get_running_loop() is loop
            async with lock:
                return await plus_one_async(number) + setting.get()

        def plain(number: int) -> int:
            assert threading.current_thread() is threading.main_thread()
            return plus_one(number) + setting.get()

        expected = [number + 6 for number in range(20)]
        assert await run.aio(program, range(20)) == await run.aio(plain, range(20)) == expected
        assert await run.aio(plus_one_async, [1]) == await run.aio(plus_one, [1]) == [2]

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("is_async", [False, True])
def test_failures_stay_in_their_rows(is_async: bool) -> None:
    def picky(number: int) -> int:
        return twice(number) if number != 3 else int("x")

    async def picky_async(number: int) -> int:
        return picky(number) if number == 3 else await twice_async(number)

    async def main() -> None:
        program = picky_async if is_async else picky
        results = await run.aio.safe(program, range(6))
        assert [type(each) for each in results] == [Success, Success, Success, Failure, Success, Success]
        with pytest.raises(BatchError) as raised:
            await run.aio(program, range(6))
        assert len(raised.value.results) == 6
        with pytest.raises(BatchError):
            await run.aio.safe(program, [3] * 50, max_failures=2)
        found = {index: result async for index, result in run.aio.stream(program, range(6))}
        assert {index: result.value_or(None) for index, result in found.items()} == {
            **{number: number + 2 for number in range(6)},
            3: None,
        }

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_takes_rows_as_others_end_and_ends_those_that_are_left(is_async: bool) -> None:
    taken: list[int] = []
    ended: list[int] = []

    def rows() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    def program(number: int) -> int:
        try:
            return twice(number)
        finally:
            ended.append(number)

    async def program_async(number: int) -> int:
        try:
            return await twice_async(number)
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    async def main() -> None:
        chosen = program_async if is_async else program
        async with aclosing(run.aio.stream(chosen, rows(), max_rows_in_flight=5)) as stream:
            async for index, result in stream:
                assert result == Success(index + 2)
                if len(taken) > 20:
                    break
        assert sorted(ended) == taken
        assert len(taken) < 40

    asyncio.run(main())


@pytest.mark.parametrize("is_async", [False, True])
def test_cancelling_ends_the_rows_and_withdraws_what_they_asked(is_async: bool) -> None:
    ended: list[int] = []

    def program(number: int) -> int:
        try:
            return plus_one(number)
        finally:
            ended.append(number)

    async def program_async(number: int) -> int:
        try:
            return await plus_one_async(number)
        finally:
            ended.append(number)

    with Runtime(ScriptedEngine(answers=lambda request: "1" * 100_000, tokens_per_step=1)) as runtime:

        async def main() -> None:
            task = asyncio.ensure_future(run.aio(program_async if is_async else program, range(8)))
            while runtime.stats.steps < 3:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert sorted(ended) == list(range(8))
            while runtime.stats.running or runtime.stats.waiting:
                await asyncio.sleep(0.001)

        asyncio.run(main())


@pytest.mark.usefixtures("runtime")
def test_runs_and_maps_inside_rows_join_in() -> None:
    def program(number: int) -> list[int]:
        return run(twice, [number, *plus_one.map([number])])

    async def program_async(number: int) -> list[int]:
        return await run.aio(twice_async, [number, *await plus_one_async.map([number])])

    async def main() -> None:
        expected = [[number + 2, number + 3] for number in range(10)]
        assert await run.aio(program, range(10)) == await run.aio(program_async, range(10)) == expected

    asyncio.run(main())


def test_misuse_is_told_before_anything_runs() -> None:
    async def main() -> None:
        with pytest.raises(PromptUsageError, match="max_failures"):
            run.aio.stream(str.upper, ["a"], max_failures=-1)
        with pytest.raises(PromptUsageError, match="max_rows_in_flight"):
            await run.aio(str.upper, ["a"], max_rows_in_flight=0)
        assert await run.aio(str.upper, []) == []

    asyncio.run(main())


@pytest.mark.parametrize("is_async", [False, True])
def test_rows_that_do_not_end_are_left_behind(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    def stubborn(number: int) -> int:
        while True:
            try:
                if plus_one(number) < 0:
                    return 0
            except BaseException:  # the worst that a row can do
                pass

    async def stubborn_async(number: int) -> int:
        while True:
            try:
                if await plus_one_async(number) < 0:
                    return 0
            except BaseException:
                pass

    async def main() -> None:
        task = asyncio.ensure_future(run.aio(stubborn_async if is_async else stubborn, range(3)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Runtime(ScriptedEngine(answers=echo)):
        asyncio.run(main())
    assert "left behind" in caplog.text


def labelled(text: str, stars: int = 3) -> str:
    return f"{plus_one(stars)} {text}"


async def labelled_async(text: str, stars: int = 3) -> str:
    return f"{await plus_one_async(stars)} {text}"


TABLE: list[dict[str, object]] = [{"text": "a", "stars": 1}, {"text": "b"}, {"stars": 5, "text": "c"}]


@pytest.mark.parametrize("program", [labelled, labelled_async])
def test_tuples_and_named_columns_are_rows_of_one_batch_too(
    program: Callable[[str, int], str], assembled: MakeEngine
) -> None:
    async def main() -> None:
        pairs = [(str(number), number) for number in range(30)]
        assert await run.aio.starmap(program, pairs) == [f"{number + 1} {number}" for number in range(30)]

    with Runtime(assembled(30, echo)):
        asyncio.run(main())
    with Runtime(assembled(3, echo)):
        assert asyncio.run(run.aio.map_rows(program, TABLE)) == ["2 a", "4 b", "6 c"]


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("program", [labelled, labelled_async])
def test_they_have_the_options_indices_and_errors_of_run(program: Callable[[str, int], str]) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(TABLE, index=[7, 8, 9]).assign(stars=[1, 2, 3])

    async def main() -> None:
        at_once = run.map_rows(program, frame, max_rows_in_flight=2)
        assert (
            list(at_once) == list(await run.aio.map_rows(program, frame, max_rows_in_flight=2)) == ["2 a", "3 b", "4 c"]
        )
        assert await run.aio.starmap(program, iter([("a", 1)]), key=lambda text, stars: text) == ["2 a"]
        with pytest.raises(BatchError) as raised:
            await run.aio.starmap(program, [("a", 1), ("b", None)])  # type: ignore[arg-type]  # pyright: ignore
        assert [type(each) for each in raised.value.results] == [Success, Failure]
        with pytest.raises(BatchError):
            await run.aio.map_rows(program, [{"text": "a", "stars": None}] * 20, max_failures=1)
        with pytest.raises(PromptUsageError, match="no column"):
            await run.aio.map_rows(program, frame[["stars"]])
        with pytest.raises(PromptUsageError, match="max_rows_in_flight"):
            await run.aio.map_rows(program, TABLE, max_rows_in_flight=0)
        with pytest.raises(TypeError, match="in_flight"):
            await run.aio.starmap(program, [("a", 1)], in_flight=2)  # type: ignore[call-overload]  # pyright: ignore
        assert await run.aio.starmap(program, []) == await run.aio.map_rows(program, []) == []

    asyncio.run(main())


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("is_async", [False, True])
def test_cancelling_ends_their_rows(is_async: bool) -> None:
    began: list[str] = []

    def endless(text: str) -> str:
        began.append(text)
        while True:
            plus_one(len(text))

    async def endless_async(text: str) -> str:
        began.append(text)
        while True:
            await plus_one_async(len(text))

    async def main() -> None:
        program = endless_async if is_async else endless
        for waits in (run.aio.starmap(program, [("a",)]), run.aio.map_rows(program, [{"text": "b"}])):
            task = asyncio.ensure_future(waits)
            before = len(began)
            while len(began) == before:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert began == ["a", "b"]
