"""Translated patterns admit the texts that the pattern finds, and what cannot be translated is refused by name."""

# Hypothesis does not tell lambdas what they are given:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import re
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import ANY, EMPTY, NEVER, Language, Lit, Repeat
from typefold.compiler.grammar.regex import pattern_language
from typefold.compiler.grammar.rust_regex import UnsupportedPattern

ALPHABET = "ab1-. \u00e9\n"
any_text = st.text(st.sampled_from(ALPHABET), max_size=7)

atoms = st.sampled_from(
    [
        "a",
        "b",
        "1",
        r"\.",
        "-",
        "[ab]",
        "[^a]",
        "[a-c1]",
        "[^a-z]",
        ".",
        r"\n",
        r"[\s\S]",
        r"\x61",
        "\u00e9",
        "[.-]",
        " ",
    ]
)
counts = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0}", "{2,}", "{,2}", "*?", "+?", "??", "{1,3}?"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.tuples(st.sampled_from(["(", "(?:", "(?P<name>"]), inner).map(lambda it: f"{it[0]}{it[1]})")
    # A name may stand once in a pattern; where it stands twice, the group loses it.
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda them: f"(?:{'|'.join(them)})"),
        st.tuples(groups, counts).map("".join),
        st.tuples(atoms, counts).map("".join),
    )


bodies = st.recursive(atoms, _grown, max_leaves=6).map(
    lambda it: it if it.count("?P<name>") < 2 else it.replace("?P<name>", "")
)
anchored = st.tuples(st.sampled_from(["", "^", r"\A"]), bodies, st.sampled_from(["", r"\Z"])).map("".join)


def is_tried(text: str) -> bool:
    """No surrogates, which are no text, and no long texts, over which Python may take for ever."""
    return len(text) <= 10 and not any("\ud800" <= char <= "\udfff" for char in text)


@given(bodies, st.lists(any_text, max_size=12), st.data())
@settings(deadline=None, max_examples=150)
def test_a_translated_pattern_agrees_with_a_full_match(pattern: str, others: list[str], data: st.DataObject) -> None:
    language = Language(pattern_language(pattern, full_match=True))
    matching = data.draw(st.lists(st.from_regex(pattern, fullmatch=True), max_size=4), label="matching")
    for text in [*others, *matching, *(text[:-1] for text in matching), *(text + "a" for text in matching)]:
        if is_tried(text):
            assert recognises(language, text) == bool(re.fullmatch(pattern, text)), text


@given(anchored, st.lists(any_text, max_size=12), st.data())
@settings(deadline=None, max_examples=150)
def test_a_translated_pattern_agrees_with_a_search(pattern: str, others: list[str], data: st.DataObject) -> None:
    language = Language(pattern_language(pattern))
    found = data.draw(st.lists(st.from_regex(pattern), max_size=4), label="found")
    for text in [*others, *found, *(text[1:] for text in found)]:
        if is_tried(text):
            assert recognises(language, text) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        ("^ab$", ["ab"], ["ab\n", "xab", "abx", ""]),
        ("ab", ["ab", "xaby", "\nab\n"], ["a b", ""]),
        ("^a|b$", ["a", "ax", "xb"], ["xa", "bx"]),
        ("^(a|b$)", ["ax", "a", "b"], ["bx", "xa"]),
        ("(?:(^a)|(b$))", ["ax", "xb"], ["xa", "bx"]),
        ("(^a|^b)c", ["acx", "bc"], ["xac", "xbc"]),
        ("(^|,)a(,|$)", ["a", "x,a", "a,x"], ["ba", "ab"]),
        ("^$", [""], [" ", "\n"]),
        ("^^a$$", ["a"], ["aa"]),
        ("^.$", ["a", "\u2028", "\U0001f600"], ["\n", "", "aa"]),
        (r"^[\u00e9-\u00eb]+$", ["\u00e9\u00ea"], ["e"]),
        ("^(?:a{2,3}){2}$", ["aaaa", "aaaaaa"], ["aaa", "aaaaaaa"]),
        ("^a{0}$", [""], ["a"]),
        (r"^[^\d]$", ["x"], ["1", "\u0663"]),
        (r"^\\$", ["\\"], ["\\\\"]),
    ],
)
def test_anchors_and_classes_mean_what_they_mean_to_pydantic(pattern: str, right: list[str], wrong: list[str]) -> None:
    language = Language(pattern_language(pattern))
    adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    for text in right:
        assert recognises(language, text), text
        assert adapter.validate_python(text) == text
    for text in wrong:
        assert not recognises(language, text), text
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


