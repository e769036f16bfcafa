"""The number of tokens after which an answer is settled: never too few for any path of tokens, and no more than one path needs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from enum import Enum
from math import inf
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from typefold import OneOf
from typefold.compiler import output_type
from typefold.compiler.grammar.early_stop import MOST_TEXTS, FewAnswers, few_answers
from typefold.compiler.grammar.enumerate import count_texts, enumerate_texts
from typefold.compiler.grammar.nodes import ANY, Language, char_class, choice, repeat, seq

TEXTS: list[list[str]] = [
    ["keep", "drop"],
    ["a", "ab", "abc"],
    ["sports", "science", "politics", "spring"],
    ["label 1", "label 2", "label 12"],
    ["é1", "è1", "ê", "e"],
    ["🦊", "🦉", "🦊🦊"],
    ["", "x"],
    ["one"],
    ["\ufffd", "\ufffd\ufffd"],
]


def decision(texts: Sequence[str]) -> FewAnswers:
    made = few_answers(Language(choice(*texts)))
    assert made is not None
    return made


def paths(texts: Sequence[str], length: int, rng: random.Random) -> Iterator[tuple[str, bytes, bool]]:
    """Answers as an engine may draw them: bytes by the token, in pieces of any length; and whether they have ended."""
    for text in texts:
        for _ in range(8):
            data, written = text.encode(), b""
            for _ in range(length):
                if written == data:
                    break
                written = data[: len(written) + rng.choice((1, 1, 1, 2, 3, 9))]
            else:
                yield text, written, False
                continue
            yield text, written, True


@pytest.mark.parametrize("texts", TEXTS, ids=str)
def test_after_that_many_tokens_one_text_is_left_whatever_the_tokens_are(texts: list[str]) -> None:
    made, rng = decision(texts), random.Random(str(texts))
    for text, written, ended in paths(texts, made.tokens, rng):
        if ended:
            assert written == text.encode()
        else:
            shown = written.decode(errors="ignore")
            assert made.complete(shown) == text
            if not any("\ufffd" in each for each in texts):
                assert made.complete(written.decode(errors="replace")) == text


def test_random_choices_are_settled_on_every_path() -> None:
    rng = random.Random(3)
    for _ in range(200):
        texts = ["".join(rng.choices("abé🦊", k=rng.randrange(6))) for _ in range(rng.choice((1, 2, 5, 12)))]
        made = decision(list(dict.fromkeys(texts)))
        for text, written, ended in paths(texts, made.tokens, rng):
            assert ended or made.complete(written.decode(errors="ignore")) == text


@pytest.mark.parametrize(
    "texts", [each for each in TEXTS if len(each) > 1 and all(text.isascii() for text in each)], ids=str
)
def test_one_token_less_would_leave_two_texts_on_some_path(texts: list[str]) -> None:
    fewer = decision(texts).tokens - 1
    starts = [text[:fewer] for text in texts]  # a byte a token
    assert any(sum(other.startswith(start) for other in texts) > 1 for start in starts)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Flag(BaseModel):
    on: bool
    name: Literal["a", "b"]


@pytest.mark.parametrize(
    ("hint", "tokens"),
    [
        (Literal["keep", "drop"], 1),
        (bool, 1),
        (bool | None, 1),
        (Colour, 1),
        (Literal[1, 2] | Literal["x"], 1),
        (Annotated[int, Field(ge=1, le=5)], 1),
        (Annotated[int, Field(ge=0, le=1000)], 4),
        (Annotated[str, OneOf(["north", "north-east", "south"])], 6),
        (Flag, len('{"on": false, "name": "a')),
        (Literal["one"], 1),
        (str, None),
        (int, None),
        (list[bool], None),
        (dict[str, int], None),
        (Annotated[str, Field(max_length=10)], None),
    ],
    ids=str,
)
def test_finite_types_are_known(hint: Any, tokens: int | None) -> None:
    kind: Any = output_type(hint)
    found = kind.constraint.few_answers
    assert (found and found.tokens) == tokens
    assert kind.explain().decided_after == tokens
    assert ("decided" in str(kind.explain())) is (tokens is not None)


def test_explain_says_it() -> None:
    assert "decided        after 1 token\n" in str(output_type(Literal["keep", "drop"]).explain())
    assert "decided        after 2 tokens\n" in str(output_type(Literal["sports", "science"]).explain())


def test_a_hundred_thousand_names_are_no_matter() -> None:
    names = [f"{number:05d} street" for number in range(100_000)]
    made = decision(names)
    assert made.tokens == 5
    assert made.complete("00042") == "00042 street"
    assert made.complete("0004") is made.complete("x") is None


def test_texts_are_counted_before_they_are_written_out() -> None:
    digits = repeat(char_class("0123456789"), 0, 30)
    assert few_answers(Language(digits)) is None
    assert count_texts(Language(digits)) > MOST_TEXTS
    assert count_texts(Language(repeat(ANY, 1, None))) == count_texts(Language(repeat(digits, 0, 1000))) == inf
    small = Language(seq(char_class("ab"), repeat(choice("x", "yy"), 0, 2)))
    assert count_texts(small) == len(enumerate_texts(small, 100) or ()) == 14


@pytest.mark.parametrize(
    ("texts", "stops"),
    [
        (["the answer is yes", "the answer is no"], {"the answer is y", "the answer is n"}),
        (["label 1", "label 2", "label 12"], {"label 2", "label 12"}),
        (["north", "north-east", "north-west"], {"north-e", "north-w"}),
        (["keep", "drop"], set[str]()),  # one token does it
        (["a b c", "b c d", "c d a b x", "c d a b y"], set[str]()),  # one beginning stands in another text
    ],
    ids=["shared", "to the end", "one in another", "soon", "inside"],
)
def test_what_settles_an_answer_is_known_where_that_pays(texts: list[str], stops: set[str]) -> None:
    assert set(decision(texts).stops) == stops


def test_nothing_settles_a_text_before_it_is_settled() -> None:
    rng = random.Random(5)
    for _ in range(500):
        texts = list({"ab" + "".join(rng.choices("abc", k=rng.randrange(9))) for _ in range(rng.choice((2, 3, 6)))})
        made = decision(texts)
        for text in texts:
            for end in range(1, len(text) + 1):
                written = text[:end]
                if any(stop in written for stop in made.stops):
                    assert made.complete(written) == text
                    break
