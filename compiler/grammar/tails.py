"""Where the rest of an object is forced, though what stands before it is free.

An object whose last field is one of a few values, as a label behind its reason, is settled as soon as that value is: what
is left of it and the closing bracket can only be written in one way. The key of that field with the beginning of its value
tells so, and an engine may stop there (`Tail.stops`).

Why a stop is never seen too early: in a JSON text `, "key": ` can't stand inside a string, since an escaped quote has a
backslash before it and one that is not ends the string, behind which no name can follow. So it is a key, and the language
has that key at one place alone, the end: none that is in a type which stands twice, or in an item of a list, will do, nor
one that a key which is free, in whole or in part, may come to.

Left out: languages that are not JSON, tails of more than a few texts, and what a tail of one closing bracket would save,
which can't be told from a bracket inside a string.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from typefold.compiler.grammar.enumerate import finite_texts, how_many, shared_length, shared_lengths
from typefold.compiler.grammar.nodes import Expr, Language, Lit, Ref, Repeat, Seq, children

__all__ = ["Tail", "tail_of"]

_MOST_STOPS = 32  # each is looked for in each new piece of an answer
_DEEPEST = 64
_KEY = re.compile(r', ?("(?:[^"\\]|\\.)*": ?)', re.DOTALL)
_FREE_KEY = re.compile(r'(?:[^"\\]|\\.)*":|: ?', re.DOTALL)  # the end of a key of which the beginning is no literal
_BEHIND_STRINGS = ",:]} \t\r\n"  # what may follow a string: the quote before a key that begins so may be the end of one


@dataclass(frozen=True)
class Tail:
    """The last, forced part of the texts of a language.

    Attributes:
        key: The name of the last field, whose value settles it.
        rests: By the text that settles it, what follows.
    """

    key: str
    rests: dict[str, str]

    @property
    def tokens(self) -> None:
        """No number of tokens settles it."""

    @property
    def begins(self) -> tuple[str, ...]:
        """Nothing: no first token settles it."""
        return ()

    @property
    def stops(self) -> tuple[str, ...]:
        """Where one of these is written, the rest is settled."""
        return tuple(self.rests)

    def stop_of(self, written: str) -> str | None:
        """The stop with which a text ends."""
        return next((stop for stop in self.rests if written.endswith(stop)), None)

    def whole(self, written: str) -> str | None:
        """The one text that begins with what is written up to a stop; `None` where it does not end with one."""
        stop = self.stop_of(written)
        return None if stop is None else written + self.rests[stop]


def tail_of(language: Language) -> Tail | None:
    """The forced end of the texts of a JSON language; `None` where it has none that a key tells.

    Example:
        >>> from typing import Literal
        >>> from pydantic import create_model
        >>> from typefold.compiler import output_type
        >>> Judgement = create_model("Judgement", reason=(str, ...), label=(Literal["keep", "drop"], ...))
        >>> tail_of(output_type(Judgement).constraint.language).rests
        {', "label": "d': 'rop"}', ', "label": "k': 'eep"}'}
    """
    uses = _uses(language)
    ends = _ends(language, uses)
    literals = _literals(language, uses) if ends else {}
    last = next((each for each in _keys_of(ends) if _is_known_by(literals, each[2])), None)
    if last is None:
        return None
    before, behind, key = last
    rests: dict[str, str] = {}
    for end, most in zip(ends, shared_lengths(ends), strict=True):
        at = max(behind, most + 1) if len(ends) > 1 else behind
        rests[end[before:at]] = end[at:]
    return Tail(str(json.loads(key.rstrip(": "))), rests)


def _uses(language: Language) -> Counter[str]:
    """At how many places of a language each rule of it stands."""
    found = Counter[str]()
    pending = [language.root, *language.rules.values()]
    while pending:
        part = pending.pop()
        if isinstance(part, Ref):
            found[part.name] += 1
        pending.extend(children(part))
    return found


def _ends(language: Language, uses: Mapping[str, int]) -> list[str]:
    """The texts of what a sequence ends with, from where one part of it is free; none where that is all of it."""
    left, end, free = [language.root], list[Expr](), 1.0
    for _ in range(_DEEPEST):
        if not left:
            return []  # few texts in all: these are settled otherwise
        part = left.pop()
        if isinstance(part, Ref) and uses[part.name] == 1:
            left.append(language.rules[part.name])
        elif isinstance(part, Seq):
            left.extend(part.parts)
        elif (ways := how_many(Language(part, language.rules))) == 1 or (free == 1 and ways <= _MOST_STOPS):
            end.insert(0, part)
            free *= ways
        else:
            return sorted(finite_texts(Language(Seq(tuple(end)), language.rules), _MOST_STOPS) or ())
    return []


def _keys_of(ends: list[str]) -> list[tuple[int, int, str]]:
    """Where each key that all of these share begins and ends, its comma with it, and the key; the last one first."""
    common = ends[0][: shared_length(ends[0], ends[-1])] if ends else ""  # they are sorted
    return [(found.start(), found.end(), found[1]) for found in _KEY.finditer(common)][::-1]


def _is_known_by(literals: dict[str, int], key: str) -> bool:
    """Whether a key is at one place of a language alone, and no key is free."""
    if key[1] in _BEHIND_STRINGS or any(map(_FREE_KEY.match, literals)):
        return False
    return sum(text.count(key) * times for text, times in literals.items()) == 1


def _literals(language: Language, uses: Mapping[str, int]) -> dict[str, int]:
    """The literals of a language, and at how many places of its texts each may stand; 2 for any more."""
    found = Counter[str]()
    pending: list[tuple[Expr, int]] = [(language.root, 1)]
    pending += [(rule, 2) for name, rule in language.rules.items() if uses[name] > 1]
    while pending:
        part, times = pending.pop()
        if isinstance(part, Lit):
            found[part.text] += times
        elif isinstance(part, Ref):
            pending += [(language.rules[part.name], times)] if uses[part.name] == 1 else []
        elif isinstance(part, Repeat) and part.most != 1:
            pending.append((part.item, 2))
        else:
            pending.extend((each, times) for each in children(part))
    return dict(found)
