"""What a request needs before an engine can take it: its tokens, and how long its answer may get.

Nothing is kept here and nothing is queued: a request that does not fit is an error of its own row, found before the
engine sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

from typefold.runtime.engine import Engine, EngineRefusal, PromptTooLarge
from typefold.runtime.errors import BadInput, PromptTooLong, Truncated
from typefold.runtime.request import Request
from typefold.runtime.scheduling.pending import Limits, facts_of

__all__ = ["admitted"]


def admitted(engine: Engine, request: Request, *, early_stop: bool = False) -> tuple[Sequence[int], Limits]:
    """The tokens of a request's prompt, and how long its answer may get.

    Args:
        engine: Who is to answer it.
        request: What is asked.
        early_stop: Whether to ask for no more of an answer than settles it.

    Raises:
        BadInput: The prompt can't be rendered or tokenised.
        PromptTooLong: It leaves no room for an answer.
        Truncated: The answer would be cut off, however it reads.
        EngineRefusal: The engine will not take the request's parameters, or what is in its prompt.
    """
    try:
        token_ids = engine.tokenize(request)
    except PromptTooLarge as error:
        raise PromptTooLong(
            **facts_of(request), prompt_tokens=error.tokens, max_model_len=engine.info.max_model_len
        ) from error
    except EngineRefusal:
        raise
    except Exception as error:
        raise BadInput(**facts_of(request), reason=f"{type(error).__name__}: {error}") from error
    own_limit = engine.max_tokens(request)
    bounds = request.constraint.token_bounds(engine.info.vocabulary)
    early = early_stop and _may_end_early(request)
    decision = request.constraint.few_answers if early else None
    least = 1 if request.probe else bounds.least if decision is None else min(bounds.least, decision.tokens)
    room = engine.info.max_model_len - len(token_ids)
    if room < least:
        raise PromptTooLong(
            **facts_of(request), prompt_tokens=len(token_ids), max_model_len=engine.info.max_model_len, needed=least
        )
    limit = room if bounds.most is None else min(room, bounds.most)
    max_tokens = limit if own_limit is None else min(own_limit, room)
    if max_tokens < least:
        needed = bounds.most or bounds.least
        raise Truncated(**facts_of(request), max_tokens=max_tokens, needed=needed, room=room)
    tail = request.constraint.forced_ending if early and decision is None else None
    return token_ids, Limits(max_tokens, bounds.most, room, decision or tail)


def _may_end_early(request: Request) -> bool:
    """Whether nobody wants to see, or to count, the tokens that follow those which settle the answer."""
    if request.probe or request.on_delta is not None or request.constraint.kind == "text":
        return False
    return not request.asked("min_tokens") and request.asked("logprobs") is None
