"""Types, as checkers see them, of the testing kit, right and wrong; see `typed_cases`."""

from typing import Literal, assert_type

from pydantic import BaseModel

from typefold import Logged, Reasoned, Runtime, Scored, TimedOut, ask, prompt
from typefold.testing import FakeEngine, SentPrompt, Text, truncated


class Character(BaseModel):
    name: str


@prompt
def make(setting: str, count: int = 1) -> Character:
    return ask(f"{setting} {count}")


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(text)


@prompt
def logged(text: str) -> Logged[int]:
    return ask(text)


@prompt
def reasoned(text: str) -> Reasoned[str]:
    return ask(text)


@prompt
def scored(text: str) -> Scored[bool]:
    return ask(text)


@prompt
async def later(text: str) -> int | None:
    return ask(text)


def test_right(typefold_engine: FakeEngine, typefold_replay: Runtime) -> None:
    fake = typefold_engine
    fake.answer(make, Character(name="a"), Text("no"), truncated("{"), TimedOut(timeout=1))
    fake.answer(make.using(temperature=1), Character(name="a"))
    fake.answer(judge, "keep", "drop")
    fake.answer(logged, 1)
    fake.answer(reasoned, "yes", Reasoned(value="yes", reasoning="so"))
    fake.answer(scored, True)
    fake.answer(later, None, 3)
    fake.answer_by(make, lambda setting, count=1: Character(name=setting * count))
    fake.answers({make: Character(name="a"), "judge": "keep"})
    assert_type(fake.prompts_of(make), list[SentPrompt])
    assert_type(fake.assert_called(later, times=2), list[SentPrompt])
    assert_type(fake.assert_called_with(make, "Mars", count=2), SentPrompt)
    assert_type(fake.prompts[0].arguments["setting"], object)
    assert_type(typefold_replay.generate("a"), str)


def test_wrong(fake: FakeEngine) -> None:
    fake.answer(make, "Ada")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer(judge, "maybe")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer(logged, "1")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer(scored, "yes")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer(print, 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer_by(make, lambda: Character(name="a"))  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType]
    fake.assert_called_with(make, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fake.assert_called_with(judge)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue]
