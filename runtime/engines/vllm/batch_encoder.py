"""Many texts as tokens at once: the tokenizers library encodes a batch on all cores, and holds no lock of Python's meanwhile.

Invariant: the tokens are those of the tokenizer's own `encode`. Its class must have that from transformers, so that nothing of its own
comes between, and its state must be that in which `encode` leaves it (no truncation, no padding); some texts are tried first. A
tokenizer of another make, and a batch that the library refuses, is encoded text by text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias, cast

Encoded: TypeAlias = "list[int] | Exception"
"""The tokens of a text, or the error that encoding it raises."""

_METHODS = ("encode", "_encode_plus", "_batch_encode_plus", "_convert_encoding", "set_truncation_and_padding")
_MAKERS = ("transformers.tokenization_utils", "vllm.tokenizers.", "vllm.transformers_utils.tokenizer")
_TRIED = (
    "",
    " ",
    "a",
    "\n\nThe  cat's",
    "caf\u00e9 e\u0301 \u212b \u4e2d\u6587 \U0001f98a",
    "<s> </s> [INST] <|im_start|>user\n",
    "x" * 99,
)


class BatchEncoder:
    """Encodes several texts, each by itself."""

    def __init__(self, tokenizer: Any, encode: Callable[[str], list[int]], *, add_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._encode = encode
        self._special = add_special_tokens

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        if len(texts) > 1 and self._batch is not None and self._is_plain():
            try:
                return [*self._batch(texts)]
            except Exception:  # one text can't be encoded, or another thread changes the tokenizer just now
                pass
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Encoded:
        try:
            return self._encode(text)
        except Exception as error:
            return error

    @cached_property
    def _batch(self) -> Callable[[Sequence[str]], list[list[int]]] | None:
        kind = cast("Any", type(self._tokenizer))
        backend: Any = getattr(self._tokenizer, "backend_tokenizer", None)
        # The first counts no offsets.
        encode = getattr(backend, "encode_batch_fast", getattr(backend, "encode_batch", None))
        made = [
            getattr(method, "__module__", "") for name in _METHODS if (method := getattr(kind, name, None)) is not None
        ]
        if encode is None or not all(module.startswith(_MAKERS) for module in made):
            return None

        def batch(texts: Sequence[str]) -> list[list[int]]:
            return [encoding.ids for encoding in encode(texts, add_special_tokens=self._special)]

        try:
            tried = [*_TRIED, *map(str, getattr(self._tokenizer, "all_special_tokens", ()))]
            return batch if batch(tried) == [self._encode(text) for text in tried] else None
        except Exception:
            return None

    def _is_plain(self) -> bool:
        """Return whether the tokenizer is in the state in which `encode` puts it."""
        backend = self._tokenizer.backend_tokenizer
        if backend.truncation is not None or backend.padding is not None:
            return False
        split = getattr(self._tokenizer, "split_special_tokens", False)
        return bool(getattr(backend, "encode_special_tokens", split)) == bool(split)
