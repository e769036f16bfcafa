"""Figures of single fields: labels, numbers, lists, nested models."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, TypedDict

import pytest
from pydantic import BaseModel

from typefold import Scored
from typefold.evaluation.fields import FAILED, FieldReport, is_equal, parts_of, reports_by_path


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    city: str
    zip: int | None = None


class Person(BaseModel):
    name: str
    address: Address
    tags: list[str] = []


@dataclass
class Point:
    x: float
    y: float


class Pair(NamedTuple):
    left: int
    right: int


class Row(TypedDict):
    a: int


def reported(pairs: Iterable[tuple[Any, Any]], failed: Iterable[Any] = ()) -> dict[str, FieldReport]:
    return reports_by_path([*pairs, *((expected, FAILED) for expected in failed)])


def test_fields_of_all_kinds_of_objects_are_found() -> None:
    assert parts_of(Point(1, 2)) == {"x": 1, "y": 2}
    assert parts_of(Pair(1, 2)) == {"left": 1, "right": 2}
    assert parts_of(Row(a=1)) == {"a": 1}
    assert parts_of(Address(city="Oslo")) == {"city": "Oslo", "zip": None}
    for plain in (1, "a", None, [1], (1, 2), {}, {1: 2}, Point, Colour.RED):
        assert parts_of(plain) is None


def test_a_nested_field_has_its_path_and_its_share() -> None:
    oslo, bergen = Address(city="Oslo", zip=1), Address(city="Bergen", zip=2)
    report = reported(
        [
            (Person(name="Ada", address=oslo), Person(name="Ada", address=bergen)),
            (Person(name="Bob", address=oslo), Person(name="Bo", address=oslo)),
        ]
    )
    shares = {path: float(each.accuracy) for path, each in report.items()}
    assert shares == {"": 0.0, "name": 0.5, "address": 0.5, "address.city": 0.5, "address.zip": 0.5, "tags": 1.0}


def test_a_failed_row_has_no_field_right() -> None:
    report = reported([(Point(1, 2), Point(1, 2))], failed=[Point(1, 2)])
    assert {path: float(each.accuracy) for path, each in report.items()} == {"": 0.5, "x": 0.5, "y": 0.5}
    errors = report["x"].errors
    assert errors is not None
    assert errors.mean_absolute == 0.0
    assert errors.mean_absolute.rows == 1


def test_an_answer_of_another_member_of_a_union_has_none_of_the_fields_right() -> None:
    report = reported([(Point(1, 2), Pair(1, 2)), (Point(1, 2), None)])
    assert float(report["x"].accuracy) == 0.0


def test_labels_are_compared_with_labels() -> None:
    report = reported(
        [(Colour.RED, Colour.RED), (Colour.RED, Colour.BLUE), (Colour.BLUE, Colour.BLUE)], failed=[Colour.BLUE]
    )
    confusion = report[""].confusion
    assert confusion is not None
    assert confusion.labels == (Colour.RED, Colour.BLUE)
    assert confusion.counts == {
        (Colour.RED, Colour.RED): 1,
        (Colour.RED, Colour.BLUE): 1,
        (Colour.BLUE, Colour.BLUE): 1,
    }
    assert confusion.failed == {Colour.BLUE: 1}
    assert (confusion.recall(Colour.BLUE), confusion.recall(Colour.BLUE).rows) == (0.5, 2)
    assert (confusion.precision(Colour.BLUE), confusion.precision(Colour.BLUE).rows) == (0.5, 2)
    assert confusion.most_confused() == [(Colour.RED, Colour.BLUE, 1)]


@pytest.mark.parametrize(
    ("values", "are_labels"),
    [
        (["a", "b"] * 4, True),
        ([f"text {number}" for number in range(8)], False),
        (["long " * 40] * 8, False),
        ([True, False] * 4, True),
        ([1, 2, 3] * 4, True),
        (list(range(60)) * 3, False),
        ([1.5] * 8, False),
        ([[1]] * 8, False),
        (["a", None] * 4, True),
    ],
)
def test_values_are_labels_where_few_of_them_come_again(values: list[Any], are_labels: bool) -> None:
    assert (reported([(value, value) for value in values])[""].confusion is not None) == are_labels


def test_numbers_have_errors() -> None:
    errors = reported([(10, 12), (10, 7.0), (10, 10)])[""].errors
    assert errors is not None
    assert errors.mean_absolute == pytest.approx(5 / 3)
    assert errors.bias == pytest.approx(-1 / 3)
    assert errors.root_mean_square == pytest.approx(math.sqrt(13 / 3))
    assert reported([(True, False)])[""].errors is None
    assert reported([("a", "b")])[""].errors is None


def test_items_are_counted_as_often_as_they_stand_there() -> None:
    overlap = reported([(["a", "a", "b"], ["a", "c"]), ([], ["d"])], failed=[["e"]])[""].overlap
    assert overlap is not None
    assert overlap.precision == pytest.approx(1 / 3)
    assert overlap.recall == pytest.approx(1 / 4)
    assert overlap.f1 == pytest.approx(2 / 7)


def test_items_without_a_hash_are_counted_too() -> None:
    overlap = reported([([Address(city="Oslo"), Address(city="Rome")], [Address(city="Rome")])])[""].overlap
    assert overlap is not None
    assert (float(overlap.precision), float(overlap.recall)) == (1.0, 0.5)


def test_equality_survives_values_that_compare_in_a_way_of_their_own() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]

    assert not is_equal(Odd(), 1)
    assert is_equal(math.nan, math.nan)
    assert not is_equal(math.nan, 1.0)


class Line(BaseModel):
    kind: Scored[Literal["a", "b"]]
    rows: int = 1


class Order(BaseModel):
    lines: list[Line]
    pair: tuple[Scored[bool], str, Scored[bool]]
    nested: list[list[Scored[bool]]]


def test_items_that_state_probabilities_are_calibrated_by_their_places() -> None:
    def line(kind: Literal["a", "b"], likely: float) -> Line:
        return Line(kind=Scored(value=kind, probabilities={"a": likely, "b": 1 - likely}))

    def flag(value: bool, likely: float) -> Scored[bool]:
        return Scored(value=value, probabilities={True: likely, False: 1 - likely})

    yes, no = flag(True, 0.8), flag(False, 0.4)
    answered = Order(
        lines=[line("a", 0.75), line("b", 0.25), line("a", 1.0)], pair=(yes, "x", no), nested=[[yes], [no, no]]
    )
    right = Order(
        lines=[line("a", 1.0), line("a", 1.0)],
        pair=(Scored.of(True), "x", Scored.of(True)),
        nested=[[Scored.of(True)], [Scored.of(False), Scored.of(True)]],
    )
    report = reported([(right, answered)], failed=[right])
    found = {path: each.calibration for path, each in report.items() if each.calibration is not None}
    assert {path: each.brier.rows for path, each in found.items()} == {
        "lines[].kind": 2, "pair[0]": 1, "pair[2]": 1, "nested[][]": 3
    }  # fmt: skip
    assert found["lines[].kind"].brier == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)
    assert found["pair[2]"].brier == pytest.approx(2 * 0.6**2)
    assert report["nested[][]"].accuracy == pytest.approx(2 / 3)
    assert "lines[].rows" not in report
