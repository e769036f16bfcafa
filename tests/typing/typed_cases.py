"""Types as checkers see them, right and wrong. Both mypy and pyright read this file; nobody runs it.

`assert_type` must hold exactly. A line with an `ignore` must be an error: an ignore that is not needed is one itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import (
    AsyncPrompt,
    Message,
    OutputType,
    Prompt,
    PromptError,
    Runtime,
    ask,
    assistant,
    example,
    output_type,
    prompt,
    system,
    user,
)
from typefold.compiler import Explanation


class Character(BaseModel):
    name: str


@dataclass
class Point:
    x: int


@prompt
def make(setting: str) -> Character:
    return ask(f"{setting}")


@prompt(temperature=0.5, max_tokens=20, examples=[example("keep", text="x")])
def judge(text: str) -> Literal["keep", "drop"]:
    """{{ text }}"""
    return ask()


@prompt
def many(count: int, topic: str = "cats", *, loud: bool = False) -> list[Point] | None:
    return ask(system("x"), user(f"{count} {topic} {loud}"), [user("a"), assistant("b")])


@prompt
async def later(text: str) -> int:
    return ask(text)


@prompt(seed=3)
async def later_still(text: str) -> int:
    return ask(text)


class Critic:
    @prompt
    def rate(self, text: str) -> int:
        return ask(text)

    @staticmethod
    @prompt
    def sum_up(text: str) -> str:
        return ask(text)


def calls(critic: Critic, settings: Sequence[str]) -> None:
    assert_type(make("Mars"), Character)
    assert_type(make.explain(), Explanation)
    assert_type(output_type(int | None).explain(), Explanation)
    assert_type(make.map(settings), list[Character])
    assert_type(make.safe("Mars"), Result[Character, PromptError])
    assert_type(make.safe.map(settings), list[Result[Character, PromptError]])
    assert_type(make.starmap([("Mars",)]), list[Character])
    assert_type(make.using(temperature=1.0)("Mars"), Character)
    prompt_of: Prompt[[str], Character] = make
    assert_type(prompt_of("Mars"), Character)
    assert_type(judge("x"), Literal["keep", "drop"])
    assert_type(judge.map(["x"]), list[Literal["keep", "drop"]])
    assert_type(many(3), list[Point] | None)
    assert_type(many.map([1, 2], "dogs", loud=True), list[list[Point] | None])
    assert_type(many.safe.map([1, 2], topic="dogs"), list[Result[list[Point] | None, PromptError]])
    assert_type(critic.rate("x"), int)
    assert_type(critic.rate.map(["x"]), list[int])
    assert_type(Critic.rate(critic, "x"), int)
    assert_type(Critic.sum_up("x"), str)


async def awaited() -> None:
    prompt_of: AsyncPrompt[[str], int] = later
    assert_type(await prompt_of("x"), int)
    assert_type(await later_still("x"), int)
    assert_type(await later("x"), int)
    assert_type(await later.map(["x"]), list[int])


def generated(runtime: Runtime, messages: list[Message]) -> None:
    assert_type(runtime.generate("x"), str)
    assert_type(runtime.generate(messages), str)
    assert_type(runtime.generate(["x", "y"]), list[str])
    assert_type(runtime.generate("x", output_type=Character), Character)
    assert_type(runtime.generate("x", output_type=int | None, temperature=0.1), int | None)
    assert_type(runtime.generate(["x"], output_type=Character), list[Character])
    assert_type(runtime.generate(["x", "y"], output_type=[int, str]), list[object])
    assert_type(runtime("x", output_type=Point), Point)
    assert_type(output_type(dict[str, int]), OutputType[dict[str, int]])
    assert_type(output_type(dict[str, int]).decode("{}"), dict[str, int])


def wrong(runtime: Runtime, critic: Critic) -> None:
    make(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    make()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    make.map([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    many.map(["x"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    many.map([1], loud="very")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    make.using(tempurature=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    make.using(temperature="hot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    critic.rate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    runtime.generate("x", output_type=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    output_type(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@prompt
def unknown_name() -> str:
    return ask(f"{nobody}")  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821


@prompt(tempurature=1)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore
def unknown_option() -> str:
    return ask("x")
