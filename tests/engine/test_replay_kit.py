"""A test of a user's: recorded with a real model, replayed where there is neither that model nor vLLM."""

from __future__ import annotations

import subprocess
import sys

import pytest

from typefold import Journal
from typefold.runtime.engines.vllm.engine import VllmEngine
from typefold.runtimes import runtime as runtime_module

pytestmark = pytest.mark.engine
pytest_plugins = ["pytester"]

PROGRAM = """
from typing import Annotated, Literal
from pydantic import BaseModel, Field
from typefold import Scored, ask, prompt

class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    role: Literal["hero", "villain"]

@prompt(temperature=0.8)
def make_character(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")

@prompt(temperature=0)
def judge(name: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop the name {name}?")

@prompt
def sure(name: str) -> Scored[Literal["yes", "no"]]:
    return ask(f"Is {name} a name?")

def cast(setting: str) -> tuple[str, str, float]:
    hero = make_character(setting)
    return hero.name, judge(hero.name), sure(hero.name).probabilities["yes"]
"""

TESTS = """
import pytest
from pathlib import Path
from typefold import run
from program import cast

@pytest.mark.typefold_replay(seed=5)
def test_cast():
    Path("said.txt").write_text(repr(run(cast, ["Mars", "Paris", "Mars"])))
"""

NO_ENGINE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in {"vllm", "torch", "transformers"}, f"{name} is imported"

sys.meta_path.insert(0, Refuse())
"""


def test_a_real_model_s_answers_are_replayed_without_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine: VllmEngine, exact: str
) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)

    def loaded(*_: object, **__: object) -> VllmEngine:
        return engine

    monkeypatch.setattr(runtime_module, "engine_of", loaded)
    monkeypatch.setenv("TYPEFOLD_MODEL", exact)
    pytester.makepyfile(program=PROGRAM, test_cast=TESTS)
    pytester.runpytest("--typefold-record", "-p", "no:hypothesispytest").assert_outcomes(passed=1)
    [file] = (pytester.path / "replay").iterdir()
    before, first = file.read_bytes(), (pytester.path / "said.txt").read_text(encoding="utf-8")
    with Journal(file, read_only=True) as journal:
        asked = {summary.function: summary.calls for summary in journal.summary()}
    assert set(asked) == {"make_character", "judge", "sure"} and asked["make_character"] == 3

    monkeypatch.delenv("TYPEFOLD_MODEL")
    (pytester.path / "said.txt").unlink()
    pytester.makeconftest(NO_ENGINE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert (pytester.path / "said.txt").read_text(encoding="utf-8") == first
    assert file.read_bytes() == before