STRANGE = "_aZ09 \t\n\r\x0b\x0c\x1c\x85\u00a0\u00b2\u00bd\u0300\u0663\u200b\u200d\u203f\u2028\u2160\u3000\u4e2d\ufeff\U0001d7d8\U0001f600"


@pytest.mark.parametrize("letter", list("dDwWsS"))
def test_the_classes_of_unicode_are_those_of_pydantic(letter: str) -> None:
    pattern = rf"^\{letter}$"
    language = Language(pattern_language(pattern))
    adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    for char in STRANGE:
        try:
            adapter.validate_python(char)
            matches = True
        except ValidationError:
            matches = False
        assert recognises(language, char) == matches, hex(ord(char))


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("^(?=a)b", "a lookahead or lookbehind"),
        ("(?<=a)b", "a lookahead or lookbehind"),
        ("^(?!a)b", "a negative lookahead or lookbehind"),
        ("(?<!a)b", "a negative lookahead or lookbehind"),
        (r"(a)\1", "a backreference"),
        ("(?P<x>a)(?P=x)", "a backreference"),
        (r"(a)?(?(1)b|c)", "a conditional group"),
        (r"\bword\b", "an anchor or a word boundary inside"),
        (r"a\Bb", "an anchor or a word boundary inside"),
        ("a^b", "an anchor or a word boundary inside"),
        ("a(b$)?", "an anchor"),
        ("(^a)*", "an anchor or a word boundary inside"),
        ("a(^b|c)d", "an anchor or a word boundary inside"),
        (r"\b", "an anchor or a word boundary inside"),
        (r"^\B$", "an anchor or a word boundary inside"),
        ("(?>a*)b", "an atomic group"),
        ("a*+b", "a possessive repetition"),
        ("\\ud800", "a lone surrogate"),
        ("(?m)^a$", "an anchor or a word boundary inside"),
        (r"\<word\>", "an anchor or a word boundary inside"),
        (r"\p{Nope}", "is no regular expression"),
        ("(a", "is no regular expression"),
        ("a{3,2}", "is no regular expression"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name(pattern: str, part: str) -> None:
    with pytest.raises(UnsupportedPattern, match=re.escape(part)) as caught:
        pattern_language(pattern)
    assert repr(pattern) in str(caught.value)


def test_lazy_and_greedy_and_named_groups_are_the_same_language() -> None:
    assert pattern_language("^a*?(?P<x>b)$") == pattern_language("^a*(b)$") == pattern_language("^a*b$")


def test_without_anchors_any_text_may_stand_around() -> None:
    assert pattern_language("", full_match=True) == EMPTY
    assert pattern_language("", full_match=False) == Language(pattern_language("(?:)")).root
    assert recognises(Language(pattern_language("x")), "\n" * 3 + "x" + "\U0001f600")
    assert pattern_language("^a") != pattern_language("a") != pattern_language("a$")
    assert pattern_language("^a$") == Lit("a")
    assert pattern_language(r"^[\s\S]*$") == Repeat(ANY, 0, None)


def test_an_empty_class_has_no_text() -> None:
    language = pattern_language(r"^[^\s\S]$")
    assert language == NEVER or not recognises(Language(language), "a")
