"""Forks: a child has nothing of its parent's runtimes but errors, and leaves them as they are."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from tests.forked import forked
from typefold import Journal, Runtime, UsedAfterFork, ask, configure, current, gather, prompt, run
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

AGAIN = "is a fork, and can't be used here: engines and journals do not survive os.fork"


@prompt(temperature=0)
def echo(text: str) -> str:
    return ask(text)


@prompt
async def echo_later(text: str) -> str:
    return ask(text)


class Gate(ScriptedEngine):
    """An engine whose answers wait until it is opened."""

    def __init__(self) -> None:
        self.asked, self.opened = threading.Event(), threading.Event()
        super().__init__(answers=self._answer)

    def _answer(self, request: Request) -> str:
        self.asked.set()
        self.opened.wait(60)
        return "late"


@pytest.fixture
def parent() -> Iterator[Runtime]:
    with Runtime(ScriptedEngine(answers=lambda request: "of the parent")) as runtime:
        assert echo("warm up") == "of the parent"
        yield runtime
        assert echo("afterwards") == "of the parent"


def later() -> str:
    async def main() -> str:
        return await echo_later("x")

    return asyncio.run(main())


def used_when_closed(runtime: Runtime) -> str:
    runtime.close()
    return runtime.generate("x")


USES: dict[str, Callable[[Runtime], object]] = {
    "a call": lambda runtime: echo("x"),
    "map": lambda runtime: echo.map(["x", "y"]),
    "submit": lambda runtime: echo.submit("x").result(),
    "a stream": lambda runtime: echo.stream("x").result(),
    "await": lambda runtime: later(),
    "run": lambda runtime: run(echo, ["x"]),
    "gather": lambda runtime: gather(echo.defer("x")),
    "using": lambda runtime: echo.using(runtime=runtime)("x"),
    "generate": lambda runtime: runtime.generate("x"),
    "current": lambda runtime: current(),
    "the engine": lambda runtime: runtime.engine,
    "a with block": lambda runtime: runtime.__enter__(),
    "after closing it": lambda runtime: used_when_closed(runtime),
}


@pytest.mark.parametrize("use", USES)
def test_a_child_that_uses_its_parents_runtime_is_told_what_to_do(parent: Runtime, use: str) -> None:
    told = forked(lambda: USES[use](parent))
    assert AGAIN in told and f"belongs to process {os.getpid()}" in told
    assert "multiprocessing.get_context('spawn')" in told and "with typefold.Runtime(" in told


def test_a_runtime_that_was_only_made_is_its_process_s_too() -> None:
    runtime = Runtime(ScriptedEngine())
    assert AGAIN in forked(lambda: runtime.generate("x"))
    assert isinstance(runtime.generate("x"), str)
    runtime.close()


def test_a_default_of_the_parent_is_none_of_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(ScriptedEngine(answers=lambda request: "configured"))
    monkeypatch.setenv("TYPEFOLD_MODEL", "some/model")  # no second model is loaded for it
    assert AGAIN in forked(lambda: echo("x"))
    assert echo("x") == "configured"


@pytest.mark.usefixtures("parent")
def test_a_child_may_have_a_runtime_of_its_own() -> None:
    def own() -> str:
        with Runtime(ScriptedEngine(answers=lambda request: "of the child")):
            inside = [echo("x"), echo.submit("y").result(), *run(echo, ["z"]), gather(echo.defer("d"))[0]]
        configure(ScriptedEngine(answers=lambda request: "configured"))
        return " ".join([*dict.fromkeys(inside), echo("x")])

    assert forked(own) == "of the child configured"


@pytest.mark.usefixtures("parent")
def test_a_child_that_is_forked_in_a_row_may_have_a_runtime_of_its_own() -> None:
    def own() -> str:
        with Runtime(ScriptedEngine(answers=lambda request: "of the child")):
            return " ".join(dict.fromkeys([echo("x"), *echo.map(["y"]), *run(lambda text: echo(text), ["z"])]))

    def row(text: str) -> tuple[str, str]:
        return forked(own), echo(text)

    async def row_later(text: str) -> tuple[str, str]:
        return forked(own), await echo_later(text)

    assert run(row, ["a"]) == run(row_later, ["a"]) == [("of the child", "of the parent")]
    assert run(lambda text: run(row, [text])[0], ["a"]) == [("of the child", "of the parent")]


def test_what_is_under_way_in_the_parent_ends_in_the_child_with_an_error_and_goes_on_in_the_parent() -> None:
    engine = Gate()
    with Runtime(engine, deduplicate=False):
        future, stream, deferred = echo.submit("a"), echo.stream("b"), echo.defer("c")
        working = threading.Thread(target=deferred.result)
        rows = run.stream(echo, ["d", "e"])
        working.start()
        assert engine.asked.wait(60)
        while deferred.node.running is None:
            working.join(0.01)
        told = [
            forked(future.result),
            forked(lambda: wait([future]).done.pop().exception()),
            forked(stream.result),
            forked(deferred.result),
            forked(lambda: future.cancel()),
        ]
        engine.opened.set()
        assert [future.result(), stream.result(), deferred.result()] == ["late"] * 3
        assert [result.unwrap() for _, result in rows] == ["late"] * 2
        working.join()
    assert all(AGAIN in each for each in told[:4]), told
    assert told[4] == "False"


def test_rows_that_a_stream_has_begun_are_not_gone_on_with_in_a_child(parent: Runtime) -> None:
    ended = list[int]()

    def row(number: int) -> str:
        try:
            return echo(str(number))
        finally:
            ended.append(os.getpid())

    rows = run.stream(row, range(6), max_rows_in_flight=2)
    next(rows)
    before = len(ended)
    told = forked(lambda: next(rows))
    assert AGAIN in told
    assert len(list(rows)) == 5 and set(ended) == {os.getpid()} and len(ended) > before


@pytest.mark.parametrize("ends", ["sys.exit", "an exception", "os._exit"])
def test_however_a_child_ends_the_parents_journal_stays_locked_and_written(tmp_path: Path, ends: str) -> None:
    how = {"sys.exit": "raise SystemExit(0)", "an exception": "raise KeyError", "os._exit": "os._exit(0)"}[ends]
    program = f"""
