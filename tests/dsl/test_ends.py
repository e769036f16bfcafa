"""Ends of a job that are about no row of it, and the failures that end one: what is raised, when, and what it holds."""

import asyncio
import pickle
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from returns.result import Failure, Success

from typefold import (
    BatchError,
    Cancelled,
    EngineLoadError,
    JournalError,
    NoRuntime,
    PromptUsageError,
    Runtime,
    TemplateError,
    UnsupportedType,
    ask,
    gather,
    prompt,
    run,
)
from typefold.runtime.engines.scripted import ScriptedEngine

ROWS = 150


@prompt(temperature=0)
def tell(number: int) -> str:
    return ask(f"{number}")


@prompt(temperature=0)
async def tell_async(number: int) -> str:
    return ask(f"{number}")


class Loads:
    """A model that can't be loaded, until it is mended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.count = 0
        self.error = error or RuntimeError("CUDA out of memory")
        self.mended = False

    def __call__(self) -> ScriptedEngine:
        self.count += 1
        if not self.mended:
            raise self.error
        return ScriptedEngine(answers=lambda request: "yes")


class Rows(Iterator[int]):
    """An input that tells how much of it was taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __next__(self) -> int:
        if self.taken == ROWS:
            raise StopIteration
        self.taken += 1
        return self.taken


def swallowing(number: int) -> str:
    try:
        return tell(number)
    except Exception:
        return ""


async def swallowing_async(number: int) -> str:
    try:
        return await tell_async(number)
    except Exception:
        return ""


def in_threads(number: int) -> str:
    with ThreadPoolExecutor(2) as pool:
        return "".join(pool.map(swallowing, [number, number]))


async def together(rows: Rows) -> list[str]:
    return await asyncio.gather(*map(tell_async, rows))


