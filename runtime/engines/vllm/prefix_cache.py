"""Token ids of texts that begin alike: each shared beginning is tokenised once.

Encoding a template's head, instructions and examples again for every row costs about a microsecond a token. Here each shared
beginning is kept with its tokens, in a tree that branches where texts part.

Invariant: the tokens are those of the whole text. A beginning ends where the tokenizer ends a word whatever the context, between a
visible character and a space before a letter; each is also tried before it is used. That the tokenizer does so is proved from its
parts (`cuts_words`): a pattern never reaches across if no path through it takes a space behind a visible character, and it cuts
there if it matches either character by itself, whatever follows. A tokenizer with an unknown part is given whole texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from typefold.compiler.grammar.enumerate import common_prefix
from typefold.compiler.guards import is_dict
from typefold.runtime.engines.vllm.batch_encoder import BatchEncoder, Encoded

_VISIBLE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?)"
CUT = re.compile(rf"(?<=[{_VISIBLE}])(?= [A-Za-z])")

_LEAST = 48  # characters: a shorter beginning costs as much to look for as to encode
_MOST_SEEN = 4096  # characters of a text that are remembered; a longer beginning is found in several steps
_MOST_CHARACTERS = 1 << 22  # in all that is remembered; the tree is grown anew where the texts have more
_MOST_BELOW = 64  # beginnings that follow one, and texts that are remembered behind it
_PRICE = 16  # texts that pay for one beginning, which is encoded four times to try it: a quarter of all work at most


_COVERED = re.compile(rf"(?:^|[{_VISIBLE}]) (?:[A-Za-z]|$)")  # an added token that may lie on the place
_ATOM = re.compile(
    r"\[\^?(?:\\.|&(?!&)|[^\]\[\\&])+\]"  # a class, with none in it
    r"|\\[pP]\{\^?\w+\}|\\[sSdDwWrnt]|\\[^\w\s]"
    r"|[^\\()\[\]{}|?*+^$]"
)
_TIMES = re.compile(r"([?*+])|\{(\d+)(,?)(\d*)\}")


def cuts_words(tokenizer: Any) -> bool:
    """Return whether the tokens of a text are those of its two parts, wherever `CUT` parts it."""
    try:
        parts: Any = json.loads(tokenizer.backend_tokenizer.to_str())
        model, added = parts["model"], parts["added_tokens"]
        return (
            model["type"] == "BPE"
            and not model.get("dropout")
            and all(each["type"] == "NFC" for each in _steps(parts["normalizer"], "normalizers"))
            and parts["truncation"] is None
            and parts["padding"] is None
            and not any(each["lstrip"] or each["rstrip"] or each["single_word"] for each in added)
            and not any(_COVERED.search(each["content"]) for each in added)
            and _parts_words(_steps(parts["pre_tokenizer"], "pretokenizers"))
        )
    except Exception:  # of another make, or with a pattern that is not known here
        return False


def _steps(part: Any, inside: str) -> list[Any]:
    if part is None:
        return []
    return part[inside] if is_dict(part) and part["type"] == "Sequence" else [part]


def _parts_words(steps: list[Any]) -> bool:
    """Return whether no step of a byte-level pre-tokeniser joins the two sides of the place, and one parts them."""
    *before, level = steps
    if level["type"] != "ByteLevel" or level["add_prefix_space"]:
        return False
    parted = bool(level["use_regex"])  # GPT-2's pattern
    for step in before:
        if step["type"] == "Digits":
            continue  # has no space in what it matches
        if step["type"] != "Split" or step["behavior"] not in ("Isolated", "Removed"):
            return False
        matched = _Pattern(step["pattern"]["Regex"]).whole()
        if matched.across or matched.nothing:
            return False
        parted = parted or " " in matched.surely or matched.surely.issuperset(_VISIBLE)
    return parted


@dataclass(frozen=True, slots=True)
class _Matched:
    """The matches of a part of a pattern."""

    visible: bool = False  # it may take a visible character,
    space: bool = False  # a space,
    across: bool = False  # a space anywhere behind a visible character,
    nothing: bool = False  # or nothing
    surely: frozenset[str] = frozenset()  # single characters, or the empty text, that it matches whatever follows

    def then(self, other: _Matched) -> _Matched:
        return _Matched(
            self.visible or other.visible,
            self.space or other.space,
            self.across or other.across or (self.visible and other.space),
            self.nothing and other.nothing,
            frozenset(one + two for one in self.surely for two in other.surely if len(one + two) < 2),
        )

    def either(self, other: _Matched) -> _Matched:
        return _Matched(
            self.visible or other.visible,
            self.space or other.space,
            self.across or other.across,
            self.nothing or other.nothing,
            self.surely | other.surely,
        )

    def times(self, least: int, several: bool) -> _Matched:
        once = self.surely if least < 2 else self.surely & {""}
        return _Matched(
            self.visible,
            self.space,
            self.across or (several and self.visible and self.space),
            self.nothing or not least,
            once if least else once | {""},
        )


_EMPTY = _Matched(nothing=True, surely=frozenset([""]))
_AT_SPACE_OR_END = _Matched(nothing=True)  # which is no matter of course


class _Pattern:
    """Reads a pattern of a pre-tokeniser, in as much of Oniguruma's syntax as published ones use."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> _Matched:
        matched = self._alternatives(folded=False)
        if self._at < len(self._text):
            raise ValueError(f"{self._text!r} goes on at {self._at}")
        return matched

    def _accept(self, text: str) -> bool:
        took = self._text.startswith(text, self._at)
        self._at += len(text) if took else 0
        return took

    def _alternatives(self, *, folded: bool) -> _Matched:
        matched = self._sequence(folded)
        while self._accept("|"):
            matched = matched.either(self._sequence(folded))
        return matched

    def _sequence(self, folded: bool) -> _Matched:
        matched = _EMPTY
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            matched = matched.then(self._repeated(self._item(folded)))
        return matched

    def _item(self, folded: bool) -> _Matched:
        if self._accept(r"(?!\S)"):
            return _AT_SPACE_OR_END
        folds = folded or self._text.startswith("(?i:", self._at)
        if self._accept("(?i:") or self._accept("(?:"):
            matched = self._alternatives(folded=folds)
            if not self._accept(")"):
                raise ValueError(f"a group of {self._text!r} has no end")
            return matched
        atom = _ATOM.match(self._text, self._at)
        if atom is None:
            raise ValueError(f"{self._text!r} is not understood at {self._at}")
        self._at = atom.end()
        return _matched_by(atom[0], folded)

    def _repeated(self, matched: _Matched) -> _Matched:
        found = _TIMES.match(self._text, self._at)
        if found is None:
            return matched
        self._at = found.end()
        if self._text[self._at : self._at + 1] in ("?", "*", "+", "{"):
            raise ValueError(f"{self._text!r} has an unknown repetition at {self._at}")  # possessive, lazy or twice
        if sign := found[1]:
            return matched.times(int(sign == "+"), sign != "?")
        return matched.times(int(found[2]), bool(found[3]) or int(found[2]) > 1)


