r"""Regular expressions as grammar expressions, and the texts of an expression that have a length.

The standard library's parser reads the pattern, and its tree is translated node by node. Patterns search, as pydantic's do:
without `^` or `$` any text may stand before or after. `$` is the end of the text, `.` any character but a line feed, and
`\d`, `\w` and `\s` are the Unicode classes of pydantic's default engine, which is queried for them. A model may choose
Python's engine: then the classes are Python's, and `$` may stand before a last line feed.

Patterns that Rust's engine reads and Python's parser does not (`\p{L}`, flags, operations on classes) are parsed in
`rust_regex`. Refused by name, since they are not regular: lookarounds, backreferences, word boundaries, anchors inside,
possessive and atomic groups, and flags of Python's engine. A caller may ask for more texts than these have instead
(`relaxed`), and check the pattern after.

The intersection of a regular language with a length is regular, but may be far larger than either. So `of_length` makes it
only where it stays small: where a pattern keeps to the length by itself, where all its parts but one have a fixed width,
and where the ways to divide the length between parts are few. Invariant: a result is exact. References are left out.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (the parser of the standard library has no types)
from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import inf
from re import _constants as op  # type: ignore[attr-defined]  # the parser has no public name since Python 3.11
from re import _parser  # type: ignore[attr-defined]
from typing import Any, assert_never

from typefold.compiler.grammar import rust_regex
from typefold.compiler.grammar.matcher import Matcher
from typefold.compiler.grammar.nodes import (
    ANY,
    EMPTY,
    NEVER,
    SURROGATES,
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
    optional,
    repeat,
    seq,
)
from typefold.compiler.grammar.rust_regex import UnsupportedPattern

_RUST = re.compile(r"\\[<>]|\\b\{|\(\?[a-zA-Z-]+[:)]|\[(?:[^\]\\]|\\.)*\[")
"""Escapes, groups with flags and nested classes, which Rust's engine reads in its own way; it may find too many."""

_MOST_WAYS = 64  # to divide a length between two parts
_FEW_WAYS = 4  # where a text may be divided in several of them: engines then follow all at once, and masks get slow


@dataclass(frozen=True)
class _Pattern:
    """A pattern under translation, with its options; its repr is that of its text."""

    text: str
    python: bool
    relaxed: bool

    def __repr__(self) -> str:
        return repr(self.text)


def pattern_language(pattern: str, *, full_match: bool = False, python: bool = False, relaxed: bool = False) -> Expr:
    """The texts that contain a match of `pattern`. Raises UnsupportedPattern where there is no exact translation.

    `python` is for Python's engine in place of pydantic's default one. `relaxed` leaves out what is not regular, which gives
    more texts than the pattern has, and never fewer.
    """
    items = _parsed(pattern, python)
    anything = repeat(ANY, 0, None)
    options: list[Expr] = []
    for starts, body, ends in _branches(items, _Pattern(pattern, python, relaxed)):
        free_start = not starts and not full_match
        free_end = not ends and not full_match
        options.append(seq(*([anything] if free_start else []), body, *([anything] if free_end else [])))
    return choice(*options) if options else NEVER


