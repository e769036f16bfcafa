"""Token bounds: how few and how many tokens an answer of a language can take.

Both bounds hold for every tokenisation that the engine may choose. The lower one is never too high: a text of n bytes
needs at least n divided by the longest token, and the token that ends the text may be cut off. The upper one is never too
low: a token is at least one byte, and one more ends the text. Closer bounds need the vocabulary's own paths through the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import assert_never

from typefold.compiler.wire import CharClass, Choice, Expr, Language, Lit, Ref, Repeat, Seq, flat_rules

__all__ = ["TokenBounds", "Vocabulary", "byte_bounds", "token_bounds"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What bounds need to know of a tokenizer.

    Attributes:
        longest: The bytes of the longest token.
    """

    longest: int


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """The tokens of an answer.

    Attributes:
        least: No whole answer takes fewer (1 or more).
        most: No answer takes more, the end-of-text token included; `None` where there is no bound.
    """

    least: int
    most: int | None

    @classmethod
    def of_bytes(cls, least: float, most: float, vocabulary: Vocabulary) -> TokenBounds:
        """The bounds on tokens that follow from bounds on UTF-8 bytes (`inf`: no bound)."""
        return cls(max(1, -(-int(least) // vocabulary.longest)), None if most == inf else int(most) + 1)


def token_bounds(language: Language, vocabulary: Vocabulary) -> TokenBounds:
    """Bounds on the tokens of any text of the language.

    Example:
        >>> from typefold.compiler.wire import Language, choice
        >>> token_bounds(Language(choice("keep", "drop")), Vocabulary(longest=16))
        TokenBounds(least=1, most=5)
    """
    return TokenBounds.of_bytes(*byte_bounds(language), vocabulary)


def byte_bounds(language: Language) -> tuple[float, float]:
    """The least and the most UTF-8 bytes of a text of the language (`inf`: no bound)."""
    shortest: dict[str, float] = dict.fromkeys(language.rules, inf)
    flat = flat_rules(language)
    for name in flat:
        shortest[name] = _least(language.rules[name], shortest)
    looped = {name: language.rules[name] for name in language.rules.keys() - flat}
    for _ in looped:  # a shortest text visits no rule twice on one path, so this many rounds settle it
        shortest |= {name: _least(expr, shortest) for name, expr in looped.items()}
    return _least(language.root, shortest), _Longest(language.rules).of(language.root)


def _least(expr: Expr, known: Mapping[str, float]) -> float:
    match expr:
        case Lit(text):
            return len(text.encode())
        case CharClass(ranges):
            return len(chr(ranges[0][0]).encode()) if ranges else inf
        case Seq(parts):
            return sum(_least(part, known) for part in parts)
        case Choice(options):
            return min((_least(option, known) for option in options), default=inf)
        case Repeat(item, least):
            return least * _least(item, known) if least else 0
        case Ref(name):
            return known[name]
        case _:
            assert_never(expr)


class _Longest:
    def __init__(self, rules: Mapping[str, Expr]) -> None:
        self.rules = rules
        self.known: dict[str, float | None] = {}

    def of(self, expr: Expr) -> float:
        match expr:
            case Lit(text):
                return len(text.encode())
            case CharClass(ranges):
                return len(chr(ranges[-1][1]).encode()) if ranges else 0
            case Seq(parts):
                return sum(self.of(part) for part in parts)
            case Choice(options):
                return max((self.of(option) for option in options), default=0)
            case Repeat(item, _, most):
                longest = self.of(item)
                return 0 if longest == 0 else inf if most is None else most * longest
            case Ref(name):
                if name not in self.known:
                    self.known[name] = None  # being worked out: met again, it is recursion
                    self.known[name] = self.of(self.rules[name])
                longest_of_rule = self.known[name]
                return inf if longest_of_rule is None else longest_of_rule
            case _:
                assert_never(expr)
