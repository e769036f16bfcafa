"""The recogniser admits the texts of a language and no other, and knows what may come next."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from typefold.compiler.grammar.matcher import Matcher, Walk, recognises
from typefold.compiler.grammar.nodes import (
    ANY,
    NEVER,
    CharClass,
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

from .languages import ALPHABET, all_alive, any_text, finite, texts

BRACKETS = Language(Ref("B"), {"B": optional(seq("(", Ref("B"), ")", Ref("B")))})
quick = settings(deadline=None)


@given(finite, st.lists(any_text, max_size=20))
@quick
def test_the_texts_of_a_language_are_admitted_and_no_others(expr: Expr, others: list[str]) -> None:
    language, known = Language(expr), texts(expr)
    tried = {*sorted(known)[:60], *others, *(text[:-1] for text in sorted(known)[:20])}
    tried |= {text + char for text in sorted(known)[:5] for char in ALPHABET}
    for text in tried:
        assert recognises(language, text) == (text in known), text


@given(finite, any_text)
@quick
def test_the_next_characters_are_those_that_lead_on(expr: Expr, text: str) -> None:
    assume(all_alive(expr))  # else what may come may be a way to nowhere
    state = Matcher.start(Language(expr)).advance(text)
    known = texts(expr)
    wanted = {longer[len(text)] for longer in known if longer.startswith(text) and longer != text}
    assert {char for char in ALPHABET if char in state.next_chars} == wanted
    for char in ALPHABET:
        assert state.advance(char).dead == (char not in wanted)
    assert state.complete == (text in known)


@given(finite, any_text, st.integers(0, 6))
@quick
def test_a_text_may_be_read_in_pieces(expr: Expr, text: str, cut: int) -> None:
    whole = Matcher.start(Language(expr)).advance(text)
    assert Matcher.start(Language(expr)).advance(text[:cut]).advance(text[cut:]) == whole


@given(finite, st.lists(any_text, max_size=20), st.integers(1, 12))
@quick
def test_a_walk_that_remembers_ends_where_the_steps_end(expr: Expr, others: list[str], most: int) -> None:
    language = Language(expr)
    walk = Walk(language, most)
    for text in [*others, *sorted(texts(expr))[:40], *others]:
        state = Matcher.start(language).advance(text)
        assert walk.after(text) == state, text


def test_a_walk_of_brackets_remembers_so_many_states_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    walk, steps = Walk(BRACKETS, 50), list[str]()
    advance = Matcher.advance

    def counted(state: Matcher, text: str) -> Matcher:
        steps.append(text)
        return advance(state, text)

    monkeypatch.setattr(Matcher, "advance", counted)
    for _ in range(10):
        assert walk.after("(())()").complete and not walk.after("(()").complete
    assert len(steps) <= 6
    for depth in range(40):
        assert walk.after("(" * depth + ")" * depth).complete
        assert walk._kept <= 50


def test_a_dead_state_stays_dead() -> None:
    state = Matcher.start(Language(Lit("ab"))).advance("b")
    assert state.dead and not state.complete
    assert state.advance("ab").dead
    assert not len(state.next_chars)


def test_a_state_is_complete_where_the_text_may_end() -> None:
    state = Matcher.start(Language(seq("a", optional(Lit("b")))))
    assert [state.advance(text).complete for text in ("", "a", "ab", "abb")] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "balanced"), [("", True), ("()", True), ("(())()", True), ("(", False), (")(", False), ("())", False)]
)
def test_recursion_is_followed(text: str, balanced: bool) -> None:
    assert recognises(BRACKETS, text) == balanced


def test_recursion_is_followed_as_deep_as_a_text_goes() -> None:
    assert recognises(BRACKETS, "(" * 5000 + ")" * 5000)
    assert not recognises(BRACKETS, "(" * 5000 + ")" * 4999)


@pytest.mark.parametrize("item", [optional(Lit("a")), Repeat(Lit("a"), 0, None), choice("", "a", "aa")])
@pytest.mark.parametrize(("least", "most"), [(0, None), (3, None), (2, 4)])
def test_an_item_that_may_be_empty_may_be_repeated(item: Expr, least: int, most: int | None) -> None:
    language = Language(Repeat(item, least, most))
    assert recognises(language, "") and recognises(language, "aaa")
    assert not recognises(language, "ab")


@given(st.integers(0, 4), st.none() | st.integers(0, 4), st.integers(0, 12))
def test_a_repetition_counts(least: int, more: int | None, count: int) -> None:
    most = None if more is None else least + more
    assume(most != 0)
    admitted = count >= least and (most is None or count <= most)
    assert recognises(Language(Repeat(Lit("ab"), least, most)), "ab" * count) == admitted
    assert not recognises(Language(Repeat(Lit("ab"), least, most)), "ab" * count + "a")


def test_two_ways_at_once_are_followed() -> None:
    language = Language(choice(seq(repeat(char_class("ab"), 0, None), "b"), seq("a", repeat(ANY, 2, 2))))
    for text in ("b", "ab", "aab", "a\U0001f600\n", "abb"):
        assert recognises(language, text)
    for text in ("", "a", "a\U0001f600", "ba", "aaaa"):
        assert not recognises(language, text)


def test_a_lone_surrogate_is_never_admitted() -> None:
    assert not recognises(Language(Repeat(ANY, 0, None)), "a\ud800")


def test_nothing_matches_in_an_empty_language() -> None:
    assert Matcher.start(Language(NEVER)).dead
    assert not recognises(Language(CharClass(())), "a")


@pytest.mark.parametrize(
    "rules",
    [
        {"A": choice(seq(Ref("A"), "a"), "b")},
        {"A": choice(seq(Ref("B"), "a"), "b"), "B": seq(optional(Lit("x")), Ref("A"), "c")},
    ],
)
def test_left_recursion_is_refused(rules: dict[str, Expr]) -> None:
    with pytest.raises(RecursionError, match="left-recursive"):
        Matcher.start(Language(Ref("A"), rules))
