"""The false alarms about results are those that pyright and mypy raise about returns by itself, without typefold.

Each ends when returns or the checker mends it, and the row about it in `known.py` with it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.typed_page.checkers import CHECKERS

PAGE = Path(__file__).parent / "page"
PROGRAM = """\
from typing import assert_type

from returns.future import FutureResult
from returns.result import Failure, Result, Success


def half(number: int) -> Result[int, str]:
    return Success(number // 2) if number % 2 == 0 else Failure("odd")


def later(number: int) -> FutureResult[int, str]:
    return FutureResult.from_result(half(number))


def composed(result: Result[int, str]) -> None:
    assert_type(result.map(abs), Result[int, str])
    assert_type(result.bind(half), Result[int, str])  # pyright
    assert_type(result.lash(lambda _: half(2)), Result[int, str])  # pyright
    assert_type(later(2).bind(later), FutureResult[int, str])  # pyright


def narrowed(result: Result[int, str]) -> None:
    if isinstance(result, Success):
        assert_type(result.unwrap(), int)  # mypy
    match result:
        case Success(number):
            assert_type(number, int)  # mypy
        case Failure(error):
            assert_type(error, str)  # mypy
        case _:
            pass
"""


@pytest.mark.checkers
@pytest.mark.parametrize("name", ["mypy", "pyright", "basedpyright"])
def test_returns_alone_raises_them_too(name: str, tmp_path: Path) -> None:
    for settings in PAGE.glob("*.toml"):
        shutil.copy(settings, tmp_path)
    (tmp_path / "alone.py").write_text(PROGRAM, encoding="utf-8")
    checker = next(each for each in CHECKERS if each.name == name)
    said = {each.line: each.code for each in checker.run(tmp_path, tmp_path / "cache")}
    about = [
        number
        for number, line in enumerate(PROGRAM.splitlines(), 1)
        if line.endswith(f"  # {name.removeprefix('based')}")
    ]
    assert sorted(said) == about, said
    assert set(said.values()) == ({"assert-type"} if name == "mypy" else {"reportUnknownMemberType"})
