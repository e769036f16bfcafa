"""Where the end of an object is forced: the stop is seen once, where it is meant, and the rest is what would have come."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from typefold.compiler import JsonFormat, output_type
from typefold.compiler.grammar.sampler import sample

from .cases import Case, cases


class Grade(Enum):
    GOOD = 'go": "od'
    GREAT = "gr\\eat"


class Reasoned(BaseModel):
    reason: str
    label: Literal["keep", "drop", "kettle", "ke"]


class Inside(BaseModel):
    when: str
    inner: Reasoned


class Twice(BaseModel):
    first: Reasoned
    second: Reasoned


class Same(BaseModel):
    items: list[Reasoned]
    label: Literal["a", "b"]


class Free(BaseModel):
    counts: dict[str, int]
    label: Literal["a", "b"]


class Named(BaseModel):
    counts: dict[Literal["label", "other"], Literal["a", "b"]]
    label: Literal["a", "b"]


class Defaulted(BaseModel):
    reason: str
    label: Literal["a", "b"] = "a"


class Scored(BaseModel):
    reason: str
    score: Annotated[int, Field(ge=0, le=10)]


class Odd(BaseModel):
    model_config = {"populate_by_name": True}
    reason: str
    label: Annotated[Grade | None, Field(alias='the "label": of it')]


class Several(BaseModel):
    reason: str
    sure: bool
    label: Literal["a", "b"]


class One(BaseModel):
    reason: str
    kind: Literal["only"]


class Vote(BaseModel):
    kind: Literal["vote"]
    label: Literal["a", "b"]


class Voted(BaseModel):
    reason: str
    first: Vote | None
    last: Vote


class Listed(BaseModel):
    votes: list[Vote]
    last: Vote


class Paired(BaseModel):
    first: tuple[Vote, Vote]
    reason: str
    last: tuple[Vote, Vote]


class PartlyFree(BaseModel):
    counts: dict[Annotated[str, Field(pattern="^[a-z]?label$")], Literal["keep", "drop"]]
    label: Literal["keep", "drop"]


class Punctuated(BaseModel):
    items: list[str | int]
    last: Annotated[Literal[", 1", ", 2"], Field(alias=", 1, ")]


def stopped(text: str, stops: tuple[str, ...]) -> str:
    """What an engine hands over that stops as soon as it sees one, as vLLM does."""
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


HAVE = [Several, Reasoned, Inside, Scored, Odd, One, Voted, Listed]
BEFORE: list[Any] = [Paired, PartlyFree, Punctuated]  # what they end with may stand before the end too
NONE: list[Any] = [Twice, Same, Free, Named, Defaulted, list[Reasoned], dict[str, bool], str, Literal["a", "b"], bool]
HOSTILE = ['"', '\\", "label": "keep"}', ', "label": "ke', '"}', "\\", ',"label":"d', ', "score": 1', '": ', ""]


@pytest.mark.parametrize("json_format", [JsonFormat.SPACED, JsonFormat.TIGHT])
@pytest.mark.parametrize("hint", HAVE, ids=str)
def test_every_text_is_made_whole_from_where_it_stops(hint: Any, json_format: JsonFormat) -> None:
    kind: Any = output_type(hint, json_format=json_format)
    tail = kind.constraint.forced_ending
    assert tail is not None
    rng, seen = random.Random(1), set[str]()
    for _ in range(300):
        text = sample(kind.constraint.language, rng, exotic=0.3)
        written = stopped(text, tail.stops)
        assert tail.complete(written) == text
        seen.add(tail.stop_of(written) or "")
    assert seen == set(tail.stops)


@pytest.mark.parametrize("reason", HOSTILE)
def test_a_string_that_looks_like_the_end_is_not_it(reason: str) -> None:
    kind = output_type(Reasoned)
    tail = kind.constraint.forced_ending
    assert tail is not None
    for value in (Reasoned(reason=reason, label="kettle"), Reasoned(reason=reason * 3 + "x", label="ke")):
        text = kind.encode(value)
        assert tail.complete(stopped(text, tail.stops)) == text


def test_of_several_fields_of_few_values_the_last_settles_it() -> None:
    tail = output_type(Several).constraint.forced_ending
    assert tail is not None and tail.rests == {', "label": "a': '"}', ', "label": "b': '"}'}


@pytest.mark.parametrize("hint", [*NONE, *BEFORE], ids=str)
def test_where_no_key_tells_there_is_none(hint: Any) -> None:
    assert output_type(hint).constraint.forced_ending is None


def test_a_bare_text_that_looks_like_an_object_has_none() -> None:
    kind = output_type(Annotated[str, Field(pattern=r'^\{"a": "[^x]*", "b": [12]\}$')])
    assert kind.is_bare and kind.constraint.forced_ending is None


def test_explain_says_it() -> None:
    assert "with the value of label: generation stops there" in str(output_type(Reasoned).explain())
    assert output_type(Odd).explain().settled_by == 'the "label": of it'


@given(case=cases(), last=cases(0), json_format=st.sampled_from(JsonFormat), data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, derandomize=True, database=None, max_examples=60)
def test_generated_types(case: Case, last: Case, json_format: JsonFormat, data: st.DataObject, seed: int) -> None:
    _prove(case, last, json_format, data, seed)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@given(case=cases(), last=cases(0), json_format=st.sampled_from(JsonFormat), data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, derandomize=True, database=None, max_examples=3_000)
def test_many_generated_types(case: Case, last: Case, json_format: JsonFormat, data: st.DataObject, seed: int) -> None:
    _prove(case, last, json_format, data, seed)


_counts = Counter[str]()


@pytest.fixture(autouse=True, scope="module")
def not_in_vain() -> Iterator[None]:
    yield
    if _counts["types"]:
        assert _counts["tails"] > _counts["types"] / 10, _counts


def _fields(**hints: Any) -> dict[str, Any]:
    return {name: (hint, ...) for name, hint in hints.items()}


def _prove(case: Case, last: Case, json_format: JsonFormat, data: st.DataObject, seed: int) -> None:
    """A model of anything whose last field is one of a few values: its texts, and those of values, are made whole."""
    finite = data.draw(st.sampled_from([bool, Literal["a", "ab"], Literal[1, 12, None], last.hint]), label="last")
    try:
        inner: Any = create_model("Inner", **_fields(kind=Literal["a"], end=finite))
        before = data.draw(
            st.sampled_from([case.hint, inner, list[inner], inner | None, dict[str, inner]]), label="first"
        )
        behind = data.draw(st.sampled_from([finite, inner]), label="behind")
        model: Any = create_model("Made", **_fields(first=before, text=str, last=behind))
        kind: Any = output_type(model, json_format=json_format)
    except Exception:  # a type that can't be a field, or a union that is ambiguous
        return
    tail = kind.constraint.forced_ending
    _counts["types"] += 1
    if tail is None:
        return
    _counts["tails"] += 1
    rng = random.Random(seed)
    for _ in range(10):
        text = sample(kind.constraint.language, rng, exotic=0.3)
        assert tail.complete(stopped(text, tail.stops)) == text
