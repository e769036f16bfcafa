"""What type checkers see of frames. Nobody runs it; see `typed_cases.py`."""

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
