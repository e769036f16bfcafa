"""Types, as checkers see them without a plugin, of results that are taken apart. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

from typing import assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import PromptError, ask, failed, prompt, run, succeeded


class Character(BaseModel):
    name: str


@prompt
def make(setting: str) -> Character:
    return ask(setting)


@prompt
async def later(text: str) -> int:
    return ask(text)


def apart(result: Result[Character, PromptError]) -> str:
    if succeeded(result):
        assert_type(result.unwrap(), Character)
        return result.unwrap().name
    assert_type(result.failure(), PromptError)
    return str(result.failure())


def first(result: Result[Character, PromptError]) -> str:
    if failed(result):
        assert_type(result.failure(), PromptError)
        return ""
    return result.unwrap().name


async def several(settings: list[str]) -> None:
    made = make.safe.map(settings)
    assert_type([each.unwrap() for each in made if succeeded(each)], list[Character])
    assert_type([each.failure() for each in made if failed(each)], list[PromptError])
    assert_type([each.unwrap() for each in run.safe(make, settings) if succeeded(each)], list[Character])
    number = await later.safe("x")
    assert_type(number.unwrap() if succeeded(number) else 0, int)
    assert_type(make.safe("x").map(lambda one: one.name), Result[str, PromptError])
    assert_type(make.safe("x").value_or(None), Character | None)


def wrong(result: Result[Character, PromptError]) -> int:
    if succeeded(result):
        result.unwrap().nmae  # type: ignore[attr-defined]  # pyright: ignore  # noqa: B018
        return result.unwrap()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
    if failed(result):
        result.failure().nothing  # type: ignore[attr-defined]  # pyright: ignore  # noqa: B018
    make.safe("x").map(lambda one: one.nmae)  # type: ignore[attr-defined]  # pyright: ignore
    succeeded(make("x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return 0
