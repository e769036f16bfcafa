"""Token bounds: the fewest and the most tokens of an answer, for each tokenisation that an engine may choose.

The upper bound: a token has at least one byte, and one more token ends the text. Byte-level vocabularies reach it.

The lower bound: each byte of a text takes a share of its token, one divided by the length of the longest token that holds
the byte with a neighbour of it. The shares in a token add up to at most one, so a text takes at least as many tokens as its
shares add up to. (The token that ends a text may be cut off.) Where only the longest token is known, all shares are equal.
Shares of single bytes and pairs matter most: in many vocabularies digits are single tokens, and quotation marks and braces
are in short tokens only. The exact minimum would need the vocabulary's own paths through the language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf
from typing import assert_never

from typefold.compiler.grammar.nodes import CharClass, Choice, Expr, Language, Lit, Ref, Repeat, Seq, solve_rules

_ROUNDING = 1e-6  # shares are added up as floats


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Vocabulary:
    """Facts about a tokenizer that bounds need. It compares by identity, since to compare all tokens takes long.

    Attributes:
        longest: The bytes of the longest token.
        holding: The bytes of the longest token that holds a single byte or a pair of bytes; what is missing is in no
            token. `None` where the bytes of the tokens are unknown.
    """

    longest: int
    holding: Mapping[bytes, int] | None = field(default=None, repr=False)

    @classmethod
    def of_tokens(cls, tokens: Iterable[bytes]) -> Vocabulary:
        """Make the facts about a vocabulary.

        Args:
            tokens: The bytes of all tokens.

        Returns:
            The vocabulary, with the tokens' bytes known.

        Example:
            >>> Vocabulary.of_tokens([b"a", b"b", b"ab", b"bbb"]).holding
            {b'a': 2, b'b': 3, b'ab': 2, b'bb': 3}
        """
        holding: dict[bytes, int] = {}
        longest = 1
        for token in sorted(tokens, key=len):  # so that the longest token is the last to write an entry
            longest = size = max(len(token), 1)
            for at in range(len(token)):
                holding[token[at : at + 1]] = holding[token[at : at + 2]] = size
        return cls(longest, holding)


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """The fewest and the most tokens of an answer.

    Attributes:
        least: The least number of tokens of a whole answer, 1 or more.
        most: The largest number of tokens, with the end-of-text token; `None` where there is no bound.
    """

    least: int
    most: int | None

    @classmethod
    def of_bytes(cls, least: float, most: float, vocabulary: Vocabulary) -> TokenBounds:
        """Bound tokens by bytes.

        Args:
            least: The fewest UTF-8 bytes of an answer.
            most: The most UTF-8 bytes of an answer (`inf`: no bound).
            vocabulary: Facts about the tokenizer.

        Returns:
            The bounds on tokens.
        """
        return cls(max(1, -(-int(least) // vocabulary.longest)), None if most == inf else int(most) + 1)


def token_bounds(language: Language, vocabulary: Vocabulary) -> TokenBounds:
    """Bound the tokens of all texts of a language.

    Args:
        language: The language.
        vocabulary: Facts about the tokenizer.

    Returns:
        The fewest and the most tokens of a text.

    Example:
        >>> from typefold.compiler.grammar.nodes import Language, choice
        >>> token_bounds(Language(choice("keep", "drop")), Vocabulary(longest=16))
        TokenBounds(least=1, most=5)
        >>> token_bounds(Language(choice("2024", "2025")), Vocabulary.of_tokens([b"2", b"0", b"24", b"25"]))
        TokenBounds(least=3, most=5)
    """
    bounds = TokenBounds.of_bytes(*byte_bounds(language), vocabulary)
    if vocabulary.holding is None:
        return bounds
    shares = _least_of(language, _Shares(vocabulary.longest, vocabulary.holding).least)
    if shares == inf:
        return bounds
    return TokenBounds(max(bounds.least, ceil(shares - _ROUNDING)), bounds.most)


def byte_bounds(language: Language) -> tuple[float, float]:
    """The fewest and the most UTF-8 bytes of a text of the language (`inf`: no bound)."""
    most = _most_bytes(language.root, solve_rules(language, _most_bytes))
    return _least_of(language, _fewest_bytes), most


def _least_of(language: Language, measure: Callable[[Lit | CharClass], float]) -> float:
    """The least that a text of the language measures, where a text measures the sum of its parts."""
    known = solve_rules(language, partial(_least, measure))
    return _least(measure, language.root, known)


def _least(measure: Callable[[Lit | CharClass], float], expr: Expr, known: Mapping[str, float]) -> float:
    match expr:
        case Lit() | CharClass():
            return measure(expr)
        case Seq(parts):
            return sum(_least(measure, part, known) for part in parts)
        case Choice(options):
            return min((_least(measure, option, known) for option in options), default=inf)
        case Repeat(item, least):
            return least * _least(measure, item, known) if least else 0
        case Ref(name):
            return known[name]
        case _:
            assert_never(expr)


def _fewest_bytes(expr: Lit | CharClass) -> float:
    if isinstance(expr, Lit):
        return len(expr.text.encode())
    return len(chr(expr.ranges[0][0]).encode()) if expr.ranges else inf


class _Shares:
    """The least shares of tokens that literals and characters take, for all neighbours."""

    def __init__(self, longest: int, holding: Mapping[bytes, int]) -> None:
        self.longest = longest
        self.holding = holding
        self.single = [1 / holding.get(bytes([byte]), longest) for byte in range(256)]
        self.continued = min(self.single[0x80:0xC0])  # of the bytes of a character after its first
        self.classes: dict[CharClass, float] = {}

    def least(self, expr: Lit | CharClass) -> float:
        if isinstance(expr, Lit):
            return self.text(expr.text.encode())
        if expr not in self.classes:
            self.classes[expr] = min((self.range(low, high) for low, high in expr.ranges), default=inf)
        return self.classes[expr]

    def text(self, data: bytes) -> float:
        """Shares of a literal. At its ends the neighbours are unknown; inside, a token of several bytes holds one of two."""
        last = len(data) - 1
        shares = 0.0
        for at, byte in enumerate(data):
            if at in (0, last):
                shares += self.single[byte]
            else:
                before, behind = data[at - 1 : at + 1], data[at : at + 2]
                shares += 1 / max(1, self.holding.get(before, 1), self.holding.get(behind, 1))
        return shares

    def range(self, low: int, high: int) -> float:
        """The least share of a character in a range; beyond ASCII by its first byte."""
        found = min(self.single[low : min(high, 0x7F) + 1], default=inf)
        for first, last in ((0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                head, tail = chr(start).encode("utf-8", "surrogatepass"), chr(end).encode("utf-8", "surrogatepass")
                leading = min(self.single[head[0] : tail[0] + 1])
                found = min(found, leading + (len(head) - 1) * self.continued)
        return found


def _most_bytes(expr: Expr, known: Mapping[str, float]) -> float:
    match expr:
        case Lit(text):
            return len(text.encode())
        case CharClass(ranges):
            return len(chr(ranges[-1][1]).encode()) if ranges else 0
        case Seq(parts):
            return sum(_most_bytes(part, known) for part in parts)
        case Choice(options):
            return max((_most_bytes(option, known) for option in options), default=0)
        case Repeat(item, _, most):
            longest = _most_bytes(item, known)
            return 0 if longest == 0 else inf if most is None else most * longest
        case Ref(name):
            return known[name]
        case _:
            assert_never(expr)
