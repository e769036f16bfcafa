"""What token bounds need of a vocabulary: the bytes of its tokens, or how many they can be.

In byte-level vocabularies (GPT-2's and all after it) each character of a piece stands for one byte, so the tokens are known
byte by byte. In others a piece takes at least as many bytes in UTF-8 as the text that it stands for, so that the longest is
known to be no longer. Tokens that write nothing are left out.
"""

from __future__ import annotations

from typing import Any

from typefold.compiler import Vocabulary
from typefold.runtime.engines.control import special_ids

__all__ = ["vocabulary_of"]


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """Facts about the tokens of a tokenizer; its longest token is never said to be too short."""
    special = special_ids(tokenizer)
    added: dict[str, int] = tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else {}
    pieces = [piece for piece, index in tokenizer.get_vocab().items() if index not in special]
    learned = [piece for piece in pieces if piece not in added]
    texts = [piece.encode(errors="surrogatepass") for piece in pieces if piece in added]
    # Byte-level it is if nothing else is written, and a space and a line break have their names (and so are no pieces).
    if {"\u0120", "\u010a"}.issubset(learned) and all(map(_BYTES.keys().__ge__, map(set, learned))):
        return Vocabulary.of_tokens([*(bytes(map(_BYTES.__getitem__, piece)) for piece in learned), *texts])
    return Vocabulary(max(map(len, [b"?", *texts, *(piece.encode(errors="surrogatepass") for piece in learned)])))


def _byte_level_alphabet() -> dict[str, int]:
    """The 256 characters that byte-level BPE writes bytes as: themselves where they can be seen, else others."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + number): byte for number, byte in enumerate(hidden)}


_BYTES = _byte_level_alphabet()
