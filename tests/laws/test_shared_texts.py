"""Unions whose members share texts: both laws hold, and pydantic decides which member a text is read as.

Members are types of any kind, so they share texts as it happens, and models that share fields, which share nearly all.
"""

# Hypothesis builds types here that no type checker can follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# mypy: disable-error-code="operator, misc, unused-ignore, arg-type"

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, Field, TypeAdapter, ValidationError

from typefold.compiler import DecodeError, JsonFormat, output_type
from typefold.compiler.grammar.sampler import sample
from typefold.testing.laws import same

from .cases import Case, cases, records
from .matchers import Guidance, XGrammar
from .test_laws import SEEDS, SETTINGS, prove


class Word(Enum):
    RED = "red"
    ONE = "1"


class Level(IntEnum):
    LOW = 0
    HIGH = 1


class Ratio(Enum):
    HALF = 0.5
    ONE = 1.0


_WORDS = st.sampled_from(["red", "1", "0", "2024-02-29", "2024-02-29T10:00:00", "PT1H", "a:b", "", "x"])
_SCALARS: tuple[Case, ...] = (
    Case(str, _WORDS),
    Case(Annotated[str, Field(pattern="^[a-z0-9:-]{1,12}$")], st.sampled_from(["red", "1", "2024-02-29"])),
    Case(Literal["red", 1, True], st.sampled_from(["red", 1, True])),
    Case(Word, st.sampled_from(Word)),
    Case(Level, st.sampled_from(Level)),
    Case(Ratio, st.sampled_from(Ratio)),
    Case(int, st.integers(-1, 2)),
    Case(float, st.sampled_from([0.0, 0.5, 1.0])),
    Case(bool, st.booleans()),
    Case(type(None), st.none()),
    Case(Decimal, st.sampled_from([Decimal("1"), Decimal("0.5")])),
    Case(date, st.sampled_from([date(2024, 2, 29), date(1970, 1, 1)])),
    Case(datetime, st.sampled_from([datetime(2024, 2, 29), datetime(2024, 2, 29, 10)])),
    Case(time, st.sampled_from([time(10), time(0)])),
    Case(timedelta, st.sampled_from([timedelta(hours=1), timedelta(0)])),
    Case(UUID, st.just(UUID(int=1))),
    Case(Path, st.sampled_from([Path("red"), Path("1")])),
    Case(bytes, st.sampled_from([b"red", b"1"])),
    Case(AnyUrl, st.just(AnyUrl("a:b"))),
    Case(Any, st.sampled_from(["red", 1, [1], {"a": 1}])),
)


def similar() -> st.SearchStrategy[Case]:
    """Types of few values and of the same fields, so that members of a union share texts."""
    return st.sampled_from(_SCALARS) | records(st.sampled_from(_SCALARS))


@st.composite
def unions(draw: st.DrawFn) -> Case:
    """A union of members that share texts, in either mode, alone or inside another type."""
    parts = draw(st.lists(similar() | cases(2), min_size=2, max_size=4, unique_by=lambda part: part.hint))
    hint: Any = Union[tuple(part.hint for part in parts)]  # type: ignore[valid-type]  # noqa: UP007  # made at run time
    if len(set(get_args(hint)) - {type(None)}) > 1 and draw(st.booleans()):
        hint = Annotated[hint, Field(union_mode="left_to_right")]
    values = st.one_of([part.values for part in parts])
    match draw(st.sampled_from(["alone", "list", "dict", "union"])):
        case "list":
            return Case(list[hint], st.lists(values, max_size=2))
        case "dict":
            return Case(dict[str, hint], st.dictionaries(_WORDS, values, max_size=2))
        case "union":
            other = draw(similar())
            return Case(Union[hint, list[hint], other.hint], values | st.lists(values, max_size=2) | other.values)  # noqa: UP007
        case _:
            return Case(hint, values)


@given(case=unions(), json_format=st.sampled_from(JsonFormat), data=st.data(), seed=SEEDS)
@settings(SETTINGS, max_examples=50)
def test_both_laws_hold_for_unions_that_share_texts(
    xgrammar: XGrammar,
    guidance: Guidance,
    proved: Counter[str],
    case: Case,
    json_format: JsonFormat,
    data: st.DataObject,
    seed: int,
) -> None:
    prove(case, json_format, data, seed, [xgrammar, guidance], 2, proved)


@given(case=unions(), seed=SEEDS)
@settings(SETTINGS, max_examples=100)
def test_a_text_is_read_as_pydantic_reads_it(case: Case, seed: int) -> None:
    kind: Any = output_type(case.hint)
    assume(kind.codec.native)  # of bytes in base64 pydantic knows nothing
    adapter: TypeAdapter[Any] = TypeAdapter(case.hint)
    rng = random.Random(seed)
    for _ in range(6):
        text = sample(kind.constraint.language, rng) if kind.constraint.language else "x"
        try:
            expected = adapter.validate_json(text)
        except ValidationError:
            with pytest.raises(DecodeError):
                kind.decode(text)
        else:
            assert same(kind.decode(text), expected)
