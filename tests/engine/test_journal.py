"""A journal of real answers: the program that runs again loads no model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from typefold import EngineLoadError, Logged, Reasoned, Runtime, Scored, ask, gather, prompt, run
from typefold.runtime import Engine
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


class Person(BaseModel):
    name: str
    age: int


@prompt(temperature=0.9, max_tokens=40)
def person(place: str) -> Person:
    return ask(f"Invent a person who lives in {place}.")


@prompt(temperature=1.2)
def mood() -> Literal["grim", "funny", "calm"]:
    return ask("Name a mood.")


@prompt(max_tokens=12)
def line(mood: str) -> Logged[str]:
    return ask(f"Write a {mood} line.")


@prompt
def sure() -> Scored[Literal["yes", "no"]]:
    return ask("Is water wet?")


@prompt(max_reasoning_tokens=12)
def thought() -> Reasoned[bool]:
    return ask("Is seven odd?")


def program(place: str) -> tuple[object, ...]:
    felt = mood()
    return person.safe(place).value_or(None), felt, line.using(logprobs=2)(felt), sure(), thought.safe().value_or(None)


def asked() -> list[object]:
    with line.stream("calm") as stream:
        text = "".join(stream)
    return [run(program, ["Mars", "Rome", "Mars"]), gather(mood.defer(), mood.defer()), text]


def test_a_program_runs_again_without_its_model(
    engine: VllmEngine, exact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    journal = tmp_path / "run.db"
    with Runtime(engine, journal=journal) as runtime:
        first = asked()
        assert runtime.stats.from_journal < runtime.stats.submitted
        submitted = runtime.stats.submitted

    def load(*_: object, **__: object) -> Engine:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("typefold.runtime.engines.vllm.engine.load", load)
    with Runtime(exact, journal=journal, dtype="float32") as runtime:
        assert asked() == first
        assert not runtime.loaded
        assert runtime.stats.from_journal == runtime.stats.submitted == submitted
    with (
        Runtime(exact, journal=journal, ignore_journal=True, dtype="float32"),
        pytest.raises(EngineLoadError, match="the model was loaded"),
    ):
        mood()


def test_what_a_run_finished_before_it_broke_off_is_not_asked_again(
    engine: VllmEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    journal = tmp_path / "run.db"
    rows, ended = [f"place {row}" for row in range(24)], 0
    with Runtime(engine, journal=journal):
        for _ in run.stream(lambda place: line(place).text, rows, max_rows_in_flight=8):
            ended += 1
            if ended == 10:
                break
    with Runtime(engine, journal=journal) as runtime:
        run(lambda place: line(place).text, rows)
        assert 10 <= runtime.stats.from_journal < 24
        assert runtime.stats.submitted == 24
