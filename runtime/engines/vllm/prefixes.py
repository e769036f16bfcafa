"""Token ids of texts that begin alike: what they share is encoded once.

A batch's prompts have a template's head, instructions and examples in common, often most of each. Encoding that anew for
every row costs about a microsecond a token, for a few hundred tokens as much as all else about adding a request. Here each
shared beginning is kept with its tokens, as a tree that branches where texts part.

Invariant: the tokens are those of the whole text. A beginning ends where the tokenizer ends a word whatever stands around,
in the text that it was found in and in each that it is used for; that is known of tokenizers of which `cuts` proves it, and
others are given whole texts. Yet each beginning is tried on the text that it was found in before it is used.

Left out: what is no text of a chat template, which may have special tokens around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from typefold.compiler.grammar.enumerate import common_prefix
from typefold.runtime.engines.vllm.prefix_cache import CUT, cuts_words

__all__ = ["PrefixEncoder"]

_LEAST = 48  # characters: a shorter beginning costs as much to look for as to encode
_MOST_SEEN = 4096  # characters of a text that are remembered; a longer beginning is found in several steps
_MOST_CHARACTERS = 1 << 22  # in all that is remembered; the tree is grown anew where the texts have more
_MOST_BELOW = 64  # beginnings that follow one, and texts that are remembered behind it
_PRICE = 16  # texts that pay for one beginning, which is encoded four times to try it: a quarter of all work at most


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
        self._knows = cuts_words(tokenizer)
        self._root = _Node()
        self._characters = 0
        self._credit = 8 * _PRICE

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        if not self._knows:
            return self._encode(text)
        node, token_ids, at = self._root, list[int](), 0
        while (deeper := next((each for each in node.below if _begins(text, at, each.text)), None)) is not None:
            node, at = deeper, at + len(deeper.text)
            token_ids += node.token_ids
        rest = text[at:]
        token_ids += self._encode(rest)
        self._credit = min(self._credit + 1, 8 * _PRICE)
        if len(rest) > _LEAST and (cut := self._shared_by_three(node, rest)) >= _LEAST and self._credit >= _PRICE:
            self._grow(node, text, at, at + cut)
        if self._characters > _MOST_CHARACTERS:
            self._root, self._characters = _Node(), 0
        return token_ids

    def _grow(self, node: _Node, text: str, start: int, end: int) -> None:
        """Keep `text[start:end]` as a beginning behind a node."""
        self._credit -= _PRICE
        self._characters += end - start
        self._knows = self._encode(text[:end]) + self._encode(text[end:]) == self._encode(text)
        node.below.append(_Node(text[start:end], self._encode(text[start:end])))
        if len(node.below) > _MOST_BELOW:
            self._characters = _MOST_CHARACTERS + 1

    def _shared_by_three(self, node: _Node, rest: str) -> int:
        """How much of a text, up to where a beginning may end, two before it have too; it takes its place among them."""
        rest = rest[:_MOST_SEEN]
        before, candidate = node.met.get(rest[:_LEAST], ("", 0))
        cut = 0
        for found in CUT.finditer(rest, 0, common_prefix(rest, before)):  # what tells a place is shared too
            cut = found.start()
        if len(node.met) >= _MOST_BELOW and rest[:_LEAST] not in node.met:
            self._characters -= sum(len(met) for met, _ in node.met.values())
            node.met.clear()
        self._characters += len(rest) - len(before)
        node.met[rest[:_LEAST]] = rest, cut
        return min(cut, candidate)


def _begins(text: str, at: int, beginning: str) -> bool:
    """Whether a beginning stands there, and a word ends behind it in this text too."""
    return text.startswith(beginning, at) and CUT.match(text, at + len(beginning)) is not None
