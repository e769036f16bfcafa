"""Types, as checkers see them, of tools. Nobody runs it; see `typed_cases.py`."""

from typing import Annotated, assert_type

from pydantic import BaseModel

from typefold import Message, ToolCall, Tools, ask, assistant, prompt, user


def search(query: str) -> list[str]:
    return [query]


def add(a: int, b: int) -> int:
    return a + b


class Answer(BaseModel):
    answer: str


tools = Tools(search, add)


@prompt
def step(history: list[Message]) -> Annotated[ToolCall[list[str] | int], tools] | Answer:
    return ask(history)


@prompt
def choose(question: str) -> Annotated[ToolCall[int], Tools(add)]:
    return ask(question)


def agent(question: str) -> str:
    history = [user(question)]
    while True:
        said = step(history)
        if isinstance(said, Answer):
            return said.answer
        assert_type(said, ToolCall[list[str] | int])
        assert_type(said(), list[str] | int)
        history += [assistant(str(said)), user(f"{said()}")]


def calls() -> None:
    assert_type(choose("x"), ToolCall[int])
    assert_type(choose("x")(), int)
    assert_type(choose.map(["x"]), list[ToolCall[int]])
    assert_type(ToolCall.of(add, 1, b=2), ToolCall[int])
    ToolCall.of(add, "1", 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wider(choose("x"))


def wider(call: ToolCall[int | str]) -> None:
    assert_type(call(), int | str)
