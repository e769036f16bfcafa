"""Calls that are heard later: futures, deferred values and `gather`, coroutines, streams."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import assert_type

from house import Character, Hero, Verdict, backstory, cast_of, find, judge, later, make, make_hero, rate, rated
from pydantic import JsonValue
from returns.future import FutureResult
from returns.result import Result

from typefold import AsyncStream, Deferred, PromptError, Stream, ask, gather, prompt


@prompt
def report(parts: list[str], verdict: Verdict) -> str:
    return ask(f"{parts} {verdict}")


def initials(character: Character) -> str:
    return character.name[:1]


# kind: futures
def futures(settings: Sequence[str]) -> None:
    assert_type(make.submit("Mars"), Future[Character])
    assert_type(make_hero.submit("Mars", cape=False).result(timeout=3), Hero)
    verdicts: list[Verdict] = [each.result() for each in [judge.submit(setting) for setting in settings]]
    assert_type(make.safe.submit("Mars"), Future[Result[Character, PromptError]])
    assert_type(make.future("Mars"), FutureResult[Character, PromptError])
    assert_type(rated.submit("x").result(), Verdict)
    make.submit(3)  # E: a number for a text
    make.submit("Mars").name  # E: a future taken for its value
    make.submit("Mars").result().nmae  # E: a typo in a field
    make.future()  # E: no argument
    heroes: list[Future[Hero]] = [make.submit("Mars")]  # E: futures of another type
    backstory(make.submit("Mars"), "grim")  # E: a future given for its value
    print(verdicts, heroes)


# kind: deferred values
async def deferred(settings: Sequence[str], hero: Deferred[Hero]) -> None:
    someone = make.defer("Mars")
    assert_type(someone, Deferred[Character])
    text = backstory.defer(someone, "grim")
    assert_type(text, Deferred[str])
    assert_type(backstory.defer(hero, "funny"), Deferred[str])
    assert_type(judge.defer(text), Deferred[Verdict])
    assert_type(someone.then(initials), Deferred[str])
    assert_type(someone.then(lambda one: one.age), Deferred[int])
    assert_type(someone.result(), Character)
    assert_type(someone.safe(), Result[Character, Exception])
    assert_type(await someone, Character)
    assert_type(gather(someone, text, judge.defer("x")), tuple[Character, str, Verdict])
    assert_type(gather([make.defer(setting) for setting in settings]), list[Character])
    parts = gather.defer([backstory.defer(make.defer(setting), "grim") for setting in settings])
    assert_type(report.defer(parts, judge.defer(text)), Deferred[str])
    make.defer(3)  # E: a number for a text
    backstory.defer(text, "grim")  # E: a deferred value of another type
    backstory.defer(someone, "sad")  # E: a value that is not on the list
    backstory.defer(someone)  # E: an argument left out
    backstory(someone, "grim")  # E: a deferred value in a plain call
    someone.name  # E: a deferred value taken for its value
    someone.then(len)  # E: a function of another type
    someone.result().nmae  # E: a typo in a field
    gather(someone, 3)  # E: no deferred value
    gather(someone, text)[0].upper()  # E: parts of a tuple mixed up
    pair: tuple[str, Character] = gather(someone, text)  # E: a tuple of another order
    report.defer([text], "keep")  # E: a list of deferred values
    print(pair)


# kind: coroutines
async def coroutines(settings: Sequence[str]) -> Character:
    assert_type(await later("Mars"), Character)
    assert_type(await later.map(settings), list[Character])
    assert_type(await rated.map(settings, stars=4), list[Verdict])
    assert_type(await rated.starmap([("x", 3)]), list[Verdict])
    assert_type(await make.aio("Mars"), Character)
    assert_type(await asyncio.gather(later("a"), rated("b")), tuple[Character, Verdict])
    assert_type(await later.safe("Mars"), Result[Character, PromptError])
    assert_type(await rated.sample(3)("x"), list[Verdict])
    await later(3)  # E: a number for a text
    await later.map([3])  # E: rows of the wrong type
    await rated("x", stars="3")  # E: a text for a number
    (await later("Mars")).nmae  # E: a typo in a field
    (await later.map(settings)).name  # E: a list taken for one answer
    later("Mars").name  # E: an await forgotten
    verdict: Verdict = rated("x")  # E: an await forgotten, assigned
    judge(rated("x"))  # E: an await forgotten, given on
    await make("Mars")  # E: a value awaited
    later("Mars")  # E: a call that is never awaited
    print(verdict)
    return later("Mars")  # E: an await forgotten, returned


# kind: streams
async def streams() -> None:
    stream = make.stream("Mars")
    assert_type(stream, Stream[Character])
    assert_type("".join(stream), str)
    assert_type(stream.partials(), Iterator[Character | JsonValue])
    assert_type(stream.result(), Character)
    assert_type(later.stream("Mars"), AsyncStream[Character])
    async for piece in later.stream("Mars"):
        assert_type(piece, str)
    with make.stream("Mars") as same:
        assert_type(same.result().age, int)
    for partial in cast_of.stream("Hamlet").partials():
        if isinstance(partial, list):
            assert_type(len(partial), int)
    for draft in stream.partials():
        if isinstance(draft, Character):
            assert_type(draft.friends, list[str])
    make.stream(3)  # E: a number for a text
    stream.name  # E: a stream taken for its value
    stream.result().nmae  # E: a typo in a field
    for piece in make.stream("Mars"):
        piece.name  # E: a piece of text taken for the value
    for value in make.stream("Mars").partials():
        value.name  # E: JSON taken for the value
    for _ in later.stream("Mars"):  # E: an async stream in a plain loop
        pass
    (await later.stream("Mars").result()).nmae  # E: a typo in a field, awaited
    rate.stream("x", 3).result().nothing  # E: an attribute that numbers lack
    find.stream("x").result().x  # E: None forgotten
