"""The vocabulary of a tokenizer: the bytes of its tokens, the tokens that begin a text, and vLLM's outputs as outcomes.

In byte-level vocabularies (GPT-2's and all later ones) each character of a piece stands for one byte, so the tokens are known byte by
byte. In others a piece takes at least as many bytes in UTF-8 as its text, so the longest is known to be no longer. Tokens that write
nothing are left out. vLLM is not imported.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from typefold.compiler import Vocabulary
from typefold.runtime.engines.vllm.control_tokens import added_tokens, special_ids
from typefold.runtime.request import OTHERS, FinishReason, Outcome, TokenLogprob

_REMEMBERED = 1024  # sets of texts
_LEAST = 1e-9  # sums of probabilities in float32 are no more exact


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """Return facts about the tokens of a tokenizer, for token bounds; its longest token is never underestimated."""
    known = _bytes_of(tokenizer)
    if known is not None:
        added = [
            piece.encode(errors="surrogatepass") for piece, index in added_tokens(tokenizer).items() if index in known
        ]
        return Vocabulary.of_tokens([*known.values(), *added])  # which to some decoders are never bytes by name
    return Vocabulary(max(map(len, [b"?", *(piece.encode(errors="surrogatepass") for piece in _pieces_of(tokenizer))])))


class FirstTokens:
    """The tokens that can begin texts: the first token mask of a grammar of these texts, without a grammar."""

    def __init__(self, tokenizer: Any, most: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._most = most  # the tokens that the model knows; its tokenizer may have more
        self._known: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._ahead: dict[tuple[str, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def ahead(self, texts: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tokens with which all the texts must begin, and those that can come next; none where that is not known.

        A text that may end there has tokens of its own, which are not known here.
        """
        if (found := self._ahead.get(texts)) is None:
            certain, rests = list[int](), texts
            while "" not in rests and len(next_ones := self.of(rests)) == 1:
                written = self._bytes.get(next_ones[0], b"").decode(errors="ignore")
                if not written or not all(rest.startswith(written) for rest in rests):
                    break
                certain.append(next_ones[0])
                rests = tuple(rest[len(written) :] for rest in rests)
            found = ((), ()) if "" in rests else (tuple(certain), self.of(rests))
            if len(self._ahead) < _REMEMBERED:
                self._ahead[texts] = found
        return found

    def of(self, texts: tuple[str, ...]) -> tuple[int, ...]:
        """Return the tokens that are a beginning of one of the texts, or all of it; none where their bytes are not known."""
        found = self._known.get(texts)
        if found is None:
            longest = max(map(len, self._by_bytes), default=0)
            raws = (text[:longest].encode()[:longest] for text in texts)  # which may be far longer than any token
            beginnings = {raw[:end] for raw in raws for end in range(1, len(raw) + 1)}
            found = tuple(sorted(index for begun in beginnings for index in self._by_bytes.get(begun, ())))
            if len(self._known) < _REMEMBERED:
                self._known[texts] = found
        return found

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        known = _bytes_of(self._tokenizer) or {}
        return {index: written for index, written in known.items() if self._most is None or index < self._most}

    @cached_property
    def _by_bytes(self) -> dict[bytes, list[int]]:
        found = defaultdict[bytes, list[int]](list)
        for index, written in self._bytes.items():
            found[written].append(index)
        return dict(found)


def _bytes_of(tokenizer: Any) -> dict[int, bytes] | None:
    """Return the bytes of each token by its number; `None` where the vocabulary is not a byte-level one."""
    added = added_tokens(tokenizer)
    pieces = _pieces_of(tokenizer)
    learned = [piece for piece in pieces if piece not in added]
    # Byte-level it is if nothing else is written, and a space and a line break have their names (and so are no pieces).
    if not ({"\u0120", "\u010a"}.issubset(learned) and all(map(_BYTES.keys().__ge__, map(set, learned)))):
        return None
    return {
        index: bytes(map(_BYTES.__getitem__, piece))
        if _BYTES.keys() >= set(piece)
        else piece.encode(errors="surrogatepass")
        for piece, index in pieces.items()
    }


def _pieces_of(tokenizer: Any) -> dict[str, int]:
    special = special_ids(tokenizer)
    return {piece: index for piece, index in tokenizer.get_vocab().items() if index not in special}


