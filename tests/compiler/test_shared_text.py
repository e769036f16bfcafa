"""Texts that two languages share: exact without recursion, and a search that gives up with it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from typefold.compiler.grammar.json_strings import JSON_CHAR
from typefold.compiler.grammar.matcher import Search, Undecided, recognises
from typefold.compiler.grammar.nodes import (
    ANY,
    EMPTY,
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
from typefold.compiler.grammar.numeric import any_float, integers

from .languages import finite, texts


def shared_text(one: Expr, other: Expr, rules: Mapping[str, Expr]) -> str | None:
    return Search(rules).shared_text(one, other)


@given(finite, finite)
@settings(deadline=None, max_examples=150)
def test_a_shared_text_is_found_exactly_where_there_is_one(one: Expr, other: Expr) -> None:
    both = texts(one) & texts(other)
    found = shared_text(one, other, {})
    assert (found is None) == (not both)
    assert found is None or found in both


@given(finite, finite)
@settings(deadline=None)
def test_no_shorter_text_is_shared_than_the_one_found(one: Expr, other: Expr) -> None:
    found = shared_text(one, other, {})
    assert found is None or len(found) == min(map(len, texts(one) & texts(other)))


@given(finite, finite)
@settings(deadline=None)
def test_the_order_of_the_two_does_not_matter(one: Expr, other: Expr) -> None:
    first, second = shared_text(one, other, {}), shared_text(other, one, {})
    assert (first is None) == (second is None)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (EMPTY, Repeat(Lit("a"), 0, None), ""),
        (Repeat(Lit("ab"), 1, None), Repeat(Lit("aba"), 1, None), None),
        (Repeat(Lit("aa"), 1, None), Repeat(Lit("aaa"), 1, None), "aaaaaa"),
        (Repeat(ANY, 2, 2), seq("\U0001f600", char_class((0x10FFFF, 0x10FFFF))), "\U0001f600\U0010ffff"),
        (integers(None, None), any_float(pointed=True), None),
        (integers(None, None), any_float(), "0"),
        (integers(0, 99), integers(99, None), "99"),
        (seq('"', repeat(JSON_CHAR, 0, None), '"'), seq('"', char_class("\\"), ANY, '"'), '"\\""'),
    ],
)
def test_languages_without_end_are_compared_too(one: Expr, other: Expr, shared: str | None) -> None:
    assert shared_text(one, other, {}) == shared


def test_a_text_shared_by_recursive_languages_is_found() -> None:
    rules: dict[str, Expr] = {
        "round": seq("(", optional(Ref("round")), ")"),
        "any": repeat(char_class("()[]"), 6, 6),
        "square": seq("[", choice(Ref("square"), Ref("round")), "]"),
    }
    assert shared_text(Ref("round"), Ref("any"), rules) == "((()))"
    found = shared_text(Ref("square"), Ref("any"), rules)
    assert found is not None and all(recognises(Language(Ref(name), rules), found) for name in ("square", "any"))
    assert shared_text(Ref("round"), Ref("square"), rules) is None


def test_recursion_that_never_meets_is_given_up() -> None:
    rules: dict[str, Expr] = {
        "ab": choice("ab", seq("a", Ref("ab"), "b")),
        "ac": choice("ac", seq("a", Ref("ac"), "c")),
    }
    search = Search(rules, left=200)
    with pytest.raises(Undecided):
        search.shared_text(Ref("ab"), Ref("ac"))
    with pytest.raises(Undecided):  # all searches together visit no more
        search.shared_text(Ref("ab"), Ref("ac"))
