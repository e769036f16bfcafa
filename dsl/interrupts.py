"""Ctrl-C and SIGTERM while a batch runs: how it ends, and what is said about it.

Ctrl-C is Python's own `KeyboardInterrupt`. SIGTERM would end the process on the spot: no `finally` block would run, and
an engine's processes would stay behind. So while a batch runs in the main thread, and only then, it raises `Terminated`
there, which ends the program as `sys.exit` does, with status 143. Both take the batch's rows out of the engine on their
way, and the runtime can be used afterwards, should somebody have caught them.

A program that has a handler for SIGTERM, or ignores it, keeps that: what its handler raises ends a batch just as well.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from typefold.mailbox import current_row
from typefold.runtime.forks import Owner, in_child
from typefold.selection import resume_hints

__all__ = ["Interruptible", "Terminated", "interruptible"]

_STATUS = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """The process was told to end (SIGTERM) while a batch ran. Like `KeyboardInterrupt` it is no `Exception`."""

    def __init__(self) -> None:
        super().__init__(_STATUS)


class Interruptible:
    """A batch that can be interrupted; the outermost of those that run says so.

    It is begun and ended once. Batches may overlap in any order, as streams do.
    """

    def __init__(self) -> None:
        self._outermost = False
        self._counted = False
        self._owner = Owner()

    def begin(self) -> None:
        """The batch runs from here on."""
        if threading.current_thread() is not threading.main_thread():
            return  # signals are the main thread's
        self._counted = True
        self._outermost = not _State.running
        _State.running += 1
        if self._outermost:
            _State.terminated = False
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _terminate)
                _State.ours = True

    def end(self, error: BaseException | None, told: str) -> None:
        """The batch has ended.

        Args:
            error: With what, where it ended early.
            told: How far it had come, for whoever interrupted it.
        """
        if self._owner.elsewhere:  # a fork: the batch is the parent's
            return
        terminated = _State.terminated
        if self._counted:
            self._counted = False
            _State.running -= 1
            if not _State.running and _State.ours and threading.current_thread() is threading.main_thread():
                _State.ours = _State.terminated = False
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self._outermost and error is not None and (terminated or isinstance(error, KeyboardInterrupt | Terminated)):
            by = "SIGTERM" if terminated else "Ctrl-C"
            lines = [f"typefold: stopped by {by} with {told}; what was not done was taken out of the engine."]
            print("\n".join(lines + resume_hints()), file=sys.stderr)


@contextmanager
def interruptible() -> Generator[None]:
    """A single call is waited for here: SIGTERM ends it as it would a batch. A row is part of a batch already."""
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
    ours = False  # whether the handler is
    terminated = False


def _forked() -> None:
    """The batches that run are the parent's."""
    if _State.ours:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _State.running, _State.ours, _State.terminated = 0, False, False


in_child(_forked)


def _terminate(number: int, frame: FrameType | None) -> None:
    if not _State.running:  # the last batch was ended by another thread, which can't take this handler away
        _State.ours = False
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    elif not _State.terminated:  # a second one must not break off what the first began
        _State.terminated = True
        raise Terminated
