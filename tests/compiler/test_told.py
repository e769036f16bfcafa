"""The contract of descriptions: all that the schema and the checks say, once, and nothing else."""

# Annotations are made at run time here, with libraries that have no types for it; docstrings of fields are expressions:
# pyright: reportUnusedExpression=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportGeneralTypeIssues=false
# pyright: reportInvalidTypeForm=false, reportOperatorIssue=false, reportUnknownLambdaType=false
# mypy: disable-error-code="valid-type"
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar, get_origin

import annotated_types
import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    FilePath,
    FutureDatetime,
    HttpUrl,
    PastDate,
    RootModel,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    UrlConstraints,
    create_model,
)
from pydantic.json_schema import WithJsonSchema
from typing_extensions import Doc, TypeAliasType, TypedDict

from tests.catalogue import ENTRIES, Entry
from tests.laws.cases import cases
from typefold import Scored
from typefold.compiler import JsonFormat, OneOf, UnsupportedType, output_type, type_of_schema
from typefold.compiler.shape import LONGEST

from .told import one_line, prove

T = TypeVar("T")
FORMATS = list(JsonFormat)


class Mood(Enum):
    """How it feels,
    at first sight."""

    GRIM = "grim"
    FUNNY = "funny, in a way"


class Told(Enum):
    """Members that describe themselves."""

    def __new__(cls, value: str, about: str | None) -> Told:
        member = object.__new__(cls)
        member._value_ = value
        member.__doc__ = about
        return member

    NORTH = "north", "where it is cold"
    SOUTH = "south", None


class Level(Enum):
    LOW = 1
    HIGH = 2
    LEVEL_3 = 3


class Money(BaseModel):
    """Gross, taxes included."""

    amount: Annotated[float, Field(ge=0)] = Field(description="how much", examples=[1.5, 20])
    mood: Mood = Mood.GRIM


