"""Finding out that an engine hangs, and whose thread it is.

The engine's thread beats after each call into the engine, and rests where it has nothing to do. A thread of the watchdog's
own looks now and then how long ago that was. Beyond the limit it takes the engine for dead: the engine is asked to break
off the call that hangs (`Engine.kill`), so that the thread comes back with an error, as from any other crash. Where it
can't, or the thread does not come back, the thread is left behind and its rows are given up for it.

Invariant: a thread that was left behind learns of it at its next beat, before it touches anything that is shared. Without
a limit nothing is watched, and beats cost a comparison.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["EngineHung", "LeftBehind", "Watchdog"]

_LOOKS = 4  # in the time of the limit
_OFTEN = 1.0  # seconds; looking is cheap
_GRACE = 10.0  # seconds for a call that was broken off to come back


class EngineHung(RuntimeError):
    """A call into the engine did not come back in time."""


class LeftBehind(BaseException):
    """This thread was given up while it hung: it is to end, and to touch nothing."""


class Watchdog:
    """Watches one engine's thread.

    Args:
        limit: For how many seconds a call may last; `None` for ever.
        kill: Breaks off the call that hangs; whether it can. Called by the watchdog's thread.
        give_up: Called once if the thread did not come back, by the watchdog's thread, with what happened.
        now: Tells the time in seconds.
        grace: For how many seconds the thread is waited for after that.
    """

    def __init__(
        self,
        limit: float | None,
        kill: Callable[[], bool],
        give_up: Callable[[EngineHung], None],
        *,
        now: Callable[[], float] | None = None,
        grace: float = _GRACE,
    ) -> None:
        self._limit = limit
        self._kill = kill
        self._give_up = give_up
        self._now = now or _monotonic
        self._grace = grace
        self._since: float | None = None
        self._hung: EngineHung | None = None
        self._left = False
        self._back = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        if limit is not None:
            threading.Thread(target=self._keep_looking, args=(limit,), name="typefold-watchdog", daemon=True).start()

    def beat(self) -> None:
        """The engine's thread is at it.

        Raises:
            EngineHung: It was late, and the engine was killed meanwhile.
            LeftBehind: It was given up.
        """
        if self._limit is not None:
            with self._lock:
                self._check()
                self._since = self._now()

    def rest(self) -> None:
        """The engine's thread waits for work, or does what may take long: nothing can hang."""
        if self._limit is not None:
            with self._lock:
                self._check()
                self._since = None

    def came_back(self) -> EngineHung | None:
        """The engine's thread has an error in its hands: why the engine was killed, if it was.

        Raises:
            LeftBehind: It was given up.
        """
        with self._lock:
            if self._left:
                raise LeftBehind
            self._since = None
            self._back.set()
            return self._hung

    @property
    def left(self) -> bool:
        """Whether the thread was given up."""
        return self._left

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()
        self._back.set()

    def leave_behind(self) -> bool:
        """Give the thread up, from any other thread; whether it had not been."""
        with self._lock:
            before, self._left = self._left, True
        return not before

    def _check(self) -> None:
        if self._left:
            raise LeftBehind
        if self._hung is not None:
            raise self._hung

    def _keep_looking(self, limit: float) -> None:
        while not self._ended.wait(min(limit / _LOOKS, _OFTEN)):
            with self._lock:
                late = self._since is not None and self._now() - self._since > limit
                if late:
                    self._hung = EngineHung(f"no step of it ended within watchdog={limit:g} s")
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
            if self._back.is_set():  # it came back just now
                return
            self._left = True
        self._give_up(self._hung)


def _monotonic() -> float:
    return time.monotonic()
