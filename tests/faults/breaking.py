"""An engine that breaks as it is told, and the world that its rows live in.

Four rows are asked for at once. `early` is the shortest and has ended when the trouble begins; `beside` and `behind` are in
the engine's hands with `faulty`, which is what it is all about. Time is the world's, so no test waits for a clock.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from typefold.runtime import Request
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import Answer, ScriptedEngine

__all__ = ["EARLY", "FAULTY", "ROWS", "Breaking", "Trouble", "World"]

EARLY, BESIDE, FAULTY, BEHIND = "early", "beside", "faulty", "behind"
ROWS = (EARLY, BESIDE, FAULTY, BEHIND)


@dataclass
class World:
    """What outlives the engines.

    Attributes:
        trouble: What goes wrong with an engine while the faulty row runs; `None` where it is the row that is wrong.
        answer: What the faulty row is answered.
        refuses: Whether the engine refuses it.
        unable: Whether the first engine breaks as it is handed over.
        now: The time.
        engines: The engines that were built.
    """

    trouble: Trouble | None = None
    answer: Answer = "77777"
    refuses: bool = False
    unable: bool = False
    now: float = 0.0
    engines: list[Breaking] = field(default_factory=list["Breaking"])
    release: threading.Event = field(default_factory=threading.Event)
    asked: set[str] = field(default_factory=set[str])

    def build(self) -> Breaking:
        engine = Breaking(self)
        self.engines.append(engine)
        return engine

    def answered(self, request: Request) -> Answer:
        name = name_of(request)
        return self.answer if name == FAULTY else "7" if name == EARLY else "77777"

    def wait(self) -> None:
        """Hang until the test is over, or the engine is killed."""
        self.now += 10
        self.release.wait(60)


Trouble = Callable[["Breaking"], None]
"""Done in a step in which the faulty row runs and `early` has ended. A row that is to stay until somebody has noticed has
a long answer."""


def name_of(request: Request) -> str:
    text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
    return text.rpartition("\n")[2].split()[0]


class Breaking(ScriptedEngine):
    """An engine of a world.

    Args:
        world: What it is to do.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.answered, refuse=self._refused)
        self.world = world
        self._names: dict[str, str] = {}
        self._ended: set[str] = set()
        self.killable = self.killed = False

    def _refused(self, request: Request) -> str | None:
        return "no such adapter" if self.world.refuses and name_of(request) == FAULTY else None

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        if self.world.unable and name_of(request) == FAULTY and len(self.world.engines) == 1:
            raise OSError("the socket is closed")
        super().add(key, request, token_ids, max_tokens)
        self._names[key] = name_of(request)
        self.world.asked.add(name_of(request))

    def step(self) -> Sequence[Completion]:
        world = self.world
        first = len(world.engines) == 1
        if world.trouble is not None and first and not world.asked.issuperset(ROWS):
            time.sleep(0.0005)
            return []
        if world.trouble is not None and FAULTY in self._names.values() and (not first or EARLY in self._ended):
            world.trouble(self)
        done = super().step()
        for completion in done:
            self._ended.add(self._names.pop(completion.key))
        return done

    def abort(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        super().abort(keys)
        for key in keys:
            self._names.pop(key, None)

    def kill(self) -> bool:
        if self.killable:
            self.killed = True
            self.world.release.set()
        return self.killable

    def alone(self) -> bool:
        """Whether the faulty row is the only one in its hands."""
        return set(self._names.values()) == {FAULTY}


def raises(error: Exception, times: int = 1) -> Trouble:
    """So many engines raise; a new one each time."""

    def trouble(engine: Breaking) -> None:
        if len(engine.world.engines) <= times:
            raise error

    return trouble


def hangs(*, killable: bool) -> Trouble:
    """The first engine hangs, and can be killed or not."""

    def trouble(engine: Breaking) -> None:
        world = engine.world
        if len(world.engines) > 1:
            return

        engine.killable = killable
        world.wait()
        if engine.killed:
            raise OSError("killed")

    return trouble


def nothing(engine: Breaking) -> None:
    """Only have all of them there before anything goes on."""


def late(engine: Breaking) -> None:
    """Much time passes while nobody but the faulty row is there."""
    if engine.alone():
        engine.world.now += 1e6


def signalled(number: signal.Signals) -> Trouble:
    """A signal comes to the main thread, once."""

    def trouble(engine: Breaking) -> None:
        if not engine.world.release.is_set():
            engine.world.release.set()
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, number)
        time.sleep(0.001)  # the row is to be there when the main thread gets to its handler

    return trouble