class Cat(BaseModel):
    """A cat, never a lion."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """A dog :-)"""

    kind: Literal["dog"]
    mood: Mood = Field(Mood.FUNNY, description="its mood")


class Names(RootModel[list[str]]):
    """Surnames first."""


class Box(BaseModel, Generic[T]):
    """A box."""

    item: T


class Invoice(BaseModel):
    """Leave out cancelled lines."""

    model_config = ConfigDict(title="The invoice", json_schema_extra={"examples": [{"total": 1}]})

    total: Money
    parts: list[Money]
    about: Cat | Dog | None = None
    names: Names
    size: Annotated[int, Field(description="in metres", ge=3)] | None = Field(None, description="of the parcel")
    old: int = Field(3, deprecated=True)
    none: int = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # as people write it
    first_name: str = Field(title="First Name")
    last: str = Field(title="Family name", description="as in the passport")
    boxes: list[Box[int]] = []
    box: Box[int] | None = None


class Short(BaseModel):
    model_config = ConfigDict(str_max_length=10, str_strip_whitespace=True)

    name: str


def _described(schema: dict[str, Any]) -> None:
    schema["description"] = "from a function"


class ByFunction(BaseModel):
    model_config = ConfigDict(json_schema_extra=_described)

    x: int = Field(json_schema_extra=lambda schema: schema.update(description="of a field"))


class Documented(TypedDict):
    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[misc]  # as pydantic asks for it

    x: int
    """doc of x"""


class Keys(TypedDict):
    """Keys of a kind."""

    a: NotRequired[Annotated[str, Field(description="x (y", pattern=r"^a, b$")]]


@dataclass
class Record:
    """A docstring of its own."""

    x: Annotated[int, Doc("an x")]
    y: list[int] = field(default_factory=list)
    mood: Mood = Mood.GRIM


class Pair(NamedTuple):
    """A pair of two."""

    x: int
    y: str = "no"


@attrs.define
class Crate:
    """A crate."""

    weight: Annotated[int, Field(description="in kilos", ge=3)] = 4


class Struct(msgspec.Struct, tag="struct"):
    """A struct."""

    size: Annotated[int, msgspec.Meta(description="in miles", ge=3, examples=[7])] = 4
    parts: list[int] = []


class String(BaseModel):
    """Its name is a word of descriptions."""

    next: String | None = None


class Rights(Flag):
    READ = 1
    WRITE = 2


Country = Annotated[
    str, Field(description="A country by its name in the language of the country itself, and not in English")
]


class Travel(BaseModel):
    start: Country
    goal: Country
    stops: list[Country]


Score = TypeAliasType("Score", Annotated[int, Field(ge=1, le=5, description="stars")])


class Review(BaseModel):
    food: Score
    wine: Score | None = None
    moods: dict[Mood, Score]


SCHEMA: dict[str, Any] = {
    "title": "Trip",
    "description": "A trip by train.",
    "type": "object",
    "properties": {
        "day": {"type": "string", "format": "date", "description": "of departure"},
        "class": {"type": "integer", "minimum": 1, "maximum": 2, "default": 2},
        "stops": {"type": "array", "items": {"$ref": "#/$defs/stop"}, "examples": [["Bern"]]},
        "last": {"$ref": "#/$defs/stop"},
    },
    "required": ["day", "stops"],
    "$defs": {"stop": {"type": "string", "minLength": 1, "description": "a city"}},
}

HINTS: list[Any] = [
    Mood,
    Told,
    list[Told],
    list[Level],
    dict[Level, bool],
    Money,
    Cat | Dog,
    Names,
    Invoice,
    Short,
    ByFunction,
    Documented,
    Keys,
    Record,
    Pair,
    Crate,
    Struct,
    String,
    Rights,
    Travel,
    Review,
    Box[int],
    list[Box[Mood]],
    type_of_schema(SCHEMA),
    dict[Mood, int],
    dict[Annotated[Mood, Field(description="an aspect")], int],
    dict[Annotated[int, Field(ge=1, le=5)], str],
    dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], Annotated[float, Field(description="in metres")]],
    Annotated[dict[str, int], Field(min_length=2, max_length=3)],
    Annotated[dict[str, int], Field(max_length=1)],
    Annotated[Mood, Field(description="of the day")],
    Annotated[int, Field(description="in metres")],
    Annotated[str, Field(description="a name", max_length=20)],
    Annotated[str, Field(min_length=1)],
    Annotated[str, Field(pattern="^x$"), Field(pattern="^x.*$")],
    Annotated[int, Field(multiple_of=2), Field(multiple_of=3)],
    Annotated[float, Field(gt=0, lt=1)],
    Annotated[float, Field(gt=0, le=1, multiple_of=0.25)],
    Annotated[float, annotated_types.Ge(Decimal("0.1"))],
    Annotated[date, Field(ge=date(2020, 5, 1))],
    Annotated[date | None, Field(ge=date(2020, 1, 1))],
    Annotated[datetime, Field(ge=datetime(2024, 1, 1), lt=datetime(2025, 1, 1))],
    Annotated[time, Field(ge=time(9), le=time(17))],
    Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=8))],
    Annotated[Decimal, Field(max_digits=5, decimal_places=2, gt=0)],
    Annotated[Decimal, annotated_types.MultipleOf(Decimal("0.05"))],
    Annotated[set[int], Field(min_length=2, max_length=2)],
    frozenset[Mood],
    Annotated[bytes, Field(max_length=3)],
    Annotated[EmailStr, Field(max_length=30)],
    list[annotated_types.LowerCase[str]],
    list[annotated_types.IsDigit[str]],
    Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True)],
    list[Annotated[str, StringConstraints(ascii_only=True)]],
    PastDate,
    FutureDatetime,
    HttpUrl,
    FilePath,
    Annotated[list[Annotated[str, Field(max_length=2000, pattern="^[a-z]+$")]], Field(max_length=1)],
    Annotated[Literal["a"], Field(description="first")] | Annotated[Literal["b"], Field(description="second")],
    Annotated[
        Annotated[Literal["a"], Field(description="first")] | Annotated[Literal["b"], Field(description="second")],
        Field(description="which"),
    ],
    tuple[Annotated[int, Field(description="rows")], Annotated[int, Field(description="columns")]],
    Annotated[int, Field(ge=0)] | None,
    Annotated[int | None, Field(ge=0)],
    Annotated[int | float, Field(ge=0)],
    Annotated[int, WithJsonSchema({"type": "integer", "description": "by a schema"})],
    Annotated[SecretStr, Field(max_length=8)],
    NewType("UserId", int),
    NewType("Named", Annotated[int, Field(description="a number")]),
]


@pytest.mark.parametrize("json_format", FORMATS)
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_each_type_of_the_catalogue_is_told_whole(entry: Entry, json_format: JsonFormat) -> None:
    prove(output_type(entry.hint, json_format=json_format))


@pytest.mark.parametrize("json_format", FORMATS)
@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_descriptions_and_limits_of_every_kind_are_told(hint: Any, json_format: JsonFormat) -> None:
    prove(output_type(hint, json_format=json_format))


def _is_flag(hint: Any) -> bool:
    """Whether pydantic writes numbers where typefold writes names."""
    return isinstance(hint, type) and issubclass(hint, Flag)


@pytest.mark.parametrize(
    "hint",
    [
        hint
        for hint in [*HINTS, *(entry.hint for entry in ENTRIES)]
        if not _is_flag(hint) and get_origin(hint) is not Scored
    ],
    ids=str,
)
def test_nothing_that_pydantic_says_in_its_schema_is_missing(hint: Any) -> None:
    kind = output_type(hint)
    try:
        schema = TypeAdapter(hint).json_schema()
    except Exception as error:
        pytest.skip(f"pydantic has no schema: {type(error).__name__}")
    missing = [words for words in _words(schema) if not any(each in (kind.shape or "") for each in words)]
    assert not missing, kind.shape


_KEPT_APART = {
    "title",
    "discriminator",
    "$ref",
    "type",
    "format",
    "additionalProperties",
    "writeOnly",
    "contentEncoding",
}
"""Keywords of pydantic's schema that say nothing to the model beside the form; titles are told where they are not the name."""


