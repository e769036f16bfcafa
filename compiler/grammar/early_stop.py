r"""Early stop: where the rest of an answer is forced, so that generation may end before it is written.

Two cases. A language of few texts (`FewAnswers`): each token writes at least one byte, so after as many tokens as the
longest prefix that two texts share has bytes, and one more, the answer is one text, or it has ended. In vocabularies with
a token for each byte an engine may draw just these, so no lower number is right for every path. The number is counted to
the end of a character, since half a character can't be read. Where long prefixes are shared the number is high, so the
shortest prefixes that settle an answer are given too: an engine may stop as soon as one is written.

A JSON object whose last field is one of a few values, as a label behind its reason (`ForcedEnding`): it is settled by the
key of that field with the beginning of its value. Such a stop is never seen too early: `, "key": ` can't stand inside a
JSON string, since an escaped quote has a backslash before it, and no name can follow one that ends the string. So it is a
key, and only keys that stand at one place of the language are taken: none of a type that stands twice, of an item of a
list, or that a free key may equal.

Left out: languages of more than `MOST_TEXTS` texts, endings of more than a few texts, and a single closing bracket, which
can't be told from a bracket inside a string.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from typefold.compiler.grammar.enumerate import common_prefix, common_prefixes, count_texts, enumerate_texts
from typefold.compiler.grammar.nodes import Expr, Language, Lit, Ref, Repeat, Seq, children

MOST_TEXTS = 200_000
_MOST_STOPS = 32  # each is looked for in each new piece of an answer
_SOON = 2  # tokens after which an answer is settled soon enough
_DEEPEST = 64
_KEY = re.compile(r', ?("(?:[^"\\]|\\.)*": ?)', re.DOTALL)
_FREE_KEY = re.compile(r'(?:[^"\\]|\\.)*":|: ?', re.DOTALL)  # the end of a key whose beginning is no literal
_BEHIND_STRINGS = ",:]} \t\r\n"  # may follow a string: the quote before a key that begins so may be the end of one


@dataclass(frozen=True)
class FewAnswers:
    """The texts of a language, sorted, and when an answer is settled among them.

    After `tokens` tokens of any kind one text is left, or the answer has ended. Where one of `stops` is written, one text is
    left, perhaps after fewer tokens; there are none where that does not pay.
    """

    texts: tuple[str, ...]
    tokens: int
    stops: tuple[str, ...] = ()

    @property
    def begins(self) -> tuple[str, ...]:
        """The texts, if the first token settles the answer; else none."""
        return self.texts if self.tokens == 1 and self.texts[0] else ()  # no token begins the empty text, sorted first

    def complete(self, written: str) -> str | None:
        """The one text that begins with `written`; `None` where there are several, or none."""
        for begun in (written, written.rstrip("\ufffd")):  # half a character may be shown so
            at = bisect_left(self.texts, begun)
            if at < len(self.texts) and self.texts[at].startswith(begun):
                alone = at + 1 == len(self.texts) or not self.texts[at + 1].startswith(begun)
                return self.texts[at] if alone else None
        return None


@dataclass(frozen=True)
class ForcedEnding:
    """The last field of a JSON language by its `key`, and by the text that settles it the rest that follows."""

    key: str
    rests: dict[str, str]
    tokens: ClassVar[None] = None  # no number of tokens settles it
    begins: ClassVar[tuple[str, ...]] = ()

    @property
    def stops(self) -> tuple[str, ...]:
        return tuple(self.rests)

    def stop_of(self, written: str) -> str | None:
        return next((stop for stop in self.rests if written.endswith(stop)), None)

    def complete(self, written: str) -> str | None:
        stop = self.stop_of(written)
        return None if stop is None else written + self.rests[stop]


EarlyStop: TypeAlias = FewAnswers | ForcedEnding


def few_answers(language: Language) -> FewAnswers | None:
    """When the answers of a language are settled; `None` where there are too many of them."""
    if count_texts(language) > MOST_TEXTS:
        return None
    found = enumerate_texts(language, MOST_TEXTS)
    if not found:
        return None
    texts = sorted(found)
    tokens, settled = 1, list[int]()  # the characters that settle each; more than it has where its end is needed
    for text, most in zip(texts, common_prefixes(texts), strict=True):
        # A text that is the prefix of another is told from it by its end, which is a token as well.
        needed = len(text[: most + 1].encode()) + (most == len(text))
        tokens = max(tokens, needed if len(texts) > 1 else 1)
        settled.append(most + 1)
    return FewAnswers(tuple(texts), tokens, _stops(texts, settled) if tokens > _SOON else ())


def _stops(texts: Sequence[str], settled: Sequence[int]) -> tuple[str, ...]:
    """The prefixes that settle a text, if none of them stands anywhere in a text before that is settled."""
    if len(texts) > _MOST_STOPS:
        return ()
    stops = tuple(text[:end] for text, end in zip(texts, settled, strict=True) if end <= len(text))
    for text, end in zip(texts, settled, strict=True):
        if any((at := text.find(stop)) >= 0 and at + len(stop) < end for stop in stops):
            return ()
    return stops


def forced_ending(language: Language) -> ForcedEnding | None:
    """The forced ending of a JSON language; `None` where no key marks one."""
    uses = _uses(language)
    ends = _ends(language, uses)
    literals = _literals(language, uses) if ends else {}
    last = next((each for each in _keys_of(ends) if _is_unique(literals, each[2])), None)
    if last is None:
        return None
    before, behind, key = last
    rests: dict[str, str] = {}
    for end, most in zip(ends, common_prefixes(ends), strict=True):
        at = max(behind, most + 1) if len(ends) > 1 else behind
        rests[end[before:at]] = end[at:]
    return ForcedEnding(str(json.loads(key.rstrip(": "))), rests)


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
    """The texts that a sequence ends with, behind its last free part; none where no part is free."""
    left, end, free = [language.root], list[Expr](), 1.0
    for _ in range(_DEEPEST):
        if not left:
            return []  # few texts in all: `few_answers` settles these
        part = left.pop()
        if isinstance(part, Ref) and uses[part.name] == 1:
            left.append(language.rules[part.name])
        elif isinstance(part, Seq):
            left.extend(part.parts)
        elif (ways := count_texts(Language(part, language.rules))) == 1 or (free == 1 and ways <= _MOST_STOPS):
            end.insert(0, part)
            free *= ways
        else:
            return sorted(enumerate_texts(Language(Seq(tuple(end)), language.rules), _MOST_STOPS) or ())
    return []


def _keys_of(ends: list[str]) -> list[tuple[int, int, str]]:
    """Start (with its comma), end and text of each key that all of the sorted texts share; the last one first."""
    common = ends[0][: common_prefix(ends[0], ends[-1])] if ends else ""
    return [(found.start(), found.end(), found[1]) for found in _KEY.finditer(common)][::-1]


def _is_unique(literals: dict[str, int], key: str) -> bool:
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
