"""Ctrl-C and SIGTERM while a batch runs: the batch ends, and says how far it had come.

Ctrl-C raises Python's own `KeyboardInterrupt`. SIGTERM would end the process on the spot: no `finally` block would run, and
an engine's processes would stay behind. So while a batch runs in the main thread, and only then, it raises `Terminated`
there, which ends the program as `sys.exit` does, with status 143. Both take the batch's rows out of the engine on their
way, and a program that catches them can go on with the runtime. A row that swallows them holds nothing up: the batch
raises them again (`greenlets.Stop`).

A body, a validator or a row that never returns can't be interrupted in Python. So a second Ctrl-C, while the batch that
the first one was to end still runs, ends the process as the operating system does, with no `finally` block: what was
answered is in the journal. In an interactive session, whose state would be lost, it is one more `KeyboardInterrupt`.

A program that has a handler for a signal, or ignores it, keeps that: an exception of its handler ends a batch as well.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from typefold.execution.greenlets import current_row, stop
from typefold.execution.open_runtimes import resume_hints
from typefold.runtime.ownership import Owner, in_child

_STATUS = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """The process was told to end (SIGTERM) while a batch ran. Like `KeyboardInterrupt` it is no `Exception`."""

    def __init__(self) -> None:
        super().__init__(_STATUS)


class Interruptible:
    """A batch that can be interrupted; the outermost one reports it. Batches may overlap in any order, as streams do."""

    def __init__(self) -> None:
        self._outermost = False
        self._counted = False
        self._owner = Owner()

    def begin(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals are the main thread's
        self._counted = True
        self._outermost = not _State.running
        _State.running += 1
        if current_row() is None:  # a program that begins a batch here has dealt with an earlier signal
            stop.asked, stop.noticed = None, False
        if self._outermost:
            for number, default in _DEFAULTS.items():
                if signal.getsignal(number) is default:
                    signal.signal(number, _on_signal)

    def end(self, error: BaseException | None, progress: str) -> None:
        if self._owner.elsewhere:  # a fork: the batch is the parent's
            return
        terminated = stop.asked is Terminated
        if self._counted:
            self._counted = False
            _State.running -= 1
            if not _State.running:
                stop.asked, stop.noticed = None, False
                if threading.current_thread() is threading.main_thread():
                    _restore()
        if self._outermost and error is not None and (terminated or isinstance(error, KeyboardInterrupt | Terminated)):
            by = "SIGTERM" if terminated else "Ctrl-C"
            lines = [f"typefold: stopped by {by} with {progress}; what was not done was taken out of the engine."]
            print("\n".join(lines + resume_hints()), file=sys.stderr)


@contextmanager
def interruptible() -> Generator[None]:
    """Make SIGTERM end a single call that is waited for inside, as it ends a batch. A row is part of a batch already."""
    if current_row() is not None:
        yield
        return
    call = Interruptible()
    call.begin()
    try:
        yield
    finally:
        call.end(None, "")


class _State:
    running = 0


_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}
"""The handlers of a program that sets none."""


def _restore() -> None:
    for number, default in _DEFAULTS.items():
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, default)


def _forked() -> None:
    _restore()
    _State.running, stop.asked, stop.noticed = 0, None, False


in_child(_forked)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if not _State.running:  # the last batch was ended by another thread, which can't take this handler away
        _restore()
        signal.raise_signal(number)
        return
    asked = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    if asked is Terminated and stop.asked is Terminated and stop.noticed:
        return  # a second one must not break off what the first began
    if asked is KeyboardInterrupt and stop.asked is KeyboardInterrupt and not _is_interactive():
        lines = ["typefold: ended by a second Ctrl-C.", *resume_hints()]
        os.write(2, ("\n".join(lines) + "\n").encode())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    stop.asked, stop.noticed = asked, current_row() is None
    raise asked


def _is_interactive() -> bool:
    ipython: Any = sys.modules.get("IPython")  # where there is a notebook, it is there already
    return hasattr(sys, "ps1") or (ipython is not None and ipython.get_ipython() is not None)
