"""Added, special and control tokens of a tokenizer, and the treatment of data that names one.

A tokenizer looks for its added tokens in all text. `ControlTokens` cuts a text inside of each, so that none is found when the pieces
are encoded one by one. It trusts the tokenizer, not the text: a normaliser may turn other characters into a token's (full-width
letters, the Kelvin sign), so the encoded pieces are checked, and cut in halves until none has a control token.

Some templates mark turns with ordinary text (`[INST]`, `USER:`), which no tokenizer can tell from data (`plain_markers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from typefold.compiler.guards import is_dict, is_list, is_tuple

_BRACKETED = re.compile(r"<\|[^|<>\n]+\|>|\[/?[A-Z_]+\]|<</?\w+>>|</?\w+>")
_SENTINELS = ("\n", ".", "|")  # characters that a word does not grow together with


class ControlTokens:
    """The tokens of a vocabulary that data must not become."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = added_tokens(tokenizer)
        special = special_ids(tokenizer)
        unknown = getattr(tokenizer, "unk_token_id", None)  # any rare word becomes it
        names = {token: index for token, index in added.items() if token.strip(" \t\r\n\u2581")}
        self.ids = frozenset(index for token, index in names.items() if len(token) > 1 or index in special) | frozenset(
            special - set(added.values())
        )
        self.ids -= {unknown}
        self._pattern = _any_of(token for token in names if len(token) > 1)
        self._prefixes = self.encode("\nx")[len(self.encode("\n")) :] != self.encode("x")

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def encode_behind(self, text: str) -> list[int]:
        """Return the tokens of a text behind another: without the space that some tokenizers put before every text."""
        if self._prefixes:
            for sentinel in _SENTINELS:
                before, both = self.encode(sentinel), self.encode(sentinel + text)
                if both[: len(before)] == before:
                    return both[len(before) :]
        return self.encode(text)

    def found(self, token_ids: Iterable[int]) -> list[int]:
        control = self.ids
        return [token_id for token_id in token_ids if token_id in control]

    def seen_in(self, value: object) -> bool:
        """Return whether a text, or one in a structure of lists and dictionaries, names a control token."""
        if isinstance(value, str):
            return self._pattern is not None and self._pattern.search(value) is not None
        if is_dict(value):
            return any(map(self.seen_in, value)) or any(map(self.seen_in, value.values()))
        return (is_list(value) or is_tuple(value)) and any(map(self.seen_in, value))

    def cut(self, text: str) -> list[str]:
        """Return a text in pieces of which none has a control token when it is encoded by itself."""
        pieces: list[str] = []
        start = 0
        while self._pattern is not None and (match := self._pattern.search(text, start)) is not None:
            pieces.append(text[start : match.start() + 1])
            start = match.start() + 1
        pieces.append(text[start:])
        return [part for piece in pieces for part in self._halved(piece)]

    def cut_all(self, value: Any, mark: str, *, top: bool = True) -> Any:
        """Return a structure with every text in it cut; a variable that is one control token (`bos_token`) is meant to be one."""
        if isinstance(value, str):
            if top and self._pattern is not None and self._pattern.fullmatch(value):
                return value
            return mark.join(self.cut(value))
        if is_dict(value):
            return {
                self.cut_all(key, mark, top=False): self.cut_all(item, mark, top=False) for key, item in value.items()
            }
        if is_list(value) or is_tuple(value):
            return [self.cut_all(item, mark, top=False) for item in value]
        return value

    def _halved(self, text: str) -> list[str]:
        if not text or not self.found(self.encode(text)):
            return [text]
        if len(text) == 1:
            raise ValueError(f"the character {text!r} is a control token of this model; take it out of the prompt")
        middle = len(text) // 2
        return [*self._halved(text[:middle]), *self._halved(text[middle:])]


def plain_markers(segments: Sequence[str], control: ControlTokens) -> tuple[str, ...]:
    """Return the ordinary texts with which a template marks turns.

    Where every change of turn has a control token, data can't feign one, and nothing else is a marker.
    """
    turns = [segment for segment in segments[1:] if segment.strip()]
    if all(control.found(control.encode(turn)) for turn in turns):
        return ()
    found: dict[str, None] = {}
    for line in "\n".join(segments).splitlines():
        words = _BRACKETED.findall(line) or [line.strip()]
        found |= dict.fromkeys(word for word in words if len(word) > 1 and not control.seen_in(word))
    return tuple(found)


def added_tokens(tokenizer: Any) -> dict[str, int]:
    """Return the tokens that were added to a vocabulary, with their numbers."""
    return tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else {}


def special_ids(tokenizer: Any) -> set[int]:
    """Return the tokens that write nothing."""
    special = set(getattr(tokenizer, "all_special_ids", ()))
    return special | {index for index, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special}


def unwritten_ids(tokenizer: Any, size: int) -> list[int]:
    """Return the tokens that write nothing, without the one that ends a text, among so many that the model knows."""
    end = getattr(tokenizer, "eos_token_id", None)
    return sorted(each for each in special_ids(tokenizer) - {end} if each < size)


def _any_of(tokens: Iterable[str]) -> re.Pattern[str] | None:
    found = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None