def _words(schema: Any) -> Iterator[tuple[str, ...]]:
    """The words that pydantic's schema says, each in the ways in which it may be told."""
    if isinstance(schema, list):
        for part in schema:
            yield from _words(part)
    if not isinstance(schema, dict):
        return
    kinds = [each.get("type") for each in schema.get("anyOf", ())]
    without: set[str] = set()
    if "uri" in schema.get("format", ""):
        without = {"minLength", "maxLength"}  # of every URL
    elif kinds in (["number", "string"], ["string", "integer"]):
        without = {"anyOf"}  # a Decimal, which is a string here, and a size in bytes, which is a number
    elif "prefixItems" in schema or schema.get("maxItems") == 0:
        without = {"minItems", "maxItems"}
    schema = {key: value for key, value in schema.items() if key not in without}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            for name, part in value.items():
                if key == "properties":
                    yield (json.dumps(name, ensure_ascii=False),)
                yield from _words(part)
        elif key == "description":
            yield one_line(value), json.dumps(one_line(value), ensure_ascii=False)
        elif key in ("enum", "const"):
            for member in value if key == "enum" else [value]:
                yield str(member), json.dumps(member, ensure_ascii=False)
        elif key == "default":
            yield (json.dumps(value, ensure_ascii=False),) if value is not None else ("optional", "default null")
        elif key in ("pattern", "examples", "multipleOf") or key.lower().endswith(
            ("imum", "length", "items", "properties")
        ):
            if isinstance(value, dict):
                yield from _words(value)
            elif key == "exclusiveMaximum" and schema.get("type") == "integer":
                yield (str(value - 1),)
            elif key == "exclusiveMinimum" and schema.get("type") == "integer":
                yield (str(value + 1),)
            elif key != "prefixItems" and not isinstance(value, list):
                yield (
                    ("unique",)
                    if value is True
                    else (
                        str(value),
                        str(float(value)) if isinstance(value, int) else str(value),
                        json.dumps(value, default=float),
                    )
                )
            else:
                yield from _words(value)
        elif key not in _KEPT_APART:
            yield from _words(value)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(case=cases(), json_format=st.sampled_from(FORMATS))
