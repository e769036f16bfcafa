"""Callbacks that run in the threads of the engine and the journal: they may send requests, and wait for none."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from typefold import Deferred, PromptUsageError, Runtime, ask, current, gather, prompt, run
from typefold.runtime import Outcome, Request
from typefold.runtime.engines.scripted import ScriptedEngine

TOLD = r"this is the thread of the (engine|journal), .*Use prompt\.submit\(\.\.\.\) here, which does not wait"


@prompt(temperature=0)
def tell(text: str) -> str:
    return ask(text)


def awaited(_: object) -> str:
    return asyncio.run(tell.aio("awaited"))


def raw(_: object) -> Outcome:
    [future] = current().submit([Request(prompt="raw")])
    return future.result()


def deferred(_: object) -> str:
    later: Deferred[str] = tell.defer("deferred")
    return later.result()


WAITING: dict[str, Callable[[object], object]] = {
    "call": lambda _: tell("call"),
    "safe": lambda _: tell.safe("safe"),
    "map": lambda _: tell.map(["map"]),
    "run": lambda _: run(tell, ["run"]),
    "submit and wait": lambda _: tell.submit("submitted").result(),
    "stream": lambda _: list(tell.stream("stream")),
    "defer": deferred,
    "gather": lambda _: gather([tell.defer("gathered")]),
    "await": awaited,
    "runtime.submit": raw,
    "generate": lambda _: current().generate("generated"),
}


class Held(ScriptedEngine):
    """An engine whose first answer waits until its callback is there."""

    def __init__(self) -> None:
        super().__init__(lambda request: "yes")
        self.gate = threading.Event()

    def step(self) -> Any:
        self.gate.wait()
        return super().step()


@pytest.mark.parametrize("journaled", [False, True], ids=["engine", "journal"])
@pytest.mark.parametrize("way", WAITING)
def test_a_prompt_called_in_a_thread_that_answers_come_from_is_refused(
    way: str, journaled: bool, tmp_path: Path
) -> None:
    engine, ended = Held(), Future[object]()

    def callback(future: object) -> None:
        try:
            ended.set_result(WAITING[way](future))
        except BaseException as error:
            ended.set_exception(error)

    with Runtime(engine, journal=tmp_path / "run.db" if journaled else None) as runtime:
        [future] = runtime.submit([Request(prompt="x", sampling={"temperature": 0})])
        future.add_done_callback(callback)
        engine.gate.set()
        with pytest.raises(RuntimeError if way == "runtime.submit" else PromptUsageError, match=TOLD):
            ended.result(60)
        assert tell("another thread's") == "yes"


def test_a_callback_may_send_a_request_and_hear_of_it_later(tmp_path: Path) -> None:
    engine, ended = Held(), Future[str]()

    def callback(_: object) -> None:
        tell.submit("sent").add_done_callback(lambda future: ended.set_result(future.result()))

    with Runtime(engine, journal=tmp_path / "run.db") as runtime:
        [future] = runtime.submit([Request(prompt="x", sampling={"temperature": 0})])
        future.add_done_callback(callback)
        engine.gate.set()
        assert ended.result(60) == "yes"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_logging_handler_that_raises_in_the_engines_thread_leaves_no_row_waiting() -> None:
    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell("of the log")

    handler, logger = Asking(), logging.getLogger("typefold.runtime.scheduling.scheduler")
    logger.addHandler(handler)
    try:
        with Runtime(ScriptedEngine(lambda request: "yes", fail_at_step=1)):
            results = tell.safe.map(["a", "b"])
        assert [type(each.failure()).__name__ for each in results] == ["EngineFailed"] * 2
    finally:
        logger.removeHandler(handler)
