"""Where the rest of an object is forced, though what stands before it is free.

An object whose last field is one of a few values, as a label behind its reason, is settled as soon as that value is: what
is left of it and the closing bracket can only be written in one way. The key of that field with the beginning of its value
tells so, and an engine may stop there (`Tail.stops`).

Why a stop is never seen too early: in a JSON text `, "key": ` can't stand inside a string, since an escaped quote has a
backslash before it and one that is not ends the string, behind which no name can follow. So it is a key, and the language
has that key at one place alone, the end; keys that are free are none of it.

Left out: languages that are not JSON, tails of more than a few texts, and what a tail of one closing bracket would save,
which can't be told from a bracket inside a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from typefold.compiler.finite import finite_texts, how_many, shared_length
from typefold.compiler.wire import Expr, Language, Lit, Ref, Seq, children

__all__ = ["Tail", "tail_of"]

_MOST_STOPS = 32  # each is looked for in each new piece of an answer
_DEEPEST = 64
_KEY = re.compile(r', ?("(?:[^"\\]|\\.)*": ?)')


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
    ends = _ends(language)
    last = _last_key(ends) if ends else None
    if last is None:
        return None
    before, behind, key = last
    if not _is_known_by(language, key):
        return None
    shared = [0, *(shared_length(one, other) for one, other in pairwise(ends)), 0]
    rests: dict[str, str] = {}
    for end, left, right in zip(ends, shared, shared[1:], strict=False):
        at = max(behind, max(left, right) + 1) if len(ends) > 1 else behind
        rests[end[before:at]] = end[at:]
    return Tail(str(json.loads(key.rstrip(": "))), rests)


def _ends(language: Language) -> list[str]:
    """The texts of what a sequence ends with, from where one part of it is free; none where that is all of it."""
    left, end, free = [language.root], list[Expr](), 1.0
    for _ in range(_DEEPEST):
        if not left:
            return []  # few texts in all: these are settled otherwise
        part = left.pop()
        if isinstance(part, Ref) and _stands_once(language, part):
            left.append(language.rules[part.name])
        elif isinstance(part, Seq):
            left.extend(part.parts)
        elif (ways := how_many(Language(part, language.rules))) == 1 or (free == 1 and ways <= _MOST_STOPS):
            end.insert(0, part)
            free *= ways
        else:
            return sorted(finite_texts(Language(Seq(tuple(end)), language.rules), _MOST_STOPS) or ())
    return []


def _last_key(ends: list[str]) -> tuple[int, int, str] | None:
    """Where the last key that all of these texts share begins and ends, its comma with it, and the key."""
    common = ends[0][: shared_length(ends[0], ends[-1])]  # they are sorted
    found = list(_KEY.finditer(common))
    return (found[-1].start(), found[-1].end(), found[-1][1]) if found else None


def _is_known_by(language: Language, key: str) -> bool:
    """Whether a key is at one place of a language alone, and no key is free."""
    colon = key[key.rindex(":") :]
    literals = [part.text for part in _parts(language) if isinstance(part, Lit)]
    if any(text.startswith((colon, f'"{colon}')) for text in literals):  # the key before it is none of the literal
        return False
    return sum(text.count(key) for text in literals) == 1


def _stands_once(language: Language, rule: Ref) -> bool:
    """Whether what a rule stands for is at one place alone."""
    return sum(part == rule for part in _parts(language)) == 1


def _parts(language: Language) -> Iterator[Expr]:
    pending = [language.root, *language.rules.values()]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(children(part))
