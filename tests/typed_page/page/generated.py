"""`Runtime.generate`, with prompts and types of all forms; messages and images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, assert_type

from house import Character, Mood, Point, Text, Verdict, judge, make
from PIL import Image as Pillow
from pydantic import Field
from returns.result import Result

from typefold import (
    Logged,
    Message,
    OutputType,
    PromptError,
    Reasoned,
    Runtime,
    Scored,
    ToolCall,
    assistant,
    image,
    output_type,
    raw,
    system,
    user,
)


def add(a: int, b: int = 1) -> int:
    return a + b


# kind: generate
def generated(runtime: Runtime, messages: list[Message], texts: Sequence[str], mine: list[Text]) -> None:
    keys: list[Literal["x", "y"]] = ["x", "y"]
    talks: list[tuple[Message, ...]] = [(user("x"),), (user("y"), assistant("z"), user("w"))]
    assert_type(runtime.generate("x"), str)
    assert_type(runtime.generate(messages), str)
    assert_type(runtime.generate((user("x"), assistant("y"))), str)
    assert_type(runtime.generate(raw("<s>x")), str)
    assert_type(runtime.generate(["x", "y"]), list[str])
    assert_type(runtime.generate(("x", "y")), list[str])
    assert_type(runtime.generate(texts), list[str])
    assert_type(runtime.generate(mine), list[str])
    assert_type(runtime.generate([messages, messages]), list[str])
    assert_type(runtime.generate(keys), list[str])
    assert_type(runtime.generate(talks), list[str])
    assert_type(runtime.generate(talks, output_type=Point, seed=3), list[Point])
    assert_type(runtime.generate([judge.render("x"), judge.render("y")]), list[str])
    assert_type(runtime.generate(judge.render("x"), output_type=bool), bool)
    assert_type(runtime.generate("x", output_type=Character), Character)
    assert_type(runtime.generate("x", output_type=int | None), int | None)
    assert_type(runtime.generate("x", output_type=Literal["keep", "drop"]), Literal["keep", "drop"])
    assert_type(runtime.generate("x", output_type=list[Point]), list[Point])
    assert_type(runtime.generate("x", output_type=Annotated[int, Field(ge=0)]), int)
    assert_type(runtime.generate("x", output_type=Logged[Mood]), Logged[Mood])
    assert_type(runtime.generate("x", output_type=Reasoned[int], max_tokens=80), Reasoned[int])
    assert_type(runtime.generate("x", output_type=re.compile("[a-z]+")), str)
    assert_type(runtime.generate("x", output_type=add), ToolCall[int])
    assert_type(runtime.generate(texts, output_type=add), list[ToolCall[int]])
    assert_type(runtime.generate(["x", "y"], output_type=Character), list[Character])
    assert_type(runtime.generate(texts, output_type=Scored[bool]), list[Scored[bool]])
    assert_type(runtime.generate(["x", "y"], output_type=[int, str]), list[object])
    assert_type(runtime("x", output_type=Verdict), Verdict)
    assert_type(output_type(dict[str, int]), OutputType[dict[str, int]])
    assert_type(output_type(Character | None).decode("null"), Character | None)
    runtime.generate(3)  # E: a number for a prompt
    runtime.generate([3])  # E: numbers for prompts
    runtime.generate()  # E: no prompt
    runtime.generate("x", output_type=3)  # E: a number for a type
    runtime.generate(["x", "y"], output_type=[int, 3])  # E: a number in a list of types
    runtime.generate("x", output_type=Character).nmae  # E: a typo in a field
    runtime.generate(texts, output_type=Character).name  # E: a list taken for one answer
    runtime.generate("x", output_type=int | None) + 1  # E: None forgotten
    runtime.generate("x", output_type=add) + 1  # E: a call taken for its result
    assert_type(runtime.generate.safe("x"), Result[str, PromptError])
    assert_type(runtime.generate.safe("x", output_type=int | None), Result[int | None, PromptError])
    assert_type(runtime.generate.safe(texts, output_type=Point), list[Result[Point, PromptError]])
    assert_type(runtime.history[-1].text, str | None)
    runtime.generate.safe("x", output_type=Point).x  # E: a result of generate taken for its value
    runtime.generate("x").name  # E: a text taken for a model
    runtime.generate("x", temperature="hot")  # E: a text for a number
    runtime.generate("x", tempurature=1)  # E: a typo in an option
    runtime.generate("x", output_tpe=int)  # E: a typo in output_type
    answer: int = runtime.generate("x", output_type=Verdict)  # E: a text assigned to a number
    output_type(3)  # E: a number for a type, by itself
    output_type(Character).decode(3)  # E: a number to decode
    output_type(Character).encode("x")  # E: a text to encode
    Runtime(3)  # E: a number for a model
    Runtime("Qwen/Qwen3-4B", seed="3")  # E: a text for a seed
    Runtime("Qwen/Qwen3-4B", json_format="tigt")  # E: a value that is not on the list
    print(answer)


# kind: messages and images
def messages(path: Path, data: bytes, picture: Pillow.Image) -> None:
    assert_type(user("x"), Message)
    assert_type(user("x", path, data), Message)
    assert_type(user(picture, "x", Pillow.new("RGB", (3, 3))), Message)
    assert_type(user(image(picture), image(path), image(data)), Message)
    assert_type(user(image("x.png"), "x"), Message)
    assert_type(system("x").content, str)
    user(3)  # E: a number for a message
    user(["x"])  # E: a list for a message
    user("x", None)  # E: None for a message
    system("x", "y")  # E: two texts for one
    system(path)  # E: an image in a system message
    assistant()  # E: no text
    image(3)  # E: a number for an image
    user("x").txt  # E: a typo in an attribute
    make.render(3)  # E: a number for a text
    Message("robot", "x")  # E: a role that there is not