def test_generated_types_are_told_whole(case: Any, json_format: JsonFormat) -> None:
    try:
        kind = output_type(case.hint, json_format=json_format)
    except UnsupportedType:
        return
    prove(kind)


HOSTILE = st.text(
    st.sampled_from('ab\n\r\t\x0b\x1c\x85\u2028 ()[]{}"\\,:`|') | st.characters(exclude_categories=["Cs"]), max_size=30
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(words=HOSTILE, member=HOSTILE, key=HOSTILE.filter(bool), json_format=st.sampled_from(FORMATS))
def test_no_text_of_the_users_breaks_the_layout(words: str, member: str, key: str, json_format: JsonFormat) -> None:
    """Each stands on one line, and a bracket that it opens is closed in it, or it is in quotation marks."""
    keys = {key: Annotated[Literal["a", member], Field(description=words, examples=[words])], "next": NotRequired[int]}
    made: Any = TypedDict("Made", keys)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]  # at run time
    made.__doc__ = words
    kind = output_type(list[made], json_format=json_format)
    assert kind.shape is not None and "\n" not in kind.shape
    assert not [char for char in kind.shape if char < " "]
    prove(kind)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", kind.shape)
    for opening, closing in ("()",):
        assert outside.count(opening) == outside.count(closing)


def test_a_description_grows_with_the_source_of_a_type_and_not_with_its_expansion() -> None:
    part: Any = create_model("D0", a=(str, ...), b=(int | None, None))
    texts: list[str] = []
    for number in range(1, 20):
        several: Any = list[part] | None
        part = create_model(f"D{number}", left=(part, ...), right=(several, None))
        texts.append(output_type(part).shape or "")
    steps = {len(later) - len(one) for one, later in pairwise(texts)}
    assert max(steps) < 80 and len(texts[-1]) < 1_500


def test_a_long_choice_is_told_once_whatever_it_is_called() -> None:
    names = [f"code number {number}" for number in range(1_000)]
    members = {f"C{number}": name for number, name in enumerate(names)}
    hints: list[Any] = [Enum("Code", members), Literal[tuple(names)], Annotated[str, OneOf(names[:100])]]
    for hint in hints:
        fields: dict[str, Any] = {
            "first": (hint, Field(description="the one")),
            "second": (Sequence[hint] | None, None),
        }
        model = create_model("Twice", **fields)
        told = output_type(model).shape or ""
        assert told.count("code number 99,") + told.count("code number 99)") == 1
        assert "(the one)" in told


def test_a_description_of_a_type_is_told_at_its_definition_and_that_of_a_field_at_the_field() -> None:
    class Both(BaseModel):
        first: Mood = Field(description="in the morning")
        second: Mood = Field(description="at night")

    assert output_type(Both).shape == (
        '{"first": mood (in the morning), "second": mood (at night)}\n'
        'where\nmood: string (one of: "grim", "funny, in a way") (How it feels, at first sight.)'
    )


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (Level, "integer (one of: 1 (LOW), 2 (HIGH), 3)"),
        (Enum("Ratio", {"HALF": 0.5, "ALL": 1}), "number (one of: 0.5 (HALF), 1 (ALL))"),
        (Literal[1, 2], "integer (one of: 1, 2)"),
        (Literal[True, False], "boolean (one of: true, false)"),
        (Literal["a", 1], 'value (one of: "a", 1)'),
        (dict[Level, str], "{string (one of: 1 (LOW), 2 (HIGH), 3): string, ...}"),
        (Told, "one of: north (where it is cold), south (Members that describe themselves.)"),
        (AwareDatetime, "string (date-time, with UTC offset)"),
        (Annotated[HttpUrl, UrlConstraints(max_length=60)], "string (uri with http or https, at most 60 characters)"),
    ],
)
def test_numbers_in_an_enum_are_told_with_their_names_and_formats_with_what_they_demand(hint: Any, told: str) -> None:
    assert output_type(hint).shape == told


def test_names_of_definitions_are_no_words_of_descriptions() -> None:
    told = output_type(String).shape or ""
    assert told.startswith("string_2\nwhere\nstring_2: ")


