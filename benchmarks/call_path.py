"""The path of one call: functions, files and rooms of the package through which one further row passes.

    python -m benchmarks.call_path [--rows 40] [--show map] [--json FILE]

Three walks on the scripted engine: a row of `.map`, a row of `run`, and a row of `.map` that a journal answers. Each is traced
in all threads with some rows and with twice as many; a function counts if the further rows call it once in two rows or
more often, so that the work of a batch or of a step of the engine is left out. The engine stands for a model: its functions,
with all that they call, are left out too. A call changes rooms if caller and called are in different ones of dsl, compiler
and runtime. It goes up if the called module stands nearer to the user than the caller's, by the list of layers in
pyproject.toml (`[tool.typefold.house]`): a callback, a generator that is resumed. Modules that the list lacks have no place.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
LAYERS: dict[str, list[str]] = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["typefold"]["house"]["layers"]
ENGINES = "typefold.runtime.engines."


class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    age: Annotated[int, Field(ge=0, le=120)]
    role: Literal["hero", "villain"]


@prompt(temperature=0)
def make_character(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")


def program(setting: str) -> Character:
    sys.setprofile(_tracer.profile if _tracer is not None else None)  # a row may run in a greenlet of its own
    return make_character(setting)


Function = tuple[str, str]
"""A module and the name of a function in it."""


@cache
def room_of(module: str) -> str:
    """The package of `LAYERS` that a module is in, the innermost."""
    return max((room for room in LAYERS if f"{module}.".startswith(f"{room}.")), key=len, default="")


@cache
def rank_of(module: str) -> tuple[int, int] | None:
    """Where a module stands: greater is nearer to the user."""
    room = room_of(module)
    name = module.removeprefix(room).lstrip(".").partition(".")[0]
    return ([*LAYERS].index(room), LAYERS[room].index(name)) if name in LAYERS[room] else None


def goes_up(caller: str, called: str) -> bool:
    """Whether a call between two modules goes against the list of layers."""
    lower, upper = rank_of(caller), rank_of(called)
    return lower is not None and upper is not None and lower < upper


@dataclass
class Tracer:
    """Counts the calls of functions of the package, in every thread that starts after it.

    Attributes:
        calls: The number of calls of each pair of caller and called; the caller is the nearest function of the package.
    """

    calls: Counter[tuple[Function | None, Function]] = field(default_factory=Counter[tuple[Function | None, Function]])

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and room_of(module := str(frame.f_globals.get("__name__"))):
            around = [name for name in _callers(frame) if room_of(name[0])]
            if not any(each.startswith(ENGINES) for each, _ in [(module, ""), *around]):
                self.calls[around[0] if around else None, (module, frame.f_code.co_qualname)] += 1


_tracer: Tracer | None = None


def _callers(frame: FrameType) -> Iterator[Function]:
    """The functions that wait for one, the nearest first."""
    outer = frame.f_back
    while outer is not None:
        yield str(outer.f_globals.get("__name__")), outer.f_code.co_qualname
        outer = outer.f_back


def traced(walk: Callable[[list[str]], object], rows: int) -> Counter[tuple[Function | None, Function]]:
    """The calls of a walk over rows that it has not seen, after one over others."""
    global _tracer
    walk([f"place {number}" for number in range(3)])
    _tracer = Tracer()
    threading.setprofile(_tracer.profile)
    sys.setprofile(_tracer.profile)
    try:
        walk([f"town {number}" for number in range(rows)])
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # pyright: ignore[reportArgumentType]  # as its docs say
    calls, _tracer = _tracer.calls, None
    return calls


def walks(journal: Path) -> dict[str, Callable[[list[str]], object]]:
    """The walks by name. Each opens a runtime of its own, so that the threads of it are traced."""

    def engine() -> ScriptedEngine:
        return ScriptedEngine(answers=lambda request: '{"name": "Ada", "age": 40, "role": "hero"}')

    def mapped(rows: list[str]) -> None:
        with Runtime(engine()):
            make_character.map(rows)

    def ran(rows: list[str]) -> None:
        with Runtime(engine()):
            run(program, rows)

    def answered(rows: list[str]) -> None:
        with Runtime(engine(), journal=journal) as runtime:
            make_character.map(rows)
            asked.append(runtime.stats)

    asked: list[Any] = []
    with Runtime(engine(), journal=journal):
        make_character.map([f"{kind} {number}" for kind in ("place", "town") for number in range(1000)])
    return {"map": mapped, "run": ran, "journal": answered}


def figures(name: str, walk: Callable[[list[str]], object], rows: int) -> dict[str, Any]:
    """Counts of one further row of a walk."""
    few, many = traced(walk, rows), traced(walk, 2 * rows)
    further = {pair: (count - few[pair]) / rows for pair, count in many.items()}
    functions = defaultdict[Function, float](float)
    for (_, called), count in further.items():
        functions[called] += count
    passed = {called for called, count in functions.items() if count >= 0.5}
    pairs = {(a, b): count for (a, b), count in further.items() if a is not None and b in passed and count >= 0.5}
    up = {(a, b): count for (a, b), count in pairs.items() if goes_up(a[0], b[0])}
    return {
        "walk": name,
        "functions": len(passed),
        "files": len({module for module, _ in passed}),
        "calls": round(sum(functions[each] for each in passed), 1),
        "room changes": round(sum(n for (a, b), n in pairs.items() if room_of(a[0]) != room_of(b[0])), 1),
        "calls up": len(up),
        "up": [f"{'.'.join(a)} -> {'.'.join(b)} ({count:.1f})" for (a, b), count in sorted(up.items())],
        "path": [".".join(each) for each in sorted(passed)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--show", choices=["map", "run", "journal"], help="Print the functions of a walk.")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [figures(name, walk, arguments.rows) for name, walk in walks(Path(folder) / "run.db").items()]
    columns = ("walk", "functions", "files", "calls", "room changes", "calls up")
    table = Table(*columns, title="One further row")
    for each in found:
        table.add_row(*(str(each[column]) for column in columns))
    console = Console()
    console.print(table)
    for each in found:
        console.print(f"Calls up in {each['walk']}:", *each["up"], sep="\n  ", markup=False, highlight=False)
        if each["walk"] == arguments.show:
            console.print("Functions:", *each["path"], sep="\n  ", markup=False, highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
