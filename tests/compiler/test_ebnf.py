"""The EBNF that is printed admits exactly the language: xgrammar's masks allow the tokens that the recogniser allows."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
import xgrammar
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from typefold.compiler.grammar.ebnf import print_ebnf
from typefold.compiler.grammar.json_strings import JSON_CHAR, json_string
from typefold.compiler.grammar.matcher import Matcher, recognises
from typefold.compiler.grammar.nodes import (
    ANY,
    CharClass,
    Choice,
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
from typefold.compiler.grammar.regex import pattern_language

from .languages import WIDE, all_alive, finite, texts

LETTER, DIGIT = char_class((0x61, 0x7A)), char_class((0x30, 0x39))
SINGLES = [*map(chr, range(0x20, 0x7F)), "\n", "\x00", "\u00e9", "\u20ac", "\U0001f600"]
LONGER = r"""ab|aab|abc|a,|,b|a"|"|",|", |":|\"|\n|\u00|\\|a1|12|1a|aA|the | the|zz|z-|-A|AB|==|A=|[]|]}|()|))|ab,ab"""
STRANGE = ["\u00e9a", "b\u20ac", "\U0001f600\U0001f600"]
TOKENS = list(dict.fromkeys([*SINGLES, *LONGER.split("|"), *STRANGE]))
STOP = len(TOKENS)


@cache
def compiler() -> xgrammar.GrammarCompiler:
    vocabulary = [*(token.encode() for token in TOKENS), b""]
    info = xgrammar.TokenizerInfo(vocabulary, vocab_size=len(vocabulary), stop_token_ids=[STOP])
    return xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)


def allowed(matcher: xgrammar.GrammarMatcher, mask: Any) -> set[int]:
    if not matcher.fill_next_token_bitmask(mask):
        return set(range(STOP + 1))
    bits: Any = np.unpackbits(mask.numpy().view(np.uint8)[0], bitorder="little")
    return set(np.flatnonzero(bits[: STOP + 1]).tolist())


def check_masks(language: Language, rng: random.Random, steps: int = 12) -> None:
    """Walk at random; before each token, the mask allows what leads on in the language, and the end where it may end."""
    matcher = xgrammar.GrammarMatcher(compiler().compile_grammar(print_ebnf(language)))
    mask = xgrammar.allocate_token_bitmask(1, STOP + 1)
    state, text = Matcher.start(language), ""
    for _ in range(steps):
        wanted = {index for index, token in enumerate(TOKENS) if not state.advance(token).dead}
        if state.complete:
            wanted.add(STOP)
        given_ = allowed(matcher, mask)
        assert given_ == wanted, (text, [(*TOKENS, "end")[index] for index in given_ ^ wanted], print_ebnf(language))
        going = sorted(wanted - {STOP})
        if not going:
            break
        index = rng.choice(going)
        assert matcher.accept_token(index)
        state, text = state.advance(TOKENS[index]), text + TOKENS[index]


@given(finite, st.integers(0, 2**32))
@settings(deadline=None, max_examples=150)
def test_masks_are_exact_for_small_languages(expr: Expr, seed: int) -> None:
    assume(all_alive(expr))
    check_masks(Language(expr), random.Random(seed))


@given(finite, st.lists(st.text(st.sampled_from("ab,\u00e9\u20ac\U0001f600"), max_size=6), max_size=8))
@settings(deadline=None, max_examples=150)
def test_the_texts_of_a_language_are_admitted_and_no_others(expr: Expr, others: list[str]) -> None:
    known = texts(expr)
    compiled = compiler().compile_grammar(print_ebnf(Language(expr)))
    mask = xgrammar.allocate_token_bitmask(1, STOP + 1)
    for text in {*sorted(known)[:30], *others}:
        matcher = xgrammar.GrammarMatcher(compiled)
        admitted = (not text or matcher.accept_string(text)) and STOP in allowed(matcher, mask)
        assert admitted == (text in known), text


