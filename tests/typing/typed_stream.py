"""Types, as checkers see them, of streams. Both mypy and pyright read this file; nobody runs it."""

from collections.abc import AsyncIterator, Iterator
from typing import Literal, assert_type

from pydantic import BaseModel, JsonValue

from typefold import AsyncStream, Stream, ask, prompt


class Character(BaseModel):
    name: str


@prompt
def make(setting: str, *, loud: bool = False) -> Character:
    return ask(f"{setting} {loud}")


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(text)


@prompt
def perhaps(text: str) -> int | None:
    return ask(text)


@prompt
async def later(text: str) -> list[Character]:
    return ask(text)


class Critic:
    @prompt
    def rate(self, text: str) -> int:
        return ask(text)


def streamed(critic: Critic) -> None:
    stream = make.stream("Mars", loud=True)
    assert_type(stream, Stream[Character])
    assert_type(next(stream), str)
    assert_type([piece for piece in stream], list[str])
    assert_type(stream.result(), Character)
    assert_type(stream.partials(), Iterator[Character | JsonValue])
    assert_type(stream.text, str)
    assert_type(judge.stream("x"), Stream[Literal["keep", "drop"]])
    assert_type(judge.stream("x").result(), Literal["keep", "drop"])
    assert_type(perhaps.stream("x").result(), int | None)
    assert_type(critic.rate.stream("x"), Stream[int])
    assert_type(make.using(temperature=0).stream("x").result(), Character)
    with make.stream("Mars") as same:
        assert_type(same, Stream[Character])
        pieces: Iterator[str] = same
        assert_type("".join(pieces), str)


def looked_into() -> None:
    """The value as it grows is taken apart with no cast: its type says what JSON is, and no more."""
    for partial in make.stream("Mars").partials():
        match partial:
            case {"name": str(name)}:
                assert_type(name, str)
            case _:
                pass
        if isinstance(partial, dict):
            of_any_kind: JsonValue | None = partial.get("name")
            assert of_any_kind != ""


async def awaited() -> None:
    stream = later.stream("x")
    assert_type(stream, AsyncStream[list[Character]])
    assert_type([piece async for piece in stream], list[str])
    assert_type(await stream.result(), list[Character])
    assert_type(stream.partials(), AsyncIterator[list[Character] | JsonValue])
    assert_type([value async for value in stream.partials()], list[list[Character] | JsonValue])
    async with later.stream("x") as same:
        assert_type(await anext(same), str)


def wrong() -> None:
    make.stream()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    make.stream(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    make.stream("Mars").result().nmae  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    for partial in make.stream("Mars").partials():
        partial.name  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess, reportUnknownMemberType]  # noqa: B018
