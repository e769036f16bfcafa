"""Grammars as data: six frozen nodes over Unicode characters, in no backend's dialect.

Printers turn them into a backend's grammar, the matcher matches texts against them, and the sampler draws texts. A
`Language` is a root expression with named rules. Recursion goes by rule name, so nodes are trees and compare by value.

Invariant: no character class holds a surrogate, so every text of a language is valid UTF-8. Left out: conditions that no
context-free grammar can express (uniqueness, rules across fields). These are post-checks of the output type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import assert_never

__all__ = [
    "ANY",
    "EMPTY",
    "NEVER",
    "CharClass",
    "Choice",
    "Expr",
    "Language",
    "Lit",
    "Ref",
    "Repeat",
    "Seq",
    "char_class",
    "children",
    "choice",
    "flat_rules",
    "is_recursive",
    "join",
    "optional",
    "rebuild",
    "references",
    "repeat",
    "seq",
    "solve_rules",
]

MAX_CODE_POINT = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)


@dataclass(frozen=True, slots=True)
class Lit:
    """Exactly this text; the empty text is allowed."""

    text: str


@dataclass(frozen=True, slots=True)
class CharClass:
    """One character of these inclusive code point ranges, which are sorted, disjoint and without surrogates."""

    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, char: str) -> bool:
        point = ord(char)
        return any(low <= point <= high for low, high in self.ranges)

    def __invert__(self) -> CharClass:
        return CharClass(tuple(_gaps(_normal([*self.ranges, SURROGATES]))))

    def __or__(self, other: CharClass) -> CharClass:
        return char_class(*self.ranges, *other.ranges)

    def __and__(self, other: CharClass) -> CharClass:
        return ~(~self | ~other)

    def __sub__(self, other: CharClass) -> CharClass:
        return self & ~other

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def nth(self, index: int) -> str:
        """The character at `index` in code point order."""
        for low, high in self.ranges:
            if index <= high - low:
                return chr(low + index)
            index -= high - low + 1
        raise IndexError(index)


@dataclass(frozen=True, slots=True)
class Seq:
    """The parts in sequence."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of the options; with no option at all, nothing matches."""

    options: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The item, at least `least` times and at most `most` times (`None`: unbounded)."""

    item: Expr
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Ref:
    """The rule of that name."""

    name: str


Expr = Lit | CharClass | Seq | Choice | Repeat | Ref


@dataclass(frozen=True)
class Language:
    """A root expression and the rules that it refers to, directly or through others, by name; `uses` has those of each rule."""

    root: Expr
    rules: Mapping[str, Expr] = field(default_factory=dict[str, Expr])
    uses: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the rules in use, in order of first use, so that equal languages print alike."""
        used: dict[str, Expr] = {}
        uses: dict[str, frozenset[str]] = {}
        pending = list(references(self.root))[::-1]
        while pending:
            name = pending.pop()
            if name not in used:
                used[name] = self.rules[name]
                names = list(references(used[name]))
                uses[name] = frozenset(names)
                pending += names[::-1]
        object.__setattr__(self, "rules", used)
        object.__setattr__(self, "uses", uses)


def char_class(*ranges: tuple[int, int] | str) -> CharClass:
    """A character class of inclusive code point ranges and of the characters in strings; surrogates are left out."""
    pairs: list[tuple[int, int]] = []
    for item in ranges:
        pairs += [(ord(char), ord(char)) for char in item] if isinstance(item, str) else [item]
    if all(high < SURROGATES[0] for _, high in pairs):
        return CharClass(tuple(_normal(pairs)))
    return ~CharClass(tuple(_gaps(_normal([*pairs, SURROGATES]))))


