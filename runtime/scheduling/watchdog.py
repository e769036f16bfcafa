"""Watchdog: notices that an engine hangs, and ends it.

The engine's thread beats after each call into the engine, and idles where it has nothing to do. Beyond the limit the watchdog's own
thread breaks off the call (`Engine.kill`), so that the thread returns with an error, as from any other crash. Where it does not, the
thread is abandoned and its rows are failed in its place. Invariant: an abandoned thread learns of it at its next beat, before it
touches anything shared. Without a limit nothing is watched, and a beat costs a comparison; nor is anything at the end of the
interpreter, where no thread can be started.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOKS = 4  # in the time of the limit
_OFTEN = 1.0  # seconds; looking is cheap
_GRACE = 10.0  # seconds for a call that was broken off to return


class EngineHung(RuntimeError):
    """A call into the engine did not return in time."""


class Abandoned(BaseException):
    """This thread was given up while it hung: it must end, and touch nothing."""


class Watchdog:
    """Watches one engine's thread."""

    def __init__(
        self,
        limit: float | None,  # seconds that a call may last
        kill: Callable[[], bool],  # breaks off the call that hangs, and returns whether it can
        give_up: Callable[[EngineHung], None],  # called once if the thread did not return; both by the watchdog's own
        *,
        call: str = "no step of it ended",  # the call that may hang, in words
        now: Callable[[], float] | None = None,
        grace: float = _GRACE,  # seconds that the thread has to return
    ) -> None:
        self._limit = limit
        self._kill = kill
        self._give_up = give_up
        self._call = call
        self._now = now or time.monotonic
        self._grace = grace
        self._since: float | None = None
        self._hung: EngineHung | None = None
        self._abandoned = False
        self._back = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        if limit is not None:
            try:
                threading.Thread(target=self._watch, args=(limit,), name="typefold-watchdog", daemon=True).start()
            except RuntimeError:  # the interpreter is ending, and from Python 3.12 on starts no thread then
                self._limit = None

    def beat(self) -> None:
        """Note that the engine's thread is at work. Raises EngineHung if it was late, Abandoned if it was given up."""
        self._set(working=True)

    def idle(self) -> None:
        """Note that the engine's thread waits for work, so that nothing can hang; raises as `beat` does."""
        self._set(working=False)

    def returned(self) -> EngineHung | None:
        """Note that the engine's thread has an error, and return the reason if the engine was killed."""
        with self._lock:
            if self._abandoned:
                raise Abandoned
            self._since = None
            self._back.set()
            return self._hung

    @property
    def abandoned(self) -> bool:
        return self._abandoned

    def close(self) -> None:
        self._ended.set()
        self._back.set()

    def abandon(self) -> bool:
        """Give the thread up, from any other thread, and return whether it had not been."""
        with self._lock:
            before, self._abandoned = self._abandoned, True
        return not before

    def _set(self, *, working: bool) -> None:
        if self._limit is not None:
            with self._lock:
                if self._abandoned:
                    raise Abandoned
                if self._hung is not None:
                    raise self._hung
                self._since = self._now() if working else None

    def _watch(self, limit: float) -> None:
        while not self._ended.wait(min(limit / _LOOKS, _OFTEN)):
            with self._lock:
                late = self._since is not None and self._now() - self._since > limit
                if late:
                    self._hung = EngineHung(f"{self._call} within watchdog={limit:g} s")
            if late:
                self._break_off()
                return

    def _break_off(self) -> None:
        assert self._hung is not None
        try:
            killed = self._kill()
        except Exception:  # it may be in any state
            killed = False
        if killed and self._back.wait(self._grace):
            return
        with self._lock:
            if self._back.is_set():  # it returned just now
                return
            self._abandoned = True
        self._give_up(self._hung)
