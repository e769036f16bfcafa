"""What pydantic's configuration of a class says of texts and numbers reaches the grammar, as the limits of a field do."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pydantic
import pytest
import typing_extensions
from pydantic import AliasGenerator, Base64Str, BaseModel, ConfigDict, EmailStr, Field, SecretStr, StringConstraints
from pydantic.alias_generators import to_camel

from tests.laws.matchers import Guidance, Vocabulary, XGrammar, small_vocabulary
from typefold.compiler import OutputType, output_type
from typefold.testing.laws import Recogniser, check_laws

SHORT = ConfigDict(str_max_length=3, str_min_length=1, str_strip_whitespace=True)


class Model(BaseModel):
    model_config = SHORT
    text: str
    items: list[str] = []
    keys: dict[str, int] = {}
    maybe: str | None = None
    own: Annotated[str, Field(max_length=5)] = "a"
    free: Annotated[str, Field(min_length=0)] = ""
    kept: Annotated[str, StringConstraints(strip_whitespace=False)] = "a"
    choice: Literal["longer"] = "longer"
    any: Any = None


class Derived(Model):
    more: str = "a"


@pydantic.dataclasses.dataclass(config=SHORT)
class Checked:
    text: str


class Keys(typing_extensions.TypedDict):
    __pydantic_config__ = SHORT  # type: ignore[misc]  # as pydantic's page has it
    text: str


class MoreKeys(Keys):
    more: str


class Plain(typing_extensions.TypedDict):
    text: str


@dataclasses.dataclass
class Record:
    text: str


class Pair(NamedTuple):
    text: str


class Around(BaseModel):
    model_config = SHORT
    inside: Plain
    pair: Pair
    record: Record
    model: Inner


class Inner(BaseModel):
    text: str


def admits(hint: Any, text: str) -> bool:
    return Recogniser.of(output_type(hint).constraint).admits(text)


@pytest.mark.parametrize("hint", [Model, Derived, Checked, Keys])
def test_lengths_and_spaces_are_in_the_grammar(hint: Any) -> None:
    kind: OutputType[Any] = output_type(hint)
    assert admits(hint, '{"text": "abc"}') and admits(hint, '{"text": "a b"}')
    for wrong in ("abcd", "", " ab", "ab "):
        assert not admits(hint, f'{{"text": "{wrong}"}}'), wrong
    place = "['text']" if hint is Keys else ".text"
    assert f"return{place}: max_length=3" in kind.enforced
    assert not any(" of " in check or "text" in check for check in kind.post_checks)
    assert kind.shape is not None and "1 to 3 characters" in kind.shape


def test_items_keys_and_members_of_unions_follow_it_and_limits_of_their_own_come_first() -> None:
    for good, wrong in (
        ('"items": ["abc"]', '"items": ["abcd"]'),
        ('"keys": {"abc": 1}', '"keys": {"abcd": 1}'),
        ('"maybe": "abc"', '"maybe": "abcd"'),
        ('"own": "abcde"', '"own": "abcdef"'),
        ('"free": ""', '"free": "abcd"'),
        ('"kept": " a"', '"kept": " abc"'),
        ('"choice": "longer"', '"choice": "lo"'),
        ('"any": "abcdef"', '"any": abc'),
    ):
        assert admits(Model, f'{{"text": "a", {good}}}') and not admits(Model, f'{{"text": "a", {wrong}}}'), good
        assert output_type(Model).decode(f'{{"text": "a", {good}}}').text == "a"


def test_records_without_one_inherit_it_and_models_do_not() -> None:
    def text(**changes: str) -> str:
        parts = {"inside": "a", "pair": "a", "record": "a", "model": "a"} | changes
        return "{" + ", ".join(f'"{key}": {{"text": "{each}"}}' for key, each in parts.items()) + "}"

    assert admits(Around, text(model="abcd")) and output_type(Around).decode(text(model="abcd")).model.text
    for name in ("inside", "pair", "record"):
        assert not admits(Around, text(**{name: "abcd"}))
    assert not admits(MoreKeys, '{"text": "abcd", "more": "a"}')


def test_texts_of_other_types_fail_by_name() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(str_max_length=9)
        path: Path = Path("a")
        mail: EmailStr = "a@b.co"
        code: Base64Str = "YQ=="
        hidden: SecretStr = SecretStr("a")

    kind = output_type(Odd)
    for text in ('{"path": "0123456789"}', '{"mail": "abc@example.com"}', '{"code": "YWJjZGVmZ2hp"}'):
        found = check_laws(kind, texts=[text], samples=30, misses=0)
        assert found.failed, text
    assert not admits(Odd, '{"hidden": "0123456789"}')


def test_lower_case_is_made_after_decoding() -> None:
    class Lower(BaseModel):
        model_config = ConfigDict(str_to_lower=True, str_max_length=4)
        text: str
        kept: Annotated[str, StringConstraints(to_lower=False)] = "A"

    kind = output_type(Lower)
    assert kind.decode('{"text": "ABC", "kept": "B"}') == Lower.model_construct(text="abc", kept="B")
    assert not admits(Lower, '{"text": "ABCDE"}')


def test_both_laws_hold_on_both_backends() -> None:
    vocabulary = Vocabulary(small_vocabulary())
    for engine in (XGrammar(vocabulary), Guidance(vocabulary)):
        for value in (
            Model(text="abc", items=["a"], keys={"b": 1}, maybe="c"),
            Checked("abc"),
            Derived(text="a", more="b"),
        ):
            kind: OutputType[Any] = output_type(type(value))
            assert check_laws(kind, [value], matcher=engine.matcher(kind.constraint), every=True).values == 1


class Color(Enum):
    RED = "red"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, coerce_numbers_to_str=True)
    whole: int
    ratio: float
    text: str
    on: bool
    color: Color
    day: date
    wait: timedelta
    price: Decimal
    id: UUID
    path: Path
    both: tuple[int, str]
    tags: set[str]
    numbered: dict[int, float]
    rated: dict[float, bool]


def test_a_strict_model_reads_all_that_is_admitted() -> None:
    kind = output_type(Strict)
    assert check_laws(kind, samples=60, misses=0).texts == 60


def test_names_and_aliases_are_those_that_pydantic_reads() -> None:
    class ByName(BaseModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)
        first: int = Field(validation_alias="one")

    class Either(BaseModel):
        model_config = ConfigDict(populate_by_name=True, alias_generator=AliasGenerator(alias=to_camel))
        first_name: str

    assert output_type(ByName).encode(ByName(first=1)) == '{"first": 1}'
    assert output_type(Either).encode(Either(first_name="a")) == '{"firstName": "a"}'
    assert output_type(Either).decode('{"firstName": "a"}') == Either(first_name="a")


def test_objects_stay_closed_where_a_model_allows_more() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int

    assert not admits(Open, '{"a": 1, "b": 2}')
    with pytest.raises(ValueError, match="holds fields that it does not declare"):
        output_type(Open).encode(Open(a=1, b=2))  # type: ignore[call-arg]