async def together_and_caught(rows: Rows) -> None:
    for ended in await asyncio.gather(*map(tell_async, rows), return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended


def submitted(rows: Rows) -> list[str]:
    return [future.result() for future in [tell.submit(row) for row in rows]]


async def streamed(rows: Rows) -> list[object]:
    return [each async for each in run.aio.stream(tell, rows)]


WAYS: dict[str, Callable[[Rows], object]] = {
    "a call": lambda rows: tell(next(rows)),
    ".safe": lambda rows: tell.safe(next(rows)),
    ".map": lambda rows: tell.map(rows),
    ".safe.map": lambda rows: tell.safe.map(rows),
    ".sample": lambda rows: tell.using(temperature=1).sample(2).map(rows),
    ".submit": submitted,
    ".stream": lambda rows: tell.stream(next(rows)).result(),
    "run": lambda rows: run(tell, rows),
    "run.safe": lambda rows: run.safe(tell, rows),
    "run.stream": lambda rows: list(run.stream(tell, rows)),
    "run of rows that catch it": lambda rows: run.safe(swallowing, rows),
    "run of coroutines": lambda rows: run(tell_async, rows),
    "run of coroutines that catch it": lambda rows: run.safe(swallowing_async, rows),
    "run in run": lambda rows: run.safe(lambda number: run.safe(swallowing, range(number, number + 50)), rows),
    "gather": lambda rows: gather([tell.defer(row) for row in rows]),
    "gather.safe": lambda rows: gather.safe([tell.defer(row) for row in rows]),
    "gather of functions that catch it": lambda rows: gather.safe([tell.defer(0).then(len), *map(tell.defer, rows)]),
    "asyncio.gather": lambda rows: asyncio.run(together(rows)),
    "asyncio.gather that keeps them": lambda rows: asyncio.run(together_and_caught(rows)),
    "awaited .map": lambda rows: asyncio.run(tell_async.map(rows)),
    "run.aio": lambda rows: asyncio.run(run.aio(tell, rows)),
    "run.aio.stream": lambda rows: asyncio.run(streamed(rows)),
    "run.aio of rows that catch it": lambda rows: asyncio.run(run.aio.safe(swallowing, rows)),
    "run.aio of coroutines": lambda rows: asyncio.run(run.aio(tell_async, rows)),
    "run.aio of coroutines that catch it": lambda rows: asyncio.run(run.aio.safe(swallowing_async, rows)),
}
TAKING_ONE = {"run", "run.safe", "run.stream", "run of rows that catch it", "run in run", ".map", ".safe.map"}


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_can_not_be_loaded_is_tried_once_a_job(way: str) -> None:
    loads, rows = Loads(), Rows()
    with Runtime(loads):
        with pytest.raises(
            EngineLoadError, match=r"Loads can't be loaded: RuntimeError: CUDA out of memory; lower gpu_"
        ):
            WAYS[way](rows)
        assert loads.count == 1
        if way in TAKING_ONE:
            assert rows.taken == 1
        loads.mended = True
        assert tell(0) == "yes"  # a new call tries again
        assert loads.count == 2


def test_threads_that_rows_start_do_not_load_again_either() -> None:
    loads = Loads()
    with Runtime(loads):
        assert len(run.safe(in_threads, range(20))) == 20  # each row chose to go on
    assert loads.count == 1


class Counted:
    """A lock that says when so many wait for it or hold it."""

    def __init__(self, most: int) -> None:
        self._lock, self._left = threading.Lock(), most
        self.all_there = threading.Event()

    def __enter__(self) -> None:
        self._left -= 1
        if not self._left:
            self.all_there.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_threads_that_wait_for_one_load_share_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, lock, failed = Loads(), Counted(4), list[str]()

    def load() -> ScriptedEngine:
        lock.all_there.wait()
        return loads()

    def call() -> None:
        with pytest.raises(EngineLoadError) as caught:
            tell.using(runtime=runtime)(1)
        failed.append(caught.value.reason)

    runtime = Runtime(load)
    monkeypatch.setattr(runtime, "_loading", lock)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runtime.close()
    assert failed == ["RuntimeError: CUDA out of memory"] * 4
    assert loads.count == 1


def test_a_load_that_ctrl_c_broke_off_may_be_tried_again_in_the_same_job() -> None:
    loads = Loads(KeyboardInterrupt())
    with Runtime(loads):

        def row(number: int) -> str:
            try:
                return tell(number)
            except KeyboardInterrupt:
                loads.mended = True
                return tell(number)

        assert run(row, [1, 2]) == ["yes", "yes"]
    assert loads.count == 2


def test_the_error_has_the_model_and_the_cause_and_survives_pickle() -> None:
    with Runtime(Loads(OSError("no such file"))), pytest.raises(EngineLoadError) as caught:
        run(tell, [1])
    assert isinstance(caught.value.__cause__, OSError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.model, again.reason, str(again)) == ("Loads", "OSError: no such file", str(caught.value))


def test_a_factory_that_returns_no_engine_is_told_what_it_is_to_return() -> None:
    nothing: Any = lambda: None  # noqa: E731  # as a program may have it
    with (
        Runtime(nothing),
        pytest.raises(EngineLoadError, match="or an engine, not NoneType"),
    ):
        tell(1)


def _unreadable(path: Path) -> Path:
    (path / "run.db").write_bytes(b"no journal " * 400)
    return path / "run.db"


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_that_can_not_be_opened_ends_every_way_of_calling_at_once(way: str, tmp_path: Path) -> None:
    rows = Rows()
    with (
        Runtime(ScriptedEngine(answers=lambda request: "yes"), journal=_unreadable(tmp_path)),
        pytest.raises(JournalError, match="this is no journal but some other file"),
    ):
        WAYS[way](rows)
    if way in TAKING_ONE:
        assert rows.taken <= 1


@pytest.mark.parametrize("way", [each for each in WAYS if each not in ("a call", ".safe", ".stream")])
def test_a_journal_that_fills_up_ends_every_batch(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typefold.runtime.journal import Journal

    written = 0
    real = Journal.write

    def write(self: Journal, rows: list[tuple[Any, ...]], **options: Any) -> None:
        nonlocal written
        written += len(rows)
        if written > 3 and rows:
            raise JournalError(self.path, "the disk is full")
        real(self, rows, **options)

    monkeypatch.setattr(Journal, "write", write)
    rows = Rows()
    with (
        Runtime(ScriptedEngine(answers=lambda request: "yes", max_num_seqs=2), journal=tmp_path / "run.db"),
        pytest.raises(JournalError, match="the disk is full"),
    ):
        tell(-1)
        WAYS[way](rows)
    if way in TAKING_ONE:
        assert rows.taken < 50


AGAIN: list[int] = []


def persistent(ask_once: Callable[[int], object]) -> Callable[[int], object]:
    def row(number: int) -> object:
        for _ in range(ROWS):
            try:
                return ask_once(number)
            except BaseException:
                AGAIN.append(number)
        return "given up"

    return row


def persistent_awaited(ask_once: Callable[[int], Awaitable[object]]) -> Callable[[int], Awaitable[object]]:
    async def row(number: int) -> object:
        for _ in range(ROWS):
            try:
                return await ask_once(number)
            except BaseException:
                AGAIN.append(number)
        return "given up"

    return row


PERSISTENT: dict[str, Callable[[int], object]] = {
    "a call": persistent(tell),
    ".map": persistent(lambda number: tell.map([number])),
    "run": persistent(lambda number: run(persistent(tell), [number])),
    ".stream": persistent(lambda number: tell.stream(number).result()),
    "awaited": persistent_awaited(tell_async),
    "awaited .map": persistent_awaited(lambda number: tell_async.map([number])),
}


@pytest.mark.parametrize("way", PERSISTENT)
def test_rows_that_catch_everything_and_ask_again_end_with_what_ends_their_batch(way: str, tmp_path: Path) -> None:
    loads = Loads()
    for runtime, error in (
        (Runtime(loads), EngineLoadError),
        (Runtime(ScriptedEngine(), journal=tmp_path / "no" / "run.db"), JournalError),
    ):
        AGAIN.clear()
        with runtime, pytest.raises(error):
            run(PERSISTENT[way], range(2))
        assert len(AGAIN) < ROWS  # they were ended, and did not give up by themselves
    assert loads.count == 1


ABOUT_NO_ROW: list[Exception] = [
    EngineLoadError("some/model", "RuntimeError: no"),
    JournalError("run.db", "the disk is full"),
    NoRuntime(),
    PromptUsageError("not so"),
    TemplateError("not so"),
    UnsupportedType("return", object, "not so"),
]


@pytest.mark.parametrize("error", ABOUT_NO_ROW, ids=lambda error: type(error).__name__)
def test_what_is_about_no_row_is_raised_at_once_in_map_and_run_alike(error: Exception) -> None:
    @prompt
    def bad(number: int) -> str:
        if number:
            raise error
        return ask("?")

    def program(number: int) -> str:
        if number:
            raise error
        return tell(number)

    async def awaited(number: int) -> str:
        return program(number)

    with Runtime(ScriptedEngine(answers=lambda request: "yes", max_num_seqs=1)):
        tell(0)  # how many rows are begun at once goes by the engine, once there is one
        ways: list[Callable[[Rows], object]] = [
            bad.map,
            bad.safe.map,
            lambda rows: run.safe(bad, rows),
            lambda rows: run.safe(program, rows),
            lambda rows: run.safe(awaited, rows),
        ]
        for way in ways:
            rows = Rows()
            with pytest.raises(type(error)) as caught:
                way(rows)
            assert caught.value is error
            assert rows.taken < 20
        with pytest.raises(type(error)):
            gather.safe(tell.defer(0).then(lambda _: program(1)))


def bug(number: int) -> str:
    return str(getattr(tell(number), "uper")())  # noqa: B009  # the bug


def test_a_row_s_own_bug_is_told_with_its_line_and_is_the_cause() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "yes")), pytest.raises(BatchError) as caught:
        run(lambda number: bug(number) if number else tell(number), range(3))
    error = caught.value
    line = bug.__code__.co_firstlineno + 1
    assert str(error).splitlines()[1:] == [
        f"  row {row}: AttributeError: 'str' object has no attribute 'uper' ({__file__}:{line}, in bug)"
        for row in (1, 2)
    ]
    assert error.__cause__ is error.failures[0] is error.failed_rows[1]
    assert list(error.failed_rows) == [1, 2]
    shown = "".join(traceback.format_exception(error))
    assert 'getattr(tell(number), "uper")' in shown
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert list(again.failed_rows) == [1, 2]
    assert isinstance(again.__cause__, AttributeError)


