"""Printer of languages in xgrammar's EBNF.

Forms of one language differ in cost a thousandfold (`benchmarks/grammar.py`), so each construct takes the cheapest:

- Text with a length bound is a chain of rules, one for each number of characters left. The end of the text (mostly a
  quotation mark, else all up to the next literal, in a rule of its own) stands inside the chain. Chains of one kind of
  character share their rules, so a backend that caches by rule compiles only the longest.
- Text without a bound is right-recursive with its end inside. A class without characters beyond U+FFFF repeats in place,
  and so does any class with a small exact count.
- Other repetitions, such as the items of an array, are counted by `{m,n}`.
- A choice of many literals is a tree of their prefixes, which compiles in a tenth of the time.
- A bounded text at the end of an answer is followed by `(=[])`, a lookahead that never matches. It tells the backend that
  no token can reach beyond the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby, takewhile
from typing import assert_never

from typefold.compiler.grammar.enumerate import common_prefix
from typefold.compiler.grammar.nodes import (
    EMPTY,
    CharClass,
    Choice,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    Seq,
    children,
    seq,
)

_WIDE = 16  # a class of more characters than this is text: counting it in place makes masks slow
_LONGEST_CHAIN = 1000  # a longer bound is counted in place: slow masks, but it compiles
_MANY = 256  # a choice of more literals than this is written as a tree
_LEAVES = 16  # of that, so many are written out one by one
_LONG_CHOICE = 32  # a choice of more literals than this gets a rule of its own
_FAR = CharClass(((0x10000, 0x10FFFF),))  # characters of four bytes in UTF-8
_FEW = 8  # an exact count of a class up to this is written out
_LONG_CLASS = 200  # a class with a longer text than this gets a rule of its own


def print_ebnf(language: Language) -> str:
    """The language as an xgrammar grammar whose first rule is `root`."""
    printer = _Printer(set(language.rules))
    lines = [f"root ::= {printer.expr(language.root, final=True)}"]
    lines += [f"{name} ::= {printer.expr(expr)}" for name, expr in language.rules.items()]
    return "\n".join([*lines, *(f"{name} ::= {body}" for name, body in printer.made.items())]) + "\n"


class _Printer:
    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.made: dict[str, str] = {}
        self.names: dict[tuple[Expr, bool], str] = {}
        self.chains: dict[tuple[Expr, Expr, bool], _Chain] = {}
        # By identity, with the node, so that it lives: the item of an array is one node in two places.
        self.printed: dict[int, tuple[Expr, str]] = {}
        self.ends: dict[int, tuple[Expr, bool]] = {}

    def expr(self, expr: Expr, end: Expr = EMPTY, *, final: bool = False, inner: bool = False) -> str:
        """Print an expression with its `end`; `final`: nothing can follow; `inner`: in parentheses where needed."""
        if end is not EMPTY and not self.ends_in_chain(expr):
            body = f"{self.expr(expr, inner=True)} {self.end(end, final=final)}"
            return f"({body})" if inner else body
        match expr:
            case Lit(text):
                return _literal(text)
            case CharClass():
                return self.char_class(expr)
            case Seq(parts):
                body = " ".join(self.sequence(parts, end, final=final))
            case Choice():
                return self.choice(expr, end, final=final, inner=inner)
            case Repeat():
                return self.chain(expr, end, final=final) if _is_chain(expr, final=final) else self.repetition(expr)
            case Ref(name):
                return name
            case _:
                assert_never(expr)
        return f"({body})" if inner else body

    def sequence(self, parts: tuple[Expr, ...], end: Expr, *, final: bool) -> list[str]:
        """Print the parts; text takes its successors into its rules, up to a literal's first character."""
        words: list[str] = []
        rest = [part for part in reversed(parts) if not isinstance(part, Lit) or part.text]
        while rest:
            part = rest.pop()
            if not self.ends_in_chain(part):
                words.append(self.expr(part, inner=True, final=final and not rest and end is EMPTY))
                continue
            behind: list[Expr] = []
            while rest and not isinstance(rest[-1], Lit):
                behind.append(rest.pop())
            if not rest:
                return [*words, self.expr(part, seq(*behind, end), inner=True, final=final)]
            if isinstance(literal := rest.pop(), Lit):
                words.append(self.expr(part, seq(*behind, literal.text[0]), inner=True))
                rest += [Lit(literal.text[1:])] if literal.text[1:] else []
        if end is not EMPTY:
            words.append(self.end(end, final=final))
        return words or ['""']

    def end(self, end: Expr, *, final: bool) -> str:
        """The end of a text: a literal in place, else a rule, since it may stand in many places."""
        if isinstance(end, (Lit, Ref)):
            return self.expr(end)
        if (end, final) not in self.names:
            name = self.names[end, final] = self.fresh("end")
            self.made[name] = ""  # keeps the order in which rules are named
            body = self.expr(end, final=final)
            self.made[name] = f"({body}) (=[])" if final else body
        return self.names[end, final]

    def ends_in_chain(self, expr: Expr) -> bool:
        """Whether the text of a chain may stand at the end, so that its successors belong in its rules."""
        match expr:
            case Lit() | CharClass() | Ref():
                return False
            case Repeat():
                return _is_chain(expr, final=False)
            case Seq() | Choice():
                if (known := self.ends.get(id(expr))) is None:
                    parts = children(expr) if isinstance(expr, Choice) else _after_last_literal(expr)
                    known = self.ends[id(expr)] = expr, any(map(self.ends_in_chain, parts))
                return known[1]
            case _:
                assert_never(expr)

    def choice(self, expr: Choice, end: Expr, *, final: bool, inner: bool) -> str:
        options = expr.options
        if not options:
            return "[]"
        if len(options) > _LONG_CHOICE and all(isinstance(option, Lit) for option in options):
            texts = [option.text for option in options if isinstance(option, Lit)]
            body = self.tree(texts) if len(texts) > _MANY else " | ".join(map(_literal, texts))
            return self.rule(expr, "choice", body)
        if final or end is not EMPTY:
            body = " | ".join(self.expr(option, end, inner=True, final=final) for option in options)
        elif id(expr) in self.printed:
            body = self.printed[id(expr)][1]
        else:
            body = " | ".join([self.expr(option, inner=True) for option in options])
            self.printed[id(expr)] = expr, body
        return f"({body})" if inner else body

    def tree(self, texts: Iterable[str]) -> str:
        """Print many literals as a tree: a shared prefix stands once, with a rule for its continuations."""
        top = ""
        pending: list[tuple[str, list[str]]] = [("", sorted(set(texts)))]
        while pending:
            name, group = pending.pop()
            words: list[str] = []
            for first, members in groupby(group, key=lambda text: text[:1] if len(group) > _LEAVES else text):
                alike = list(members)
                if len(alike) == 1 or not first:
                    words += map(_literal, alike)
                    continue
                start = alike[0][: common_prefix(alike[0], alike[-1])]  # of all, since they are sorted
                rest = self.fresh("choice")
                self.made[rest] = ""  # keeps the order in which rules are named
                words.append(f"{_literal(start)} {rest}")
                pending.append((rest, [text[len(start) :] for text in alike]))
            if name:
                self.made[name] = " | ".join(words)
            else:
                top = " | ".join(words)
        return top

    def char_class(self, expr: CharClass) -> str:
        """Print a class; one that xgrammar would misread is a choice of two that it reads well."""
        if _is_misread(expr):
            return f"({self.plain_class(expr - _FAR)} | {self.plain_class(expr & _FAR)})"
        return self.plain_class(expr)

    def plain_class(self, expr: CharClass) -> str:
        text = _class(expr)
        return text if len(text) <= _LONG_CLASS else self.rule(expr, "class", text)

    def repetition(self, expr: Repeat) -> str:
        item, least, most = expr.item, expr.least, expr.most
        if isinstance(item, CharClass) and _is_text(item) and _is_few(expr):
            return " ".join([self.char_class(item)] * least) or '""'
        body = f"({self.expr(item)})" if isinstance(item, Repeat) else self.expr(item, inner=True)
        return body + _count(least, most)

    def chain(self, expr: Repeat, end: Expr, *, final: bool) -> str:
        """The rule for so many characters left, and through it the rules for fewer."""
        final = final and expr.most is not None
        known = self.chains.setdefault((expr.item, end, final), _Chain())
        # From the shortest up, so that long chains need no deep recursion here.
        left = (expr.least, expr.most)
        pending: list[_Left] = []
        while left not in known.names and left not in pending[-1:]:
            pending.append(left)
            left = _less(*left)
        for left in reversed(pending):
            self.state(left, expr.item, end, known, final=final)
        return known.names[expr.least, expr.most]

    def state(self, left: _Left, item: Expr, end: Expr, known: _Chain, *, final: bool) -> None:
        least, most = left
        name = known.names[left] = self.fresh("text")
        self.made[name] = ""  # keeps the order in which rules are named
        words: list[str] = []
        if most != 0:
            if not known.items:
                options = item.options if isinstance(item, Choice) else (item,)
                known.items = [
                    self.plain_class(option) if isinstance(option, CharClass) else self.expr(option, inner=True)
                    for option in options
                ]
            rest = known.names[_less(*left)]
            words += [f"{text} {rest}" for text in known.items]
        if least == 0:
            words.append(self.end(end, final=final))
        body = " | ".join(words)
        self.made[name] = f"({body}) (=[])" if final and most != 0 else body

    def rule(self, expr: Expr, base: str, body: str) -> str:
        if (expr, False) not in self.names:
            self.names[expr, False] = self.fresh(base)
            self.made[self.names[expr, False]] = body
        return self.names[expr, False]

    def fresh(self, base: str) -> str:
        number = len(self.taken)
        while f"{base}{number}" in self.taken:
            number += 1
        self.taken.add(f"{base}{number}")
        return f"{base}{number}"


