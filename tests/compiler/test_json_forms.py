"""Where pydantic has a JSON form, so has typefold: keys, fractions, infinities, and members of any value."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tests.laws.matchers import Guidance, Vocabulary, XGrammar, small_vocabulary
from typefold.compiler import JsonFormat, OutputType, UnsupportedType, output_type
from typefold.testing.laws import Recogniser, check_laws


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Ratio(Enum):
    HALF = 0.5
    WHOLE = 1.0


class Corner(Enum):
    ORIGIN = (0, 0)
    TOP = (0, 1)


class Moment(Enum):
    START = date(2024, 1, 1)
    END = date(2024, 12, 31)


class Setting(Enum):
    FAST = {"steps": [1, 2]}  # noqa: RUF012  # the members of an Enum
    NONE = None
    ON = True


class Parts(Enum):
    HALF = Fraction(1, 2)
    RAW = b"x"


class Open(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    value: float
    least: Annotated[float, Field(ge=0)] = 0.0
    either: float | None = None
    keys: dict[float, float] = {}
    bounded: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class Constants(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    value: float
    several: list[float] = []


Truth = NewType("Truth", bool)
VALUES: list[tuple[Any, list[Any]]] = [
    (dict[bool, int], [{}, {True: 1, False: 2}]),
    (dict[Truth, int], [{True: 1}]),
    (dict[float, int], [{1.5: 1, -2.0: 2, 1e300: 3, 1e-7: 4, math.inf: 5, -math.inf: 6}]),
    (dict[Annotated[float, Field(ge=0, le=1)], int], [{0.25: 1}]),
    (dict[Decimal, int], [{Decimal("1.50"): 1}]),
    (dict[date, int], [{date(2024, 2, 29): 1}]),
    (dict[UUID, int], [{UUID(int=1): 1}]),
    (dict[Fraction, int], [{Fraction(1, 3): 1}]),
    (dict[Literal[1, 2], int], [{1: 1}]),
    (dict[Literal[True], int], [{True: 1}]),
    (dict[Level, int], [{Level.LOW: 1}]),
    (dict[Ratio, int], [{Ratio.HALF: 1, Ratio.WHOLE: 2}]),
    (dict[int | Literal["all"], int], [{1: 1, "all": 2}]),
    (dict[date | bool, int], [{date(2024, 2, 29): 1, True: 2}]),
    (dict[float | None, int], [{1.0: 1}]),
    (Counter[bool], [Counter({True: 2})]),
    (defaultdict[float, list[int]], [defaultdict(list, {0.5: [1]})]),
    (Fraction, [Fraction(1, 3), Fraction(-2), Fraction(0), Fraction(10**30, 7)]),
    (Annotated[Fraction, Field(gt=0, le=1)], [Fraction(1, 3)]),
    (list[Fraction | None], [[Fraction(1, 3), None]]),
    (Ratio, list(Ratio)),
    (Corner, list(Corner)),
    (Moment, list(Moment)),
    (Setting, list(Setting)),
    (Parts, list(Parts)),
    (list[Corner], [[Corner.TOP, Corner.ORIGIN]]),
    (Corner | None, [Corner.TOP, None]),
    (Open, [Open(value=math.inf, least=math.inf, either=-math.inf, keys={math.inf: math.inf}), Open(value=1.5)]),
    (Constants, [Constants(value=-math.inf, several=[math.inf, 1.0]), Constants(value=0.5)]),
]


@pytest.fixture(scope="module")
def engines() -> list[Any]:
    vocabulary = Vocabulary(small_vocabulary())
    return [XGrammar(vocabulary), Guidance(vocabulary)]


@pytest.mark.parametrize("json_format", JsonFormat)
@pytest.mark.parametrize(("hint", "values"), VALUES, ids=lambda each: str(each)[:40])
def test_both_laws_hold(hint: Any, values: list[Any], json_format: JsonFormat, engines: list[Any]) -> None:
    kind: OutputType[Any] = output_type(hint, json_format=json_format)
    for engine in engines:
        found = check_laws(kind, values, matcher=engine.matcher(kind.constraint), every=True, samples=8)
        assert found.values == len(values)
    for value in values:
        assert kind.decode(kind.encode(value)) == value


def test_nan_is_written_where_it_has_a_word_and_is_within_the_bounds() -> None:
    kind = output_type(Open)
    by = Recogniser.of(kind.constraint)
    text = kind.encode(Open(value=math.nan))
    assert '"value": "NaN"' in text and by.admits(text) and math.isnan(kind.decode(text).value)
    for field, word in (("least", "NaN"), ("least", "-Infinity"), ("bounded", "Infinity")):
        assert not by.admits(f'{{"value": 1.0, "{field}": "{word}"}}'), field
    assert by.admits('{"value": 1.0, "least": "Infinity"}')


def test_infinity_is_refused_where_json_has_no_word_for_it() -> None:
    class Plain(BaseModel):
        value: float

    class Strict(BaseModel):
        model_config = ConfigDict(ser_json_inf_nan="strings", strict=True)
        value: float

    class Finite(BaseModel):
        model_config = ConfigDict(ser_json_inf_nan="strings", allow_inf_nan=False)
        value: float

    for model in (Plain, Strict, Finite):
        kind: OutputType[Any] = output_type(model)
        with pytest.raises(ValueError, match="is configured, it has a word"):
            kind.encode(model.model_construct(value=math.inf))
        assert not Recogniser.of(kind.constraint).admits('{"value": "Infinity"}')
    for value in (math.inf, {"a": [math.nan]}):
        with pytest.raises(ValueError, match="no value of Any"):
            output_type(dict[str, Any]).encode({"x": value})


def test_minus_zero_is_zero_where_nothing_is_below_it() -> None:
    bounded: list[Any] = [
        Annotated[float, Field(ge=0)],
        Annotated[Decimal, Field(ge=0)],
        Annotated[float, Field(ge=-0.0)],
    ]
    for hint in bounded:
        kind: OutputType[Any] = output_type(hint)
        by = Recogniser.of(kind.constraint)
        quote = '"' if "Decimal" in str(hint) else ""
        assert not any(by.admits(f"{quote}{text}{quote}") for text in ("-0.0", "-0.00", "-0", "-0.5"))
        assert by.admits(f"{quote}0.00{quote}")
    kind = output_type(Annotated[float, Field(ge=0)])
    assert kind.encode(-0.0) == "0.0" and kind.decode("0.0") == -0.0
    free: list[Any] = [float, Annotated[float, Field(ge=-1)], Annotated[float, Field(le=0)]]
    for hint in free:
        kind = output_type(hint)
        assert kind.encode(-0.0) == "-0.0" and Recogniser.of(kind.constraint).admits("-0.00")


def test_members_that_json_cannot_write_are_refused() -> None:
    class Endless(Enum):
        ONE = (1.0, math.inf)

    class Alike(Enum):
        TUPLE = (1, 2)
        LIST = [1, 2]  # noqa: RUF012  # the members of an Enum

    class Code(Enum):
        SOME = object()

    for hint, reason in ((Endless, "JSON cannot write"), (Alike, "both written"), (Code, "JSON cannot write")):
        with pytest.raises(UnsupportedType, match=reason):
            output_type(hint)


def test_keys_that_no_text_can_be_are_refused() -> None:
    for hint in (dict[None, int], dict[tuple[int, int], int], dict[Corner, int], dict[int | tuple[int, int], int]):
        with pytest.raises(UnsupportedType, match="keys that JSON cannot write"):
            output_type(hint)


def test_a_key_of_several_types_is_read_as_pydantic_reads_it() -> None:
    hint = dict[int | str, int]
    kind = output_type(hint)
    assert kind.decode('{"1": 1}') == TypeAdapter(hint).validate_json('{"1": 1}')