_SHOWN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(0x100) if byte not in _SHOWN]
_BYTES = {chr(byte): byte for byte in _SHOWN} | {chr(0x100 + number): byte for number, byte in enumerate(_HIDDEN)}


def outcome_of(
    output: Any,
    written: Callable[[], Sequence[bytes]],
    *,
    texts: Mapping[int, str] | None = None,
    probe: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Outcome:
    """Return a finished `RequestOutput` of vLLM as an outcome.

    Args:
        output: The output.
        written: Returns the bytes of each token.
        texts: Of an answer that vLLM did not decode: the texts of its tokens.
        probe: Of a probe without a constraint: the tokens that were put ahead of its answer, and those that it lists.
    """
    answer = output.outputs[0]
    try:
        reason = FinishReason(answer.finish_reason)
    except ValueError:  # one that a newer vLLM made up, or none at all: the answer can't be trusted to be whole
        reason = FinishReason.ERROR
    taken = tuple(answer.token_ids)
    ahead, listed = probe or ((), ())
    if answer.logprobs is None:
        logprobs = None
    elif probe is None:
        logprobs = _logprobs(taken, answer.logprobs, written())
    else:
        logprobs = _unmasked(answer.logprobs, ahead, listed, written())
    return Outcome(
        text=answer.text if texts is None else "".join(texts.get(token_id, "") for token_id in taken),
        finish_reason=reason,
        prompt_tokens=len(output.prompt_token_ids or ()),
        output_tokens=len(taken),
        cached_tokens=output.num_cached_tokens or 0,
        token_ids=(*ahead, *taken),
        logprobs=logprobs,
    )


def _unmasked(
    steps: Any, ahead: Sequence[int], listed: Sequence[int], written: Sequence[bytes]
) -> tuple[tuple[TokenLogprob, ...], ...]:
    """Return the tokens put ahead, which are certain, and then the listed ones of vLLM's `FlatLogprobs`, and `OTHERS`."""
    end = steps.end_indices[0] if steps else 0
    # Lists of unequal lengths are filled up, with a number that may be listed too: the first one of its kind counts.
    step = dict(zip(reversed(steps.token_ids[:end]), reversed(steps.logprobs[:end]), strict=True)) if end else {}
    chances = [(token_id, step[token_id]) for token_id in listed if token_id in step]
    outside = max(1.0 - math.fsum(math.exp(chance) for _, chance in chances), _LEAST)
    known = [TokenLogprob(token_id, chance, written[token_id]) for token_id, chance in chances if chance > -math.inf]
    certain = ((TokenLogprob(token_id, 0.0, written[token_id]),) for token_id in ahead)
    return (*certain, (*known, TokenLogprob(OTHERS, math.log(outside), b"")))


def _logprobs(
    token_ids: Sequence[int], steps: Sequence[Any], written: Sequence[bytes]
) -> tuple[tuple[TokenLogprob, ...], ...]:
    """Return for each token itself first, then the others by rank, without those that the constraint forbids."""
    rows: list[tuple[TokenLogprob, ...]] = []
    for taken, step in zip(token_ids, steps, strict=False):
        chances: dict[int, float] = {token_id: float(chance.logprob) for token_id, chance in step.items()}
        others = [token_id for token_id, logprob in chances.items() if token_id != taken and logprob > -math.inf]
        rows.append(
            tuple(
                TokenLogprob(token_id, chances[token_id], written[token_id] if token_id < len(written) else b"")
                for token_id in (taken, *others)
                if token_id in chances
            )
        )
    return tuple(rows)


def written_by(tokenizer: Any) -> list[bytes]:
    """Return the bytes of each token; none for special ones. xgrammar makes its masks from the same table."""
    try:
        from xgrammar import TokenizerInfo

        table: list[bytes] = list(TokenizerInfo.from_huggingface(tokenizer).decoded_vocab)
    except Exception:  # xgrammar is not there, or does not know the tokenizer: characters in parts are lost then
        table = [tokenizer.decode([token_id]).encode() for token_id in range(len(tokenizer.get_vocab()))]
    for token_id in special_ids(tokenizer):
        if token_id < len(table):
            table[token_id] = b""
    return table