def _after_last_literal(expr: Seq) -> Iterable[Expr]:
    return takewhile(lambda part: not isinstance(part, Lit), reversed(expr.parts))


_Left = tuple[int, int | None]  # how many items must come yet, and how many may


class _Chain:
    """The rules for one kind of text and of end, by the number of items left, and the forms of one item."""

    def __init__(self) -> None:
        self.names: dict[_Left, str] = {}
        self.items: list[str] = []


def _less(least: int, most: int | None) -> _Left:
    return max(least - 1, 0), None if most is None else max(most - 1, 0)


def _is_chain(expr: Repeat, *, final: bool) -> bool:
    """Whether a repetition becomes a chain of rules, and is not counted or starred in place."""
    item, least, most = expr.item, expr.least, expr.most
    if most is None:
        in_place = isinstance(item, CharClass) and len(_class(item)) <= _LONG_CLASS and not _is_misread(item)
        return least <= _LONGEST_CHAIN and not in_place
    few = isinstance(item, CharClass) and _is_few(expr) and not final
    return _is_text(item) and most <= _LONGEST_CHAIN and not few


def _is_few(expr: Repeat) -> bool:
    return expr.most is not None and expr.least == expr.most <= _FEW


def _is_misread(expr: CharClass) -> bool:
    """Whether a class has characters of four bytes in UTF-8 beside others.

    Where such a class follows a rule, xgrammar's masks have tokens that it then refuses. At the start of a rule it is safe.
    """
    return bool(expr.ranges) and expr.ranges[-1][1] > 0xFFFF >= expr.ranges[0][0]


def _is_text(item: Expr) -> bool:
    """Whether most tokens of a vocabulary could stand here."""
    match item:
        case CharClass():
            return len(item) > _WIDE
        case Choice(options):
            return any(_is_text(option) for option in options)
        case Repeat(part):
            return _is_text(part) and _is_few(item)
        case Lit() | Seq() | Ref():
            return False
        case _:
            assert_never(item)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _literal(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _code(ord(char)) for char in text)
    return f'"{text}"'


@lru_cache(maxsize=1024)
def _class(expr: CharClass) -> str:
    """The class by its members. A negated class (`[^...]`) may be shorter, but xgrammar's masks lack tokens behind it."""
    spans = (_code(low) + (f"-{_code(high)}" if high > low else "") for low, high in expr.ranges)
    return f"[{''.join(spans)}]"


def _code(point: int) -> str:
    if chr(point).isascii() and chr(point).isalnum():
        return chr(point)
    # Never \\x: xgrammar reads on for as long as there are hexadecimal digits, so `\\x0aB` would be U+00AB.
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
