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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from typefold.compiler.grammar.matcher import Matcher, Pair, first_chars
from typefold.compiler.grammar.nodes import (
    EMPTY,
    MAX_CODE_POINT,
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
    rebuild,
    references,
    seq,
)

_END = -1  # stands beside bytes for the end of an expression
_MARK = "\ud800"  # stands before the name of a terminal at its end; no class holds it
_MAX_STATES = 4000  # of the lexer; a grammar that needs more is split into characters unchecked
_LONG = 16  # a repetition with a larger count is long


def print_lark(language: Language) -> str:
    """The language as a Lark grammar whose first rule is `start`. Raises ValueError for the empty language."""
    long, apart = _LONG, dict[Expr, Expr]()
    plain = _plain(language, long)
    if plain.root == NEVER:
        raise ValueError("the language is empty: there is no text that a grammar could admit")
    while (clashes := _clashes(grammar := _Grammar.of(plain, apart, long))) != {}:
        if long == _LONG:
            long, plain = sys.maxsize, _plain(language, sys.maxsize)
        elif clashes is not None:
            apart |= clashes
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

        def is_flat(expr: Expr) -> bool:
            return all(name.isupper() for name in references(expr)) and not _holds_long(expr, long)

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
                    return rule(language.rules[name]) if flat else expr
                case CharClass():
                    raise AssertionError("a character is a terminal")
                case _:
                    assert_never(expr)

        root = rule(language.root)
        rules = {name: rule(expr) for name, expr in language.rules.items() if not name.isupper()}
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


def _clashes(grammar: _Grammar) -> dict[Expr, Expr] | None:
    """Terminals whose longest match may be a wrong one, with the split of each; `None`: too many states.

    Goes through the states of a lexer for all terminals at once. Counts are widened to stars so that the states are few:
    that may find too many terminals, and never too few. Bytes are compared, since the lexer reads bytes.
    """
    if isinstance(grammar.root, Ref) and grammar.root.name in grammar.terminals:
        return {}
    follow = _follow(grammar)
    flat = {name: _widen(expr) for name, expr in grammar.flat.items()}
    ends = [Seq((_widen(expr), Lit(_MARK + name))) for name, expr in grammar.terminals.items()]
    start = Matcher.start(Language(Choice(tuple(ends)), flat))
    found: dict[Expr, set[tuple[Expr, ...]]] = {}
    seen, pending = {start.stacks}, [start]
    while pending:
        state = pending.pop()
        done = [_terminal(stack) for stack in state.stacks if stack[1] is None]
        going = [stack for stack in state.stacks if stack[1] is not None]
        longer = char_class(*(pair for node, _ in going for pair in first_chars(node).ranges))
        if state is not start and any(follow[name] & _leads(longer) for name in done):
            for stack in going:
                found.setdefault(grammar.terminals[_terminal(stack)], set()).add(tuple(_unread(stack))[:-1])
            continue
        if len(seen) > _MAX_STATES:
            return None
        edges = {edge for node, _ in going for low, high in first_chars(node).ranges for edge in (low, high + 1)}
        for edge in edges - {MAX_CODE_POINT + 1}:
            if chr(edge) in longer and (after := state.advance(chr(edge))).stacks not in seen:
                seen.add(after.stacks)
                pending.append(after)
    return {expr: min((_split(expr, tail) for tail in tails), key=repr) for expr, tails in found.items()}


def _split(expr: Expr, tail: tuple[Expr, ...]) -> Expr:
    """Split a terminal before the `tail` still to be read, where a sequence can be cut there."""
    parts = list(expr.parts) if isinstance(expr, Seq) else [expr]
    kept = 0
    while kept < min(len(parts), len(tail)) - 1 and _widen(parts[-1 - kept]) == tail[-1 - kept]:
        kept += 1
    at, head = len(parts) - kept - 1, tail[0]
    part = parts[at]
    if isinstance(part, Lit) and isinstance(head, Lit) and part != head and part.text.endswith(head.text):
        parts[at : at + 1] = [Lit(part.text.removesuffix(head.text)), head]
        at += 1
    return Seq((seq(*parts[: at or 1]), seq(*parts[at or 1 :]))) if len(parts) > 1 else expr


def _follow(grammar: _Grammar) -> dict[str, frozenset[int]]:
    starts: dict[str, frozenset[int]] = dict.fromkeys(grammar.rules, frozenset())
    for name, expr in grammar.terminals.items():
        state = Matcher.start(Language(expr, grammar.flat))
        starts[name] = _leads(state.next_chars) | ({_END} if state.complete else frozenset())
    follow: dict[str, frozenset[int]] = dict.fromkeys(starts, frozenset())

    def walk(expr: Expr, after: frozenset[int]) -> frozenset[int]:
        """The bytes that begin the expression, and `after` where it may be empty."""
        match expr:
            case Lit() | CharClass():
                return after
            case Seq(parts):
                for part in reversed(parts):
                    after = walk(part, after)
                return after
            case Choice(options):
                return frozenset[int]().union(*(walk(option, after) for option in options))
            case Repeat(item, least, _):
                begin = walk(item, after)
                walk(item, begin | after)
                return begin if least else begin | after
            case Ref(name):
                follow[name] |= after
                return starts[name] - {_END} | (after if _END in starts[name] else frozenset[int]())
            case _:
                assert_never(expr)

    before: list[dict[str, frozenset[int]]] = []
    while before != (now := [{**starts}, {**follow}]):
        before = now
        walk(grammar.root, frozenset({_END}))
        for name, expr in grammar.rules.items():
            starts[name] = walk(expr, frozenset({_END}))
            walk(expr, follow[name])
    return follow


def _widen(expr: Expr) -> Expr:
    match expr:
        case Lit() | CharClass() | Ref():
            return expr
        case Seq(parts):
            return Seq(tuple(map(_widen, parts)))
        case Choice(options):
            return Choice(tuple(map(_widen, options)))
        case Repeat(item, least, most):
            return Repeat(_widen(item), min(least, 1), 1 if most == 1 else None)
        case _:
            assert_never(expr)


def _unread(stack: Pair | None) -> Iterator[Expr]:
    """The nodes of a stack, the innermost first; the last one names its terminal."""
    while stack is not None:
        node, stack = stack
        yield node


def _terminal(stack: Pair) -> str:
    *_, last = _unread(stack)
    assert isinstance(last, Lit)
    return last.text.removeprefix(_MARK)


def _leads(chars: CharClass) -> frozenset[int]:
    """The bytes with which the UTF-8 of the characters begins."""
    pairs = [(chr(low).encode()[0], chr(high).encode()[0]) for low, high in chars.ranges]
    return frozenset(byte for low, high in pairs for byte in range(low, high + 1))


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