def _matched_by(atom: str, folded: bool) -> _Matched:
    """Return the matches of a pattern of a single character, by the library that will match it."""
    from tokenizers import Regex, pre_tokenizers

    left = pre_tokenizers.Split(Regex(atom), "removed").pre_tokenize_str(f" {_VISIBLE}")
    taken = {*f" {_VISIBLE}"}.difference(*(text for text, _ in left))
    # Without regard to case a single one may match two, as ß does SS.
    return _Matched(folded or bool(taken - {" "}), " " in taken, surely=frozenset(taken))


@dataclass(slots=True)
class _Node:
    """A beginning, behind that of the node above."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list[int])
    below: list[_Node] = field(default_factory=list["_Node"])
    # By how they begin: the last text that came from here, and how much of it may be a beginning.
    met: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])


class PrefixEncoder:
    """Encodes texts, each shared beginning once."""

    def __init__(self, tokenizer: Any, encode: Callable[[str], list[int]]) -> None:
        self._encode = encode
        self._batch = BatchEncoder(tokenizer, encode, add_special_tokens=False)
        self._knows = cuts_words(tokenizer)
        self._root = _Node()
        self._characters = 0
        self._credit = 8 * _PRICE

    def encode(self, text: str) -> list[int]:
        [found] = self.encode_all([text])
        if isinstance(found, Exception):
            raise found
        return found

    def encode_all(self, texts: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each text, or its error; the texts behind shared beginnings are encoded as one batch."""
        begun = [self._begun(text) for text in texts]
        rests = self._batch.encode([text[at:] for text, (_, at) in zip(texts, begun, strict=True)])
        return [
            [*before, *rest] if before and not isinstance(rest, Exception) else rest
            for (before, _), rest in zip(begun, rests, strict=True)
        ]

    def _begun(self, text: str) -> tuple[list[int], int]:
        """Return the tokens of the beginning of a text that is known, and its length; the rest may become known by it."""
        if not self._knows:
            return [], 0
        node, token_ids, at = self._root, list[int](), 0
        while (deeper := next((each for each in node.below if _begins(text, at, each.text)), None)) is not None:
            node, at = deeper, at + len(deeper.text)
            token_ids += node.token_ids
        self._credit = min(self._credit + 1, 8 * _PRICE)
        seen = text[at : at + _MOST_SEEN]
        if len(seen) > _LEAST and (cut := self._shared_by_three(node, seen)) >= _LEAST and self._credit >= _PRICE:
            with suppress(Exception):  # that of the text itself, which its own tokens will raise
                self._grow(node, text, at, at + cut)
        if self._characters > _MOST_CHARACTERS:
            self._root, self._characters = _Node(), 0
        return token_ids, at

    def _grow(self, node: _Node, text: str, start: int, end: int) -> None:
        self._credit -= _PRICE
        self._characters += end - start
        self._knows = self._encode(text[:end]) + self._encode(text[end:]) == self._encode(text)
        node.below.append(_Node(text[start:end], self._encode(text[start:end])))
        if len(node.below) > _MOST_BELOW:
            self._characters = _MOST_CHARACTERS + 1

    def _shared_by_three(self, node: _Node, rest: str) -> int:
        """Return the length of the beginning that a text shares with two before it, and remember the text."""
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
    """Return whether a beginning stands there, and a word ends behind it in this text too."""
    return text.startswith(beginning, at) and CUT.match(text, at + len(beginning)) is not None
