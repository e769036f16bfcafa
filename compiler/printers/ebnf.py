"""The wire language in xgrammar's EBNF.

Forms of one language differ in cost a thousandfold (`benchmarks/grammar.py`), so each construct takes the cheapest:

- Text with a length bound is a chain of rules, one for each number of characters left, and what ends it (a quotation mark
  mostly) stands inside the chain. Chains of one kind of character share their rules, whatever their bound: a backend
  that caches by rule compiles the longest and has them all.
- Text without a bound is right-recursive, its end inside too; a plain class repeats in place.
- Anything rarer than text, such as the items of an array, is counted by `{m,n}`.
- A bounded text at the very end of an answer is followed by a lookahead that never matches, `(=[])`: it tells the
  backend that no token can reach beyond the text.
"""

from __future__ import annotations

from typing import assert_never

from typefold.compiler.wire import EMPTY, CharClass, Choice, Expr, Language, Lit, Ref, Repeat, Seq

__all__ = ["print_ebnf"]

_WIDE = 16  # a class of more characters than this is text: counting it in place makes masks slow
_LONGEST_CHAIN = 1000  # a longer bound is counted in place: slow masks, but it compiles
_LONG_CHOICE = 32  # a choice of more literals than this gets a rule of its own
_LONG_CLASS = 200  # a class with a longer text than this gets a rule of its own


def print_ebnf(language: Language) -> str:
    """The language as an xgrammar grammar whose first rule is `root`."""
    printer = _Printer(set(language.rules))
    lines = [f"root ::= {printer.expr(language.root, final=True)}"]
    lines += [f"{name} ::= {printer.expr(expr)}" for name, expr in language.rules.items()]
    return "\n".join([*lines, *(f"{name} ::= {body}" for name, body in printer.made.items())]) + "\n"


