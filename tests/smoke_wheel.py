"""Tests of the wheel, where nothing but it and its dependencies is installed: no vLLM, no torch, no source tree.

`make wheel-test` runs this in such an environment, away from the repository; it is no test of pytest's.
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import files, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from returns.result import Failure, Success

import typefold
import typefold.compiler
import typefold.runtime
from typefold import Invalid, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing import FakeEngine

HEAVY = ("vllm", "torch", "transformers")


class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    role: Literal["hero", "villain"]


@prompt
def make_character(setting: str) -> Character:
    return ask(f"Invent a character from {setting}.")


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    """Is this any good?

    {{ text }}"""
    return ask()


def the_environment_is_clean() -> None:
    found = [name for name in HEAVY if find_spec(name) is not None or name in sys.modules]
    assert not found, f"{found} can be imported here: this is no clean environment, or typefold pulls them in"
    place = Path(typefold.__file__)
    assert sys.prefix in str(place), f"typefold is imported from {place}, and not from the wheel"


def what_is_shipped() -> None:
    shipped = {str(path) for path in files("typefold") or ()}
    for package in (typefold, typefold.compiler, typefold.runtime):
        # One marker at the top holds for the packages below it (PEP 561).
        assert f"{package.__name__.replace('.', '/')}/__init__.py" in shipped, package
    assert "typefold/py.typed" in shipped, "type checkers would take the package for an untyped one"
    ours = ("typefold/", "_typefold_pytest/")
    assert any(path.endswith("share/typefold/quickstart.py") for path in shipped), "`typefold demo` has nothing to run"
    strangers = {
        path for path in shipped if path.endswith(".py") and not path.startswith(ours) and "share/typefold/" not in path
    }
    assert not strangers, f"the wheel ships {strangers} besides its packages"
    assert version("typefold") == typefold.__version__


def a_prompt_answers() -> None:
    engine = ScriptedEngine(seed=1)
    with Runtime(engine):
        character = make_character("Mars")
        assert len(character.name) <= 20, character
        assert judge("A text.") in ("keep", "drop")
        settings = [f"place {number}" for number in range(20)]
        characters = make_character.map(settings)
        assert len(characters) == 20 and {each.role for each in characters} == {"hero", "villain"}, characters
        assert isinstance(make_character.safe("Mars"), Success)
    assert engine.closed and len(engine.requests) >= 22


def a_bad_answer_stays_in_its_place() -> None:
    # To its end: "b" alone, where no choice begins so, would be a cut answer.
    with Runtime(ScriptedEngine(answers=["keep", "bin", "drop"]), early_stop=False):
        results = judge.safe.map(["one", "two", "three"])
    values = [result.value_or(None) for result in results]
    assert values == ["keep", None, "drop"], values
    assert isinstance(results[1], Failure) and isinstance(results[1].failure(), Invalid), results[1]


def the_command_starts() -> None:
    command = Path(sys.executable).with_name("typefold")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert typefold.__version__ in told.stdout, told.stdout


def tests_need_no_pytest() -> None:
    assert find_spec("pytest") is None, "pytest is no dependency"
    with FakeEngine() as fake:
        fake.answer(judge, "keep", "drop")
        assert judge.map(["one", "two"]) == ["keep", "drop"]
    assert fake.assert_called_with(judge, "two").row == 1


TEST = """
import sys
from typing import Literal

def test_nothing_is_loaded_before_it_is_used() -> None:
    assert "typefold" not in sys.modules

def test_the_fixture_is_there(typefold_engine) -> None:
    from typefold import ask, prompt

    @prompt
    def judge(text: str) -> Literal["keep", "drop"]:
        return ask(f"Is this any good? {text}")

    typefold_engine.answer(judge, "drop")
    assert judge("A text.") == "drop"
    typefold_engine.assert_called_with(judge, "A text.")
"""


def pytest_finds_the_plugin() -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "test_it.py").write_text(TEST, encoding="utf-8")
        command = [sys.executable, "-I", "-m", "pytest", "-q", "--strict-markers", folder]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "2 passed" in told.stdout, told.stdout + told.stderr


if __name__ == "__main__":
    faulthandler.dump_traceback_later(300, exit=True)  # what hangs ends with the stacks of all threads
    checks: tuple[Callable[[], None], ...] = (
        the_environment_is_clean,
        what_is_shipped,
        a_prompt_answers,
        a_bad_answer_stays_in_its_place,
        the_command_starts,
        tests_need_no_pytest,
    )
    if "--with-pytest" in sys.argv:  # a second run, once pytest is installed too
        checks = (pytest_finds_the_plugin,)
    for check in checks:
        check()
        print("wheel:", check.__name__.replace("_", " "))
