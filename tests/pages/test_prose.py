"""Sentences of the pages are plain, by the rules for docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.test_house import FIRST_WORDS, RELATIVES, RELATIVES_PER_100_WORDS

from .blocks import PAGES, ROOT

NO_PROSE = re.compile(r"<!--.*?-->|^```.*?^```$|^#.*?$|`[^`\n]+`|\"[^\"\n]*\"", re.DOTALL | re.MULTILINE)
MARKS = re.compile(r"^(?:[-*]|\d+\.|\|) ", re.MULTILINE)
"""Marks of Markdown before the first word of a line."""


def prose() -> Iterator[tuple[str, str]]:
    """The sentences of each page, without code and quotations."""
    for page in PAGES:
        text = NO_PROSE.sub("x", (ROOT / page).read_text(encoding="utf-8"))
        yield page, MARKS.sub("\n", text)


def test_sentences_begin_with_a_noun_or_a_verb() -> None:
    assert not [
        (page, text[found.end() - 9 : found.end() + 40])
        for page, text in prose()
        for found in FIRST_WORDS.finditer(text)
    ]


def test_pages_are_plain() -> None:
    texts = [text for _, text in prose()]
    words, relatives = sum(len(text.split()) for text in texts), sum(len(RELATIVES.findall(text)) for text in texts)
    assert 100 * relatives <= RELATIVES_PER_100_WORDS * words, f"{100 * relatives / words:.2f} of 100 words"
