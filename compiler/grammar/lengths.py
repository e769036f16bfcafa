"""Length bounds on patterns: the texts of an expression with so many characters, as an expression again.

The intersection of a regular language with a length is regular, but may be far larger than either. So it is made only where
it stays small: where a pattern keeps to the length by itself, where all its parts but one have a fixed width, and where
the ways to divide the length between parts are few. Elsewhere the result is `None`, and the length is a post-check.

Invariant: a result is exact. Left out: references, which patterns have not.
"""

from __future__ import annotations

from math import inf
from typing import assert_never

from typefold.compiler.grammar.matcher import Matcher
from typefold.compiler.grammar.nodes import (
    EMPTY,
    NEVER,
    CharClass,
    Choice,
    Expr,
    Language,
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

_MOST_WAYS = 64  # to divide a length between two parts
_FEW_WAYS = 4  # where a text may be divided in several of them: engines then follow all at once, and masks get slow


def char_bounds(expr: Expr) -> tuple[float, float]:
    """The lengths of the shortest and the longest text, in characters; (`inf`, 0) if there is no text."""
    match expr:
        case Lit(text):
            return len(text), len(text)
        case CharClass(ranges):
            return (1, 1) if ranges else (inf, 0)
        case Seq(parts):
            both = [char_bounds(part) for part in parts]
            least = sum(low for low, _ in both)
            return (inf, 0) if least == inf else (least, sum(high for _, high in both))
        case Choice(options):
            both = [char_bounds(option) for option in options]
            return min((low for low, _ in both), default=inf), max((high for _, high in both), default=0)
        case Repeat(item, least, most):
            low, high = char_bounds(item)
            if low == inf:
                return (inf, 0) if least else (0, 0)
            return least * low if least else 0, 0 if high == 0 else inf if most is None else most * high
        case Ref(name):
            raise ValueError(f"a text cannot refer to the rule {name!r}")
        case _:
            assert_never(expr)


def of_length(expr: Expr, least: int, most: float, *, ways: int = _MOST_WAYS) -> Expr | None:
    """The texts of `expr` with `least` to `most` characters, or `None` if the expression would get large.

    `ways` is the largest number of ways to divide a length, in all. There are no references in `expr`.
    """
    low, high = char_bounds(expr)
    if least <= low and high <= most:
        return expr
    if most < low or high < least:
        return NEVER
    match expr:
        case Choice(options):
            return _any_of([of_length(option, least, most, ways=ways) for option in options])
        case Repeat():
            return _repeated(expr, least, most, ways)
        case Seq(parts):
            return _sequence(parts, least, most, ways)
        case Lit() | CharClass() | Ref():
            raise AssertionError(expr)  # of one width, so it is kept or dropped above
        case _:
            assert_never(expr)


def _any_of(options: list[Expr | None]) -> Expr | None:
    kept = [option for option in options if option is not None]
    return None if len(kept) < len(options) else choice(*(option for option in kept if option != NEVER))


def _repeated(expr: Repeat, least: int, most: float, ways: int) -> Expr | None:
    """Count items of one width. Of others, take the first one out of the repetition."""
    low, high = char_bounds(expr.item)
    bound = inf if expr.most is None else expr.most
    if low == high:
        bound = min(bound, most // low)
        return repeat(expr.item, max(expr.least, -(-least // int(low))), None if bound == inf else int(bound))
    if low == 0 or ways < 2:
        return None
    fewer = repeat(expr.item, max(expr.least - 1, 0), None if expr.most is None else expr.most - 1)
    one_more = of_length(seq(expr.item, fewer), least, most, ways=ways // 2)
    return _any_of([one_more, *([EMPTY] if least == 0 == expr.least else [])])


def _sequence(parts: tuple[Expr, ...], least: int, most: float, ways: int) -> Expr | None:
    """Subtract the parts of one width; give the first other part each length, and the rest the remaining length."""
    widths = [char_bounds(part) for part in parts]
    at = next(index for index, (low, high) in enumerate(widths) if low != high)
    before, part, behind = parts[:at], parts[at], seq(*parts[at + 1 :])
    taken = int(sum(low for low, _ in widths[:at]))
    least, most = max(least - taken, 0), most - taken
    (low, high), (rest_low, rest_high) = widths[at], char_bounds(behind)
    if rest_low == rest_high:
        made = of_length(part, max(least - int(rest_low), 0), most - rest_low, ways=ways)
        return None if made is None else seq(*before, made, behind)
    # With no upper bound, a part that is long enough leaves the rest free; with one, it must leave room for the rest.
    free = max(low, least - rest_low)
    is_free = most == inf and high >= free
    last = free - 1 if is_free else min(high, most - rest_low)
    count = last - low + 1 + is_free
    if count > (ways if _is_told_apart(part, behind) else min(ways, _FEW_WAYS)):
        return None
    options: list[Expr | None] = []
    for length in range(int(low), int(last) + 1):
        first = of_length(part, length, length, ways=ways // int(count))
        rest = of_length(behind, max(least - length, 0), most - length, ways=ways // int(count))
        options.append(None if first is None or rest is None else seq(*before, first, rest))
    if is_free:
        first = of_length(part, int(free), inf, ways=ways // int(count))
        options.append(None if first is None else seq(*before, first, behind))
    return _any_of(options)


def _is_told_apart(part: Expr, behind: Expr) -> bool:
    """Whether the first character behind a part shows that it is over."""
    return not len(_characters(part) & Matcher.start(Language(behind)).next_chars)


def _characters(expr: Expr) -> CharClass:
    match expr:
        case Lit(text):
            return char_class(text)
        case CharClass():
            return expr
        case Seq() | Choice() | Repeat() | Ref():
            return char_class(*(pair for part in children(expr) for pair in _characters(part).ranges))
        case _:
            assert_never(expr)
