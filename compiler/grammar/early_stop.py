"""After how many tokens an answer of few possible texts can only be one of them.

Each token writes at least one byte, so after as many tokens as the longest beginning that two texts share has bytes, and
one more, what is written can only be the beginning of one text; or the text has ended. Where each byte is a token of its
own, as in all vocabularies in use, an engine may draw just these, so no lower number would do for every path; how a
tokenizer would cut the texts says nothing about that. The number is counted to the end of a character, since half a
character can't be read.

Where long beginnings are shared that number is high, though a few long tokens mostly settle it. So the shortest texts that
settle it are given too: an engine may stop as soon as one is written, wherever a token ends.

Left out: languages of more than `MOST_TEXTS` texts, or without end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from typefold.compiler.grammar.enumerate import finite_texts, how_many, shared_lengths
from typefold.compiler.grammar.nodes import Language

__all__ = ["MOST_TEXTS", "Decision", "decision_of"]

MOST_TEXTS = 200_000
_MOST_STOPS = 32  # each is looked for in each new piece of an answer
_SOON = 2  # tokens after which an answer is settled soon enough


@dataclass(frozen=True)
class Decision:
    """The texts of a language, and when an answer is settled among them.

    Attributes:
        texts: The texts, sorted.
        tokens: After this many tokens, whichever they are, one text is left, or the answer has ended.
        stops: Where one of these is written, one text is left, perhaps after fewer tokens; none where that does not pay.
    """

    texts: tuple[str, ...]
    tokens: int
    stops: tuple[str, ...] = ()

    @property
    def begins(self) -> tuple[str, ...]:
        """The texts, if the first token settles which one it is; else none."""
        return self.texts if self.tokens == 1 and self.texts[0] else ()  # no token begins the empty text, sorted first

    def whole(self, written: str) -> str | None:
        """The one text that begins with what is written; `None` where there are several, or none."""
        for begun in (written, written.rstrip("\ufffd")):  # half a character may be shown so
            at = bisect_left(self.texts, begun)
            if at < len(self.texts) and self.texts[at].startswith(begun):
                alone = at + 1 == len(self.texts) or not self.texts[at + 1].startswith(begun)
                return self.texts[at] if alone else None
        return None


def decision_of(language: Language) -> Decision | None:
    """When the answers of a language are settled; `None` where there are too many of them.

    Example:
        >>> from typefold.compiler.grammar.nodes import choice
        >>> decision_of(Language(choice("keep", "drop"))).tokens
        1
        >>> decision_of(Language(choice("label 1", "label 2", "label 12"))).tokens
        8
    """
    if how_many(language) > MOST_TEXTS:
        return None
    found = finite_texts(language, MOST_TEXTS)
    if not found:
        return None
    texts = sorted(found)
    tokens, settled = 1, list[int]()  # the characters that settle each; more than it has where its end is needed
    for text, most in zip(texts, shared_lengths(texts), strict=True):
        # A text that is the beginning of another is told from it by its end, which is a token as well.
        needed = len(text[: most + 1].encode()) + (most == len(text))
        tokens = max(tokens, needed if len(texts) > 1 else 1)
        settled.append(most + 1)
    return Decision(tuple(texts), tokens, _stops(texts, settled) if tokens > _SOON else ())


def _stops(texts: Sequence[str], settled: Sequence[int]) -> tuple[str, ...]:
    """The beginnings that settle a text, if none of them stands anywhere in a text before that is settled."""
    if len(texts) > _MOST_STOPS:
        return ()
    stops = tuple(text[:end] for text, end in zip(texts, settled, strict=True) if end <= len(text))
    for text, end in zip(texts, settled, strict=True):
        if any((at := text.find(stop)) >= 0 and at + len(stop) < end for stop in stops):
            return ()
    return stops
