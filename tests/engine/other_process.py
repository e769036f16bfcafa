"""A program on an engine in a process of its own: `test_multiprocess.py` runs it and compares what it prints.

Run with `VLLM_ENABLE_V1_MULTIPROCESSING=1` and a model's path. `alone` is what the test asks of its own engine too.
"""
# Looks inside:
# pyright: reportPrivateUsage=false

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from typefold import Runtime, ask, gather, prompt, run
from typefold.runtime.engines.vllm.engine import VllmEngine

SETTINGS = ["Mars", "Paris", "a farm", "the sea"]


class Character(BaseModel):
    name: Annotated[str, Field(max_length=12)]
    age: Annotated[int, Field(ge=0, le=120)]


@prompt(temperature=0)
def make(setting: str) -> Character:
    return ask(f"Invent a character from {setting}.")


@prompt(temperature=0)
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop? {text}")


@prompt(temperature=0, max_tokens=12)
def describe(name: str) -> str:
    return ask(f"Describe {name}.")


@prompt(max_tokens=900, min_tokens=900, temperature=0)
def drone(topic: str) -> str:
    return ask(f"Go on about {topic}.")


def alone() -> list[Any]:
    """Greedy answers, one call at a time."""
    made = [make(setting).model_dump() for setting in SETTINGS[:2]]
    return [*made, judge("It rained."), describe("Ada"), "".join(describe.stream("Bob"))]


def scene(setting: str) -> str:
    return judge(make(setting).name)


def graph() -> tuple[Any, ...]:
    return gather(judge.defer(describe.defer("Ada")), make.defer("Mars").then(Character.model_dump))


def wait_for(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def together(runtime: Runtime) -> bool:
    """Whether rows are in the engine at once; each goes on for longer than it takes to look."""
    rows = run.stream(
        lambda topic: drone(topic) if topic else "", [*SETTINGS, ""], max_rows_in_flight=len(SETTINGS) + 1
    )
    next(rows)
    found = wait_for(lambda: runtime.stats.running == len(SETTINGS))
    rows.close()
    return found


def given_up(runtime: Runtime) -> list[bool]:
    """What is left in the engine after each way of giving up a call."""
    engine, clean = runtime.engine, list[bool]()
    assert isinstance(engine, VllmEngine)

    def is_clean() -> bool:
        return wait_for(lambda: runtime.stats.running == runtime.stats.waiting == 0 and not engine.has_unfinished)

    future = drone.submit("tea")
    assert wait_for(lambda: runtime.stats.running == 1)
    future.cancel()
    clean.append(is_clean())
    rows = run.stream(lambda topic: drone(topic) if topic else "", ["milk", "water", ""], max_rows_in_flight=3)
    next(rows)
    rows.close()
    clean.append(is_clean())
    with drone.stream("coffee") as stream:
        next(stream)
    clean.append(is_clean())

    async def late() -> None:
        task = asyncio.create_task(drone.aio("cocoa"))
        while runtime.stats.running == 0:
            await asyncio.sleep(0.001)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            clean.append(is_clean())

    asyncio.run(late())
    return clean


def main() -> None:
    options: dict[str, Any] = {"max_model_len": 1024, "max_num_seqs": 64, "dtype": "float32"}
    with Runtime(sys.argv[1], deduplicate=False, **options) as runtime:
        said: dict[str, Any] = {"alone": alone()}
        engine = runtime.engine
        assert isinstance(engine, VllmEngine) and engine._core is not None
        processes = [process.pid for process in engine._core._processes]
        said["scenes"] = run(scene, SETTINGS)
        said["graph"] = list(graph())
        said["together"] = together(runtime)
        said["given up"] = given_up(runtime)
        said["after"] = [make(SETTINGS[0]).model_dump()]
    print(json.dumps(said | {"processes": processes, "closed": engine.has_unfinished}), flush=True)
    sys.stdin.readline()  # until it has been looked at which processes are left


if __name__ == "__main__":
    main()
