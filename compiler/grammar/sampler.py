"""Random texts of a language: for the scripted engine, property tests and examples in documentation.

Lengths are small. Beyond a budget of depth and one of references, recursion takes the option that ends soonest, so that
sampling always ends.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from math import inf
from typing import assert_never

from typefold.compiler.grammar.nodes import CharClass, Choice, Expr, Language, Lit, Ref, Repeat, Seq, solve_rules

_DEEPEST = 24  # nested references before the shortest way out is taken
_MOST = 200  # references in all before it is taken too: a tree of many children would never end
_MORE, _LESS = 0.75, 0.25  # the odds of one repetition more
_SHALLOW = 4  # nested references from which on it is the lower odds
_READABLE = CharClass(((0x20, 0x7E),))


def sample(language: Language, rng: random.Random, *, exotic: float = 0.05) -> str:
    """Draw one text of a language that is not empty; the same seed gives the same text.

    `exotic` is the probability that a character class gives any of its characters, and not a printable ASCII one.
    """
    return sampler(language, rng, exotic=exotic)()


def sampler(language: Language, rng: random.Random, *, exotic: float = 0.05) -> Callable[[], str]:
    """Make a function that draws one text after another, as `sample` does; a large language is looked through once."""
    made = _Sampler(language, rng, exotic)

    def draw() -> str:
        made.references = 0
        return made.text(language.root, 0)

    return draw


def shortest_height(language: Language) -> float:
    """The least number of nested rules that a text of the language needs; infinite for a language without a text."""
    return _height(language.root, _heights(language))


def _heights(language: Language) -> dict[str, float]:
    return solve_rules(language, lambda expr, known: 1 + _height(expr, known))


def _height(expr: Expr, known: Mapping[str, float]) -> float:
    match expr:
        case Lit():
            return 0
        case CharClass(ranges):
            return 0 if ranges else inf
        case Seq(parts):
            return max((_height(part, known) for part in parts), default=0)
        case Choice(options):
            return min((_height(option, known) for option in options), default=inf)
        case Repeat(item, least):
            return _height(item, known) if least else 0
        case Ref(name):
            return known[name]
        case _:
            assert_never(expr)


class _Sampler:
    def __init__(self, language: Language, rng: random.Random, exotic: float) -> None:
        self.rules = language.rules
        self.rng = rng
        self.exotic = exotic
        self.references = 0
        self.heights = _heights(language)
        if _height(language.root, self.heights) == inf:
            raise ValueError("the language is empty: there is no text to sample")

    def text(self, expr: Expr, depth: int) -> str:
        """Write from left to right with a list of pending nodes: objects of many fields nest deeper than Python's stack."""
        written: list[str] = []
        pending = [(expr, depth)]
        while pending:
            node, depth = pending.pop()
            match node:
                case Lit(text):
                    written.append(text)
                case CharClass():
                    readable = node & _READABLE
                    pool = readable if len(readable) and self.rng.random() >= self.exotic else node
                    written.append(pool.nth(self.rng.randrange(len(pool))))
                case Seq(parts):
                    pending += [(part, depth) for part in reversed(parts)]
                case Choice(options):
                    finite = [(_height(option, self.heights), option) for option in options]
                    least = min(height for height, _ in finite)
                    pool_of = [option for height, option in finite if height < inf]
                    shortest = [option for height, option in finite if height == least]
                    pending.append((self.rng.choice(shortest if self.is_spent(depth) else pool_of), depth))
                case Repeat(item):
                    pending += [(item, depth)] * self.count(node, depth)
                case Ref(name):
                    self.references += 1
                    pending.append((self.rules[name], depth + 1))
                case _:
                    assert_never(node)
        return "".join(written)

    def count(self, expr: Repeat, depth: int) -> int:
        count, most = expr.least, expr.most
        if _height(expr.item, self.heights) < inf and not self.is_spent(depth):
            while (most is None or count < most) and self.rng.random() < (_MORE if depth < _SHALLOW else _LESS):
                count += 1
        return count

    def is_spent(self, depth: int) -> bool:
        return depth > _DEEPEST or self.references > _MOST
