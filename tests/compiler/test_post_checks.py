"""Post-checks by name: an answer that fails one names the entry that `explain()` lists, at its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from typefold.compiler import DecodeError, output_type


class Person(BaseModel):
    name: str
    age: Annotated[int, Field(multiple_of=2)]
    height: Annotated[int, Field(multiple_of=3)]
    friends: list[Annotated[int, Field(multiple_of=5)]] = []

    @field_validator("name")
    @classmethod
    def capital(cls, name: str) -> str:
        if not name.istitle():
            raise ValueError("no capital")
        return name

    @model_validator(mode="after")
    def tall(self) -> Person:
        if self.height < self.age:
            raise ValueError("too short")
        return self


@dataclass
class Row:
    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise RuntimeError("unlucky")


class Threes(BaseModel):
    kind: Literal["threes"]
    number: Annotated[int, Field(multiple_of=3)]


class Fives(BaseModel):
    kind: Literal["fives"]
    number: Annotated[int, Field(multiple_of=5)]


def odd(number: int) -> int:
    assert number % 2, "even"
    return number


FAILING: dict[str, tuple[Any, str, str]] = {
    "a field": (Person, '{"name": "A", "age": 1, "height": 3, "friends": []}', "return.age: multiple_of=2"),
    "another": (Person, '{"name": "A", "age": 2, "height": 4, "friends": []}', "return.height: multiple_of=3"),
    "an item": (Person, '{"name": "A", "age": 2, "height": 3, "friends": [5, 7]}', "return.friends[]: multiple_of=5"),
    "a field's validator": (
        Person,
        '{"name": "a", "age": 2, "height": 3, "friends": []}',
        "return: validator Person.capital of name",
    ),
    "the model's": (Person, '{"name": "A", "age": 4, "height": 3, "friends": []}', "return: validator Person.tall"),
    "a dataclass's": (Row, '{"number": 13}', "return: validator __post_init__"),
    "a function's": (list[Annotated[int, AfterValidator(odd)]], "[1, 2]", "return[]: validator odd"),
    "the member's that was written": (
        Annotated[Threes | Fives, Field(discriminator="kind")],
        '{"kind": "fives", "number": 4}',
        "return|Fives.number: multiple_of=5",
    ),
    "several": (Person, '{"name": "A", "age": 1, "height": 4, "friends": [1]}', "return.age: multiple_of=2"),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_failure_names_an_entry_of_the_post_checks(what: str) -> None:
    hint, text, check = FAILING[what]
    kind = output_type(hint)
    with pytest.raises(DecodeError) as caught:
        kind.decode(text)
    assert caught.value.check == check
    assert check in kind.explain().post_checks


def test_a_limit_of_a_reader_has_a_name_but_is_not_listed() -> None:
    kind = output_type(list[int])
    with pytest.raises(DecodeError) as caught:
        kind.decode(f"[{'1' * 4301}]")
    assert caught.value.check == "return[]: no more than 4300 digits"
    assert kind.explain().post_checks == ()