def _normal(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _gaps(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start = 0
    for low, high in ranges:
        if start < low:
            yield start, low - 1
        start = high + 1
    if start <= MAX_CODE_POINT:
        yield start, MAX_CODE_POINT


ANY = CharClass(tuple(_gaps([SURROGATES])))
EMPTY = Lit("")
NEVER = Choice(())


def seq(*parts: Expr | str) -> Expr:
    """The parts in sequence, flattened, with neighbouring literals merged; strings are literals."""
    flat: list[Expr] = []
    text = ""  # of the literals since the last other part
    for part in parts:
        for item in part.parts if isinstance(part, Seq) else (part,):
            if isinstance(item, str):
                text += item
            elif isinstance(item, Lit):
                text += item.text
            elif isinstance(item, Choice) and not item.options:
                return NEVER
            else:
                if text:
                    flat.append(Lit(text))
                    text = ""
                flat.append(item)
    if text:
        flat.append(Lit(text))
    if not flat:
        return EMPTY
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def choice(*options: Expr | str) -> Expr:
    """One of the options, flattened and without duplicates; strings are literals."""
    items: list[Expr] = []
    for option in options:
        expr = Lit(option) if isinstance(option, str) else option
        items += expr.options if isinstance(expr, Choice) else (expr,)
    flat = _distinct(items)
    return flat[0] if len(flat) == 1 else Choice(tuple(flat))


def _distinct(items: list[Expr]) -> list[Expr]:
    """Each item once. A few large items are compared, which ends at the first difference and is faster than a hash."""
    if len(items) > 16:
        return list(dict.fromkeys(items))
    flat: list[Expr] = []
    for item in items:
        if item not in flat:
            flat.append(item)
    return flat


def repeat(item: Expr, least: int, most: int | None) -> Expr:
    """The item `least` to `most` times, simplified where possible."""
    if most is not None and most < least:
        return NEVER
    if most == 0 or item == EMPTY:
        return EMPTY
    if item == NEVER:
        return EMPTY if least == 0 else NEVER
    return item if least == most == 1 else Repeat(item, least, most)


def optional(expr: Expr) -> Expr:
    """The expression, or the empty text."""
    return choice(expr, EMPTY)


def join(separator: str, parts: Iterable[Expr | str]) -> Expr:
    """The parts with a literal separator between neighbours."""
    out: list[Expr | str] = []
    for part in parts:
        out += [separator, part] if out else [part]
    return seq(*out)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions of a node."""
    match expr:
        case Seq(parts):
            return parts
        case Choice(options):
            return options
        case Repeat(item):
            return (item,)
        case Lit() | CharClass() | Ref():
            return ()
        case _:
            assert_never(expr)


def rebuild(expr: Expr, part: Callable[[Expr], Expr]) -> Expr:
    """The expression with `part` applied to each direct sub-expression."""
    match expr:
        case Seq(parts):
            return seq(*map(part, parts))
        case Choice(options):
            return choice(*map(part, options))
        case Repeat(item, least, most):
            return repeat(part(item), least, most)
        case Lit() | CharClass() | Ref():
            return expr
        case _:
            assert_never(expr)


def references(expr: Expr) -> Iterator[str]:
    """The names of the rules that an expression refers to, in the order of the text."""
    pending: list[Expr] = [expr]
    while pending:
        match pending.pop():
            case Seq(parts) | Choice(parts):
                pending += parts[::-1]
            case Repeat(item):
                pending.append(item)
            case Ref(name):
                yield name
            case _:
                pass


def flat_rules(language: Language) -> list[str]:
    """The names of the rules that lead to no recursion, each after all rules that it refers to."""
    waits_for = {name: len(names) for name, names in language.uses.items()}
    users: dict[str, list[str]] = {name: [] for name in language.uses}
    for name, names in language.uses.items():
        for used in names:
            users[used].append(name)
    flat = [name for name, count in waits_for.items() if not count]
    for name in flat:  # it grows on the way
        for user in users[name]:
            waits_for[user] -= 1
            if not waits_for[user]:
                flat.append(user)
    return flat


def is_recursive(language: Language) -> bool:
    """Whether a rule leads back to itself, so that texts may nest to any depth."""
    return len(flat_rules(language)) < len(language.rules)


def solve_rules(language: Language, number: Callable[[Expr, Mapping[str, float]], float]) -> dict[str, float]:
    """A number for each rule: `number` gives that of an expression, from the numbers of the rules that it refers to.

    Rules that lead to recursion begin at infinity, and are worked out again until nothing changes.
    """
    known = dict.fromkeys(language.rules, inf)
    flat = flat_rules(language)
    for name in flat:
        known[name] = number(language.rules[name], known)
    looped = {name: language.rules[name] for name in language.rules.keys() - flat}
    for _ in looped:  # a least text visits no rule twice on one path, so this many rounds settle it
        before = dict(known)
        known |= {name: number(expr, known) for name, expr in looped.items()}
        if known == before:
            break
    return known