def _parsed(pattern: str, python: bool) -> list[Any]:
    """The tree of a pattern by the standard library's parser; what this reads otherwise than Rust goes to Rust's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if python else "error", FutureWarning)
            tree = _parser.parse(pattern)
    except (FutureWarning, re.error, OverflowError, RecursionError) as error:
        if not python:
            return rust_regex.parse(pattern)
        raise UnsupportedPattern(f"{pattern!r} is no regular expression: {error}") from error
    if not python and (tree.state.flags & ~re.UNICODE or _RUST.search(pattern)):
        return rust_regex.parse(pattern)
    if tree.state.flags & ~re.UNICODE:
        raise UnsupportedPattern(f"{pattern!r} sets flags, such as (?i); write the classes out instead")
    return list(tree)


def _branches(items: list[Any], pattern: _Pattern) -> Iterable[tuple[bool, Expr, bool]]:
    """The alternatives of a sequence at the edge of a pattern: anchored at the start, body, anchored at the end."""
    starts = ends = False
    last_feed: Expr = EMPTY
    while items and items[0] in ((op.AT, op.AT_BEGINNING), (op.AT, op.AT_BEGINNING_STRING)):
        starts, items = True, items[1:]
    while items and items[-1] in ((op.AT, op.AT_END), (op.AT, op.AT_END_STRING)):
        last_feed = optional(Lit("\n")) if pattern.python and items[-1][1] is op.AT_END and not ends else last_feed
        ends, items = True, items[:-1]
    # A group at an edge that has anchors in it is taken apart: `(^|,)a`, and `^a$|^b$`, of which Python puts the `^` first.
    for at in (slice(0, 1), slice(len(items) - 1, None)) if items else ():
        code, argument = items[at][0]
        if code in (op.BRANCH, op.SUBPATTERN) and _has_anchor(items[at][0]):
            for branch in map(list, argument[1] if code is op.BRANCH else [_ungrouped(argument, pattern)]):
                for first, body, last in _branches([*items[: at.start], *branch, *items[at.start + 1 :]], pattern):
                    yield starts or first, body if last else seq(body, last_feed), ends or last
            return
    yield starts, seq(_sequence(items, pattern), last_feed), ends


def _has_anchor(item: Any) -> bool:
    code, argument = item
    if code is op.AT:
        return True
    if code is op.BRANCH:
        return any(_has_anchor(inner) for branch in argument[1] for inner in branch)
    if code is op.SUBPATTERN:
        return any(map(_has_anchor, argument[3]))
    return False


def _sequence(items: Iterable[Any], pattern: _Pattern) -> Expr:
    return seq(*(_node(code, argument, pattern) for code, argument in items))


def _node(code: Any, argument: Any, pattern: _Pattern) -> Expr:
    if code is op.LITERAL:
        if SURROGATES[0] <= argument <= SURROGATES[1]:
            raise UnsupportedPattern(f"{pattern!r} names a lone surrogate, which is no character")
        return Lit(chr(argument))
    if code is op.NOT_LITERAL:
        return ~char_class((argument, argument))
    if code is op.ANY:
        return ~char_class("\n")
    if code is op.IN:
        return _class(argument, pattern)
    if code is op.BRANCH:
        return choice(*(_sequence(branch, pattern) for branch in argument[1]))
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):  # lazy and greedy differ in what they capture, not in what they match
        least, most, inner = argument
        return repeat(_sequence(inner, pattern), int(least), None if most is op.MAXREPEAT else int(most))
    if code is op.SUBPATTERN:
        return _sequence(_ungrouped(argument, pattern), pattern)
    if code is rust_regex.CLASS:
        found: CharClass = argument
        return found
    if pattern.relaxed:  # more texts than the pattern has, and never fewer
        if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            return EMPTY
        if code is op.GROUPREF:
            return repeat(ANY, 0, None)
        if code is op.GROUPREF_EXISTS:
            return choice(_sequence(argument[1], pattern), _sequence(argument[2] or [], pattern))
        if code is op.ATOMIC_GROUP:
            return _sequence(argument, pattern)
        if code is op.POSSESSIVE_REPEAT:
            return _node(op.MAX_REPEAT, argument, pattern)
    names = {
        op.AT: "an anchor or a word boundary inside",
        op.ASSERT: "a lookahead or lookbehind",
        op.ASSERT_NOT: "a negative lookahead or lookbehind",
        op.GROUPREF: "a backreference",
        op.GROUPREF_EXISTS: "a conditional group",
        op.ATOMIC_GROUP: "an atomic group",
        op.POSSESSIVE_REPEAT: "a possessive repetition",
    }
    raise UnsupportedPattern(f"{pattern!r} has {names.get(code, str(code))}, which no grammar can enforce exactly")


def _ungrouped(group: Any, pattern: _Pattern) -> Iterable[Any]:
    _, add_flags, del_flags, inner = group
    if add_flags or del_flags:
        raise UnsupportedPattern(f"{pattern!r} sets flags inside; write the classes out instead")
    items: Iterable[Any] = inner
    return items


def _class(items: list[Any], pattern: _Pattern) -> CharClass:
    members, negated = CharClass(()), False
    for code, argument in items:
        if code is op.NEGATE:
            negated = True
        elif code is op.LITERAL:
            members |= char_class((argument, argument))
        elif code is op.RANGE:
            members |= char_class(argument)
        elif code is op.CATEGORY:
            members |= _category(argument, pattern)
        else:
            raise UnsupportedPattern(f"{pattern!r} has {code} in a class")
    return ~members if negated else members


def _category(code: Any, pattern: _Pattern) -> CharClass:
    name = str(code).removeprefix("CATEGORY_")
    letter = {"DIGIT": "d", "WORD": "w", "SPACE": "s"}.get(name.removeprefix("NOT_"))
    if letter is None:
        raise UnsupportedPattern(f"{pattern!r} has {code}")
    members = _unicode_class(letter, pattern.python)
    return ~members if name.startswith("NOT_") else members


@cache
def _unicode_class(letter: str, python: bool) -> CharClass:
    """The members of a class, found by halving: the engines of pydantic and Python have different versions of Unicode."""
    if not python:
        return rust_regex.engine_class(rf"\{letter}")
    inside, outside = (re.compile(rf"\{each}*").fullmatch for each in (letter, letter.upper()))
    return rust_regex.members(inside, outside)


def white_space() -> CharClass:
    """The characters that `strip_whitespace` removes from the ends of a text."""
    return _unicode_class("s", False)


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
            return _repeat_of_length(expr, least, most, ways)
        case Seq(parts):
            return _sequence_of_length(parts, least, most, ways)
        case Lit() | CharClass() | Ref():
            raise AssertionError(expr)  # of one width, so it is kept or dropped above
        case _:
            assert_never(expr)


def _any_of(options: list[Expr | None]) -> Expr | None:
    kept = [option for option in options if option is not None]
    return None if len(kept) < len(options) else choice(*(option for option in kept if option != NEVER))


def _repeat_of_length(expr: Repeat, least: int, most: float, ways: int) -> Expr | None:
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


def _sequence_of_length(parts: tuple[Expr, ...], least: int, most: float, ways: int) -> Expr | None:
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
    is_told_apart = not len(_characters(part) & Matcher.start(Language(behind)).next_chars)  # by what stands behind it
    if count > (ways if is_told_apart else min(ways, _FEW_WAYS)):
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
