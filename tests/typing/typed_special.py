"""Types, as checkers see them, of `Logged`, `Reasoned`, `Scored` and of the options for asking again.

Both mypy and pyright read this file; nobody runs it. `assert_type` must hold exactly; a line with an `ignore` must be an
error.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Literal, assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import (
    FinishReason,
    Logged,
    PromptError,
    Reasoned,
    Runtime,
    Scored,
    TokenLogprob,
    ask,
    example,
    prompt,
)


class Pet(BaseModel):
    name: str


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


@prompt(retries=2, retry_truncated=True, examples=[example(Pet(name="Rex"), animal="dog")])
def invent(animal: str) -> Logged[Pet]:
    return ask(animal)


@prompt(max_reasoning_tokens=100)
def solve(task: str) -> Reasoned[int | None]:
    return ask(task)


@prompt
def judge(text: str) -> Scored[Literal["keep", "drop"]]:
    return ask(text)


@prompt
async def mood(text: str) -> Scored[Mood]:
    return ask(text)


answer = invent("dog")
assert_type(answer, Logged[Pet])
assert_type(answer.value, Pet)
assert_type(answer.finish_reason, FinishReason)
assert_type(answer.token_ids, tuple[int, ...])
assert_type(answer.logprobs, tuple[tuple[TokenLogprob, ...], ...] | None)
assert_type(answer.attempts, int)
assert_type(invent.map(["dog", "cat"]), list[Logged[Pet]])
assert_type(invent.safe("dog"), Result[Logged[Pet], PromptError])

solved = solve("2 + 2")
assert_type(solved.value, int | None)
assert_type(solved.reasoning, str)

judged = judge("x")
assert_type(judged.value, Literal["keep", "drop"])
assert_type(judged.probabilities, Mapping[Literal["keep", "drop"], float])
assert_type(judged.probabilities["keep"], float)
assert_type(judged.probability, float)
judged.probabilities["maybe"]  # type: ignore[index]  # pyright: ignore[reportArgumentType]


async def moods() -> None:
    assert_type((await mood("x")).value, Mood)
    assert_type(await mood.map(["x"]), list[Scored[Mood]])


with Runtime("model") as runtime:
    assert_type(runtime.generate("x", output_type=Logged[int]), Logged[int])
    assert_type(runtime.generate(["x"], output_type=Scored[bool]), list[Scored[bool]])
    assert_type(runtime.generate("x", output_type=Reasoned[Pet], retries=1), Reasoned[Pet])
    runtime.generate("x", retries="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

wide: Logged[object] = answer  # a value of a type is one of every wider type
thought: Reasoned[int | str | None] = solved
answer.value = Pet(name="x")  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
