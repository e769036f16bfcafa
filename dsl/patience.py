"""A time limit for user code in this thread: a body that never ends is stopped, and its row fails alone.

One thread watches all. When a limit passes it has the interpreter raise `TooSlow` in the thread that is late, at its next
step in Python; so what waits in C, or computes there (`9**9**9`), is stopped when it comes back. Whoever stands in a
debugger is left alone.

Invariant: the exception is raised inside of the `with` block whose limit passed, or not at all.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType

__all__ = ["LONGEST_BODY", "TooSlow", "limited"]

LONGEST_BODY = 60.0
"""Seconds that a body may take to make its message, where its call has no `timeout`."""

_LOOKS = 0.5  # seconds from one look at what is running to the next
_DEBUGGERS = ("bdb", "pdb", "pydevd", "debugpy", "IPython.core.debugger")


class TooSlow(BaseException):
    """The limit passed. No `except Exception` of the code that is late should hold that up."""


@dataclass(eq=False, slots=True)
class _Watch:
    thread: int
    frame: FrameType
    deadline: float
    over: bool = False
    claimed: bool = False


class limited:
    """A block of code that may take so many seconds.

    Args:
        seconds: The limit.

    Raises:
        TooSlow: It passed.
    """

    __slots__ = ("_seconds", "_watch")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._watch = _Watch(threading.get_ident(), sys._getframe(1), time.monotonic() + self._seconds)  # pyright: ignore[reportPrivateUsage]  # how Python names it
        _watched.add(self._watch)
        if not _busy.is_set():
            _wake()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        watch = self._watch
        watch.over = (
            True  # said before `claimed` is read, and the watcher claims before it reads this: one sees the other
        )
        if watch.claimed:
            with _deciding:  # an exception that is on its way now comes out here, or never
                if not isinstance(error, TooSlow):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(watch.thread), None)
        _watched.discard(watch)


_watched: set[_Watch] = set()
_busy = threading.Event()
_deciding = threading.Lock()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def _wake() -> None:
    global _thread
    _busy.set()
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=_watch, name="typefold-patience", daemon=True)
            _thread.start()


def _watch() -> None:
    while True:
        _busy.wait()
        time.sleep(_LOOKS)
        if not _watched:
            _busy.clear()
            if _watched:  # one came in between
                _busy.set()
            continue
        now = time.monotonic()
        for watch in [each for each in tuple(_watched) if each.deadline <= now and not each.claimed]:
            _stop(watch)


def _stop(watch: _Watch) -> None:
    with _deciding:
        frames = list(_frames(watch.thread))
        # A greenlet may have given way to another in the same thread, or somebody may be looking at it.
        if watch.frame not in frames or any(_is_debugger(frame) for frame in frames):
            return
        watch.claimed = True
        if not watch.over:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(watch.thread), ctypes.py_object(TooSlow))


def _frames(thread: int) -> Iterator[FrameType]:
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]  # how Python names it
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_debugger(frame: FrameType) -> bool:
    module: object = frame.f_globals.get("__name__")
    return isinstance(module, str) and module.startswith(_DEBUGGERS)


def _in_child() -> None:
    """The watching thread stays behind in the parent."""
    global _thread, _deciding, _starting
    _thread, _deciding, _starting = None, threading.Lock(), threading.Lock()
    _busy.clear()
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
