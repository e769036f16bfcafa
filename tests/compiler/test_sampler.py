"""Samples are texts of the language, at random but by a seed, and sampling always ends."""

from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import (
    ANY,
    NEVER,
    CharClass,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    Seq,
    char_class,
    choice,
    optional,
    repeat,
    seq,
)
from typefold.compiler.grammar.sampler import sample, shortest_height

from .languages import finite, texts

TREE = Language(Ref("T"), {"T": seq("(", char_class("ab"), repeat(Ref("T"), 0, None), ")")})
WIDE_TREE = Language(Ref("T"), {"T": choice("x", seq("(", *[Ref("T")] * 12, ")"))})
JSON = Language(
    Ref("V"),
    {
        "V": choice("0", seq("[", optional(seq(Ref("V"), repeat(seq(",", Ref("V")), 0, None))), "]"), Ref("S")),
        "S": seq('"', repeat(ANY - char_class('"'), 0, None), '"'),
    },
)


@given(finite, st.integers(0, 2**32), st.floats(0, 1))
@settings(deadline=None)
def test_a_sample_is_a_text_of_the_language(expr: Expr, seed: int, exotic: float) -> None:
    known = texts(expr)
    assume(known)
    assert sample(Language(expr), random.Random(seed), exotic=exotic) in known


@pytest.mark.parametrize("language", [TREE, WIDE_TREE, JSON], ids=["tree", "wide tree", "json"])
def test_a_sample_of_a_recursive_language_ends_and_is_admitted(language: Language) -> None:
    for seed in range(15):
        text = sample(language, random.Random(seed), exotic=0.3)
        assert recognises(language, text), text


def test_the_same_seed_gives_the_same_text() -> None:
    drawn = [sample(JSON, random.Random(seed)) for seed in range(20)]
    assert drawn == [sample(JSON, random.Random(seed)) for seed in range(20)]
    assert len(set(drawn)) > 5


def test_every_option_and_every_length_is_drawn() -> None:
    language = Language(seq(choice("a", "b", "c"), Repeat(Lit("x"), 1, 4)))
    drawn = {sample(language, random.Random(seed)) for seed in range(400)}
    assert drawn == {letter + "x" * count for letter in "abc" for count in range(1, 5)}


def test_characters_are_readable_unless_exotic_ones_are_asked_for() -> None:
    text = Language(Repeat(ANY, 200, 200))
    assert all(" " <= char <= "~" for char in sample(text, random.Random(0), exotic=0))
    strange = [char for char in sample(text, random.Random(0), exotic=1) if not " " <= char <= "~"]
    assert len(strange) > 150
    assert sample(Language(char_class("\u4e2d")), random.Random(0), exotic=0) == "\u4e2d"


def test_an_option_without_a_text_is_not_taken() -> None:
    endless: Expr = seq("x", Ref("A"))
    language = Language(choice(Ref("A"), "b", Repeat(Ref("A"), 0, None)), {"A": endless})
    assert {sample(language, random.Random(seed)) for seed in range(30)} == {"b", ""}


@pytest.mark.parametrize(
    "language",
    [
        Language(NEVER),
        Language(CharClass(())),
        Language(Seq((Lit("a"), NEVER))),
        Language(Ref("A"), {"A": seq("x", Ref("A"))}),
    ],
    ids=["never", "no character", "a part of it", "no end"],
)
def test_an_empty_language_has_no_sample(language: Language) -> None:
    assert shortest_height(language) == inf
    with pytest.raises(ValueError, match="the language is empty: there is no text to sample"):
        sample(language, random.Random(0))


@pytest.mark.parametrize(
    ("rules", "height"),
    [
        ({"A": Lit("x")}, 1),
        ({"A": Ref("B"), "B": Ref("C"), "C": Lit("x")}, 3),
        ({"A": choice(seq("x", Ref("A")), "y")}, 1),
        (
            {
                "A": choice(seq("x", Ref("B")), seq("y", Ref("C"))),
                "B": seq("b", Ref("A")),
                "C": Ref("D"),
                "D": Lit("d"),
            },
            3,
        ),
        ({"A": Repeat(Ref("A"), 0, None)}, 1),
        ({"A": Repeat(Ref("A"), 1, None)}, inf),
        ({"A": seq("x", Ref("B")), "B": seq("y", Ref("A"))}, inf),
    ],
)
def test_the_least_nesting_of_a_text_is_known(rules: dict[str, Expr], height: float) -> None:
    assert shortest_height(Language(Ref("A"), rules)) == height


def test_the_order_of_rules_does_not_matter_to_the_least_nesting() -> None:
    rules: dict[str, Expr] = {f"r{n}": choice(seq("x", Ref(f"r{n + 1}")), seq("y", Ref(f"r{n}"))) for n in range(60)}
    rules["r60"] = Lit("z")
    assert shortest_height(Language(Ref("r0"), rules)) == 61
    assert shortest_height(Language(seq(*(Ref(f"r{n}") for n in reversed(range(61)))), rules)) == 61
