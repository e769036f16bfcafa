"""A digest names a value by what it is."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from typefold.runtime.journal import digest


class Colour(Enum):
    RED = 1
    GREEN = 2


@dataclass
class Point:
    x: int
    y: object = None


class Model(BaseModel):
    x: int
    y: list[str] = []


@attrs.define
class Attrs:
    x: int


class Struct(msgspec.Struct):
    x: int
    y: int = 3


DIFFERENT: list[Any] = [
    None, True, False, 0, 1, 1.0, "1", b"1", "", b"", [], (), {}, set(), frozenset(), [1], (1,), {1}, {1: 2}, {2: 1},
    [1, 2], [2, 1], [[1], 2], [1, [2]], ["ab", "c"], ["a", "bc"], Colour.RED, Colour.GREEN, Point(1), Point(2), Point(1, 2),
    Model(x=1), Model(x=2), Model(x=1, y=["a"]), Attrs(1), Attrs(2), Struct(1), Struct(2), Struct(1, 4), date(2026, 1, 2),
    Decimal("1.0"), Decimal("1.00"), Path("a"), Path("b"), "\ud800", 10**6000, float("inf"), range(3), range(4),
]  # fmt: skip


def test_different_values_have_different_digests() -> None:
    digests = [digest(value) for value in DIFFERENT]
    assert None not in digests
    assert len(set(digests)) == len(DIFFERENT)


def test_equal_values_have_the_same_in_another_process() -> None:
    shown = "{'b': {3, 1, 'x'}, 'a': [1, (2.5, None)]}"
    program = f"from typefold.runtime.journal import digest; print(digest({shown}).hex())"
    there = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = digest({"a": [1, (2.5, None)], "b": {"x", 1, 3}})
    assert here is not None
    assert there == {here.hex()}


def test_order_counts_where_it_does() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    ordered: OrderedDict[str, int] = OrderedDict(a=1)
    assert digest(ordered) != digest({"a": 1})


def test_defaults_of_a_library_s_record_say_nothing() -> None:
    class Before(msgspec.Struct):
        x: int

    class After(msgspec.Struct):
        x: int
        new: int = 5

    Before.__qualname__ = After.__qualname__ = "Parameters"
    assert digest(Before(1)) == digest(After(1))
    assert digest(Before(1)) != digest(After(1, 6))


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError


class Array:
    """What numpy, torch and others give."""

    def __init__(self, *values: int) -> None:
        self.values = values

    def __array__(self) -> Any:
        import numpy

        return numpy.array(self.values)


def test_arrays_go_by_all_that_they_hold() -> None:
    zeros = [0] * 5000
    assert digest(Array(*zeros)) != digest(Array(*zeros[:2500], 1, *zeros[2501:]))
    assert digest(Array(1, 2)) == digest(Array(1, 2))
    assert digest(Array(1, 2)) != digest(Array(2, 1))


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [object(), [object()], {"a": lambda: 1}, Odd(), cyclic(), Point(1, object())])
def test_what_says_nothing_of_itself_has_none(value: object) -> None:
    assert digest(value) is None


@given(
    st.recursive(st.none() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner) | st.tuples(inner))
)
def test_a_digest_goes_by_type_and_content(value: Any) -> None:
    assert digest(value) == digest(value)
    assert digest([value]) != digest(value)
