"""Types that no answer can be."""

# Types made at run time, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterable, Iterator
from typing import IO, Any, Never, NoReturn

import pytest

from typefold.compiler import UnsupportedType, output_type


@pytest.mark.parametrize(
    ("hint", "remedy"),
    [
        (complex, "use tuple[float, float]"),
        (range, "use a model with `start: int` and `stop: int`"),
        (memoryview, "use bytes"),
        (Callable[[int], int], "use a Literal of names"),
        (type, "use a Literal of names"),
        (type[int], "use a Literal of names"),
        (Iterable[int], "use list"),
        (Iterator[int], "use list"),
        (Generator[int, None, None], "use list"),
        (AsyncIterator[int], "use list"),
        (Collection[int], "use list, set or tuple"),
        (re.Pattern[str], "use str, and compile it"),
        (IO[str], "use str or bytes"),
        (ValueError, "use a model with the fields that you need"),
        (Never, "return a type that holds an answer"),
        (NoReturn, "return a type that holds an answer"),
    ],
)
def test_the_refusal_names_the_place_and_what_to_write_instead(hint: Any, remedy: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        output_type(tuple[int, dict[str, hint]])
    assert caught.value.path == "return[1][...]"
    assert remedy in caught.value.reason
