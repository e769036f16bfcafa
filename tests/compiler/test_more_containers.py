"""Containers of the standard library beyond the built-in ones."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import MutableSet, Set
from datetime import date
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from typefold.compiler import UnsupportedType, output_type

numbers = st.lists(st.integers(-99, 99), max_size=4)
counts = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.integers(-9, 99), max_size=3)


@given(numbers, counts)
@settings(max_examples=10, deadline=None)
def test_each_comes_back_as_its_own_type(prove: Any, items: list[int], counted: dict[str, int]) -> None:
    prove(deque[int], [deque(items)], samples=5)
    prove(Counter[str], [Counter(counted)], samples=5)
    prove(OrderedDict[str, int], [OrderedDict(counted)], samples=5)
    prove(defaultdict[str, int], [defaultdict(int, counted)], samples=5)
    prove(Set[int], [frozenset(items)], samples=5)
    prove(MutableSet[int], [set(items)], samples=5)


def test_each_comes_back_with_items_that_are_read_by_us(prove: Any) -> None:
    prove(deque[bytes], [deque([b"\xff"])])
    prove(OrderedDict[str, bytes], [OrderedDict(b=b"\xff", a=b"")])
    prove(defaultdict[str, list[bytes]], [defaultdict(list, a=[b"\xff"])])
    prove(Set[bytes], [frozenset([b"\xff"])])
    assert output_type(defaultdict[str, list[bytes]]).decode("{}")["missing"] == []


def test_without_arguments_items_are_any_json_value(prove: Any) -> None:
    prove(deque, [deque([1, "a", None])])
    prove(Counter, [Counter("abca")])
    prove(OrderedDict, [OrderedDict(a=[1])])


def test_the_length_of_a_deque_is_in_the_grammar(admits: Any) -> None:
    few = Annotated[deque[int], Field(max_length=2)]
    assert output_type(few).reader_limits == ("return[]: no more than 4300 digits",)
    assert admits(few, "[1, 2]")
    assert not admits(few, "[1, 2, 3]")


def test_a_missing_key_must_be_known() -> None:
    with pytest.raises(UnsupportedType, match=r"^return\[\]: .* does not say what a missing key gets; use dict"):
        output_type(list[defaultdict[str, date]])