import os, sys
from typefold import Journal, JournalError, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

@prompt
def echo(text: str) -> str:
    return ask(text)

def second() -> str:
    if os.fork() == 0:
        try:
            Journal("run.db")
            os._exit(1)
        except JournalError:
            os._exit(0)
    return "locked" if os.wait()[1] == 0 else "OPEN"

with Runtime(ScriptedEngine(answers=lambda request: "x"), journal="run.db"), Journal("other.db") as other:
    echo("a")
    if os.fork() == 0:
        {how}
    os.wait()
    print(second(), os.path.exists("run.db.lock"), os.path.exists("other.db.lock"), other.count())
    echo("b")
with Journal("run.db", read_only=True) as journal:
    print(journal.count(), journal.damage())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "locked True True 0\n2 []\n", done.stderr


def test_a_journal_of_the_parent_is_not_read_or_written_in_a_child(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.db") as journal:
        assert f"the journal {tmp_path / 'run.db'} belongs to process" in forked(journal.count)
        assert AGAIN in forked(lambda: journal.write([]))
        assert forked(journal.close) == "None"
        assert journal.count() == 0
    with Journal(tmp_path / "run.db") as again:  # the lock went with it
        assert again.count() == 0


def test_a_child_that_outlives_its_killed_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    program = """
import os, sys, time
from typefold import Journal
journal = Journal("run.db")
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os.kill(os.getpid(), 9)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "forked\n"
        assert process.wait() == -signal.SIGKILL
        with Journal(tmp_path / "run.db") as journal:
            assert journal.count() == 0
        process.stdin.close()


def length(text: str) -> int:
    return len(text)


def attempt(text: str) -> str:
    try:
        return echo(text)
    except UsedAfterFork as error:
        return type(error).__name__


@pytest.mark.usefixtures("parent")
def test_a_pool_of_forked_workers_works_and_leaves_the_runtime_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(length, ["a", "bb"]) == [1, 2]
            assert pool.map(attempt, ["a", "b"]) == ["UsedAfterFork"] * 2
    assert echo("x") == "of the parent"


def test_a_child_forked_in_a_row_is_not_told_of_the_batch(parent: Runtime) -> None:
    def row(text: str) -> str:
        told = forked(lambda: (signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, attempt(text)))
        return f"{told} {echo(text)}"

    assert run(row, ["a"]) == ["(True, 'UsedAfterFork') of the parent"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio itself keeps a child there from ending")
@pytest.mark.parametrize("status", [0, 7])
def test_a_child_forked_in_an_async_row_ends_with_its_own_status_and_the_rows_go_on(
    parent: Runtime, status: int
) -> None:
    async def row(text: str) -> str:
        first = await echo_later(text)
        if text != "b":
            return first
        if (child := os.fork()) == 0:
            sys.exit(status)
        return f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])} {await echo_later(text)}"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        said = run(row, ["a", "b", "c"])
    assert said == ["of the parent", f"{status} of the parent", "of the parent"]


def test_no_lock_that_another_thread_holds_is_waited_for_in_a_child(parent: Runtime) -> None:
    from typefold.execution import background
    from typefold.graphs import graph
    from typefold.runtimes import current as selection

    held, done = threading.Event(), threading.Event()
    scheduler = parent._scheduler
    assert scheduler is not None

    def hold() -> None:
        with graph._lock, selection._default_lock, background._carrier._lock, parent._loading, scheduler._lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)

    def own() -> str:
        with pytest.raises(UsedAfterFork):
            parent.generate("x")
        parent.close()
        configure(ScriptedEngine(answers=lambda request: "own"))
        return echo.submit("x").result() + gather(echo.defer("x"))[0]

    assert forked(own) == "ownown"
    done.set()
    thread.join()