pieces = st.one_of(
    st.sampled_from([LETTER, DIGIT, WIDE, ANY, char_class("ab"), ~char_class('"\\,')]),
    st.sampled_from([Lit("a"), Lit("-"), Lit(","), Lit("\u20ac"), Lit("ab"), Lit('"')]),
    st.sampled_from([JSON_CHAR, Ref("word"), choice(LETTER, Lit("\\a"))]),
)


def _grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    counted = st.tuples(inner, st.sampled_from([(0, 1), (0, 3), (1, 2), (2, 2), (4, 4), (9, 9), (2, None), (0, None)]))
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda them: seq(*them)),
        st.lists(inner, min_size=1, max_size=3).map(lambda them: choice(*them)),
        counted.map(lambda it: repeat(it[0], *it[1])),
        inner.map(optional),
    )


@given(st.recursive(pieces, _grown, max_leaves=7), st.sampled_from(["", '"', ", "]), st.integers(0, 2**32))
@settings(deadline=None, max_examples=150)
def test_masks_are_exact_wherever_text_stands(expr: Expr, end: str, seed: int) -> None:
    word: Expr = seq(repeat(LETTER, 1, 3), optional(Ref("word")))
    check_masks(Language(seq(end, expr, end), {"word": word}), random.Random(seed), steps=8)


