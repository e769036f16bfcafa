"""Log probabilities for the scripted engine: it is rather sure of what it says, and knows what else it might have said.

Where the answers are few, the next byte of the scripted one has 0.9 and the other admitted bytes share the rest. Elsewhere
it is certain of every byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from typefold.compiler import Constraint
from typefold.compiler.finite import finite_texts
from typefold.runtime.request import TokenLogprob

__all__ = ["END", "known_answers", "made_up_logprobs"]

END = 256
"""The token that ends a text; those below are bytes."""

_SURE = 0.9
_FEW = 1000


def known_answers(constraint: Constraint) -> tuple[bytes, ...]:
    """All answers that a constraint admits, where they are few; else none."""
    texts = None if constraint.language is None else finite_texts(constraint.language, _FEW)
    return tuple(text.encode() for text in texts or ())


def made_up_logprobs(
    token_ids: Sequence[int], answers: Sequence[bytes], count: int
) -> tuple[tuple[TokenLogprob, ...], ...]:
    """For each token of an answer itself and the likeliest others.

    Args:
        token_ids: The tokens of the answer.
        answers: All that it might have been; nothing where that is not known.
        count: How many others there may be, the token itself among them.
    """
    rows: list[tuple[TokenLogprob, ...]] = []
    for place, token_id in enumerate(token_ids):
        before = bytes(token_ids[:place])
        open_ = [answer for answer in answers if answer.startswith(before)]
        others = sorted({answer[place] if len(answer) > place else END for answer in open_} - {token_id})
        own = _SURE if others else 1.0
        chances = [(token_id, own), *((other, (1 - own) / len(others)) for other in others)]
        rows.append(tuple(_token(*chance) for chance in chances[: max(count, 1)]))
    return tuple(rows)


def _token(token_id: int, probability: float) -> TokenLogprob:
    return TokenLogprob(token_id, math.log(probability), b"" if token_id == END else bytes([token_id]))
