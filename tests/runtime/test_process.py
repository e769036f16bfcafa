"""The process of an engine: its end is noticed, it can be ended, and it does not outlive this one. No vLLM is needed."""

import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from types import SimpleNamespace
from typing import Any

import pytest

from typefold.runtime import EngineGone
from typefold.runtime.engines.vllm import process as starting
from typefold.runtime.engines.vllm.process import CoreProcess, Guard, environment, shielded

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Starts processes, and ends them."""
    started: list[BaseProcess] = []

    def start(target: Callable[..., object] = time.sleep, *args: Any) -> BaseProcess:
        process = SPAWN.Process(target=target, args=args or (600,), daemon=True)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def client(*processes: BaseProcess) -> Any:
    """What of vLLM's client is looked at."""
    manager = SimpleNamespace(processes=list(processes))
    return SimpleNamespace(resources=SimpleNamespace(engine_manager=manager), outputs_queue=queue.Queue())


def watching(client: Any) -> CoreProcess:
    core = CoreProcess.of(client)
    assert core is not None
    return core


def test_a_process_that_is_killed_is_told_to_whoever_waits(start: Callable[..., BaseProcess]) -> None:
    process = start()
    vllm = client(process)
    core = watching(vllm)
    assert core.end is None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    told = vllm.outputs_queue.get(timeout=60)
    assert isinstance(told, EngineGone)
    assert "was killed by SIGKILL; the system does so when memory runs out" in str(told)
    assert str(core.end) == str(told)
    assert not core.kill()
    core.close()


def test_a_process_that_ends_by_itself_is_told_with_its_exit_code(start: Callable[..., BaseProcess]) -> None:
    vllm = client(start(sys.exit, 3))
    core = watching(vllm)
    assert "ended with exit code 3; its log says why" in str(vllm.outputs_queue.get(timeout=60))
    core.close()


def test_a_process_that_hangs_is_ended(start: Callable[..., BaseProcess]) -> None:
    process = start()
    vllm = client(process)
    core = watching(vllm)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    assert core.kill()
    assert "was ended, since it hung" in str(vllm.outputs_queue.get(timeout=60))
    core.close()


def test_the_end_of_an_engine_that_was_closed_is_no_accident(
    start: Callable[..., BaseProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_LOOK", 0.01)
    process = start()
    vllm = client(process)
    core = watching(vllm)
    core.close()
    process.kill()
    process.join()
    for thread in threading.enumerate():
        if thread.name == "typefold-core":
            thread.join(30)
    assert vllm.outputs_queue.empty()


def test_an_engine_in_this_process_has_none() -> None:
    assert CoreProcess.of(SimpleNamespace()) is None
    assert CoreProcess.of(SimpleNamespace(resources=SimpleNamespace(engine_manager=None))) is None
    assert CoreProcess.of(client()) is None


GUARDED = """
import subprocess, sys, time
from typefold.runtime.engines.vllm.process import Guard
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
guard = Guard([child.pid])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_guard_ends_what_a_killed_program_left_behind() -> None:
    program = subprocess.Popen([sys.executable, "-c", GUARDED], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    os.kill(pid, 0)
    program.kill()
    program.wait()
    program.stdout.close()
    for _ in range(3000):
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return  # nobody waits for it here
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("it was left behind")


def test_a_guard_that_is_dismissed_does_nothing(start: Callable[..., BaseProcess]) -> None:
    process = start()
    assert process.pid is not None
    guard = Guard([process.pid])
    guard.dismiss()
    guard.dismiss()
    assert process.is_alive()


def blocked(results: Any) -> None:
    results.put(sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def test_what_is_started_does_not_hear_of_ctrl_c_and_this_thread_does() -> None:
    def build() -> list[int]:
        results = SPAWN.Queue()
        process = SPAWN.Process(target=blocked, args=(results,))
        process.start()
        numbers: list[int] = results.get(timeout=60)
        process.join()
        return numbers

    assert signal.SIGINT in shielded(build)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(ZeroDivisionError):
        shielded(lambda: 1 / 0)


def test_ctrl_c_while_an_engine_is_being_built_ends_what_was_started() -> None:
    started: list[BaseProcess] = []

    def build() -> None:
        process = SPAWN.Process(target=time.sleep, args=(600,), daemon=True)
        process.start()
        started.append(process)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        process.join()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            shielded(build)
    finally:
        signal.signal(signal.SIGINT, before)
    [process] = started
    assert process.exitcode == -signal.SIGKILL


class Interrupted(threading.Thread):
    """A thread whose starter hears of Ctrl-C before it has begun."""

    def start(self) -> None:
        raise KeyboardInterrupt


class Begun(threading.Thread):
    """A thread whose starter hears of Ctrl-C while it works."""

    working = threading.Event()

    def start(self) -> None:
        super().start()
        assert self.working.wait(30)
        raise KeyboardInterrupt


def test_ctrl_c_before_the_building_has_begun_leaves_nothing_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        shielded(lambda: pytest.fail("it began"))


def test_what_has_begun_to_be_built_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []

    def build() -> None:
        Begun.working.set()
        time.sleep(0.05)
        ended.append(True)

    monkeypatch.setattr(starting, "Thread", Begun)
    with pytest.raises(KeyboardInterrupt):
        shielded(build)
    assert ended == [True]


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEFOLD_A", "1")
    monkeypatch.delenv("TYPEFOLD_B", raising=False)
    with environment({"TYPEFOLD_A": "2", "TYPEFOLD_B": "3"}):
        assert json.dumps([os.environ["TYPEFOLD_A"], os.environ["TYPEFOLD_B"]]) == '["2", "3"]'
    assert os.environ["TYPEFOLD_A"] == "1"
    assert "TYPEFOLD_B" not in os.environ
