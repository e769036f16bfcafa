"""With the plugin, mypy knows what a `Result` of returns holds where it is taken apart."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Project

HEAD = """
from typing import assert_type
from pydantic import BaseModel
from returns.result import Failure, Result, Success
from typefold import PromptError, ask, prompt, run

class Character(BaseModel):
    name: str

@prompt
def make(setting: str) -> Character:
    return ask(setting)
"""

RIGHT = """
def patterns(one: Result[Character, PromptError], other: Result[int, str] | None) -> str:
    match one:
        case Success(character):
            assert_type(character, Character)
        case Failure(error):
            assert_type(error, PromptError)
        case _:
            pass
    match other:
        case Failure(text):
            return text
        case Success(number) if number:
            assert_type(number, int)
        case _:
            pass
    match make.safe("Mars"):
        case Success(Character(name=name)):
            return name
        case Failure(PromptError() as error) | Failure(error):
            assert_type(error, PromptError)
        case _:
            pass
    match (other, one):
        case (Success(number), Success(character)):
            assert_type((number, character), tuple[int, Character])
        case (Success(number), Failure(error)):
            assert_type((number, error), tuple[int, PromptError])
        case _:
            pass
    match one:
        case Success():
            return one.unwrap().name
        case Failure():
            return str(one.failure())
        case _:
            return ""

def nested(result: Result[Result[int, str], bytes]) -> None:
    for each in [result]:
        if each:
            match each:
                case Success(Success(number)):
                    assert_type(number, int)
                case Success(Failure(text)):
                    assert_type(text, str)
                case Failure(raw):
                    assert_type(raw, bytes)
                case _:
                    pass

class Kept:
    def __init__(self, result: Result[Character, PromptError], every: dict[str, Result[int, str]]) -> None:
        self.result = result
        self.every = every

    def name(self) -> str:
        if isinstance(self.result, Failure):
            assert_type(self.result.failure(), PromptError)
            return ""
        assert_type(self.result.unwrap(), Character)
        if isinstance(self.every["a"], Success):
            assert_type(self.every["a"].unwrap(), int)
        match self.result:
            case Success(character):
                return character.name
            case _:
                return ""

def classes(one: Result[Character, PromptError], other: Result[int, str] | int | None) -> None:
    if isinstance(one, Success):
        assert_type(one, Success[Character])
        assert_type(one.unwrap(), Character)
    elif isinstance(one, Failure):
        assert_type(one, Failure[PromptError])
    if isinstance(other, Success):
        assert_type(other.unwrap(), int)
    for row in make.safe.map(["Mars"]):
        if not isinstance(row, Success):
            assert_type(row.failure(), PromptError)
            continue
        assert_type(row.unwrap(), Character)
    assert_type([row.unwrap() for row in run.safe(make, ["x"]) if isinstance(row, Success)], list[Character])
    assert_type([row.failure() for row in run.safe(make, ["x"]) if isinstance(row, Failure)], list[Exception])
"""

WRONG = """
def patterns(one: Result[Character, PromptError]) -> int:
    match one:
        case Success(character):
            character.nmae  # E
            return character  # E
        case Failure(error):
            error.nothing  # E
        case _:
            pass
    if isinstance(one, Success):
        one.unwrap().nmae  # E
        return one.unwrap()  # E
    if isinstance(one, Failure):
        one.failure().nothing  # E
    return 0
"""

TEXTS = """
def text(setting: str) -> str:
    match make.safe(setting):
        case Success(character):
            return character.name
        case _:
            return ""
"""


def test_what_a_result_holds_has_its_type(project: Project) -> None:
    project.write("right.py", HEAD + RIGHT + TEXTS)
    assert project.check("right.py") == []


def test_it_has_beside_the_plugin_of_returns(project_with: Callable[..., Project]) -> None:
    project = project_with("returns.contrib.mypy.returns_plugin", "typefold.mypy")
    project.write("both.py", HEAD + RIGHT)
    assert project.check("both.py") == []


def test_mistakes_behind_it_are_found(project: Project) -> None:
    text = project.write("wrong.py", HEAD + WRONG)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# E")]
    assert sorted({error.line for error in project.check("wrong.py")}) == lines


def test_mypy_alone_does_not_know_it(project_with: Callable[..., Project]) -> None:
    project = project_with()
    project.write("alone.py", HEAD + TEXTS)
    assert [error.code for error in project.check("alone.py")] == ["no-any-return"]
