"""Token bounds hold for every way to cut a text into tokens, and the byte bounds below them are exact."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from functools import cache
from math import inf
from typing import Annotated, Any, Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from typefold.compiler import output_type
from typefold.compiler.grammar.nodes import (
    ANY,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    char_class,
    choice,
    optional,
    repeat,
    seq,
)
from typefold.compiler.grammar.sampler import sample
from typefold.compiler.grammar.token_bounds import TokenBounds, Vocabulary, byte_bounds, token_bounds

from .languages import WIDE, all_alive, finite, texts

TOKENS = [
    *(bytes([byte]) for byte in range(256)),
    *(b"ab", b"aab", b"a,", b"aaaa", "\u00e9".encode(), "\U0001f600".encode(), "\u20acb".encode()[1:], b"\x9f\x98"),
    *(b'": ', b", ", b'{"', b"(((", b'"}', b"true", b"null"),
]
TOY = Vocabulary(longest=max(map(len, TOKENS)))
KNOWN = Vocabulary.of_tokens(TOKENS)


def fewest_and_most(data: bytes) -> tuple[int, int]:
    """The tokens of the shortest and of the longest way to cut a text, found by trying all."""

    @cache
    def cuts(start: int) -> tuple[int, int]:
        if start == len(data):
            return 0, 0
        rest = [cuts(start + len(token)) for token in TOKENS if data.startswith(token, start)]
        return 1 + min(low for low, _ in rest), 1 + max(high for _, high in rest)

    return cuts(0)


def some_cut(data: bytes, rng: random.Random) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        token = rng.choice([token for token in TOKENS if data.startswith(token, start)])
        start += len(token)
        yield token


def holds(bounds: TokenBounds, text: str) -> None:
    """Whichever way the text is cut; the token that ends it may come on top, or be cut off."""
    fewest, most = fewest_and_most(text.encode())
    assert bounds.least <= max(fewest, 1)
    assert bounds.most is None or most + 1 <= bounds.most


@given(finite, st.integers(0, 2**32), st.sampled_from([TOY, KNOWN]))
@settings(deadline=None, max_examples=200)
def test_no_cut_of_a_text_falls_outside_the_bounds(expr: Expr, seed: int, vocabulary: Vocabulary) -> None:
    known = sorted(texts(expr))
    assume(known)
    bounds = token_bounds(Language(expr), vocabulary)
    for text in random.Random(seed).sample(known, min(len(known), 12)):
        holds(bounds, text)


RECURSIVE = {
    "tree": Language(Ref("T"), {"T": seq("(", optional(WIDE), repeat(Ref("T"), 0, 3), ")")}),
    "text": Language(seq('{"', repeat(ANY, 2, None), '": ', choice("true", "null"), "}")),
    "bounded": Language(seq(repeat(ANY, 3, 9), Ref("x"), Ref("x")), {"x": repeat(choice("\u00e9", "ab"), 1, 4)}),
}


@pytest.mark.parametrize("vocabulary", [TOY, KNOWN], ids=["longest", "tokens"])
@pytest.mark.parametrize("name", RECURSIVE)
def test_no_cut_of_a_sampled_text_falls_outside_the_bounds(name: str, vocabulary: Vocabulary) -> None:
    language = RECURSIVE[name]
    bounds = token_bounds(language, vocabulary)
    for seed in range(30):
        rng = random.Random(seed)
        text = sample(language, rng, exotic=0.5)
        count = len(list(some_cut(text.encode(), rng)))
        assert bounds.least <= count and (bounds.most is None or count + 1 <= bounds.most)


@given(finite)
@settings(deadline=None, max_examples=200)
def test_byte_bounds_are_exact_for_finite_languages(expr: Expr) -> None:
    lengths = [len(text.encode()) for text in texts(expr)]
    least, most = byte_bounds(Language(expr))
    if not lengths:
        assert least == inf
    else:
        assert least == min(lengths)
        assert most >= max(lengths)
        if all_alive(expr):
            assert most == max(lengths)


@pytest.mark.parametrize(
    ("rules", "bounds"),
    [
        ({"A": Lit("abc")}, (3, 3)),
        ({"A": Repeat(ANY, 2, 3)}, (2, 12)),
        ({"A": Repeat(char_class("\u20ac"), 1, 2)}, (3, 6)),
        ({"A": Repeat(Lit("ab"), 3, None)}, (6, inf)),
        ({"A": Repeat(Lit(""), 3, None)}, (0, 0)),
        ({"A": choice("a", seq("(", Ref("A"), ")"))}, (1, inf)),
        ({"A": seq(Ref("B"), Ref("B")), "B": choice("ab", "c")}, (2, 4)),
        ({"A": seq("x", Ref("B")), "B": choice(seq("y", Ref("A")), seq("zz", Ref("C"))), "C": Lit("c")}, (4, inf)),
        ({"A": seq("x", Ref("A"))}, (inf, inf)),
    ],
)
def test_byte_bounds_follow_references(rules: dict[str, Expr], bounds: tuple[float, float]) -> None:
    assert byte_bounds(Language(Ref("A"), rules)) == bounds


def test_the_order_of_rules_does_not_matter() -> None:
    rules: dict[str, Expr] = {f"r{n}": choice(seq("xy", Ref(f"r{n + 1}")), seq("y", Ref(f"r{n}"))) for n in range(40)}
    rules["r40"] = Lit("z")
    for root in (Ref("r0"), seq(*(Ref(f"r{n}") for n in reversed(range(41))))):
        least, most = byte_bounds(Language(root, rules))
        assert most == inf
        assert least == (81 if isinstance(root, Ref) else sum(2 * n + 1 for n in range(41)))


def test_bytes_become_tokens_by_the_longest_token() -> None:
    assert TokenBounds.of_bytes(0, 0, Vocabulary(8)) == TokenBounds(1, 1)
    assert TokenBounds.of_bytes(16, 17, Vocabulary(8)) == TokenBounds(2, 18)
    assert TokenBounds.of_bytes(17, inf, Vocabulary(8)) == TokenBounds(3, None)


def fewest_of(language: Language, seed: int = 0) -> int:
    return min(fewest_and_most(sample(language, random.Random(seed), exotic=0).encode())[0] for seed in range(60))


@pytest.mark.parametrize(
    ("hint", "least"),
    [
        (Annotated[int, Field(ge=1000, le=9999)], 4),  # each digit is a token
        (Literal["(((", "(((("], 1),
        (list[Literal[7]], 2),
        (tuple[bool, None], 5),
        (Annotated[str, Field(pattern="^[0-9]{3}-aaaa$")], 5),
    ],
)
def test_tokens_that_are_known_by_their_bytes_bring_the_lower_bound_up(hint: Any, least: int) -> None:
    kind = output_type(hint)
    assert kind.token_bounds(KNOWN).least == least
    assert kind.constraint.language is not None
    assert kind.token_bounds(TOY).least <= least <= fewest_of(kind.constraint.language)


def test_bounds_are_worked_out_once_a_vocabulary_and_are_no_part_of_a_pickle() -> None:
    constraint = output_type(list[Literal[7]]).constraint
    assert constraint.token_bounds(KNOWN) is constraint.token_bounds(KNOWN)
    assert constraint.token_bounds(TOY) != constraint.token_bounds(Vocabulary(1))
    again = pickle.loads(pickle.dumps(constraint))
    assert again == constraint and again.token_bounds(KNOWN) == constraint.token_bounds(KNOWN)
    assert b"aaaa" not in pickle.dumps(constraint)


class Pair(BaseModel):
    a: bool
    b: Annotated[str, Field(max_length=2)]


def test_the_bounds_of_a_type_are_those_of_its_answers() -> None:
    shortest, longest = '{"a": true, "b": ""}', '{"a": false, "b": "\\u0000\\u0000"}'
    assert output_type(Pair).token_bounds(Vocabulary(1)) == TokenBounds(len(shortest), len(longest) + 1)
    assert output_type(list[int]).token_bounds(Vocabulary(4)) == TokenBounds(1, None)
    assert output_type(str).token_bounds(Vocabulary(4)) == TokenBounds(1, None)
