"""Code in a forked child of a test, and what became of it."""

from __future__ import annotations

import os
import select
import signal
import warnings
from collections.abc import Callable

__all__ = ["forked"]

_LONG = 60.0  # seconds; a child that hangs is what these tests are about


def forked(work: Callable[[], object], *, ends: Callable[[], object] = lambda: os._exit(0)) -> str:
    """The result of some work in a child of `os.fork`, as text: its value, or its error's name and message.

    Args:
        work: The work.
        ends: How the child ends once it has told.

    Raises:
        TimeoutError: The child hangs; it is killed.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and newer: a fork beside threads is the point
        child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                told = str(work())
            except BaseException as error:
                told = f"{type(error).__name__}: {error}"
            os.write(writing, told.encode()[:60_000])
            os.close(writing)
            ends()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        heard = bytearray()
        while select.select([reading], [], [], _LONG)[0]:
            piece = os.read(reading, 65_536)
            if not piece:
                os.waitpid(child, 0)
                return heard.decode()
            heard += piece
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise TimeoutError(f"the child hangs; it had told: {heard.decode()!r}")
    finally:
        os.close(reading)
