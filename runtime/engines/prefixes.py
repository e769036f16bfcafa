"""Token ids of texts that begin alike: what they share is encoded once.

A batch's prompts have a template's head, instructions and examples in common, often most of each. Encoding that anew for
every row costs about a microsecond a token, for a few hundred tokens as much as all else about adding a request. Here each
shared beginning is kept with its tokens, as a tree that branches where texts part.

Invariant: the tokens are those of the whole text. A beginning ends between a visible character and a space before a letter,
where byte-level BPE reaches across in no text: its pre-tokeniser ends a word there and begins the next, whatever stands
around. That is known of tokenizers whose parts `_cuts_words` knows, and tried; others are given whole texts. And each
beginning is tried on the text that it was found in before it is used.

Left out: what is no text of a chat template, which may have special tokens around it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from typefold.compiler.finite import shared_length
from typefold.compiler.guards import is_dict, is_list

__all__ = ["PrefixEncoder"]

_LEAST = 48  # characters: a shorter beginning costs as much to look for as to encode
_MOST_CHARACTERS = 1 << 20  # of all beginnings; the tree is grown anew where the texts have more
_MOST_BELOW = 64  # beginnings that follow one, and texts that are remembered behind it
_PRICE = (
    16  # texts that pay for one beginning, which is encoded four times to try it; learning so costs a quarter at most
)

_CUT = re.compile(r"(?<=[A-Za-z0-9.,:;!?)])(?= [A-Za-z])")
_CLASS = re.compile(r"\[(?:\\.|[^\]\\])*\]")
_FAR = re.compile(r"\(\?(?!i:|:|!\\S\))|\\[bBAZzG]|\^|\$")  # looks at more than the next character, or at an end


@dataclass(slots=True)
class _Node:
    """A beginning, behind that of the node above.

    Attributes:
        text: The characters.
        token_ids: Their tokens.
        below: The beginnings that go on from here.
        met: By how they begin, the last text that came from here, and how much of it may be a beginning.
    """

    text: str = ""
    token_ids: list[int] = field(default_factory=list[int])
    below: list[_Node] = field(default_factory=list["_Node"])
    met: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])


class PrefixEncoder:
    """Encodes texts, each shared beginning once.

    Args:
        tokenizer: Any tokenizer that vLLM loads.
        encode: Its tokens of a text by itself, without special ones around it.
    """

    def __init__(self, tokenizer: Any, encode: Callable[[str], list[int]]) -> None:
        self._encode = encode
        self._knows = _cuts_words(tokenizer)
        self._root = _Node()
        self._characters = 0
        self._credit = 8 * _PRICE

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        if not self._knows:
            return self._encode(text)
        node, token_ids, at = self._root, list[int](), 0
        while (deeper := next((each for each in node.below if text.startswith(each.text, at)), None)) is not None:
            node, at = deeper, at + len(deeper.text)
            token_ids += node.token_ids
        rest = text[at:]
        token_ids += self._encode(rest)
        self._credit = min(self._credit + 1, 8 * _PRICE)
        if len(rest) > _LEAST and (cut := _shared_by_three(node, rest)) >= _LEAST and self._credit >= _PRICE:
            self._grow(node, text, at, at + cut)
        return token_ids

    def _grow(self, node: _Node, text: str, start: int, end: int) -> None:
        """Keep `text[start:end]` as a beginning behind a node."""
        self._credit -= _PRICE
        self._characters += end - start
        if self._characters > _MOST_CHARACTERS or len(node.below) >= _MOST_BELOW:
            self._root, self._characters = _Node(), 0
            return
        self._knows = self._encode(text[:end]) + self._encode(text[end:]) == self._encode(text)
        node.below.append(_Node(text[start:end], self._encode(text[start:end])))


def _shared_by_three(node: _Node, rest: str) -> int:
    """How much of a text, up to where a beginning may end, two before it have too; the text takes its place among them."""
    head = rest[:_LEAST]
    before, candidate = node.met.get(head, ("", 0))
    shared = shared_length(rest, before)
    cut = 0
    for found in _CUT.finditer(rest, 0, max(0, shared - 2)):  # what tells a place is shared too
        cut = found.start()
    if len(node.met) >= _MOST_BELOW and head not in node.met:
        node.met.clear()
    node.met[head] = rest, cut
    return min(cut, candidate)


def _cuts_words(tokenizer: Any) -> bool:
    """Whether no token of a text reaches across a space before a letter, and none depends on what is beyond it."""
    try:
        backend = tokenizer.backend_tokenizer
        parts: Any = json.loads(backend.to_str())
        return (
            parts["model"]["type"] == "BPE"
            and not parts["model"].get("dropout")
            and (parts["normalizer"] is None or parts["normalizer"]["type"] == "NFC")
            and parts["truncation"] is None
            and parts["padding"] is None
            and _looks_near(parts["pre_tokenizer"])
            and not any(
                each["lstrip"] or each["rstrip"] or each["single_word"] or " " in each["content"]
                for each in parts["added_tokens"]
            )
            and all(map(_Trial(backend.pre_tokenizer).ends_word, itertools.product(_BEFORE, ".,:;!?)aZ09", _BEHIND)))
        )
    except Exception:  # of another make
        return False


def _looks_near(part: Any) -> bool:
    """Whether a byte-level pre-tokeniser looks no further than at the next character."""
    steps = part["pretokenizers"] if is_dict(part) and part["type"] == "Sequence" else [part]
    return (
        is_list(steps)
        and steps[-1]["type"] == "ByteLevel"
        and all(
            not step["add_prefix_space"]
            if step["type"] == "ByteLevel"
            else step["type"] == "Digits"
            or (step["type"] == "Split" and not _FAR.search(_CLASS.sub(".", step["pattern"]["Regex"])))
            for step in steps
        )
    )


_BEFORE = ("", "a", "I ", "\n", " 1", "(", "don't ", "\u00e9", "x_", '"')
_BEHIND = ("a", "Z", "the", "I'm", "x1", "B\n", "y z")


@dataclass(frozen=True, slots=True)
class _Trial:
    """Whether a pre-tokeniser ends a word where a beginning would end."""

    pre_tokenizer: Any

    def ends_word(self, parts: tuple[str, str, str]) -> bool:
        before, last, behind = parts
        start = len(before + last)
        words: list[tuple[str, tuple[int, int]]] = self.pre_tokenizer.pre_tokenize_str(f"{before}{last} {behind}")
        return any(begin == start for _, (begin, _) in words)
