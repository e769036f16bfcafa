"""Ownership: the process, and the thread, that an engine, a journal or a call under way belongs to.

A child of `os.fork` has a copy of everything but the threads: an engine without its loop, connections that sqlite forbids to use,
locks that are never released. So a thing that belongs to a process has an `Owner`: in a child each use is an error, and releasing
it does nothing. Work that can't wait is done as the child begins (`in_child`, `notify_child`). Invariant: a child waits for no lock
and no thread of its parent, and releases nothing that the parent still uses.

Two threads deliver answers, the engine's and the journal's. They run callbacks, which may send requests. Code that waits there for
an answer would wait for itself, so that is refused (`serving`).
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from operator import methodcaller
from typing import NoReturn, Protocol, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class UsedAfterFork(RuntimeError):
    """A runtime, a journal or a call under way was used in a forked child of the process that it belongs to.

    Attributes:
        used: The object, in words.
        owner: The process that it belongs to.
    """

    def __init__(self, used: str, owner: int) -> None:
        super().__init__(used, owner)
        self.used = used
        self.owner = owner

    def __str__(self) -> str:
        return (
            f"{self.used} belongs to process {self.owner}, of which this one is a fork, and can't be used here: engines "
            "and journals do not survive os.fork. Start processes with multiprocessing.get_context('spawn') or "
            "'forkserver', or give the child a model of its own: `with typefold.Runtime('org/model'):`"
        )


class Owner:
    """The process that an object belongs to: the one that makes this."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def elsewhere(self) -> bool:
        return os.getpid() != self._pid

    def check(self, used: str) -> None:
        """Check that this is the process. Raises UsedAfterFork: it is a fork of it."""
        if self.elsewhere:
            raise self.error(used)

    def error(self, used: str) -> UsedAfterFork:
        return UsedAfterFork(used, self._pid)


class OwnFuture(Future[T]):
    """A future that a forked child can do without."""

    def disown(self, error: UsedAfterFork) -> None:
        """In a child, where it would never end: end it with an error, unless it has ended."""
        self._condition = threading.Condition()  # another thread may have held it
        if self._state in ("PENDING", "RUNNING"):
            super().__init__()  # its callbacks are the parent's
            self.set_exception(error)


class Inherited(Protocol):
    """An object that a child must release at once."""

    def forked(self) -> None:
        """Release it: this is a child, and no other thread is there."""


_notified: WeakSet[Inherited] = WeakSet()


def notify_child(thing: Inherited) -> None:
    """Call `forked` in each child, for as long as the object is there."""
    _notified.add(thing)


def end_child(error: BaseException) -> NoReturn:
    """End a child whose only thread is one of typefold's, in the way that the error raised there ends a program."""
    status = 1
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
    elif error.code is None or isinstance(error.code, int):
        status = error.code or 0
    else:
        print(error.code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def keep(thing: object) -> None:
    """Keep an object through the very end of this process, so that its destructor never runs."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def in_child(do: Callable[[], object]) -> None:
    """Call a function in each child as it begins, as long as this process lasts."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=do)


def lock(kind: Callable[[], T]) -> T:
    """Return a lock for a module, of a kind; in a child it is free, though the parent holds it."""
    made = kind()
    in_child(partial(methodcaller("_at_fork_reinit"), made))
    return made


def _notify() -> None:
    for thing in [*_notified]:
        with suppress(Exception):
            thing.forked()


in_child(_notify)

_here = threading.local()


@contextmanager
def serving(owner: str) -> Generator[None]:
    """Mark this thread as one that delivers answers."""
    _here.owner = owner
    try:
        yield
    finally:
        del _here.owner


def refusal() -> str | None:
    """Return why nothing may wait for an answer in this thread; `None` where waiting is allowed."""
    owner: str | None = getattr(_here, "owner", None)
    if owner is None:
        return None
    return (
        f"this is the thread of {owner}, which runs callbacks (of a future, a stream, a logging handler, a tracer), and "
        f"what waits in it for an answer would wait for ever. Use prompt.submit(...) here, which does not wait, or hand "
        f"the work to a thread of your own: executor.submit(...), queue.put(...)"
    )
