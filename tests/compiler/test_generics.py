"""Type variables, aliases that take arguments or hold themselves, and `Self`."""

# Types made at run time, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false

# Types made at run time, which mypy does not follow:
# mypy: disable-error-code="misc, arg-type, unused-ignore"

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Generic, LiteralString, NewType, NotRequired, Self, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import TypeAliasType

from typefold.compiler import UnsupportedType, output_type

T = TypeVar("T")
K = TypeVar("K")
Bound = TypeVar("Bound", bound=date)
Either = TypeVar("Either", int, str)
Default = typing_extensions.TypeVar("Default", default=date)

DAY = date(2024, 2, 29)


@dataclass
class Box(Generic[T]):
    item: T
    more: list[T]


@dataclass
class DayBox(Box[date]):
    size: int


@dataclass
class ListBox(Box[list[K]], Generic[K]):
    size: int


@checked_dataclass
class Checked(Generic[T]):
    item: T


class Keys(typing_extensions.TypedDict, Generic[T]):
    one: T
    many: NotRequired[list[T]]


class DayKeys(Keys[date]):
    other: int


class Tree(BaseModel, Generic[T]):
    value: T
    left: Tree[T] | None = None


class Chain(BaseModel):
    then: Self | None = None
    all: list[Self] = []


@dataclass
class Link:
    data: bytes
    then: Self | None = None


@dataclass
class WithDefault(Generic[Default]):
    item: Default


@dataclass
class WithBound(Generic[Bound]):
    item: Bound


@dataclass
class WithConstraints(Generic[Either]):
    item: Either


Nested = TypeAliasType("Nested", int | list["Nested"])
Many = TypeAliasType("Many", list[T], type_params=(T,))
Swapped = TypeAliasType("Swapped", dict[K, list[T]], type_params=(T, K))
NestedOf = TypeAliasType("NestedOf", T | list["NestedOf[T]"], type_params=(T,))
Lost = TypeAliasType("Lost", list["Nowhere"])  # type: ignore[name-defined]  # noqa: F821
Day = NewType("Day", date)


def test_arguments_reach_every_field(prove: Any) -> None:
    prove(Box[date], [Box(DAY, [DAY])])
    prove(Box[bytes], [Box(b"\xff", [])])
    prove(Box[Box[int]], [Box(Box(1, [2]), [])])
    prove(Checked[date], [Checked[date](DAY)])
    prove(Keys[date], [{"one": DAY}, {"one": DAY, "many": [DAY]}])
    prove(Tree[date], [Tree[date](value=DAY, left=Tree[date](value=DAY))], samples=20)


def test_arguments_of_a_base_class_reach_inherited_fields(prove: Any) -> None:
    prove(DayBox, [DayBox(DAY, [DAY], 1)])
    prove(ListBox[date], [ListBox([DAY], [[DAY], []], 1)])
    prove(DayKeys, [{"one": DAY, "many": [], "other": 1}])


def test_without_arguments_a_default_a_bound_or_constraints_are_taken(prove: Any) -> None:
    prove(WithDefault, [WithDefault(DAY)])
    prove(WithBound, [WithBound(DAY)])
    prove(WithConstraints, [WithConstraints(1), WithConstraints("a")])
    with pytest.raises(
        UnsupportedType, match=r"^return\.item: T is a type variable; give the generic type its argument"
    ):
        output_type(Box)


def test_self_is_the_class_around_it(prove: Any) -> None:
    prove(Chain, [Chain(), Chain(then=Chain(), all=[Chain(then=Chain())])], samples=20)
    prove(Link, [Link(b"\xff", Link(b""))], samples=20)
    with pytest.raises(UnsupportedType, match="there is none around it; name the type"):
        output_type(Self)


def test_aliases_take_arguments_and_may_hold_themselves(prove: Any) -> None:
    prove(Nested, [1, [], [1, [2]]])
    prove(Many[date], [[DAY]])
    prove(Many[bytes], [[b"\xff"]])
    prove(Swapped[int, str], [{"a": [1]}])
    prove(NestedOf[int], [1, [1, [2]]])
    prove(list[NestedOf[date]], [[DAY, [DAY]]])


def test_a_name_that_an_alias_does_not_find_is_refused() -> None:
    with pytest.raises(UnsupportedType, match=r"refers to a name that is not defined .*Nowhere"):
        output_type(Lost)


def test_names_for_types_are_the_types(prove: Any) -> None:
    prove(Day, [DAY])
    prove(LiteralString, ["a"])

    class Fixed(BaseModel):
        day: Final[date]

    prove(Fixed, [Fixed(day=DAY)])
