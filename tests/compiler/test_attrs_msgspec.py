"""attrs classes and structs."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

import attrs
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field

from typefold.compiler import DecodeError, UnsupportedType, output_type

T = TypeVar("T")
DAY = date(2024, 2, 29)


@attrs.define
class Item(Generic[T]):
    size: Annotated[int, Field(ge=0)]
    _secret: T
    parts: list[int] = attrs.field(factory=list, validator=attrs.validators.max_len(2))
    count: int = attrs.field(default=3, init=False)
    inner: Item[int] | None = None


@attrs.frozen(kw_only=True)
class Frozen:
    name: str = attrs.field(alias="title")


class Cat(msgspec.Struct, Generic[T], rename="camel", tag=True):
    fur_colour: T
    lives_left: Annotated[int, msgspec.Meta(ge=1, le=9)] = 9
    toys: list[str] = []


class Dog(msgspec.Struct, tag="dog", kw_only=True, frozen=True):
    legs: int = 4
    born: date


class Even(msgspec.Struct):
    number: Annotated[int, msgspec.Meta(multiple_of=2)]


@attrs.define
class Bad:
    inner: list[complex]


class Worse(msgspec.Struct):
    bad: Bad


def test_attrs_classes_come_back(prove: Any) -> None:
    prove(Item[date], [Item(0, DAY), Item(1, DAY, [1], Item(2, 3))], samples=20)
    prove(Item[bytes], [Item(0, b"\xff")], samples=20)
    prove(list[Frozen], [[Frozen(title="a")]])


def test_keys_are_the_arguments_of_the_constructor() -> None:
    assert output_type(Frozen).encode(Frozen(title="a")) == '{"title": "a"}'
    assert list(output_type(Item[int]).json_schema["$defs"].values())[-1]["required"] == ["size", "secret"]


def test_validators_of_attrs_are_named_post_checks() -> None:
    kind = output_type(Item[int])
    assert "return: validator Item.parts" in kind.post_checks
    with pytest.raises(DecodeError, match="must be <= 2"):
        kind.decode('{"size": 0, "secret": 1, "parts": [1, 2, 3]}')


def test_structs_come_back(prove: Any) -> None:
    prove(Cat[date], [Cat(DAY), Cat(DAY, 1, ["ball"])])
    prove(Cat[bytes], [Cat(b"\xff")])
    prove(Dog, [Dog(born=DAY), Dog(legs=3, born=DAY)])


def test_a_struct_has_its_names_and_its_tag(prove: Any) -> None:
    assert output_type(Cat[int]).encode(Cat(1)) == '{"type": "Cat", "furColour": 1, "livesLeft": 9, "toys": []}'
    prove(Cat[int] | Dog, [Cat(1), Dog(born=DAY)])


def test_limits_of_msgspec_are_in_the_grammar_or_checked_after(admits: Any) -> None:
    assert admits(Cat[int], '{"type": "Cat", "furColour": 1, "livesLeft": 9}')
    assert not admits(Cat[int], '{"type": "Cat", "furColour": 1, "livesLeft": 10}')
    assert "return.number: multiple_of=2" in output_type(Even).post_checks
    with pytest.raises(DecodeError, match="multiple of 2"):
        output_type(Even).decode('{"number": 3}')


def test_both_stand_in_models_that_allow_them(prove: Any) -> None:
    class Shop(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        item: Item[int]
        pet: Dog | None = None

    prove(Shop, [Shop(item=Item(1, 2)), Shop(item=Item(1, 2), pet=Dog(born=DAY))], samples=10)


def test_a_field_that_cannot_be_compiled_is_refused_by_path() -> None:
    with pytest.raises(UnsupportedType, match=r"^return\.bad\.inner\[\]: complex has no form in JSON"):
        output_type(Worse)


def test_neither_package_is_imported_for_others() -> None:
    code = "import sys, typefold.compiler; typefold.compiler.output_type(list[int]); print({'attr', 'msgspec'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
