"""Admission: the tokens of a request's prompt and the limits of its answer, before an engine takes it.

Nothing is queued or kept here. A request that does not fit is an error of its own row, found before the engine sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

from typefold.runtime.engine import Engine, EngineRefusal, PromptTooLarge
from typefold.runtime.errors import BadInput, PromptTooLong, Truncated
from typefold.runtime.request import Request
from typefold.runtime.scheduling.pending import Limits, error_fields


def admit(engine: Engine, request: Request, *, early_stop: bool = False) -> tuple[Sequence[int], Limits]:
    """Return the tokens of a request's prompt, and the limits of its answer. Raises EngineRefusal for its parameters."""
    fields, info = error_fields(request), engine.info
    try:
        token_ids = engine.tokenize(request)
    except PromptTooLarge as error:
        raise PromptTooLong(**fields, prompt_tokens=error.tokens, max_model_len=info.max_model_len) from error
    except EngineRefusal:
        raise
    except Exception as error:
        raise BadInput(**fields, reason=f"{type(error).__name__}: {error}") from error
    own_limit = engine.max_tokens(request)
    bounds = request.constraint.token_bounds(info.vocabulary)
    early = early_stop and _may_end_early(request)
    few = request.constraint.few_answers if early else None
    least = 1 if request.probe else bounds.least if few is None else min(bounds.least, few.tokens)
    room = info.max_model_len - len(token_ids)
    if room < least:
        raise PromptTooLong(**fields, prompt_tokens=len(token_ids), max_model_len=info.max_model_len, needed=least)
    limit = room if bounds.most is None else min(room, bounds.most)
    max_tokens = limit if own_limit is None else min(own_limit, room)
    if max_tokens < least:
        raise Truncated(**fields, max_tokens=max_tokens, needed=bounds.most or bounds.least, room=room)
    ending = request.constraint.forced_ending if early and few is None else None
    return token_ids, Limits(max_tokens, bounds.most, room, few or ending)


def _may_end_early(request: Request) -> bool:
    """Return whether the caller neither sees nor counts the tokens behind those that determine the answer."""
    if request.probe or request.on_delta is not None or request.constraint.kind == "text":
        return False
    return not request.asked("min_tokens") and request.asked("logprobs") is None
