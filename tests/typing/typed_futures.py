"""Types, as checkers see them, of calls that are heard later: futures, deferred values and `gather`. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Literal, assert_type

from pydantic import BaseModel
from returns.future import FutureResult
from returns.result import Result

from typefold import Deferred, Message, Prompt, PromptError, Samples, Stream, ask, gather, prompt, run
from typefold.messages import RawPrompt

Verdict = Literal["keep", "drop"]


class Character(BaseModel):
    name: str


class Hero(Character):
    cape: bool


@prompt
def make(setting: str) -> Character:
    return ask(setting)


@prompt
def hero(setting: str) -> Hero:
    return ask(setting)


@prompt
def backstory(character: Character, mood: Literal["grim", "funny"]) -> str:
    return ask(f"{character} {mood}")


@prompt
def judge(text: str | None) -> Verdict:
    return ask(f"{text}")


@prompt
def count(text: str, least: int = 0, *, loud: bool = False) -> int:
    return ask(f"{text} {least} {loud}")


@prompt
async def rated(text: str, least: int = 0) -> Verdict:
    return ask(f"{text} {least}")


@prompt
def report(parts: list[str], verdicts: tuple[Verdict, int]) -> str:
    return ask(f"{parts} {verdicts}")


@prompt
def six(a: int, b: str, c: Character, d: Verdict, e: list[int], f: None) -> bool:
    return ask(f"{a}{b}{c}{d}{e}{f}")


class Critic:
    @prompt
    def rate(self, text: str) -> int:
        return ask(text)


def shout(text: str) -> bytes:
    return text.upper().encode()


def safe() -> None:
    prompt_of: Prompt[[str], Result[Character, PromptError]] = make.safe
    assert_type(prompt_of("Mars"), Result[Character, PromptError])
    assert_type(make.safe.submit("Mars"), Future[Result[Character, PromptError]])
    assert_type(make.safe.future("Mars"), FutureResult[Character, PromptError])
    assert_type(judge.safe.defer(judge.defer("x")), Deferred[Result[Verdict, PromptError]])
    assert_type(judge.safe.stream("x"), Stream[Result[Verdict, PromptError]])
    assert_type(judge.safe.stream("x").result(), Result[Verdict, PromptError])
    assert_type(judge.using(temperature=1).safe.map(["x"]), list[Result[Verdict, PromptError]])
    assert_type(judge.safe.sample(2)("x"), list[Result[Verdict, PromptError]])
    samples_of: Samples[[str | None], Result[Verdict, PromptError]] = judge.sample(2).safe
    assert_type(samples_of("x"), list[Result[Verdict, PromptError]])
    assert_type(judge.safe.render("x"), tuple[Message, ...] | RawPrompt)
    assert_type(run(judge.safe, ["x"]), list[Result[Verdict, PromptError]])
    make.safe.submit(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def eager() -> None:
    assert_type(make.submit("Mars"), Future[Character])
    assert_type(judge.submit("x").result(timeout=3), Verdict)
    assert_type(count.submit("x", 3, loud=True).result(), int)
    assert_type(make.future("Mars"), FutureResult[Character, PromptError])
    assert_type(judge.future("x"), FutureResult[Verdict, PromptError])
    chain = make.future("Mars").bind(lambda one: judge.future(one.name))  # pyright: ignore[reportUnknownMemberType]  # returns'
    assert_type(chain, FutureResult[Verdict, PromptError])
    coroutine: Coroutine[Any, Any, Character] = make.aio("Mars")
    coroutine.close()


async def awaited(critic: Critic, any_hero: Deferred[Hero], settings: Sequence[str]) -> None:
    assert_type(await make.aio("Mars"), Character)
    assert_type(await judge.aio("x"), Verdict)
    assert_type(await critic.rate.aio("x"), int)
    assert_type(await any_hero, Hero)
    assert_type(await judge.defer("x"), Verdict)
    assert_type(await gather.defer(make.defer("x"), judge.defer("x")), tuple[Character, Verdict])
    assert_type(await gather.defer([judge.defer(setting) for setting in settings]), list[Verdict])
    assert_type(await asyncio.gather(any_hero, judge.defer("x")), tuple[Hero, Verdict])
    assert_type(await asyncio.wait_for(judge.defer("x"), 3), Verdict)


async def of_async_prompts(settings: Sequence[str]) -> None:
    assert_type(rated.safe.submit("x"), Future[Result[Verdict, PromptError]])
    assert_type(await rated.safe.aio("x"), Result[Verdict, PromptError])
    assert_type(await make.safe.aio("x"), Result[Character, PromptError])
    assert_type(rated.safe.future("x", least=3), FutureResult[Verdict, PromptError])
    assert_type(await rated.safe.stream("x").result(), Result[Verdict, PromptError])
    assert_type(await rated.safe.defer("x"), Result[Verdict, PromptError])
    assert_type(rated.submit("x"), Future[Verdict])
    assert_type(rated.future("x", least=3), FutureResult[Verdict, PromptError])
    assert_type(rated.defer("x"), Deferred[Verdict])
    assert_type(rated.defer(rated.defer("x"), number := count.defer("x")), Deferred[Verdict])
    assert_type(await rated.defer("x", least=3), Verdict)
    assert_type(backstory.defer(make.defer("x"), "grim").then(len), Deferred[int])
    assert_type(await number, int)
    assert_type(await rated.starmap([("x", 3)]), list[Verdict])
    assert_type(await rated.safe("x"), Result[Verdict, PromptError])
    assert_type(await rated.safe.map(settings, least=3), list[Result[Verdict, PromptError]])
    assert_type(await rated.safe.starmap([("x", 3)]), list[Result[Verdict, PromptError]])


def deferred(critic: Critic, settings: Sequence[str], any_hero: Deferred[Hero]) -> None:
    someone = make.defer("Mars")
    assert_type(someone, Deferred[Character])
    assert_type(someone.result(), Character)
    assert_type(someone.safe(), Result[Character, Exception])
    text = backstory.defer(someone, "grim")
    assert_type(text, Deferred[str])
    assert_type(backstory.defer(make("Mars"), mood="funny"), Deferred[str])
    assert_type(backstory.defer(any_hero, "funny"), Deferred[str])
    assert_type(judge.defer(text), Deferred[Verdict])
    assert_type(judge.defer("x"), Deferred[Verdict])
    assert_type(count.defer(text), Deferred[int])
    number = count.defer("x", least=3, loud=True)
    assert_type(number, Deferred[int])
    assert_type(count.defer(text, number), Deferred[int])
    assert_type(critic.rate.defer(text), Deferred[int])
    assert_type(text.then(shout), Deferred[bytes])
    assert_type(someone.then(lambda one: [one.name]), Deferred[list[str]])
    numbers = someone.then(lambda one: [len(one.name)])
    assert_type(six.defer(number, text, someone, judge.defer("x"), numbers, None), Deferred[bool])
    widened: Deferred[Character] = any_hero
    widened.result()


def gathered(settings: Sequence[str]) -> None:
    someone, number, verdict = make.defer("Mars"), count.defer("x"), judge.defer("x")
    assert_type(gather(someone), tuple[Character])
    assert_type(gather(someone, number, verdict), tuple[Character, int, Verdict])
    assert_type(gather([make.defer(setting) for setting in settings]), list[Character])
    assert_type(gather([verdict, judge.defer(None)]), list[Verdict])
    assert_type(gather(n for n in [number, number]), list[int])
    many = [number, number]
    assert_type(gather(*many), tuple[int, ...])
    assert_type(
        gather(someone, number, verdict, someone, number, verdict, someone, number),
        tuple[Character, int, Verdict, Character, int, Verdict, Character, int],
    )
    assert_type(
        gather(number, number, number, number, number, number, number, number, number),
        tuple[int, ...],
    )
    assert_type(gather.safe(someone, number), tuple[Result[Character, Exception], Result[int, Exception]])
    assert_type(gather.safe([number]), list[Result[int, Exception]])
    assert_type(gather.safe(*many), tuple[Result[int, Exception], ...])
    assert_type(gather.defer(verdict, number), Deferred[tuple[Verdict, int]])
    parts = gather.defer([backstory.defer(make.defer(setting), "grim") for setting in settings])
    assert_type(parts, Deferred[list[str]])
    assert_type(report.defer(parts, gather.defer(verdict, number)), Deferred[str])


def batches(settings: Sequence[str]) -> None:
    """Results of `Literal` type stay so in every face."""
    assert_type(judge.starmap([("x",)]), list[Verdict])
    assert_type(judge.safe.map(["x"]), list[Result[Verdict, PromptError]])
    assert_type(judge.safe.starmap([("x",)]), list[Result[Verdict, PromptError]])
    assert_type(run(judge, ["x"]), list[Verdict])


async def wrong_awaited(number: Deferred[int]) -> None:
    assert_type(await number, str)  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]
    await rated.safe(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await rated.starmap([(3, 3)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    rated.submit()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rated.defer(number)  # type: ignore[arg-type]  # pyright: ignore


def wrong(number: Deferred[int], someone: Deferred[Character], text: Deferred[str]) -> None:
    make.submit(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    make.aio(3)  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore
    make.future()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    make.defer(3)  # type: ignore[call-overload]  # pyright: ignore
    make.defer(number)  # type: ignore[arg-type]  # pyright: ignore
    backstory.defer(number, "grim")  # type: ignore[call-overload]  # pyright: ignore
    backstory.defer(someone, "sad")  # type: ignore[call-overload]  # pyright: ignore
    backstory.defer(someone)  # type: ignore[call-overload]  # pyright: ignore
    make(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.then(count.defer).then(shout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    someone.then(shout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    gather(someone, 3)  # type: ignore[call-overload]  # pyright: ignore
    gather([3])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    report.defer([text], ("keep", 1))  # type: ignore[list-item]  # pyright: ignore
