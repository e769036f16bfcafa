"""Log probabilities for the scripted engine: it is rather sure of what it says, and knows what else it might have said.

Where the answers are few, the next byte of the scripted one has 0.9 and the other admitted bytes share the rest. Elsewhere
it is certain of every byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from typefold.compiler import Constraint
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.request import Request, TokenLogprob

__all__ = ["END", "made_up_logprobs", "possible_answer"]

END = 256
"""The token that ends a text; those below are bytes."""

_SURE = 0.9
_FEW = 1000


def possible_answer(answer: str, request: Request) -> str:
    """The rest of a scripted answer behind the tokens that are there; any that is admitted, if it is not that one.

    Raises:
        EngineRefusal: It is no answer to the question.
    """
    begun = bytes(token_id for token_id in request.begun if token_id != END)
    rest = answer.encode().removeprefix(begun)
    admitted = _answers(request.constraint)
    if rest in admitted or not admitted:
        return rest.decode()
    if not request.begun and "logit_bias" not in request.sampling:
        raise EngineRefusal(f"answers= gives {answer!r:.200}, which is none of the choices")
    return admitted[0].decode()


def made_up_logprobs(request: Request, token_ids: Sequence[int]) -> tuple[tuple[TokenLogprob, ...], ...] | None:
    """For each token of an answer itself and the likeliest others, if the request asks for them."""
    count = request.sampling.get("logprobs", getattr(request.sampling_params, "logprobs", None))
    if count is None:
        return None
    answers = _answers(request.constraint)
    rows: list[tuple[TokenLogprob, ...]] = []
    for place, token_id in enumerate(token_ids):
        before = bytes(token_ids[:place])
        open_ = [answer for answer in answers if answer.startswith(before)]
        others = sorted({answer[place] if len(answer) > place else END for answer in open_} - {token_id})
        own = _SURE if others else 1.0
        chances = [(token_id, own), *((other, (1 - own) / len(others)) for other in others)]
        rows.append(tuple(_token(*chance) for chance in chances[: max(count, 1)]))
    return tuple(rows)


def _answers(constraint: Constraint) -> tuple[bytes, ...]:
    """All answers that a constraint admits, where they are few; else none."""
    texts = None if constraint.language is None else enumerate_texts(constraint.language, _FEW)
    return tuple(text.encode() for text in texts or ())


def _token(token_id: int, probability: float) -> TokenLogprob:
    return TokenLogprob(token_id, math.log(probability), b"" if token_id == END else bytes([token_id]))
