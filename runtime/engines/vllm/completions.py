"""What vLLM gives back, as outcomes: finish reasons, tokens and log probabilities. vLLM is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from typefold.runtime.engines.vllm.control_tokens import special_ids
from typefold.runtime.request import FinishReason, Outcome, TokenLogprob

__all__ = ["outcome_of", "written_by"]


def outcome_of(output: Any, written: Callable[[], Sequence[bytes]]) -> Outcome:
    """A finished `RequestOutput` as an outcome.

    Args:
        output: What vLLM gives.
        written: What each token of the vocabulary writes; asked only where there are log probabilities.
    """
    answer = output.outputs[0]
    try:
        reason = FinishReason(answer.finish_reason)
    except ValueError:  # one that a newer vLLM made up, or none at all: the answer can't be trusted to be whole
        reason = FinishReason.ERROR
    token_ids = tuple(answer.token_ids)
    return Outcome(
        text=answer.text,
        finish_reason=reason,
        prompt_tokens=len(output.prompt_token_ids or ()),
        output_tokens=len(token_ids),
        cached_tokens=output.num_cached_tokens or 0,
        token_ids=token_ids,
        logprobs=None if answer.logprobs is None else _logprobs(token_ids, answer.logprobs, written()),
    )


def _logprobs(
    token_ids: Sequence[int], steps: Sequence[Any], written: Sequence[bytes]
) -> tuple[tuple[TokenLogprob, ...], ...]:
    """For each token itself first, then the others by rank; what the constraint forbids is left out."""
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
    """What each token adds to a text; nothing for special ones. xgrammar makes its masks from the same table."""
    try:
        from xgrammar import TokenizerInfo

        table: list[bytes] = list(TokenizerInfo.from_huggingface(tokenizer).decoded_vocab)
    except Exception:  # xgrammar is not there, or does not know the tokenizer: characters in parts are lost then
        table = [tokenizer.decode([token_id]).encode() for token_id in range(len(tokenizer.get_vocab()))]
    for token_id in special_ids(tokenizer):
        if token_id < len(table):
            table[token_id] = b""
    return table
