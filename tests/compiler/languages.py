"""Small languages for property tests: expressions made up at random, and all their texts by definition.

`texts` says what the algebra means, in the plainest way: sets of strings. Whatever walks the algebra (recogniser,
sampler, bounds, printers) is compared with it.
"""

from __future__ import annotations

from itertools import product
from typing import assert_never

from hypothesis import assume
from hypothesis import strategies as st

from typefold.compiler.grammar.nodes import (
    CharClass,
    Choice,
    Expr,
    Lit,
    Ref,
    Repeat,
    Seq,
    char_class,
    children,
    choice,
    repeat,
    seq,
)

__all__ = ["MOST", "WIDE", "all_alive", "any_text", "finite", "made", "texts"]

MOST = 600  # languages of more texts are not drawn
ALPHABET = "ab,\u00e9\u20ac\U0001f600"
WIDE = char_class((0x61, 0x7A), '\u00e9\u20ac"\\\n')

literals = st.sampled_from(["", "a", "b", "ab", "aab", ",", "\u00e9", "\u20acb", "\U0001f600"]).map(Lit)
classes = st.sampled_from(["a", "ab", "b,", "\u00e9\u20ac", "a\U0001f600", ""]).map(char_class)


def _raw(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Nodes as they are, normal or not."""
    several = st.lists(parts, max_size=3).map(tuple)
    counted = st.tuples(parts, st.integers(0, 2), st.integers(0, 2)).map(lambda it: Repeat(it[0], it[1], it[1] + it[2]))
    return st.one_of(several.map(Seq), several.map(Choice), counted)


def _made(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Nodes as the constructors make them."""
    several = st.lists(parts, max_size=3)
    counted = st.tuples(parts, st.integers(0, 2), st.integers(0, 2))
    return st.one_of(
        several.map(lambda them: seq(*them)),
        several.map(lambda them: choice(*them)),
        counted.map(lambda it: repeat(it[0], it[1], it[1] + it[2])),
    )


finite: st.SearchStrategy[Expr] = st.recursive(st.one_of(literals, classes), _raw, max_leaves=8)
"""Expressions with finitely many texts, of raw nodes; some have no text at all."""

made: st.SearchStrategy[Expr] = st.recursive(st.one_of(literals, classes), _made, max_leaves=8)
"""The same, normalised."""

any_text: st.SearchStrategy[str] = st.text(st.sampled_from(ALPHABET), max_size=6)


def texts(expr: Expr) -> frozenset[str]:
    """All texts of an expression without references, by definition; draws with too many are given up."""
    match expr:
        case Lit(text):
            return frozenset({text})
        case CharClass():
            return frozenset(expr.nth(index) for index in range(len(expr)))
        case Seq(parts):
            return _joined([texts(part) for part in parts])
        case Choice(options):
            return frozenset[str]().union(*map(texts, options))
        case Repeat(item, least, most):
            assert most is not None, "without end there is no last text"
            one = texts(item)
            return frozenset[str]().union(*(_joined([one] * count) for count in range(least, most + 1)))
        case Ref(name):
            raise AssertionError(f"a reference to {name}")
        case _:
            assert_never(expr)


def all_alive(expr: Expr) -> bool:
    """Whether every part of an expression has a text."""
    return bool(texts(expr)) and all(map(all_alive, children(expr)))


def _joined(sets: list[frozenset[str]]) -> frozenset[str]:
    out = frozenset({""})
    for each in sets:
        assume(len(out) * len(each) <= MOST)
        out = frozenset("".join(pair) for pair in product(out, each))
    return out
