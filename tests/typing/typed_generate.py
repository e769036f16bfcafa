"""Types, as checkers see them, of what `generate`, `starmap` and `user` take. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NewType, assert_type

from PIL import Image
from pydantic import BaseModel

from typefold import Logged, Message, Runtime, ToolCall, ask, assistant, image, prompt, system, user

Text = NewType("Text", str)


class Character(BaseModel):
    name: str


@prompt
def make(setting: str, century: int = 20, *, tame: bool = True) -> Character:
    return ask(f"{setting} {century} {tame}")


@prompt
async def later(setting: str, century: int = 20) -> int:
    return ask(f"{setting} {century}")


def add(number: int, other: int = 1) -> int:
    return number + other


def prompts(
    runtime: Runtime,
    texts: tuple[str, ...],
    named: list[Text],
    chosen: list[Literal["x", "y"]],
    talks: list[tuple[Message, ...]],
    read: Sequence[str],
    turns: Sequence[Sequence[Message]],
) -> None:
    assert_type(runtime.generate(texts), list[str])
    assert_type(runtime.generate(named), list[str])
    assert_type(runtime.generate(chosen), list[str])
    assert_type(runtime.generate(talks), list[str])
    assert_type(runtime.generate(turns, output_type=Character), list[Character])
    assert_type(runtime.generate([make.render("x"), make.render("y")]), list[str])
    assert_type(runtime.generate(runtime.render("x")), str)
    assert_type(runtime.generate((system("Be brief."), user("Hello."))), str)
    assert_type(runtime.generate(["x", [user("y"), assistant("z")]], output_type=int), list[int])
    assert_type(runtime.generate(read, output_type=int | None), list[int | None])
    assert_type(runtime(read, output_type=Logged[int], temperature=0.5), list[Logged[int]])


def types(runtime: Runtime, kind: type[Character]) -> None:
    assert_type(runtime.generate("x", output_type=kind), Character)
    assert_type(runtime.generate("x", output_type=Literal["a", "b"]), Literal["a", "b"])
    assert_type(runtime.generate("x", output_type=list[Character]), list[Character])
    assert_type(runtime.generate("x", output_type=re.compile("[a-z]+")), str)
    assert_type(runtime.generate(["x"], output_type=re.compile("[a-z]+")), list[str])
    assert_type(runtime.generate("x", output_type=add), ToolCall[int])
    assert_type(runtime.generate(["x"], output_type=add), list[ToolCall[int]])
    assert_type(runtime.generate(["x", "y"], output_type=[int, Character]), list[object])
    assert_type(runtime.generate(["x", "y", "z"], output_type=(int | None, re.compile("a"), add)), list[object])
    runtime.generate(["x", "y"], output_type=[int, 3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.generate([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.generate(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def rows(pairs: list[tuple[str, int]]) -> None:
    assert_type(make.starmap(pairs), list[Character])
    assert_type(make.starmap([("Mars",)]), list[Character])
    assert_type(await later.starmap([("Mars",)]), list[int])
    make.starmap([("Mars", "20")])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    make.starmap([(3,)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    make.starmap([("Mars", 20, True)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await later.starmap([("Mars", 20, 3)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]


def images(picture: Image.Image) -> None:
    user(picture, "What is on it?", Path("a.png"), b"", image("a.png"))
    image(picture)
    user(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    user(["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    image(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
