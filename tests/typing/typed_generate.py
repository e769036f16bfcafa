"""Types, as checkers see them, of what `generate`, `starmap` and `user` take. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NewType, assert_type

from PIL import Image
from pydantic import BaseModel
from returns.result import Result

from typefold import Logged, Message, PromptError, Runtime, ToolCall, ask, assistant, image, prompt, system, user

Text = NewType("Text", str)
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


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
    assert_type(runtime("x", Character), Character)
    assert_type(runtime(["x"], int | None), list[int | None])
    assert_type(runtime.generate(["x", "y"], [int, Character]), list[object])
    assert_type(runtime.generate(["x", "y"], [int, SCHEMA]), list[object])
    assert_type(runtime.generate("x", SCHEMA), Any)
    assert_type(runtime.generate(["x"], Character.model_json_schema()), list[Any])
    assert_type(runtime.generate.safe("x", Character), Result[Character, PromptError])
    assert_type(runtime.generate.safe(["x"], SCHEMA), list[Result[Any, PromptError]])
    runtime.generate(["x", "y"], output_type=[int, 3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.generate([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.generate(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def dictionaries(runtime: Runtime, turns: list[dict[str, str]], others: list[list[dict[str, object]]]) -> None:
    assert_type(runtime.generate(turns), str)
    assert_type(runtime.generate(others, int), list[int])
    assert_type(runtime([{"role": "user", "content": "x"}], Character), Character)
    assert_type(runtime([[{"role": "user", "content": "x"}], [user("y")]], Character), list[Character])


@prompt
def reply(history: list[dict[str, str]], kept: list[Message]) -> str:
    return ask(
        {"role": "system", "content": "x"},
        history,
        kept,
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    )


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