class _Printer:
    """Prints expressions, and collects the rules that they need besides."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.made: dict[str, str] = {}
        self.names: dict[tuple[Expr, str, bool], str] = {}

    def expr(self, expr: Expr, *, final: bool = False, inner: bool = False) -> str:
        """An expression; `final`: nothing can follow it; `inner`: it stands among others and needs parentheses."""
        match expr:
            case Lit(text):
                return _literal(text)
            case CharClass():
                return self.char_class(expr)
            case Seq(parts):
                body = " ".join(self.sequence(list(parts), final=final))
                return f"({body})" if inner else body
            case Choice(options):
                return self.choice(options, final=final, inner=inner)
            case Repeat():
                return self.repetition(expr, "", final=final)
            case Ref(name):
                return name
            case _:
                assert_never(expr)

    def sequence(self, parts: list[Expr], *, final: bool) -> list[str]:
        """The parts; a text that a literal follows takes the literal's first character into its rules."""
        words: list[str] = []
        for index, part in enumerate(parts):
            after = parts[index + 1] if index + 1 < len(parts) else EMPTY
            if isinstance(part, Repeat) and isinstance(after, Lit) and after.text and _wants_end(part):
                words.append(self.repetition(part, after.text[0], final=False))
                parts[index + 1] = Lit(after.text[1:])
            elif part != EMPTY:
                words.append(self.expr(part, inner=True, final=final and index + 1 == len(parts)))
        return words or ['""']

    def choice(self, options: tuple[Expr, ...], *, final: bool, inner: bool) -> str:
        if not options:
            return "[]"
        if len(options) > _LONG_CHOICE and all(isinstance(option, Lit) for option in options):
            return self.rule(Choice(options), "", "choice", " | ".join(map(self.expr, options)))
        body = " | ".join(self.expr(option, inner=True, final=final) for option in options)
        return f"({body})" if inner else body

    def char_class(self, expr: CharClass) -> str:
        text = _class(expr)
        return text if len(text) <= _LONG_CLASS else self.rule(expr, "", "class", text)

    def repetition(self, expr: Repeat, end: str, *, final: bool) -> str:
        """A repetition, with the literal `end` (one character or none) behind it."""
        item, most = expr.item, expr.most
        if isinstance(item, CharClass) and len(_class(item)) <= _LONG_CLASS and (most is None or not _is_text(item)):
            return _class(item) + _count(expr.least, most) + (f" {_literal(end)}" if end else "")
        if most is None and expr.least <= _LONGEST_CHAIN:
            return self.chain(expr, end, lookahead=False)
        if most is not None and _is_text(item) and most <= _LONGEST_CHAIN:
            return self.chain(expr, end, lookahead=final and not end)
        body = f"({self.expr(item)})" if isinstance(item, Repeat) else self.expr(item, inner=True)
        return body + _count(expr.least, most) + (f" {_literal(end)}" if end else "")

    def chain(self, expr: Repeat, end: str, *, lookahead: bool) -> str:
        """The rule for these many characters left, and through it the rules for fewer."""
        key = (expr, end, lookahead)
        if key in self.names:
            return self.names[key]
        # From the shortest up, so that long chains need no deep recursion here.
        pending = [expr]
        while (rest := _less(pending[-1])) != pending[-1] and (rest, end, lookahead) not in self.names:
            pending.append(rest)
        for state in reversed(pending):
            self.state(state, end, lookahead=lookahead)
        return self.names[key]

    def state(self, expr: Repeat, end: str, *, lookahead: bool) -> None:
        key = (expr, end, lookahead)
        name = self.names[key] = self.fresh("text")
        self.made[name] = ""  # keeps the order in which rules are named
        rest = _less(expr)
        words: list[str] = []
        if expr.most != 0:
            item = expr.item
            options = item.options if isinstance(item, Choice) else (item,)
            words += [f"{self.expr(option, inner=True)} {self.names[rest, end, lookahead]}" for option in options]
        if expr.least == 0:
            words.append(_literal(end))
        body = " | ".join(words)
        self.made[name] = f"({body}) (=[])" if lookahead and expr.most != 0 else body

    def rule(self, expr: Expr, end: str, base: str, body: str) -> str:
        key = (expr, end, False)
        if key not in self.names:
            self.names[key] = self.fresh(base)
            self.made[self.names[key]] = body
        return self.names[key]

    def fresh(self, base: str) -> str:
        number = len(self.taken)
        while f"{base}{number}" in self.taken:
            number += 1
        self.taken.add(f"{base}{number}")
        return f"{base}{number}"


def _less(expr: Repeat) -> Repeat:
    """What is left to repeat after one item."""
    return Repeat(expr.item, max(expr.least - 1, 0), None if expr.most is None else max(expr.most - 1, 0))


def _wants_end(expr: Repeat) -> bool:
    return expr.most is None or _is_text(expr.item)


def _is_text(item: Expr) -> bool:
    """Whether most tokens of a vocabulary could stand here."""
    match item:
        case CharClass():
            return len(item) > _WIDE
        case Choice(options):
            return any(_is_text(option) for option in options)
        case Lit() | Seq() | Repeat() | Ref():
            return False
        case _:
            assert_never(item)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _literal(text: str) -> str:
    return '"' + "".join("\\" + char if char in '"\\' else _char(char) for char in text) + '"'


def _char(char: str) -> str:
    return char if char.isprintable() else _code(ord(char))


def _class(expr: CharClass) -> str:
    """The class, as what it leaves out where that is shorter; surrogates are no characters and always left out."""
    if not expr.ranges:
        return "[]"
    outside = (~expr).ranges
    if len(outside) + 1 < len(expr.ranges) or (len(expr.ranges) > 1 and expr.ranges[-1][1] == 0x10FFFF):
        return "[^" + "".join(_range(low, high) for low, high in (*outside, (0xD800, 0xDFFF))) + "]"
    return "[" + "".join(_range(low, high) for low, high in expr.ranges) + "]"


def _range(low: int, high: int) -> str:
    return _code(low) if low == high else f"{_code(low)}-{_code(high)}"


def _code(point: int) -> str:
    if chr(point).isascii() and chr(point).isalnum():
        return chr(point)
    # Never \\x: xgrammar reads on for as long as there are hexadecimal digits, so `\\x0aB` would be U+00AB.
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