def test_the_line_told_is_the_program_s_and_not_that_of_a_library() -> None:
    import json

    def row(text: str) -> object:
        return json.loads(text)

    with pytest.raises(BatchError, match=rf"row 0: JSONDecodeError: .* \({__file__}:\d+, in row\)"):
        run(row, ["{"])


def test_a_bug_does_not_hide_behind_failures_of_other_kinds() -> None:
    def row(number: int) -> str:
        if number == 9:
            raise ZeroDivisionError("own")
        return tell.using(max_tokens=1, truncation="error")(number)

    with Runtime(ScriptedEngine(answers=lambda request: "yes")), pytest.raises(BatchError) as caught:
        run(row, range(10))
    assert "row 9: ZeroDivisionError: own" in str(caught.value)
    assert "and 4 more" in str(caught.value)


def starred(rows: Rows) -> list[str]:
    return run.starmap(bug, ((row,) for row in rows), max_failures=3)


cut = tell.using(max_failures=3, max_tokens=1, truncation="error")


def cut_starred(rows: Rows) -> list[str]:
    return cut.starmap((row,) for row in rows)


FAILING: dict[str, Callable[[Rows], object]] = {
    "run": lambda rows: run(bug, rows, max_failures=3),
    "run.safe": lambda rows: run.safe(bug, rows, max_failures=3),
    "run.starmap": starred,
    "run.stream": lambda rows: list(run.stream(bug, rows, max_failures=3)),
    "run of coroutines": lambda rows: run(failing_async, rows, max_failures=3),
    ".map": lambda rows: cut.map(rows),
    ".safe.map": lambda rows: cut.safe.map(rows),
    ".starmap": cut_starred,
    ".sample": lambda rows: cut.using(temperature=1).sample(2).map(rows),
}


