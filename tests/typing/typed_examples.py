"""Types, as checkers see them, of examples. Both mypy and pyright read this file; nobody runs it."""

from typing import Literal, assert_type

from pydantic import BaseModel

from typefold import AsyncPrompt, Example, Logged, Prompt, Scored, ask, example, prompt


class Character(BaseModel):
    name: str


@prompt
def make(setting: str, *, loud: bool = False) -> Character:
    return ask(f"{setting} {loud}")


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(text)


@prompt
def logged(text: str) -> Logged[int]:
    return ask(text)


@prompt
def scored(text: str) -> Scored[Literal["keep", "drop"]]:
    return ask(text)


@prompt
async def later(text: str) -> int:
    return ask(text)


class Critic:
    @prompt
    def rate(self, text: str) -> int:
        return ask(text)


def shown(critic: Critic) -> None:
    assert_type(make.example(Character(name="Ada"), "Mars", loud=True), Example[Character])
    assert_type(judge.example("keep", text="x"), Example[Literal["keep", "drop"]])
    assert_type(logged.example(3, "x"), Example[int])
    assert_type(scored.example("drop", "x"), Example[Literal["keep", "drop"]])
    assert_type(critic.rate.example(3, "x"), Example[int])
    assert_type(example("Paris", country="France"), Example[str])
    prompt_of: Prompt[[str], Literal["keep", "drop"]] = judge.with_examples(judge.example("keep", "x"))
    assert_type(prompt_of("x"), Literal["keep", "drop"])
    later_of: AsyncPrompt[[str], int] = later.with_examples(later.example(1, "x"), later.example(2, "y"))
    assert_type(later_of.example(3, "z"), Example[int])


def wrong(critic: Critic) -> None:
    judge.example("kep", "x")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    judge.example("keep", 3)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    judge.example("keep")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    make.example(Character(name="Ada"), "Mars", luod=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    judge.with_examples("keep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
