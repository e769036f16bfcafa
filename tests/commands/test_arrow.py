"""Types as Arrow has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, TypeAdapter

from typefold.arrow import arrow_type, arrow_value, pyarrow

pa = pyarrow()


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Item:
    name: str
    price: Decimal | None


class Order(BaseModel):
    items: list[Item]
    due: date
    notes: dict[str, float] = {}


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


ITEM = pa.struct([("name", pa.string()), ("price", pa.string())])

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
    (date, date(2026, 1, 2), pa.string()),
    (Point, Point(1, 2), pa.list_(pa.int64())),
    (tuple[int, str], (1, "a"), pa.list_(pa.string())),
    (set[int], {1}, pa.list_(pa.int64())),
    (dict[str, list[bool]], {"a": [True]}, pa.map_(pa.string(), pa.list_(pa.bool_()))),
    (Item, Item("a", Decimal("1.50")), ITEM),
    (
        Order,
        Order(items=[Item("a", None)], due=date(2026, 1, 2), notes={"n": 1.5}),
        pa.struct([("items", pa.list_(ITEM)), ("due", pa.string()), ("notes", pa.map_(pa.string(), pa.float64()))]),
    ),
    (
        Tree,
        Tree(value=1, children=[Tree(value=2)]),
        pa.struct([("value", pa.int64()), ("children", pa.list_(pa.string()))]),
    ),
    (Any, {"a": 1}, pa.string()),
]


@pytest.mark.parametrize(("hint", "value", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_type_has_one_arrow_type_and_its_values_fit(hint: Any, value: Any, expected: Any) -> None:
    kind = arrow_type(hint)
    assert kind == expected
    column = arrow_value(TypeAdapter(hint).dump_python(value, mode="json"), kind)
    [back] = pa.array([column], type=kind).to_pylist()
    assert (back is None) == (value is None)


def test_a_number_beyond_64_bits_is_said() -> None:
    with pytest.raises(OverflowError, match="beyond the 64 bits"):
        arrow_value(2**63, pa.int64())