async def failing_async(number: int) -> str:
    await tell_async(number)
    raise ValueError(number)


@pytest.mark.parametrize("way", FAILING)
def test_a_job_that_only_fails_ends_after_the_failures_it_may_have(way: str) -> None:
    rows = Rows()
    with Runtime(ScriptedEngine(answers=lambda request: "yes", max_num_seqs=2)) as runtime:
        tell(0)
        with pytest.raises(
            BatchError, match=r"^4 rows failed, more than max_failures=3, so the batch was ended"
        ) as caught:
            FAILING[way](rows)
        assert caught.value.max_failures == 3
        assert rows.taken < 40
        assert runtime.stats.submitted < 40
        assert tell(1) == "yes"


def test_what_had_ended_is_kept_and_the_rest_is_cancelled_in_its_place() -> None:
    def row(number: int) -> str:
        if number >= 2:
            raise ValueError(number)
        return tell(number)

    with Runtime(ScriptedEngine(answers=lambda request: "yes")), pytest.raises(BatchError) as caught:
        run(row, range(10), max_failures=1, max_rows_in_flight=1)
    results = caught.value.results
    assert len(results) == 10
    assert results[:2] == [Success("yes"), Success("yes")]
    assert [type(each.failure()) for each in results[2:]] == [ValueError] * 2 + [Cancelled] * 6
    assert getattr(results[9].failure(), "row") == 9  # noqa: B009  # a Cancelled, as was seen
    assert isinstance(caught.value.__cause__, ValueError)
    assert "before 6 others had" in str(caught.value)


def test_an_awaited_map_ends_early_too_and_leaves_nothing_in_the_engine() -> None:
    async def main() -> None:
        await tell_async.using(max_failures=0, max_tokens=1, truncation="error").map(range(50))

    with Runtime(ScriptedEngine(answers=lambda request: "yes", max_num_seqs=1)) as runtime:
        with pytest.raises(BatchError, match="1 row failed, more than max_failures=0"):
            asyncio.run(main())
        assert tell(1) == "yes"
        assert runtime.stats.running == runtime.stats.waiting == 0


def test_as_many_failures_as_are_allowed_end_nothing_early() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "yes")):
        results = run.safe(bug, range(5), max_failures=5)
        assert [isinstance(each, Failure) for each in results] == [True] * 5
        with pytest.raises(BatchError, match=r"^5 of 5 rows failed"):
            run(bug, range(5), max_failures=5)


@pytest.mark.parametrize("most", [-1, 1.5, True, "3"])
def test_what_is_no_number_of_failures_is_refused_before_anything_runs(most: Any) -> None:
    told = "max_failures is how many rows may fail, an int from 0, not"
    for way in (run, run.safe, run.stream, run.starmap):
        with pytest.raises(PromptUsageError, match=f"run: {told}"):
            way(bug, iter([]), max_failures=most)
    with pytest.raises(PromptUsageError, match=f"tell: {told}"):
        tell.using(max_failures=most)


def test_a_graph_that_only_fails_ends_early_too_and_leaves_the_rest_to_be_done_later() -> None:
    begun = [tell.defer(number) for number in range(5)]
    lengths = [each.then(lambda text: 1 // (len(text) - 3)) for each in begun]  # all divide by zero
    after = [each.then(str) for each in lengths]
    with Runtime(ScriptedEngine(answers=lambda request: "yes")):
        with pytest.raises(
            BatchError, match=r"^3 rows failed, more than max_failures=2, so the batch was ended"
        ) as caught:
            gather([*lengths, begun[0]], max_failures=2)
        assert [type(each).__name__ for each in caught.value.failures] == ["ZeroDivisionError"] * 3 + ["Cancelled"] * 2
        with pytest.raises(BatchError, match=r"^10 of 10 rows failed"):
            gather([*lengths, *after])
        assert len(gather.safe(lengths, max_failures=5)) == 5
    with pytest.raises(PromptUsageError, match="gather: max_failures is how many"):
        gather.safe(begun, max_failures=-1)
