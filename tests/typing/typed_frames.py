"""Types, as checkers see them, of frames. Nobody runs it; see `typed_cases.py`."""

from collections.abc import Iterator, Mapping
from typing import Any, assert_type

import polars
from returns.result import Result

from typefold import PromptError, ask, prompt, run, to_frame


@prompt
def length(text: str) -> int:
    return ask(text)


def columns(column: polars.Series, numbers: list[int]) -> None:
    assert_type(length.map(column), list[int])
    assert_type(length.safe.map(column), list[Result[int, PromptError]])
    assert_type(run(length, column), list[int])
    length.map(numbers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def frames(values: list[int], results: list[Result[int, PromptError]]) -> None:
    assert_type(to_frame(values, int), Any)
    assert_type(to_frame(values, int, to="polars"), polars.DataFrame)
    assert_type(to_frame(results, int, to="polars"), polars.DataFrame)
    assert_type(to_frame(run.safe(length, ["a"]), int, to="polars"), polars.DataFrame)


@prompt
def rate(text: str, stars: int) -> int:
    return ask(f"{stars}: {text}")


@prompt
async def rated(text: str, stars: int) -> int:
    return ask(f"{stars}: {text}")


def program(text: str, stars: int) -> list[int]:
    return [stars]


async def slow(text: str) -> bytes:
    return b""


async def by_name(
    records: list[dict[str, int]],
    frame: polars.DataFrame,
    texts: list[str],
    table: Any,
    typed: Iterator[Mapping[str, str]],
) -> None:
    assert_type(rate.map_rows(records), list[int])
    assert_type(rate.map_rows(frame, stars=3), list[int])
    assert_type(rate.map_rows(table), list[int])
    assert_type(rate.map_rows(typed), list[int])
    assert_type(rate.safe.map_rows(frame), list[Result[int, PromptError]])
    assert_type(rate.sample(2).map_rows(frame), list[list[int]])
    assert_type(await rated.map_rows(frame), list[int])
    assert_type(await rated.safe.map_rows(records), list[Result[int, PromptError]])
    assert_type(run.map_rows(program, frame), list[list[int]])
    assert_type(run.map_rows(slow, records), list[bytes])
    assert_type(run.map_rows(rate, records), list[int])
    rate.map_rows(texts)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.map_rows("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
