"""Types, as checkers see them, of `run`: programs of any arity, plain and async, and prompts themselves. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Literal, assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import ask, prompt, run

Verdict = Literal["keep", "drop"]


class Character(BaseModel):
    name: str


@prompt
def make(setting: str) -> Character:
    return ask(setting)


@prompt
def judge(text: str, least: int = 0) -> Verdict:
    return ask(f"{text} {least}")


@prompt
async def later(text: str) -> Verdict:
    return ask(text)


def scene(setting: str) -> tuple[Character, Verdict]:
    hero = make(setting)
    return hero, judge(hero.name)


def verdict(setting: str) -> Verdict:
    return judge(setting)


def nothing(setting: str) -> None:
    judge(setting)


def of_three(setting: str, least: int, hero: Character) -> list[Verdict]:
    return [judge(f"{setting} {hero}", least)]


def of_none() -> Verdict:
    return judge("x")


async def scene_async(setting: str) -> tuple[str, Verdict]:
    return setting, await later(setting)


async def of_two(setting: str, least: int) -> Verdict:
    return await later(f"{setting} {least}")


def rows(settings: Sequence[str], endless: Iterator[str], triples: list[tuple[str, int, Character]]) -> None:
    assert_type(run(scene, settings), list[tuple[Character, Verdict]])
    assert_type(run(scene, endless, max_rows_in_flight=3, key=str.upper), list[tuple[Character, Verdict]])
    assert_type(run(verdict, settings), list[Verdict])
    assert_type(run(nothing, settings), list[None])
    assert_type(run(str.upper, settings), list[str])
    assert_type(run(scene_async, settings), list[tuple[str, Verdict]])
    assert_type(run(make, settings), list[Character])
    assert_type(run(judge, settings), list[Verdict])
    assert_type(run(later, settings), list[Verdict])
    assert_type(run(lambda setting: make(setting), settings), list[Character])
    assert_type(run.starmap(of_three, triples), list[list[Verdict]])
    assert_type(run.starmap(of_two, [("x", 3)]), list[Verdict])
    assert_type(run.starmap(of_none, [()]), list[Verdict])


async def in_a_loop(triples: list[tuple[str, int, Character]], table: list[dict[str, object]]) -> None:
    assert_type(
        await run.aio.starmap(of_three, triples, key=lambda setting, least, someone: setting), list[list[Verdict]]
    )
    assert_type(await run.aio.starmap(of_two, [("x", 3)], max_failures=1), list[Verdict])
    assert_type(await run.aio.starmap(of_none, [()]), list[Verdict])
    assert_type(await run.aio.map_rows(of_two, table, max_rows_in_flight=4), list[Verdict])
    assert_type(await run.aio.map_rows(make, table), list[Character])
    await run.aio.starmap(of_three, [("x",)])  # type: ignore[arg-type]  # pyright: ignore
    await run.aio.map_rows(make, table, key=str)  # type: ignore[call-overload]  # pyright: ignore


def results(settings: Sequence[str], endless: Iterator[str]) -> None:
    assert_type(run.safe(scene, settings), list[Result[tuple[Character, Verdict], Exception]])
    assert_type(run.safe(scene_async, settings), list[Result[tuple[str, Verdict], Exception]])
    assert_type(run.safe(judge, settings), list[Result[Verdict, Exception]])
    assert_type(run.stream(verdict, endless), Generator[tuple[int, Result[Verdict, Exception]]])
    for index, result in run.stream(scene_async, endless, max_rows_in_flight=8):
        assert_type(index, int)
        assert_type(result, Result[tuple[str, Verdict], Exception])


def wrong(settings: Sequence[str]) -> None:
    run(scene, [3])  # type: ignore[arg-type]  # pyright: ignore
    run(of_three, settings)  # type: ignore[arg-type]  # pyright: ignore
    run(scene_async, [3])  # type: ignore[arg-type]  # pyright: ignore
    run(make, [3])  # type: ignore[arg-type]  # pyright: ignore
    run.starmap(of_three, [("x", "y", "z")])  # type: ignore[arg-type]  # pyright: ignore
    run.starmap(of_three, [("x",)])  # type: ignore[arg-type]  # pyright: ignore
    run.safe(scene, 3)  # type: ignore[call-overload]  # pyright: ignore
    run(scene, settings)[0][1].upper().nothing  # type: ignore[attr-defined]  # pyright: ignore  # noqa: B018
