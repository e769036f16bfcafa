"""Programs on a real engine: rows, graphs and futures share its batch, and what is given up leaves it."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from returns.result import Success

from typefold import BatchError, InputFailed, Runtime, Truncated, ask, gather, prompt, run
from typefold.runtime import Request
from typefold.runtime.engines.vllm.engine import VllmEngine

from .together import Together

pytestmark = pytest.mark.engine

Verdict = Literal["keep", "drop"]


class Character(BaseModel):
    name: Annotated[str, Field(max_length=12)]
    age: Annotated[int, Field(ge=0, le=120)]


@prompt(temperature=0)
def make(setting: str) -> Character:
    return ask(f"Invent a character from {setting}.")


@prompt(temperature=0, max_tokens=12)
def describe(character: Character) -> str:
    return ask(f"Describe {character.name}, aged {character.age}.")


@prompt(temperature=0)
def judge(text: str) -> Verdict:
    return ask(f"Keep or drop? {text}")


@prompt(max_tokens=900, min_tokens=900, temperature=0)
def drone(topic: str) -> str:
    return ask(f"Go on about {topic}.")


SETTINGS = ["Mars", "Paris", "a farm", "the sea", "a lighthouse", "a train", "1920", "a market"]


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes to be true."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def scene(setting: str) -> tuple[Character, Verdict]:
    someone = make(setting)
    return someone, judge(describe(someone))


def is_judged(request: Request) -> bool:
    """Whether a request is a scene's last."""
    return "Keep or drop?" in str(request.prompt)


def test_rows_of_a_program_are_one_batch_with_the_values_of_plain_calls(
    runtime: Runtime, together: Callable[..., Together]
) -> None:
    alone = [scene(setting) for setting in SETTINGS]
    assert [type(someone) for someone, _ in alone] == [Character] * len(SETTINGS)
    assert {verdict for _, verdict in alone} <= {"keep", "drop"}
    together(len(SETTINGS), is_judged)
    assert run(scene, SETTINGS) == alone


def test_a_graph_is_one_batch_of_its_types(runtime: Runtime, together: Callable[..., Together]) -> None:
    alone = [scene(setting) for setting in SETTINGS]
    someone = [make.defer(setting) for setting in SETTINGS]
    texts = [describe.defer(each) for each in someone]
    verdicts = [judge.defer(text) for text in texts]
    together(len(SETTINGS), is_judged)
    first, last, every = gather(someone[0], verdicts[-1], gather.defer(verdicts))
    assert first == alone[0][0]
    assert last == every[-1]
    assert every == [verdict for _, verdict in alone]


def test_a_failed_value_of_a_graph_fails_what_is_made_from_it_alone(runtime: Runtime) -> None:
    cut = make.using(max_tokens=5).defer("Mars")
    with pytest.raises(BatchError) as caught:
        gather(cut, describe.defer(cut), make.defer("Mars"))
    first, second, third = caught.value.results
    assert isinstance(first.failure(), Truncated)
    assert isinstance(second.failure(), InputFailed)
    assert isinstance(third, Success)


def test_futures_and_tasks_share_the_batch(runtime: Runtime, together: Callable[..., Together]) -> None:
    expected = [make(setting) for setting in SETTINGS]

    async def main() -> list[Character]:
        return await asyncio.gather(*(make.aio(setting) for setting in SETTINGS))

    together(len(SETTINGS))
    assert asyncio.run(main()) == expected
    together(len(SETTINGS))
    futures = [make.submit(setting) for setting in SETTINGS]
    assert [future.result(timeout=120) for future in futures] == expected


def test_what_is_given_up_leaves_the_engine(runtime: Runtime, engine: VllmEngine) -> None:
    future, other = drone.submit("tea"), make.submit("Mars")
    assert soon(lambda: runtime.stats.running >= 1)
    assert future.cancel()
    assert type(other.result(timeout=60)) is Character

    async def main() -> None:
        task = asyncio.create_task(drone.aio("coffee"))
        while runtime.stats.running == 0:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    rows = run.stream(lambda topic: drone(topic) if topic else "", ["milk", "water", ""], max_rows_in_flight=3)
    assert next(rows) == (2, Success(""))
    rows.close()
    assert soon(lambda: runtime.stats.running == 0 and not engine.has_unfinished)
    assert type(make("Paris")) is Character
