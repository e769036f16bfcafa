"""Patterns with a length are exactly the texts of that length, where they stay small; and the lengths of a pattern are so."""

from __future__ import annotations

from math import inf
from typing import Annotated

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, StringConstraints

from typefold.compiler import UnsupportedType, output_type
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import NEVER, Expr, Language
from typefold.compiler.grammar.regex import char_bounds, of_length, pattern_language
from typefold.testing.laws import check_laws

from .languages import finite, texts


@given(finite, st.integers(0, 6), st.integers(0, 8) | st.just(inf))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_it_is_the_texts_of_that_length_and_no_others(expr: Expr, least: int, most: float) -> None:
    whole = texts(expr)
    made = of_length(expr, least, most)
    assume(made is not None)
    assert made is not None
    assert texts(made) == {text for text in whole if least <= len(text) <= most}


@given(finite)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_char_bounds_hold(expr: Expr) -> None:
    lengths = {len(text) for text in texts(expr)}
    low, high = char_bounds(expr)
    assert low == min(lengths, default=inf)
    assert high >= max(lengths, default=0)


ENFORCED = [
    (r"^[a-z]+$", 3, 12),
    (r"^x_.*$", 2, 128),
    (r"^.*$", 8, None),
    (r"^(?:a|bc)-?[0-9]+$", 3, 9),
    (r"^CWE-[1-9][0-9]*$", 5, 9),
    (r"^\d+\.\d+$", 6, None),
    (r"^\d+\.\d+$", None, 8),
    (r"^(a|bb)*$", 2, None),
    (r"^[a-z]{2,3}$", 2, 3),
    (r"^(yes|no|maybe)$", 3, 4),
    (r"^\d{4}-\d{2}$", 1, 10),
    (r"^[a-z][a-z0-9_]+$", 2, None),
    (r"a", 2, None),
]


@pytest.mark.parametrize(("pattern", "least", "most"), ENFORCED)
def test_a_length_beside_a_pattern_is_in_the_grammar(pattern: str, least: int | None, most: int | None) -> None:
    kind = output_type(Annotated[str, Field(pattern=pattern, min_length=least, max_length=most)])
    assert not kind.post_checks
    assert f"return: pattern={pattern!r}" in kind.enforced
    language = kind.constraint.language
    assert language is not None
    free = Language(pattern_language(pattern))
    for text in (
        "",
        "a",
        "aa",
        "aaaa",
        "b" * 5,
        "x_",
        "x_abc",
        "12.345",
        "1.2",
        "no",
        "yes",
        "maybe",
        "CWE-12",
        "2024-01",
    ):
        fits = (least or 0) <= len(text) <= (inf if most is None else most)
        assert recognises(language, text) == (fits and recognises(free, text)), text
    assert check_laws(kind, samples=40).failed == 0


def test_what_would_get_large_is_checked_after() -> None:
    many = r"^[a-z](-*[a-z])*$"
    kind = output_type(Annotated[str, Field(pattern=many, min_length=1, max_length=100)])
    assert kind.enforced == ("return: min_length=1", f"return: pattern={many!r}")
    assert kind.post_checks == ("return: max_length=100",)
    far = output_type(Annotated[str, Field(pattern=r"^[a-z]+$", min_length=3, max_length=5000)])
    assert far.post_checks == ("return: max_length=5000",)
    assert of_length(pattern_language(r"^\d+-\d+$"), 0, 100) is None
    assert of_length(pattern_language("a"), 0, 20) is None, "any of its letters may be the one"


def test_a_pattern_that_no_length_meets_is_refused() -> None:
    assert of_length(pattern_language("^[a-z]{3}$"), 4, inf) == NEVER
    with pytest.raises(UnsupportedType, match="has a pattern that no text of at least 4 characters meets"):
        output_type(Annotated[str, Field(pattern="^[a-z]{3}$", min_length=4)])
    with pytest.raises(UnsupportedType, match="has a pattern that no text of 1 to 2 characters meets"):
        output_type(Annotated[str, Field(pattern="^[a-z]{3}$", min_length=1, max_length=2)])


@pytest.mark.parametrize(
    ("least", "most"), [(1, None), (None, 5), (2, 2), (3, 9), (None, 1), (None, 0), (1, 1), (1, 400)]
)
def test_a_text_that_will_be_trimmed_is_written_trimmed(least: int | None, most: int | None) -> None:
    limits = StringConstraints(strip_whitespace=True, min_length=least, max_length=most)
    kind = output_type(Annotated[str, limits])
    assert kind.post_checks == (("return: max_length=400",) if most == 400 else ())
    language = kind.constraint.language
    assert language is not None
    for text in ("", "a", " ", "ab", " a", "a ", "a b", "\u2003b", "b\n", "a\tb", "hello", "hello, you", "a" * 9):
        fits = (least or 0) <= len(text) <= (most or 0 if most is not None else 10) and text == text.strip()
        assert recognises(language, text) == fits, text
    assert check_laws(kind, samples=40).failed == 0


def test_trimming_alone_can_fail_on_no_text_and_constrains_none() -> None:
    assert output_type(Annotated[str, StringConstraints(strip_whitespace=True)]).constraint.kind == "text"
