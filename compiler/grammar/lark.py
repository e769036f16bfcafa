"""Printer of languages in llguidance's Lark.

llguidance reads a text in two steps: a lexer cuts it into the longest terminals that match, and an Earley parser combines
them. So an expression without recursion is one terminal, a regular expression, and rules remain where a rule leads back to
itself. Long counted repetitions (bounded strings) are terminals of their own where possible: the lexer keeps states for
each count, and equal terminals share them.

Invariant: the longest match is the only match that leads on. After a terminal no byte may both lengthen some terminal and
begin its successor. Terminals that break this are split, in the end into single characters. These are slower (a parser step
for each character, and llguidance gives up on a step with more than 2,000 readings) and as exact. Left out: the empty
language.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import assert_never

from typefold.compiler.grammar.lexer import Automaton, Cut, TooManyStates, clashes
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
    children,
    choice,
    rebuild,
    references,
    seq,
)

_END = 1 << 256  # stands beside the bits of bytes for the end of an expression
_TOKEN = re.compile(r'[^"{}\[\],:]*("|[{}\[\],:]\s*)')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*(")')
_LONG = 16  # a repetition with a larger count is long


def print_lark(language: Language) -> str:
    """The language as a Lark grammar whose first rule is `start`. Raises ValueError for the empty language."""
    long, apart = _LONG, dict[Expr, Expr]()
    plain = _plain(language, long)
    if plain.root == NEVER:
        raise ValueError("the language is empty: there is no text that a grammar could admit")
    machines = dict[Expr, Automaton]()
    while (found := _clashes(grammar := _Grammar.of(plain, apart, long), machines)) != {}:
        if long == _LONG:
            long, plain, machines = sys.maxsize, _plain(language, sys.maxsize), {}
        elif found is not None:
            apart |= found
        else:
            grammar = _Grammar.of(plain, None, long)
            break
    named = Language(Seq(tuple(grammar.terminals.values())), plain.rules).rules
    defined = {"start": grammar.root, **grammar.rules, **grammar.terminals, **named}
    return "\n".join(["%llguidance {}", *(f"{name}: {_print(expr)}" for name, expr in defined.items())]) + "\n"


def _plain(language: Language, long: int) -> Language:
    """The same language without empty branches, under Lark's names: capitals for rules that can be part of a terminal.

    Such a rule is flat: it leads to no recursion and no repetition that is `long`.
    """
    flat: set[str] = set()
    light = {name: expr for name, expr in language.rules.items() if not _holds_long(expr, long)}
    while more := {name for name, expr in light.items() if name not in flat and flat.issuperset(references(expr))}:
        flat |= more
    names: dict[str, str] = {}
    while alive := [n for n, expr in language.rules.items() if n not in names and _trim(expr, names) != NEVER]:
        for old in alive:
            new = re.sub("[^a-z0-9]+", "_", old.lower()).strip("_")
            new = new if new[:1].isalpha() else f"r{new}"
            new = new.upper() if old in flat else new
            while re.fullmatch("start|T[0-9]*", new) or new in names.values():
                new += "_"
            names[old] = new
    rules = {names[old]: _trim(expr, names) for old, expr in language.rules.items() if old in names}
    return Language(_trim(language.root, names), rules)


def _trim(expr: Expr, names: Mapping[str, str]) -> Expr:
    match expr:
        case CharClass(ranges):
            return expr if ranges else NEVER
        case Ref(name):
            return Ref(names[name]) if name in names else NEVER
        case _:
            return rebuild(expr, lambda part: _trim(part, names))


def _is_long(expr: Expr, long: int) -> bool:
    return isinstance(expr, Repeat) and max(expr.least, expr.most or 0) > long


def _holds_long(expr: Expr, long: int) -> bool:
    return _is_long(expr, long) or any(_holds_long(child, long) for child in children(expr))


def _is_char(expr: Expr) -> bool:
    return isinstance(expr, CharClass) or (isinstance(expr, Lit) and len(expr.text) == 1)


@dataclass(frozen=True)
class _Grammar:
    """Rules, which hold only references and the empty literal, and the terminals that they refer to."""

    root: Expr
    rules: dict[str, Expr]
    terminals: dict[str, Expr]
    flat: Mapping[str, Expr]

    @classmethod
    def of(cls, language: Language, apart: Mapping[Expr, Expr] | None, long: int) -> _Grammar:
        """Split a result of `_plain` into the largest possible terminals.

        `apart` replaces terminals that must be split; `None` splits all into single characters.
        """
        names: dict[Expr, str] = {}
        known: dict[int, tuple[Expr, bool]] = {}  # by identity, with the node, so that it lives

        def is_flat(expr: Expr) -> bool:
            if id(expr) not in known:
                flat = expr.name.isupper() if isinstance(expr, Ref) else not _is_long(expr, long)
                known[id(expr)] = expr, flat and all(map(is_flat, children(expr)))
            return known[id(expr)][1]

        def is_counted(expr: Expr) -> bool:
            return _is_long(expr, long) and all(map(is_flat, children(expr)))

        def is_unit(expr: Expr) -> bool:
            parts = expr.parts if isinstance(expr, Seq) else (expr,)
            return all(_is_char(part) or is_counted(part) for part in parts)

        def rule(expr: Expr, *, whole: bool = True) -> Expr:
            """The expression over references; one that is not `whole` becomes no terminal."""
            if expr == EMPTY:
                return EMPTY
            flat = is_flat(expr)
            if whole and (flat or is_unit(expr)):
                if _is_char(expr) or (apart is not None and expr not in apart):
                    return Ref(names.setdefault(expr, expr.name if isinstance(expr, Ref) else f"T{len(names) + 1}"))
                return rule(expr if apart is None else apart[expr], whole=False)
            match expr:
                case Lit(text):
                    return seq(*(rule(Lit(char)) for char in text))
                case Seq(parts):
                    runs: list[Expr] = []
                    for part in parts if flat else _delimited(parts, is_counted):
                        joins = not flat and bool(runs) and is_flat(part) and is_flat(runs[-1])
                        runs.append(seq(runs.pop(), part) if joins else part)
                    return seq(*map(rule, runs))
                case Choice(options):
                    joined = [option for option in options if not flat and is_flat(option)]
                    others = [option for option in options if option not in joined]
                    return choice(*map(rule, [choice(*joined), *others] if joined else others))
                case Repeat(item, least, most):
                    return Repeat(rule(item), least, most)
                case Ref(name):
                    return opened(name) if flat else expr
                case CharClass():
                    raise AssertionError("a character is a terminal")
                case _:
                    assert_never(expr)

        def opened(name: str) -> Expr:
            """A flat rule that is no terminal: a rule that all its users share."""
            if name not in shared:
                shared[name] = new = name.lower() + "_" * (name.lower() in language.rules)
                rules[new] = rule(language.rules[name])
            return Ref(shared[name])

        rules: dict[str, Expr] = {}
        shared: dict[str, str] = {}
        root = rule(language.root)
        rules |= {name: rule(expr) for name, expr in language.rules.items() if not name.isupper()}
        return cls(root, rules, {name: expr for expr, name in names.items()}, language.rules)


def _delimited(parts: tuple[Expr, ...], is_counted: Callable[[Expr], bool]) -> list[Expr]:
    """The parts of a sequence, each counted repetition together with the characters on both its sides."""
    out: list[Expr] = []
    for part in parts:
        last = out[-1] if out else EMPTY
        if is_counted(part) and isinstance(last, Lit):
            out[-1:] = [Lit(last.text[:-1]), seq(last.text[-1:], part)]
        elif isinstance(part, Lit) and is_counted(last.parts[-1] if isinstance(last, Seq) else last):
            out[-1:] = [seq(last, part.text[:1]), Lit(part.text[1:])]
        else:
            out.append(part)
    return [part for part in out if part != EMPTY]


def _clashes(grammar: _Grammar, machines: dict[Expr, Automaton]) -> dict[Expr, Expr] | None:
    """Terminals whose longest match may be a wrong one, with the split of each; `None`: too many states.

    Bytes are compared, since the lexer reads bytes.
    """
    if isinstance(grammar.root, Ref) and grammar.root.name in grammar.terminals:
        return {}
    follow = _follow(grammar)
    try:
        found = clashes(
            grammar.terminals, grammar.flat, lambda name, ranges: bool(follow[name] & _leads(ranges)), machines
        )
    except TooManyStates:
        return None
    made: dict[Expr, Expr] = {}
    for name, cuts in found.items():
        _split(grammar.terminals[name], cuts, grammar.flat, made)
    return made


def _split(expr: Expr, cuts: set[Cut], flat: Mapping[str, Expr], made: dict[Expr, Expr]) -> None:
    """Note the parts of a terminal in `made`: a sequence or a literal is cut, of others each child is a terminal.

    A cut at the very beginning is one behind the first part. Behind the first cut, parts that hold several tokens of JSON
    are split between any two of these: there they would clash in the next round.
    """
    parts = expr.parts if isinstance(expr, Seq) else (expr,)
    cuts = cuts.union(edge for edge in _tokens(parts)[0] if not cuts or edge > min(cuts))
    pieces: list[list[Expr]] = [[]]
    for at, part in enumerate(parts):
        if (at, 0) in cuts or (at == 1 and (0, 0) in cuts):
            pieces.append([])
        offsets = sorted(offset for index, offset in cuts if index == at and offset)
        if offsets and isinstance(part, Lit):
            for start, stop in zip([0, *offsets], [*offsets, None], strict=True):
                pieces[-1].append(Lit(part.text[start:stop]))
                pieces.append([])
            pieces.pop()
        else:
            pieces[-1].append(part)
    cut = tuple(seq(*piece) for piece in pieces if piece)
    if len(cut) > 1:
        made[expr] = Seq(cut)
        behind: Iterable[Expr] = cut[1:]
    elif isinstance(expr, Choice) and (single := [part for part in expr.options if not _has_tokens(part, flat)]):
        behind = [part for part in expr.options if part not in single]
        made[expr] = Choice((choice(*single), *behind)) if behind else expr
    else:
        made[expr] = expr
        behind = [flat[expr.name]] if isinstance(expr, Ref) else children(expr)
    for part in behind:
        if part not in made and _has_tokens(part, flat):
            _split(part, set(), flat, made)


def _has_tokens(expr: Expr, flat: Mapping[str, Expr]) -> bool:
    """Whether several tokens of JSON are in the texts of an expression."""
    edges, outside = _tokens(expr.parts if isinstance(expr, Seq) else (expr,))
    below = (part for each in outside for part in ([flat[each.name]] if isinstance(each, Ref) else children(each)))
    return bool(edges) or any(_has_tokens(part, flat) for part in below)


def _tokens(parts: Sequence[Expr]) -> tuple[list[Cut], list[Expr]]:
    """The places between tokens of JSON, where a key and its colon are one, and the parts outside of strings."""
    cuts: list[Cut] = []
    outside: list[Expr] = []
    is_inside = False  # of a string
    for at, part in enumerate(parts):
        if not isinstance(part, Lit):
            outside += [] if is_inside else [part]
            continue
        position = 0
        while found := (_STRING_END if is_inside else _TOKEN).match(part.text, position):
            position = found.end()
            if not is_inside and not found[1].startswith(":"):
                cuts.append((at, found.start(1)))
            is_inside = found[1] == '"' and not is_inside
            if not is_inside and part.text[position : position + 1] != ":":
                cuts.append((at, position) if position < len(part.text) else (at + 1, 0))
    return [cut for cut in cuts if (0, 0) < cut < (len(parts), 0)], outside


def _follow(grammar: _Grammar) -> dict[str, int]:
    """The bytes that may stand behind each rule and terminal, as the bits of a number."""
    starts: dict[str, int] = dict.fromkeys(grammar.rules, 0)
    for name, expr in grammar.terminals.items():
        state = Matcher.start(Language(expr, grammar.flat))
        starts[name] = _leads(state.next_chars.ranges) | (_END if state.complete else 0)
    follow: dict[str, int] = dict.fromkeys(starts, 0)

    def walk(expr: Expr, after: int) -> int:
        """The bytes that begin the expression, and `after` where it may be empty."""
        match expr:
            case Lit() | CharClass():
                return after
            case Seq(parts):
                for part in reversed(parts):
                    after = walk(part, after)
                return after
            case Choice(options):
                return reduce(int.__or__, (walk(option, after) for option in options), 0)
            case Repeat(item, least, _):
                begin = walk(item, after)
                walk(item, begin | after)
                return begin if least else begin | after
            case Ref(name):
                follow[name] |= after
                return starts[name] & ~_END | (after if starts[name] & _END else 0)
            case _:
                assert_never(expr)

    before: list[dict[str, int]] = []
    while before != (now := [{**starts}, {**follow}]):
        before = now
        walk(grammar.root, _END)
        for name, expr in grammar.rules.items():
            starts[name] = walk(expr, _END)
            walk(expr, follow[name])
    return follow


@lru_cache(maxsize=4096)
def _leads(ranges: tuple[tuple[int, int], ...]) -> int:
    """The bytes with which the UTF-8 of characters begins, as the bits of a number."""
    pairs = ((chr(low).encode()[0], chr(high).encode()[0]) for low, high in ranges)
    return reduce(int.__or__, ((1 << high + 1) - (1 << low) for low, high in pairs), 0)


def _print(expr: Expr, *, inner: bool = False) -> str:
    match expr:
        case Lit(text):
            return json.dumps(text)
        case CharClass(ranges):
            return "/[" + "".join(_code(low) + (f"-{_code(high)}" if high > low else "") for low, high in ranges) + "]/"
        case Seq(parts):
            body = " ".join(_print(part, inner=True) for part in parts)
            return f"({body})" if inner else body
        case Choice(options):
            body = " | ".join(_print(option, inner=True) for option in options)
            return f"({body})" if inner else body
        case Repeat(item, least, most):
            counts: dict[tuple[int, int | None], str] = {(0, None): "*", (1, None): "+", (0, 1): "?"}
            count = counts.get((least, most))
            body = _print(item, inner=True)
            body = f"({body})" if isinstance(item, Repeat) else body
            return body + (count or f"{{{least},{'' if most is None else most}}}")
        case Ref(name):
            return name
        case _:
            assert_never(expr)


def _code(point: int) -> str:
    char = chr(point)
    return char if char.isascii() and char.isalnum() else f"\\x{{{point:X}}}"
