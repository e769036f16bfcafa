"""Types, as checkers see them, of prompts as values: in tables, fields, parameters, and in classes that override. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, ParamSpec, Protocol, TypeVar, assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import AsyncPrompt, Logged, Prompt, PromptError, Runtime, Samples, ask, is_prompt, prompt, run
from typefold.testing import FakeEngine

Verdict = Literal["keep", "drop"]
P = ParamSpec("P")
T = TypeVar("T")


class Animal(BaseModel):
    name: str


class Cat(Animal):
    lives: int


@prompt
def judge(text: str) -> Verdict:
    return ask(text)


@prompt(temperature=0)
def draw(setting: str, legs: int = 4, *, tame: bool = True) -> Cat:
    return ask(f"{setting} {legs} {tame}")


@prompt
def pair(left: str, right: str) -> int:
    return ask(f"{left} {right}")


@prompt
def noted(text: str) -> Logged[Verdict]:
    return ask(text)


@prompt
async def later(text: str, loud: bool = False) -> Verdict:
    return ask(f"{text} {loud}")


def each(function: Prompt[[str], T], texts: Iterable[str]) -> list[T]:
    return function.map(texts)


def once(function: Prompt[P, T], *args: P.args, **kwargs: P.kwargs) -> Result[T, PromptError]:
    return function.safe(*args, **kwargs)


async def all_of(function: AsyncPrompt[[str], T], texts: Sequence[str]) -> list[T]:
    return await function.map(texts)


@dataclass(frozen=True)
class Step(Generic[T]):
    prompt: Prompt[[str], T]
    others: Mapping[str, Prompt[[str], object]] | None = None


class Judging(Protocol):
    def __call__(self, text: str) -> str: ...


def values(wide: bool) -> None:
    assert_type(each(judge, ["x"]), list[Verdict])
    assert_type(each(draw, ["x"]), list[Cat])
    assert_type(once(pair, "a", right="b"), Result[int, PromptError])
    assert_type(Step(draw).prompt("Mars"), Cat)
    assert_type(Step(judge, {"a": draw, "b": judge}).prompt.map(["x"]), list[Verdict])
    table: dict[str, Prompt[[str], Verdict | Animal]] = {"judge": judge, "draw": draw}
    asked_of(table)
    every: list[Prompt[..., object]] = [judge, draw, pair, noted]
    every.append(draw.using(temperature=1))
    words: Prompt[[str], str] = judge
    animal: Prompt[[str, int], Animal] = draw
    animals: Prompt[[str], Animal] = animal_of(draw) if wide else draw
    results: Prompt[[str], Result[Animal, PromptError]] = draw.safe
    drawn: Samples[[str], Animal] = draw.sample(3)
    waits: AsyncPrompt[[str], str] = later
    print(words("x"), animal("x", 2), animals("x"), results("x"), drawn("x"), waits("x"))


def asked_of(table: dict[str, Prompt[[str], Verdict | Animal]]) -> None:
    assert_type(table["judge"]("x"), Verdict | Animal)
    assert_type(table["draw"].safe("x"), Result[Verdict | Animal, PromptError])


def animal_of(function: Prompt[[str], Cat]) -> Prompt[[str], Animal]:
    return function


def wrong_values() -> None:
    number: Prompt[[int], Verdict] = judge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    nothing: Prompt[[], Verdict] = judge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    narrow: Prompt[[str], Literal["keep"]] = judge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    two: Prompt[[str, str], Cat] = draw  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    table: dict[str, Prompt[[str], Animal]] = {"pair": pair}  # type: ignore[dict-item]  # pyright: ignore[reportAssignmentType]
    each(pair, ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    each(later, ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    once(pair, "a")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue]
    Step(pair)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(number, nothing, narrow, two, table)


def as_functions(pool: ThreadPoolExecutor) -> None:
    plain: Callable[[str], str] = judge
    named: Judging = judge
    awaited: Callable[[str], Awaitable[str]] = later
    assert_type(pool.submit(draw, "x", legs=3).result(), Cat)
    assert_type(partial(draw, legs=3)("x"), Cat)
    assert_type(run(judge, ["x"]), list[Verdict])
    assert_type(run(draw, ["x"]), list[Cat])
    assert_type(run.safe(Reviewer().reply, ["x"]), list[Result[str, Exception]])
    print(plain("x"), named("x"), awaited("x"))
    number: Callable[[int], str] = judge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    run(pair, ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run.safe(pair, ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run.stream(pair, ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    print(number)


def names(value: object) -> None:
    print(judge.__name__, judge.__qualname__, judge.__doc__, judge.__wrapped__)
    if is_prompt(value):
        print(value.explain(), value("x"))


class Reviewer:
    @prompt
    def reply(self, message: str, loud: bool = False) -> str:
        return ask(f"{message} {loud}")

    calm = reply.using(temperature=0)

    @prompt
    async def answer(self, message: str) -> Verdict:
        return ask(message)


class Mild(Reviewer):
    @prompt
    def reply(self, message: str, loud: bool = False) -> str:
        return ask(f"Mildly: {message} {loud}")

    @prompt(temperature=1)
    async def answer(self, message: str) -> Verdict:
        return ask(f"Mildly: {message}")


class Wider(Mild):
    @prompt
    def reply(self, message: str | None, loud: bool = False, times: int = 1) -> Verdict:
        return ask(f"{message} {loud} {times}")


class WrongParameter(Reviewer):
    @prompt
    def reply(self, message: int, loud: bool = False) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return ask(f"{message} {loud}")


class WrongResult(Reviewer):
    @prompt
    def reply(self, message: str, loud: bool = False) -> bytes:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return ask(f"{message} {loud}")


async def methods(wider: Wider) -> None:
    bound: Prompt[[str], str] = wider.reply
    table: dict[str, Prompt[[str], str]] = {"mild": Mild().reply, "wide": wider.reply, "judge": judge}
    assert_type(wider.reply(None, times=3), Verdict)
    assert_type(wider.calm("x"), str)
    assert_type(Mild.reply(Mild(), "x"), str)
    assert_type(Wider.reply.map([wider], "x"), list[Verdict])
    assert_type(await wider.answer("x"), Verdict)
    assert_type(await Mild.answer(wider, "x"), Verdict)
    assert_type(await all_of(wider.answer, ["x"]), list[Verdict])
    Mild.reply(judge, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wider.calm(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await wider.answer(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    number: Prompt[[int], str] = wider.reply  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(table, number, bound("x"))


def scripted(fake: FakeEngine, runtime: Runtime) -> None:
    def right(text: str) -> Verdict:
        return "keep" if text else "drop"

    def other_result(text: str) -> str:
        return text

    def other_parameter(text: int) -> Verdict:
        return "keep" if text else "drop"

    fake.answer(judge, "keep", "drop")
    fake.answer(Reviewer().reply, "x")
    fake.answer_by(judge, right)
    fake.answer_by(noted, right)
    fake.answer_by(judge, lambda text: NotImplemented)
    fake.answer_by(pair, lambda left, right: len(left) + len(right))
    judge.example("keep", "x")
    noted.example("keep", "x")
    fake.answer(judge, "keep", "kep")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer_by(judge, other_result)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer_by(noted, other_result)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer_by(judge, other_parameter)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    fake.answer_by(judge, lambda text: "kep")  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType, reportCallIssue]
    judge.example("kep", "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    noted.example("kep", "x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
