"""The process that an engine of vLLM runs in, where it has one: noticing that it died, and ending it.

vLLM's client waits for answers of its core on a queue. A core that raises leaves word there; one that is killed, by the
system's out-of-memory killer mostly, does not, and the client waits for ever. So the process is watched here, and its
end is put into that queue for the call that waits. Killing an engine that hangs is the same: its process is ended, the
rest follows.

Invariant: what is put there is an exception, which vLLM raises from its step as its own. It is found by the names that
vLLM 0.25 to 0.33 share; where they are missing, nothing is watched, and the watchdog's limit is all that helps. vLLM is
not imported.
"""

from __future__ import annotations

import logging
import multiprocessing.process
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from typefold.runtime.engine import EngineGone
from typefold.runtime.engines.vllm.process import Guard
from typefold.runtime.ownership import tell_child

__all__ = ["CoreProcess"]

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between looks at whether it is still to be watched
_TRIES, _PAUSE = 20, 0.05  # to learn how it ended


class CoreProcess:
    """The processes of an engine, watched until it is closed.

    Args:
        processes: The processes; it can't do without any of them.
        answers: The queue that the client waits at.
    """

    def __init__(self, processes: Sequence[BaseProcess], answers: Any) -> None:
        self._processes = processes
        self._answers = answers
        self._closed = threading.Event()
        self._killed = False
        self._guard = Guard(process.pid for process in processes if process.pid is not None)
        threading.Thread(target=self._watch, name="typefold-core", daemon=True).start()
        tell_child(self)

    @classmethod
    def of(cls, client: Any) -> CoreProcess | None:
        """That of a vLLM client (`llm_engine.engine_core`); `None` for one whose engine runs in this process."""
        manager = getattr(getattr(client, "resources", None), "engine_manager", None)
        processes, answers = getattr(manager, "processes", None), getattr(client, "outputs_queue", None)
        if not processes or answers is None or not all(isinstance(each, BaseProcess) for each in processes):
            return None
        return cls(processes, answers)

    @property
    def end(self) -> EngineGone | None:
        """How it ended, once one of its processes has."""
        for process in self._processes:
            with suppress(OSError, ValueError):  # it was closed, by vLLM
                if not connection.wait([process.sentinel], timeout=0):
                    continue
                if self._killed:
                    return EngineGone(f"its process ({process.name}) was ended, since it hung")
                for _ in range(_TRIES):
                    if (code := process.exitcode) is not None:
                        return EngineGone(_end(process.name, code))
                    time.sleep(_PAUSE)  # whoever asks while another thread does is told nothing
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
        """In a child: its copy of `multiprocessing` is not to end the processes, nor to wait for them."""
        known = getattr(multiprocessing.process, "_children", None)
        if isinstance(known, set):
            known.difference_update(self._processes)

    def close(self) -> None:
        """Watch no more: from here on an end is no accident."""
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