PATTERNS = [
    r"^[a-z]{1,20}[0-9]{2}$",
    r"^(?:[a-z]{1,20}|[0-9]+)$",
    r"^[a-z]{2,3}(-[A-Z]{2})?$",
    r"^[A-Z][a-z]{1,5}( [A-Z][a-z]{1,5})?$",
    r"^.{1,9}[.!?]$",
    r"^[^,]{1,4}(,[^,]{1,4}){0,3}$",
    r"^[a-z]{4}[A-Z]{4}$",
    r"^(?:[^a]|bb){0,6}$",
    r"^(?:[a-z]{0,3}-?){2}[A-Z]?$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("quoted", [False, True])
def test_masks_are_exact_where_more_than_a_mark_follows_a_text(pattern: str, quoted: bool) -> None:
    text = pattern_language(pattern)
    for seed in range(4):
        check_masks(Language(json_string(text) if quoted else text), random.Random(seed))


RECURSIVE = {
    "array": Language(
        Ref("V"),
        {
            "V": choice(
                json_string(Repeat(ANY, 0, 2)),
                seq("[", optional(seq(Ref("V"), repeat(seq(", ", Ref("V")), 0, None))), "]"),
            )
        },
    ),
    "brackets": Language(Ref("B"), {"B": optional(seq("(", Ref("B"), ")", Ref("B")))}),
    "names taken": Language(
        seq(Ref("text0"), Ref("end1")), {"text0": repeat(LETTER, 0, 2), "end1": repeat(WIDE, 1, 3)}
    ),
}


@pytest.mark.parametrize("name", RECURSIVE)
def test_masks_are_exact_with_recursion(name: str) -> None:
    for seed in range(8):
        check_masks(RECURSIVE[name], random.Random(seed))


# --- forms ------------------------------------------------------------------------------------------------------------


def rules(expr: Expr) -> dict[str, str]:
    lines = print_ebnf(Language(expr)).splitlines()
    return dict(line.split(" ::= ", 1) for line in lines)


def test_the_first_rule_is_the_root_and_each_rule_stands_once() -> None:
    text = print_ebnf(Language(seq(Ref("b"), Ref("a"), repeat(ANY, 0, 3)), {"a": Lit("x"), "b": Ref("a")}))
    names = [line.split(" ::= ")[0] for line in text.splitlines()]
    assert names[:3] == ["root", "b", "a"]
    assert len(names) == len(set(names))


def test_bounded_text_is_a_chain_that_ends_in_its_quotation_mark() -> None:
    assert rules(json_string(Repeat(LETTER, 1, 3))) == {
        "root": r'"\"" text3',
        "text0": r'"\""',
        "text1": r'[a-z] text0 | "\""',
        "text2": r'[a-z] text1 | "\""',
        "text3": "[a-z] text2",
    }


def test_chains_of_one_kind_of_text_share_their_rules() -> None:
    both = rules(seq(json_string(Repeat(ANY, 0, 9)), ": ", json_string(Repeat(ANY, 0, 40))))
    alone = rules(json_string(Repeat(ANY, 0, 40)))
    assert len(both) == len(alone)


def test_what_follows_a_chain_stands_in_one_rule_of_its_own() -> None:
    made = rules(seq('"', Repeat(LETTER, 2, 3), optional(seq("-", Repeat(char_class((0x41, 0x5A)), 2, 2))), '"'))
    ends = {name: body for name, body in made.items() if name.startswith("end")}
    assert list(ends.values()) == [r'(("-" [A-Z] [A-Z]) | "") "\""']
    assert sum(next(iter(ends)) in body for body in made.values()) == 2  # where one letter may yet come, or none


def test_unbounded_text_is_right_recursive_and_a_plain_class_repeats_in_place() -> None:
    made = rules(json_string(Repeat(ANY, 0, None)))
    assert made["root"] == r'"\"" text0'
    assert made["text0"].endswith(r'text0 | "\""')
    assert rules(seq(Repeat(LETTER, 1, None), "-")) == {"root": '[a-z]+ "-"'}


def test_items_that_are_no_text_are_counted() -> None:
    assert rules(Repeat(Lit("ab"), 2, 5)) == {"root": '"ab"{2,5}'}
    assert rules(Repeat(DIGIT, 4, 4)) == {"root": "[0-9]{4}"}
    assert rules(Repeat(seq("a", DIGIT), 3, None)) == {"root": "text3"} | {
        f"text{left}": f'("a" [0-9]) text{max(left - 1, 0)}' + (' | ""' if left == 0 else "") for left in range(4)
    }


def test_text_at_the_very_end_has_a_lookahead_and_text_before_something_has_none() -> None:
    assert rules(Repeat(LETTER, 0, 2))["text2"] == '([a-z] text1 | "") (=[])'
    assert "(=[])" not in print_ebnf(Language(seq(Repeat(LETTER, 0, 2), "-", DIGIT)))
    assert "(=[])" not in print_ebnf(Language(Ref("r"), {"r": Repeat(LETTER, 0, 2)}))


def test_a_long_choice_and_a_long_class_have_rules_of_their_own() -> None:
    words = Choice(tuple(Lit(f"w{n}") for n in range(40)))
    made = rules(seq("[", words, ", ", words, "]"))
    assert list(made) == ["root", "choice0"]
    assert made["root"] == '"[" choice0 ", " choice0 "]"'
    holes = CharClass(tuple((point, point) for point in range(0x3000, 0x3100, 2)))
    assert list(rules(seq(holes, "-", holes))) == ["root", "class0"]


@pytest.mark.parametrize(
    "char", ['"', "\\", "\n", "\x00", "\x7f", "\u2028", "\u00e9", "\U0001f600", "\U0010ffff", "-", "]", "^"]
)
def test_every_character_can_be_written_in_literals_and_classes(char: str) -> None:
    for expr in (Lit(f"{char}A{char}"), seq(char_class(char), "A", char_class(char + "x"))):
        matcher = xgrammar.GrammarMatcher(compiler().compile_grammar(print_ebnf(Language(expr))))
        assert matcher.accept_string(f"{char}A{char}")
        assert recognises(Language(expr), f"{char}A{char}")


def test_a_chain_of_a_thousand_needs_no_deep_recursion_and_a_longer_text_is_counted() -> None:
    assert len(rules(json_string(Repeat(ANY, 0, 1000)))) == 1002
    assert rules(json_string(Repeat(LETTER, 0, 1001))) == {"root": r'"\"" [a-z]{0,1001} "\""'}
