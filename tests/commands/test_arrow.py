"""Types as Arrow has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, PlainSerializer

from typefold.tables.arrow import arrow_type, arrow_value, fitted, plain_form, pyarrow

pa = pyarrow()


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Item:
    name: str
    price: Annotated[Decimal, Field(decimal_places=2)] | None


class Order(BaseModel):
    items: list[Item]
    due: date
    notes: dict[str, float] = {}


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


ITEM = pa.struct([("name", pa.string()), ("price", pa.decimal128(38, 2))])

CASES: list[tuple[Any, Any, Any]] = [
    (str, "a", pa.string()),
    (int, 5, pa.int64()),
    (float, 0.5, pa.float64()),
    (bool, True, pa.bool_()),
    (int | float, 3, pa.float64()),
    (int | None, None, pa.int64()),
    (int | str, 5, pa.string()),
    (Literal["a", "b"], "a", pa.string()),
    (Literal[1, 2], 1, pa.int64()),
    (Colour, Colour.RED, pa.string()),
    (date, date(2026, 1, 2), pa.date32()),
    (date | None, None, pa.date32()),
    (NaiveDatetime, datetime(2026, 1, 2), pa.timestamp("us")),
    (AwareDatetime, datetime(2026, 1, 2, tzinfo=UTC), pa.timestamp("us", "UTC")),
    (timedelta, timedelta(hours=1), pa.duration("us")),
    (Annotated[Decimal, Field(max_digits=9, decimal_places=2)], Decimal("1.50"), pa.decimal128(9, 2)),
    (bytes, b"\xff", pa.binary()),
    (UUID, UUID(int=1), pa.string()),
    (Path, Path("a"), pa.string()),
    (Annotated[date, PlainSerializer(lambda day: day.year, return_type=int)], date(2026, 1, 2), pa.int64()),
    (
        Annotated[date, PlainSerializer(lambda day: day.year, return_type=int, when_used="json")],
        date(2026, 1, 2),
        pa.date32(),
    ),
    (dict[Colour, date], {Colour.RED: date(2026, 1, 2)}, pa.map_(pa.string(), pa.date32())),
    (date | datetime, date(2026, 1, 2), pa.string()),
    (Point, Point(1, 2), pa.list_(pa.int64())),
    (tuple[int, str], (1, "a"), pa.list_(pa.string())),
    (set[int], {1}, pa.list_(pa.int64())),
    (dict[str, list[bool]], {"a": [True]}, pa.map_(pa.string(), pa.list_(pa.bool_()))),
    (Item, Item("a", Decimal("1.50")), ITEM),
    (
        Order,
        Order(items=[Item("a", None)], due=date(2026, 1, 2), notes={"n": 1.5}),
        pa.struct([("items", pa.list_(ITEM)), ("due", pa.date32()), ("notes", pa.map_(pa.string(), pa.float64()))]),
    ),
    (
        Tree,
        Tree(value=1, children=[Tree(value=2)]),
        pa.struct([("value", pa.int64()), ("children", pa.list_(pa.string()))]),
    ),
    (Any, {"a": 1}, pa.string()),
]


@pytest.mark.parametrize(
    ("hint", "value", "expected"), CASES, ids=[re.sub(" at 0x[0-9a-f]+", "", str(case[0])) for case in CASES]
)
def test_a_type_has_one_arrow_type_and_its_values_fit(hint: Any, value: Any, expected: Any) -> None:
    kind = arrow_type(hint)
    assert kind == expected
    column = arrow_value(plain_form(hint)(value), kind)
    [back] = pa.array([column], type=kind).to_pylist()
    assert (back is None) == (value is None)


def test_a_number_beyond_64_bits_is_said() -> None:
    with pytest.raises(OverflowError, match="beyond the 64 bits"):
        arrow_value(2**63, pa.int64())


@pytest.mark.parametrize(
    ("hint", "values", "expected"),
    [
        (datetime, [], pa.timestamp("us")),
        (datetime, [datetime(2026, 1, 2), None], pa.timestamp("us")),
        (datetime, [None, datetime(2026, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        (time, [time(1)], pa.time64("us")),
        (Decimal, [], pa.decimal128(38, 18)),
        (Decimal, [Decimal("1.50"), Decimal(10**19)], pa.decimal128(38, 18)),
        (Decimal, [Decimal("1E-20"), Decimal(10**17)], pa.decimal128(38, 20)),
        (Decimal, [Decimal(10**30)], pa.decimal128(38, 0)),
        (list[Decimal], [[Decimal("1E-20")], []], pa.list_(pa.decimal128(38, 20))),
        (
            dict[str, datetime],
            [{"a": datetime(2026, 1, 2, tzinfo=UTC)}],
            pa.map_(pa.string(), pa.timestamp("us", "UTC")),
        ),
    ],
)
def test_what_a_type_leaves_open_is_text_in_a_stream_and_told_by_the_values_of_a_table(
    hint: Any, values: list[Any], expected: Any
) -> None:
    plain = [None if value is None else plain_form(hint)(value) for value in values]
    kind = fitted(arrow_type(hint, whole=True), plain)
    assert kind == expected
    assert len(pa.array([arrow_value(value, kind) for value in plain], type=kind)) == len(values)
    assert "string" in str(arrow_type(hint))
    assert all(arrow_value(value, arrow_type(hint)) is not None for value in plain if value is not None)
