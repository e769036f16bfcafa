"""An engine in a process of its own: starting it, noticing that it died, and ending it.

Ctrl-C is sent to the whole group of processes. vLLM's would end at it, and with it the model that took minutes to load, so it is
started with that signal blocked. A signal mask belongs to a thread, so the engine is built in a thread for it, and Ctrl-C reaches
the caller meanwhile. When this process is killed, vLLM's goes on and keeps the memory of its GPU, so a guard waits beside it: a
shell that reads a pipe and ends the engine once that is closed.

vLLM's client waits for answers of its core on a queue. A core that is killed, mostly by the system's out-of-memory killer, leaves no
error there, and the client would wait for ever. So the process is watched here, and its end is put into that queue, as an exception
that vLLM raises from its step. Process and queue are found by names that vLLM 0.25 to 0.33 share; where they are missing, nothing
is watched, and only the watchdog's limit helps. vLLM is not imported.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.process
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker, spawn
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from typefold.runtime.engine import EngineGone
from typefold.runtime.ownership import notify_child

T = TypeVar("T")

logger = logging.getLogger(__name__)

_SHELL = "/bin/sh"
_LOOK = 1.0  # seconds between looks at whether it is still to be watched
_TRIES, _PAUSE = 20, 0.05  # to learn how it ended


def shielded(build: Callable[[], T]) -> T:
    """Build an object whose processes get no Ctrl-C; at an error they are ended."""
    built: Future[T] = Future()
    before = {process.pid for process in multiprocessing.active_children()}

    def work() -> None:
        if not built.set_running_or_notify_cancel():  # Ctrl-C came before it began
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            built.set_result(build())
        except BaseException as error:
            built.set_exception(error)

    resource_tracker.ensure_running()  # it would begin with the first process, and unblock the signal
    thread = Thread(target=work, name="typefold-load", daemon=True)
    try:
        thread.start()
        return built.result()
    except BaseException:  # Ctrl-C, or the build's own error
        while not built.cancel() and not built.done():
            for process in multiprocessing.active_children():
                if process.pid not in before:
                    process.kill()
            thread.join(0.5)
        raise


class UnguardedMain(RuntimeError):
    """A process that is started runs the program's main module, and that would load an engine and start a process again."""

    def __str__(self) -> str:
        return (
            "an engine that has a process of its own (as each but the first has where vLLM runs on a CPU) begins by "
            "running the program's main module again, and this one would load its engines anew there; put what the program "
            'does, but for imports and definitions, under `if __name__ == "__main__":`'
        )


def check_main(*, spawns: bool) -> None:
    """Check that an engine is loaded by the program, and not by a process that starts with its main module, as `spawns` is for."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UnguardedMain
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    main = spawn.get_preparation_data("")
    if not spawns or path is None or not main.keys() & {"init_main_from_path", "init_main_from_name"}:
        return
    if not str(main.get("init_main_from_name")).endswith("__main__"):  # which is never run again
        with suppress(OSError):
            if b"__name__" not in Path(path).read_bytes():
                raise UnguardedMain


class Guard:
    """Ends processes when this one has ended without doing so."""

    def __init__(self, pids: Iterable[int]) -> None:
        numbers = " ".join(map(str, pids))
        self._shell: subprocess.Popen[bytes] | None = None
        with suppress(OSError):  # there is no shell: then there is no guard
            self._shell = subprocess.Popen(
                [_SHELL, "-c", f"read _; kill -9 {numbers}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # not in the group that Ctrl-C is sent to
            )
        notify_child(self)

    def forked(self) -> None:
        """In a child: close its end of the pipe, which would keep the guard waiting as long as the child lives."""
        if self._shell is not None and self._shell.stdin is not None:
            self._shell.stdin.close()

    def dismiss(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.kill()  # before its pipe is closed
            shell.wait()
            assert shell.stdin is not None
            shell.stdin.close()


def gpus_of(replica: tuple[int, int], options: Mapping[str, Any], visible: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the environment that makes a replica run in its place, and how many engines share a GPU at most."""
    number, count = replica
    spans = int(options.get("tensor_parallel_size") or 1) * int(options.get("pipeline_parallel_size") or 1)
    if spans > len(visible):  # vLLM says what is wrong with that
        return {}, 1
    places = len(visible) // spans
    first = number % places * spans
    return {"CUDA_VISIBLE_DEVICES": ",".join(visible[first : first + spans])}, -(-count // places)


@contextmanager
def environment(variables: dict[str, str]) -> Generator[None]:
    """Set environment variables for as long as vLLM and its processes start."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


class CoreProcess:
    """The processes of an engine, watched until it is closed."""

    def __init__(self, processes: Sequence[BaseProcess], answers: Any) -> None:
        self._processes = processes
        self._answers = answers
        self._closed = threading.Event()
        self._killed = False
        self._guard = Guard(process.pid for process in processes if process.pid is not None)
        threading.Thread(target=self._watch, name="typefold-core", daemon=True).start()
        notify_child(self)

    @classmethod
    def of(cls, client: Any) -> CoreProcess | None:
        """Return the process of a vLLM client (`llm_engine.engine_core`); `None` where its engine runs in this process."""
        manager = getattr(getattr(client, "resources", None), "engine_manager", None)
        processes, answers = getattr(manager, "processes", None), getattr(client, "outputs_queue", None)
        if not processes or answers is None or not all(isinstance(each, BaseProcess) for each in processes):
            return None
        return cls(processes, answers)

    @property
    def end(self) -> EngineGone | None:
        """The error that says how it ended, once one of its processes has."""
        for process in self._processes:
            with suppress(OSError, ValueError):  # it was closed, by vLLM
                if not connection.wait([process.sentinel], timeout=0):
                    continue
                if self._killed:
                    return EngineGone(f"its process ({process.name}) was ended, since it hung")
                for _ in range(_TRIES):
                    if (code := process.exitcode) is not None:
                        return EngineGone(_end(process.name, code))
                    time.sleep(_PAUSE)  # a second thread that asks at the same time gets no exit code
                return EngineGone(f"its process ({process.name}) is gone")
        return None

    def kill(self) -> bool:
        """End its processes at once; `False` where there was none left."""
        self._killed, alive = True, False
        for process in self._processes:
            with suppress(OSError, ValueError):  # it has just ended
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, signal.SIGKILL)
                    alive = True
        return alive

    def forked(self) -> None:
        """In a child: keep its copy of `multiprocessing` from ending the processes, or waiting for them."""
        known = getattr(multiprocessing.process, "_children", None)
        if isinstance(known, set):
            known.difference_update(self._processes)

    def close(self) -> None:
        """Stop watching: from here on an end is no accident."""
        self._closed.set()
        self._guard.dismiss()

    def _watch(self) -> None:
        sentinels = [process.sentinel for process in self._processes]
        while not self._closed.is_set():
            try:
                ended = bool(connection.wait(sentinels, timeout=_LOOK))
            except (OSError, ValueError):  # vLLM closed them
                ended = True
            if ended and not self._closed.is_set():
                self._answers.put_nowait(self.end or EngineGone("its process is gone"))
                return


def _end(name: str, code: int) -> str:
    if code >= 0:
        return f"its process ({name}) ended with exit code {code}; its log says why"
    try:
        killer = signal.Signals(-code).name
    except ValueError:
        killer = f"signal {-code}"
    why = "; the system does so when memory runs out" if killer == "SIGKILL" else ""
    return f"its process ({name}) was killed by {killer}{why}"