def test_docstrings_that_nobody_wrote_are_not_told() -> None:
    class Plain(BaseModel):
        x: int

    class Child(Money):
        pass

    @dataclass
    class Made:
        x: int

    class Point(NamedTuple):
        x: int

    functional: Any = NamedTuple("functional", [("x", int)])
    hints: list[Any] = [Plain, Made, Point, functional, RootModel[int], Enum("Kind", {"A": "a", "B": "b"}), Rights]
    for hint in hints:
        assert "(" not in re.sub(r"\((?:one of|unique)[^)]*\)", "", output_type(hint).shape or ""), hint
    assert "taxes" not in (output_type(Child).shape or "")


def test_a_default_is_told_in_json_where_it_is_short_and_a_factory_is_not_called() -> None:
    def never() -> int:
        raise AssertionError("called")

    class Defaults(BaseModel):
        a: Mood = Mood.GRIM
        b: int = Field(default_factory=never)
        c: str = "x" * 200
        d: date = date(2024, 2, 29)
        e: float | None = 1  # an int, which pydantic does not check
        f: dict[str, int] = {}

    told = output_type(Defaults).shape or ""
    for words in ('default "grim"', '"b": integer (optional)', '"c": string (optional)', 'default "2024-02-29"'):
        assert words in told
    assert "default 1.0)" in told and "default {})" in told


NOT_TEXT: Any = ("The person on the card",)


def _with_examples(examples: Any) -> Any:
    return Annotated[int, Field(examples=examples)]


class Card(BaseModel):
    holder: str = Field(description=NOT_TEXT)


class CardByExtra(BaseModel):
    holder: str = Field(json_schema_extra={"description": NOT_TEXT})


class CardOfModel(BaseModel):
    model_config = ConfigDict(json_schema_extra={"description": NOT_TEXT})

    holder: str


@dataclass
class CardOfFields:
    holder: Annotated[str, Field(description=NOT_TEXT)]


class CardOfKeys(TypedDict):
    holder: Annotated[str, Field(description=NOT_TEXT)]


class Wallet(BaseModel):
    cards: dict[str, list[Card | None]]


@pytest.mark.parametrize("json_format", FORMATS)
@pytest.mark.parametrize(
    ("hint", "path"),
    [
        (Card, "return.holder"),
        (CardByExtra, "return.holder"),
        (CardOfModel, "return"),
        (CardOfFields, "return.holder"),
        (CardOfKeys, "return['holder']"),
        (Wallet, "return.cards[...][]|Card.holder"),
        (list[Annotated[str, Field(description=NOT_TEXT)]], "return[]"),
        (Annotated[int, Field(description=NOT_TEXT)], "return"),
        (_with_examples("one"), "return"),
        (Annotated[int, Field(title=NOT_TEXT)], "return"),
        (_with_examples([object()]), "return"),
        (Annotated[int, Field(description="half \ud800")], "return"),
    ],
)
def test_descriptions_that_are_no_text_are_refused_with_their_place(
    hint: Any, path: str, json_format: JsonFormat
) -> None:
    with pytest.raises(UnsupportedType) as raised:
        output_type(hint, json_format=json_format)
    assert raised.value.path == path


@pytest.mark.parametrize("json_format", FORMATS)
def test_a_description_that_is_too_long_for_each_prompt_is_refused(json_format: JsonFormat) -> None:
    kind = output_type(Annotated[int, Field(description="a b " * LONGEST)], json_format=json_format)
    with pytest.raises(UnsupportedType, match=r"return: .* is described in 4\d\d,\d\d\d characters.*own words"):
        _ = kind.shape
    assert kind.decode("1") == 1
    assert output_type(Annotated[int, Field(description="a" * (LONGEST - 10))], json_format=json_format).shape


def test_two_optional_fields_of_one_type_are_told_by_its_name() -> None:
    class Trip(BaseModel):
        first: Cat | None = None
        second: Cat | None = None
        others: list[Cat | None] = []

    assert output_type(Trip).shape == (
        '{"first": cat or null (optional), "second": cat or null (optional), '
        '"others": [cat or null, ...] (optional, default [])}\n'
        'where\ncat: {"kind": "cat"} (A cat, never a lion.)'
    )
