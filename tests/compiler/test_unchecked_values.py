"""Values that pydantic holds without having checked them are written as its serializer writes them, or refused."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from typing_extensions import TypedDict

from typefold.compiler import OutputType, output_type
from typefold.testing.laws import Recogniser, check_laws


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Held(BaseModel):
    ratio: float | None = 0
    whole: float = 1
    color: Color = "red"  # type: ignore[assignment]  # unchecked, as all of these
    maybe: Color | None = "red"  # type: ignore[assignment]
    path: Path = "a/b"  # type: ignore[assignment]
    path_or_none: Path | None = "a/b"  # type: ignore[assignment]
    day: date = "2024-02-29"  # type: ignore[assignment]
    price: Decimal = 3.5  # type: ignore[assignment]
    tags: list[str] = ("a", "b")  # type: ignore[assignment]
    unique: set[int] = [1, 2]  # type: ignore[assignment]
    free: dict = {True: 0, 1.5: date(2024, 1, 1)}  # type: ignore[type-arg]  # pydantic copies it
    any: Any = date(2024, 1, 1)


@dataclasses.dataclass
class Record:
    ratio: float | None = 0
    path: Path | None = "x"  # type: ignore[assignment]


class Pair(NamedTuple):
    ratio: float | None = 0


def test_defaults_are_written_as_pydantic_writes_them() -> None:
    kind = output_type(Held)
    text = kind.encode(Held())
    assert text == (
        '{"ratio": 0.0, "whole": 1.0, "color": "red", "maybe": "red", "path": "a/b", "path_or_none": "a/b", '
        '"day": "2024-02-29", "price": "3.5", "tags": ["a", "b"], "unique": [1, 2], '
        '"free": {"true": 0, "1.5": "2024-01-01"}, "any": "2024-01-01"}'
    )
    assert Recogniser.of(kind.constraint).admits(text)
    assert kind.decode(text) == Held.model_validate_json(Held().model_dump_json(warnings=False))


@pytest.mark.parametrize("value", [Record(), Pair()])
def test_records_do_so_too(value: Any) -> None:
    hint: Any = value.__class__
    kind: OutputType[Any] = output_type(hint)
    text = kind.encode(value)
    assert '"ratio": 0.0' in text and Recogniser.of(kind.constraint).admits(text)
    check_laws(kind, [value])


def test_a_default_that_its_type_does_not_hold_is_left_out_and_so_comes_back() -> None:
    class Loose(BaseModel):
        count: int = None  # type: ignore[assignment]
        on: bool = None  # type: ignore[assignment]
        name: str = 5  # type: ignore[assignment]
        day: date = None  # type: ignore[assignment]

    kind = output_type(Loose)
    assert kind.encode(Loose()) == "{}" and kind.decode("{}") == Loose()


def test_what_no_text_can_be_is_refused_by_name() -> None:
    class Strict(BaseModel):
        count: int
        name: str

    kind = output_type(Strict)
    for wrong in (Strict.model_construct(count=None, name="a"), Strict.model_construct(count=1, name=5)):
        with pytest.raises(ValueError, match="is no value of"):
            kind.encode(wrong)
    with pytest.raises(ValueError, match="is no value of str"):
        output_type(str).encode(5)  # type: ignore[arg-type]


def test_a_subclass_is_written_by_its_fields_and_secrets_stay_what_they_are() -> None:
    class Account(BaseModel):
        name: str
        password: SecretStr

    class Admin(Account):
        level: int = 1

    kind = output_type(list[Account])
    text = kind.encode([Admin(name="a", password=SecretStr("hush"))])
    assert text == '[{"name": "a", "password": "hush"}]'
    with pytest.raises(ValueError, match=r"Admin|belongs to no member|no value"):
        output_type(Account | None).encode(Admin(name="a", password=SecretStr("hush")))


def test_enum_values_are_written_from_members_and_from_values() -> None:
    class Shirt(BaseModel):
        model_config = ConfigDict(use_enum_values=True)
        color: Color
        lining: Color = Color.BLUE
        trim: Color | None = None

    kind = output_type(Shirt)
    value = Shirt(color=Color.RED, trim=Color.BLUE)
    assert kind.encode(value) == '{"color": "red", "lining": "blue", "trim": "blue"}'
    assert repr(kind.decode(kind.encode(value)).color) == repr("red")
    check_laws(kind, [Shirt(color=Color.RED, lining=Color.RED)], every=True)


def test_a_typed_dictionary_is_read_as_it_is() -> None:
    class Keys(TypedDict):
        ratio: float

    assert output_type(Keys).encode({"ratio": 1}) == '{"ratio": 1.0}'
