"""Named tuples."""

# Types made at run time, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false

from __future__ import annotations

from collections import namedtuple
from datetime import date
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, Field

from typefold.compiler import DecodeError, UnsupportedType, output_type

T = TypeVar("T")


class Point(NamedTuple):
    x: Annotated[int, Field(ge=0)]
    y: int = 0
    label: str | None = None


class Stamped(NamedTuple, Generic[T]):
    value: T
    others: list[T]
    when: date


class Node(NamedTuple):
    name: str
    next: Node | None = None


def test_a_named_tuple_is_an_object_with_defaults_left_out(prove: Any, admits: Any) -> None:
    prove(Point, [Point(1), Point(1, 2, "a")])
    assert output_type(Point).encode(Point(1)) == '{"x": 1, "y": 0, "label": null}'
    assert output_type(Point).decode('{"x": 1}') == Point(1)
    for text in ('{"y": 1}', "[1]", '{"x": -1}', '{"y": 1, "x": 1}', '{"x": 1, "z": 1}'):
        assert not admits(Point, text)


def test_parts_that_are_read_by_us_make_it_ours(prove: Any) -> None:
    class Blob(NamedTuple):
        data: bytes
        step: Annotated[int, Field(multiple_of=2)] = 0

    prove(Blob, [Blob(b"\xff"), Blob(b"", 4)])
    with pytest.raises(DecodeError, match="multiple of 2"):
        output_type(Blob).decode('{"data": "", "step": 3}')


def test_type_arguments_reach_the_fields(prove: Any) -> None:
    prove(Stamped[int], [Stamped(1, [2], date(2024, 2, 29))])
    prove(Stamped[bytes], [Stamped(b"\xff", [], date(2024, 2, 29))])
    with pytest.raises(UnsupportedType, match=r"^return\.value: T is a type variable"):
        output_type(Stamped)


def test_a_named_tuple_may_hold_itself(prove: Any) -> None:
    prove(Node, [Node("a"), Node("a", Node("b"))], samples=20)


def test_without_annotations_a_field_is_any_json_value(prove: Any) -> None:
    pair = namedtuple("pair", "x y", defaults=[1])
    prove(pair, [pair(1, [2]), pair({"a": None})])


def test_an_alias_is_the_key(prove: Any) -> None:
    class Aliased(NamedTuple):
        x: Annotated[int, Field(alias="X")]
        data: bytes = b""

    class Read(NamedTuple):
        x: Annotated[int, Field(alias="X")]

    prove(Aliased, [Aliased(1), Aliased(2, b"\xff")])
    prove(Read, [Read(1)])
    assert output_type(Read).encode(Read(1)) == '{"X": 1}'


def test_a_named_tuple_stands_in_a_model(prove: Any) -> None:
    class Line(BaseModel):
        start: Point
        end: Point | None = None

    prove(Line, [Line(start=Point(1)), Line(start=Point(1), end=Point(0, 2))])
