"""The languages of numbers: a text is admitted if and only if its value is within the bounds and its form is the one."""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from typefold.compiler import DecodeError, OutputType, output_type
from typefold.compiler.grammar.matcher import Search, recognises
from typefold.compiler.grammar.nodes import NEVER, Language
from typefold.compiler.grammar.numeric import (
    DECIMAL_PLACES,
    any_float,
    at_least,
    at_most,
    between,
    decimals,
    integers,
    scientific_large,
    scientific_small,
)
from typefold.compiler.grammar.sampler import sample

quick = settings(deadline=None)
FLOATS = Language(any_float())
POINTED = Language(any_float(pointed=True))


def within(low: float | Decimal | None, value: Decimal | int, high: float | Decimal | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


# --- whole numbers ----------------------------------------------------------------------------------------------------

SPANS = [(low, high) for low in range(-23, 24, 4) for high in range(low, 25, 5)]


@pytest.mark.parametrize("unit", [1, 9, 50])
def test_every_whole_number_is_admitted_exactly_within_its_bounds(unit: int) -> None:
    for low, high in SPANS:
        low, high = low * unit, high * unit
        language = Language(integers(low, high))
        step = max(1, unit // 9)
        for number in {*range(low - 12, high + 13, step), low, high, low - 1, high + 1, -high, -low, 0}:
            assert recognises(language, str(number)) == (low <= number <= high), (low, number, high)


@pytest.mark.parametrize("bound", [-101, -100, -99, -10, -1, 0, 1, 9, 10, 11, 99, 100, 101, 1000])
def test_one_bound_may_be_missing(bound: int) -> None:
    above, below = Language(integers(bound, None)), Language(integers(None, bound))
    for number in range(-1200, 1201):
        assert recognises(above, str(number)) == (number >= bound), number
        assert recognises(below, str(number)) == (number <= bound), number
    assert recognises(above, "9" * 40) and recognises(below, "-" + "9" * 40)


large = st.integers(0, 40).flatmap(lambda digits: st.integers(-(10**digits), 10**digits))


@given(large, large)
@quick
def test_large_bounds_are_exact_at_their_edges(one: int, other: int) -> None:
    low, high = sorted((one, other))
    language = Language(integers(low, high))
    for edge in (low, high):
        powers = [sign * 10**digits + step for digits in range(0, 41, 4) for sign in (-1, 1) for step in (-1, 0)]
        for number in [edge - 10, edge - 1, edge, edge + 1, edge + 10, edge // 10, edge * 10, -edge, *powers]:
            assert recognises(language, str(number)) == (low <= number <= high), (low, number, high)


@pytest.mark.parametrize(
    "text", ["", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e1", "0x1", "1_0", "\u0661"]
)
def test_a_whole_number_has_one_form(text: str) -> None:
    for language in (Language(integers(None, None)), Language(integers(-100, 100))):
        assert not recognises(language, text)


def test_no_whole_number_lies_between_bounds_that_cross() -> None:
    for low, high in ((1, 0), (-1, -2), (5, -5), (100, 99)):
        assert integers(low, high) == NEVER


@given(large, large, st.integers(0, 2**32))
@quick
def test_whole_numbers_that_are_made_up_lie_within_their_bounds(one: int, other: int, seed: int) -> None:
    low, high = sorted((one, other))
    text = sample(Language(integers(low, high)), random.Random(seed))
    assert str(int(text)) == text and low <= int(text) <= high


# --- digit strings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3])
def test_digit_strings_are_bounded_as_they_sort(length: int) -> None:
    every = ["".join(digits) for digits in itertools.product("0123456789", repeat=length)]
    edges = [*every[:: len(every) // 10], every[-1], every[len(every) // 3]]
    for low in edges:
        least, most = Language(at_least(low)), Language(at_most(low))
        for text in every[::3]:
            assert recognises(least, text) == (text >= low)
            assert recognises(most, text) == (text <= low)
        for high in edges[::2]:
            span = Language(between(low, high))
            for text in every[::3]:
                assert recognises(span, text) == (low <= text <= high), (low, text, high)
            assert not recognises(span, low + "0") and not recognises(span, low[1:])


# --- decimals ---------------------------------------------------------------------------------------------------------


def forms(places: int, whole: int) -> list[str]:
    """Every text of a decimal of up to `places` digits after the point, and fewer than `whole` before it, signed or not."""
    tails = [
        "".join(digits) for count in range(1, places + 1) for digits in itertools.product("0123456789", repeat=count)
    ]
    return [f"{sign}{head}.{tail}" for sign in ("", "-") for head in range(whole) for tail in tails]


EDGES = [
    Decimal(text)
    for text in [
        "-3",
        "-2.01",
        "-1.5",
        "-1",
        "-0.99",
        "-0.1",
        "-0.05",
        "0",
        "0.01",
        "0.4",
        "0.99",
        "1",
        "1.25",
        "2",
        "2.99",
        "3",
    ]
]


@pytest.mark.parametrize("low", [None, *EDGES[::2]])
def test_every_decimal_is_admitted_exactly_within_its_bounds(low: Decimal | None) -> None:
    tried = [*forms(2, 4)[::3], "0.0", "-0.0", "-0.00", "3.00", "-3.0"]
    for high in [None, *(edge for edge in EDGES[1::2] if low is None or edge >= low)]:
        language = Language(decimals(low, high, places=2))
        for text in tried:
            assert recognises(language, text) == within(low, Decimal(text), high), (low, text, high)


@pytest.mark.parametrize("low", [None, *EDGES[::3]])
@pytest.mark.parametrize("high", [None, *EDGES[1::3]])
def test_decimals_that_need_no_point_may_be_whole(low: Decimal | None, high: Decimal | None) -> None:
    pointed, free = (Language(decimals(low, high, places=2, pointed=pointed)) for pointed in (True, False))
    for text in ["0", *(f"{sign}{whole}" for sign in ("", "-") for whole in range(1, 5))]:
        fits = (low is None or low <= int(text)) and (high is None or int(text) <= high)
        assert recognises(free, text) == fits, (low, text, high)
        assert not recognises(pointed, text)
    for text in forms(2, 4)[::7]:
        assert recognises(free, text) == recognises(pointed, text), (low, text, high)


fractions = st.decimals(-1000, 1000, places=5, allow_nan=False, allow_infinity=False)


@given(fractions, fractions, st.lists(fractions, max_size=5))
@quick
def test_bounds_of_decimals_are_exact_at_their_edges(one: Decimal, other: Decimal, more: list[Decimal]) -> None:
    low, high = sorted((one, other))
    language, step = Language(decimals(low, high, places=5)), Decimal("0.00001")
    for number in [low - step, low, low + step, high - step, high, high + step, -low, -high, *more]:
        text = f"{number:f}"
        assert recognises(language, text) == within(low, number, high), (low, text, high)
        shorter = text.rstrip("0")
        shorter += "0" if shorter.endswith(".") else ""
        assert recognises(language, shorter) == within(low, number, high), (low, shorter, high)


@given(st.integers(0, 3), fractions, fractions)
@quick
def test_bounds_may_be_finer_than_the_decimals_they_bound(places: int, one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    places = places or 1
    language, unit = Language(decimals(low, high, places=places)), Decimal(1).scaleb(-places)
    for edge in (low, high):
        for step in (-1, 0, 1, 2):
            number = edge.quantize(unit) + step * unit
            assert recognises(language, f"{number:f}") == within(low, number, high), (low, number, high)


@pytest.mark.parametrize(
    "text", ["1", "1.", ".5", "-.5", "+1.0", "01.0", "00.5", "-", "", "1.234", "1.0e1", "1,0", "1.0 "]
)
def test_a_decimal_has_a_point_with_digits_on_both_sides(text: str) -> None:
    assert not recognises(Language(decimals(None, None, places=2)), text)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_the_digits_before_the_point_may_be_limited(digits: int) -> None:
    language = Language(decimals(None, None, places=1, whole_digits=digits))
    for number in (0, 1, 10**digits - 1, 10**digits, 10**digits * 5):
        for sign in ("", "-"):
            assert recognises(language, f"{sign}{number}.5") == (number < 10**digits)


@pytest.mark.parametrize(("low", "high"), [("1.5", "1.4"), ("0.26", "0.29")])
def test_no_decimal_lies_between_bounds_that_leave_no_room(low: str, high: str) -> None:
    assert decimals(Decimal(low), Decimal(high), places=1) == NEVER


# --- floats -----------------------------------------------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None, max_examples=400)
def test_every_finite_float_is_admitted_as_python_writes_it(number: float) -> None:
    assert recognises(FLOATS, repr(number))


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 5e-324, 1e-5, 9.999999999999999e-05, 1e-4, 9999999999999998.0, 1e16, 1e22]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_floats_are_admitted_at_every_edge_of_their_forms(number: float, sign: int) -> None:
    assert recognises(FLOATS, repr(sign * number))


LARGEST = repr(sys.float_info.max)


@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        (LARGEST, True),
        (LARGEST.replace("7e", "8e"), False),
        ("1.8e+308", False),
        ("1.79e+308", True),
        ("2e+308", False),
        ("1e+309", False),
        ("9.9e+307", True),
        ("1e+16", True),
        ("1e+15", False),
        ("1e-05", True),
        ("1e-5", False),
        ("1e-04", False),
        ("1e-324", True),
        ("1e-325", False),
        ("1E+20", False),
        ("10e+20", False),
        ("0.5e+20", False),
        ("1", True),
        ("12000", True),
        ("01", False),
        ("1.", False),
        ("nan", False),
        ("inf", False),
    ],
)
def test_floats_have_exponents_only_where_python_writes_them_and_never_overflow(text: str, admitted: bool) -> None:
    for sign in ("", "-"):
        assert recognises(FLOATS, sign + text) == admitted
        assert recognises(POINTED, sign + text) == (admitted and not text.isdigit())


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=300)
def test_every_float_that_is_made_up_can_be_read(seed: int) -> None:
    text = sample(FLOATS, random.Random(seed))
    number = json.loads(text)
    assert isinstance(number, int | float) and math.isfinite(number)
    assert isinstance(json.loads(sample(POINTED, random.Random(seed))), float)


def test_the_two_kinds_of_exponent_part_at_one() -> None:
    for seed in range(50):
        small = sample(Language(scientific_small()), random.Random(seed))
        large = sample(Language(scientific_large()), random.Random(seed))
        assert 0 <= float(small) < 1e-4
        assert 1e16 <= float(large) <= sys.float_info.max


def test_positional_floats_need_no_more_places_than_are_admitted() -> None:
    smallest = math.nextafter(1e-4, 1)
    assert len(repr(smallest).split(".")[1]) <= DECIMAL_PLACES
    assert recognises(FLOATS, repr(smallest))
    assert not recognises(FLOATS, "0." + "1" * (DECIMAL_PLACES + 1))


def test_a_pointed_decimal_never_looks_like_a_whole_number() -> None:
    whole = integers(None, None)
    assert Search({}).shared_text(whole, any_float(pointed=True)) is None
    assert Search({}).shared_text(whole, decimals(None, None, places=3)) is None


def test_a_float_may_be_written_as_a_whole_number_but_beside_one() -> None:
    price: OutputType[float] = output_type(Annotated[float, Field(ge=0, le=99.5)])
    assert [price.decode(text) for text in ("10", "99", "99.50", "0")] == [10.0, 99.0, 99.5, 0.0]
    assert type(price.decode("10")) is float
    assert price.encode(10.0) == "10.0"
    for text in ("100", "-1", "010"):
        with pytest.raises(DecodeError):
            price.decode(text)
    both: OutputType[int | float] = output_type(int | float)
    assert [type(both.decode(text)) for text in ("1", "1.0", "-3", "2e+16")] == [int, float, int, float]
    assert not both.shared_texts
    of_two: OutputType[Literal[1, 2] | float | None] = output_type(Literal[1, 2] | float | None)
    assert [of_two.decode(text) for text in ("1", "1.0", "3.5", "null")] == [1, 1.0, 3.5, None]
    lists: OutputType[list[int] | list[float]] = output_type(list[int] | list[float])
    assert [type(item) for text in ("[1]", "[1.0]") for item in lists.decode(text)] == [int, float]
