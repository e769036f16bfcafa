"""Enumeration of the texts of a small language, their number, and the prefixes that texts share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf, prod
from typing import assert_never

from typefold.compiler.grammar.nodes import (
    CharClass,
    Choice,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    Seq,
    is_recursive,
    solve_rules,
)


def count_texts(language: Language) -> float:
    """An upper bound on the number of texts, which counts an ambiguous text several times (`inf`: no bound)."""
    if is_recursive(language):
        return inf
    return float(_count(language.root, solve_rules(language, _count)))


def _count(expr: Expr, known: Mapping[str, float]) -> float:
    match expr:
        case Lit():
            return 1
        case CharClass():
            return len(expr)
        case Seq(parts):
            return _capped(prod(_count(part, known) for part in parts))
        case Choice(options):
            return _capped(sum(_count(option, known) for option in options))
        case Repeat(item, least, most):
            once = _count(item, known)
            if most is None or (once > 1 and most > _BEYOND):
                return inf
            return _capped(sum(once**times for times in range(least, most + 1)))
        case Ref(name):
            return known[name]
        case _:
            assert_never(expr)


_BEYOND = 64  # counts of two to this power and more are infinite here


def _capped(count: float) -> float:
    return count if count < 2**_BEYOND else inf


class _TooManyError(Exception):
    """The language has more texts than the limit."""


def enumerate_texts(language: Language, most: int) -> tuple[str, ...] | None:
    """All texts of a language in its own order, each once, or `None` if there are more than `most`."""
    if is_recursive(language):
        return None
    try:
        return tuple(_texts(language.root, language, most))
    except _TooManyError:
        return None


def _texts(expr: Expr, language: Language, most: int) -> list[str]:
    match expr:
        case Lit(text):
            return [text]
        case CharClass():
            if len(expr) > most:
                raise _TooManyError
            return [expr.nth(index) for index in range(len(expr))]
        case Seq(parts):
            return _joined((_texts(part, language, most) for part in parts), most)
        case Choice(options):
            return _few((text for option in options for text in _texts(option, language, most)), most)
        case Repeat(item, least, last):
            if last is None or last > most:
                raise _TooManyError
            once = _texts(item, language, most)
            rows = (_joined([once] * times, most) for times in range(least, last + 1))
            return _few((text for row in rows for text in row), most)
        case Ref(name):
            return _texts(language.rules[name], language, most)
        case _:
            assert_never(expr)


def _joined(parts: Iterable[list[str]], most: int) -> list[str]:
    made = [""]
    for part in parts:
        made = _few((before + text for before in made for text in part), most)
    return made


def _few(texts: Iterator[str], most: int) -> list[str]:
    kept: dict[str, None] = {}
    for text in texts:
        kept[text] = None
        if len(kept) > most:
            raise _TooManyError
    return list(kept)


def common_prefix(one: str, other: str) -> int:
    """The number of characters at the beginning that two texts share."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves, since slices are compared fast
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def common_prefixes(texts: Sequence[str]) -> list[int]:
    """For each of several sorted texts, the length of the longest prefix that it shares with another."""
    neighbours = [0, *(common_prefix(one, other) for one, other in pairwise(texts)), 0]
    return [max(before, behind) for before, behind in pairwise(neighbours)]
