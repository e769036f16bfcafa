"""A long job in which everything goes wrong now and then: does it add up, and does anything grow?

    python -m benchmarks.soak [--rows 1000000] [--json FILE]

Rows from a generator through `run.stream` on the scripted engine. One row in a hundred fails in one of eight ways of its
own. One in ten thousand makes the engine crash, as it is handed over or in a step, and one in fifty thousand does so each
time, until it is found and fails; two engines hang and are killed. After each tenth of each decade: how many rows ended
how, and the process's resident memory, open files and threads. What each row should come to is known before, so the counts
must be equal; memory, files and threads must not grow with the rows.
"""

from __future__ import annotations

import argparse
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from returns.result import Success

from benchmarks.tables import Rows, show
from typefold import Runtime, ask, prompt, run
from typefold.runtime import Completion, FinishReason, Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import Answer, ScriptedEngine

__all__ = ["Plan", "soak"]

OWN = ["Invalid", "Refused", "BadInput", "PromptTooLong", "Truncated", "TimedOut", "Cancelled", "KeyError"]
"""Faults of single rows, by the names of their errors; the last is the program's own."""


@dataclass(frozen=True)
class Plan:
    """Which row does what.

    Attributes:
        rows: The number of rows.
        crash_every: One in so many rows makes an engine crash, once.
        poison_every: One in so many makes every engine crash that it comes to.
        hangs: The rows at which an engine hangs.
    """

    rows: int
    crash_every: int = 10_000
    poison_every: int = 50_000
    hangs: tuple[int, ...] = ()

    def of(self, row: int) -> str:
        """What a row does: `fine`, the name of its own error, or what it does to engines."""
        if row in self.hangs:
            return "hang"
        if row % self.poison_every == self.poison_every // 2:
            return "poison"
        if row % self.crash_every == self.crash_every // 4:
            return "step" if row // self.crash_every % 2 else "add"
        return OWN[row // 100 % len(OWN)] if row % 100 == 37 else "fine"

    def end(self, row: int) -> str:
        """How a row should end: `value`, or the name of an error."""
        kind = self.of(row)
        return kind if kind in OWN else "EngineFailed" if kind == "poison" else "value"

    def restarts(self) -> int:
        """How often the engine should be built again."""
        kinds = Counter(map(self.of, range(self.rows)))
        return kinds["step"] + kinds["add"] + kinds["hang"] + 3 * kinds["poison"]


def _no_thirteen(value: int) -> int:
    if value == 13:
        raise ValueError("nobody wants thirteen")
    return value


@prompt
def task(text: str) -> Annotated[int, AfterValidator(_no_thirteen)]:
    return ask(text)


def program(row: tuple[int, str]) -> int:
    """What a row runs."""
    number, kind = row
    text = f"{number} {kind}"
    if kind == "KeyError":
        raise KeyError(text)
    if kind == "BadInput":
        text += "\ud800"
    if kind == "PromptTooLong":
        text += "x" * 9000
    if kind == "Truncated":
        return task.using(max_tokens=2)(text)
    if kind == "TimedOut":
        return task.using(timeout=0.05)(text)
    return task(text)


@dataclass
class World:
    """What the engines have in common.

    Attributes:
        done: The rows that have crashed an engine, and need not again.
        released: Lets go of the engine that hangs.
    """

    done: set[str] = field(default_factory=set[str])
    released: threading.Event = field(default_factory=threading.Event)

    def first(self, text: str) -> bool:
        """Whether a row has not done so before."""
        new = text not in self.done
        self.done.add(text)
        return new


class Faulty(ScriptedEngine):
    """An engine that does what the rows in its hands want of it, and keeps no request."""

    def __init__(self, world: World) -> None:
        super().__init__(self._answered, tokens_per_step=8, max_num_seqs=64)
        self._world = world
        self._bad: dict[str, str] = {}

    @staticmethod
    def _answered(request: Request) -> Answer:
        match _asked(request).split()[1]:
            case "Invalid":
                return "13"
            case "Cancelled":
                return FinishReason.ABORT
            case "TimedOut":
                return "1" * 5000
            case "Refused":
                return EngineRefusal("no such adapter")  # a new one: an exception keeps where it was raised
            case _:
                return "1234567890"

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        text = _asked(request)
        kind = text.split()[1]
        if kind == "add" and self._world.first(text):
            raise OSError("the socket is closed")
        super().add(key, request, token_ids, max_tokens)
        self.requests.clear()
        if kind in ("step", "poison", "hang", "TimedOut"):
            self._bad[key] = text

    def step(self) -> Sequence[Completion]:
        for text in self._bad.values():
            if text.endswith("poison") or (text.endswith("step") and self._world.first(text)):
                raise RuntimeError(f"CUDA error at {text}")
            if text.endswith("hang") and self._world.first(text):
                self._world.released.clear()
                self._world.released.wait()
                raise RuntimeError("killed")
            if text.endswith("TimedOut"):
                time.sleep(0.001)  # of 625 steps: it is late long before its end
        done = super().step()
        for completion in done:
            self._bad.pop(completion.key, None)
        return done

    def abort(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        super().abort(keys)
        for key in keys:
            self._bad.pop(key, None)

    def kill(self) -> bool:
        self._world.released.set()
        return True


def _asked(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    return request.prompt[-1].content.rpartition("\n")[2]


def measured(rows: int, seconds: float, runtime: Runtime) -> dict[str, Any]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "rows": rows,
        "rows/s": round(rows / seconds),
        "memory, MiB": round(resident / 2**20, 1),
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "restarts": runtime.stats.restarts,
    }


def soak(plan: Plan, *, watchdog: float = 60.0) -> tuple[Rows, Rows]:
    """Run it: how the process was on its way, and how the rows ended.

    Raises:
        AssertionError: Something does not add up.
    """
    world = World()
    ends: Counter[str] = Counter()
    marks = {count * 10**decade for decade in range(2, 9) for count in (1, 2, 5)} | {plan.rows}
    on_its_way: Rows = []

    def rows() -> Iterator[tuple[int, str]]:
        return ((number, plan.of(number)) for number in range(plan.rows))

    started = time.perf_counter()
    with Runtime(lambda: Faulty(world), restarts=10**9, watchdog=watchdog) as runtime:
        for done, (row, result) in enumerate(run.stream(program, rows()), 1):
            end = "value" if isinstance(result, Success) else type(result.failure()).__name__
            assert end == plan.end(row), f"row {row} ({plan.of(row)}) ended as {end}: {result!r:.500}"
            ends[end] += 1
            if done in marks:
                on_its_way.append(measured(done, time.perf_counter() - started, runtime))
        stats = runtime.stats
    assert stats.submitted == stats.succeeded + stats.failed + stats.cancelled, stats
    assert ends.total() == plan.rows
    assert stats.restarts == plan.restarts(), (stats.restarts, plan.restarts())
    return on_its_way, [{"ended as": name, "rows": count} for name, count in sorted(ends.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--watchdog", type=float, default=20.0, help="seconds until an engine that hangs is killed")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    hangs = (arguments.rows // 3 + 11, arguments.rows // 2 + 11)
    on_its_way, ends = soak(Plan(arguments.rows, hangs=hangs), watchdog=arguments.watchdog)
    show({"on its way": on_its_way, "at the end": ends}, arguments.json)


if __name__ == "__main__":
    main()
