"""Sampling parameters: the values that each may have, and the token limit of a request.

`RANGES` is vLLM's own contract, read from `vllm/sampling_params.py`: the fields of `SamplingParams` with their types,
`__post_init__` and `_verify_args`, which are the same in 0.25 and in 0.33; token ids and seeds also as its engine takes them.
A test compares the table with the installed vLLM. vLLM is not imported, so that a value is refused where it is written.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from typefold.compiler.guards import is_dict, is_list, kind_of
from typefold.runtime.ranges import FLAG, Range, number, or_none, whole
from typefold.runtime.request import Request

__all__ = [
    "AGAINST_CONSTRAINTS",
    "HARMLESS",
    "RANGES",
    "UNSET_LIMIT",
    "conflict",
    "given",
    "limit_of",
    "unfit",
    "unfit_object",
]

logger = logging.getLogger(__name__)

UNSET_LIMIT = 16
"""`SamplingParams().max_tokens`: in an object, a limit that was set to this can't be told from one that was left out."""

HARMLESS: Mapping[str, Any] = {"detokenize": True, "n": 1, "structured_outputs": None}
"""Parameters of a `SamplingParams` that typefold sets, with the values that say nothing."""

_NO_OBJECTS = (str, bytes, int, float, Mapping, list, tuple, set)

AGAINST_CONSTRAINTS = ("stop", "stop_token_ids", "ignore_eos")
"""Parameters that end a constrained answer before it is whole, or let it run on behind its end."""


def _texts(value: object) -> bool:
    return is_list(value) and all(isinstance(each, str) and each for each in value)


def _token_ids(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, range)) and all(map(whole(0), value))  # pyright: ignore[reportUnknownArgumentType]  # of any type


def _biases(value: object) -> bool:
    bias = number(lambda given: not math.isnan(given))
    return is_dict(value) and all(map(whole(0), value)) and all(map(bias, value.values()))


def _above_0(value: float) -> bool:
    try:
        return math.isfinite(value) and value > 0
    except OverflowError:  # an int beyond all floats
        return False


RANGES: Mapping[str, Range] = {
    "max_tokens": Range("an int of at least 1, or None for no limit", or_none(whole(1))),
    "min_tokens": Range("an int of at least 0", whole(0)),
    "temperature": Range("a number from 0 (greedy) to 2", number(lambda value: 0 <= value <= 2)),
    "top_p": Range("a number above 0 and up to 1", number(lambda value: 0 < value <= 1)),
    "top_k": Range("an int of at least 1, or 0 for all tokens", whole(-1)),  # -1 is 0 as well, in an older spelling
    "min_p": Range("a number from 0 to 1", number(lambda value: 0 <= value <= 1)),
    "seed": Range(
        "an int of 64 bits, or None",
        or_none(lambda value: whole(-(2**63))(value) and not whole(2**63)(value)),
    ),
    "presence_penalty": Range("a number from -2 to 2", number(lambda value: -2 <= value <= 2)),
    "frequency_penalty": Range("a number from -2 to 2", number(lambda value: -2 <= value <= 2)),
    "repetition_penalty": Range("a finite number above 0", number(_above_0)),
    "stop": Range(
        "a text or a list of texts, none of them empty",
        or_none(lambda value: bool(value) if isinstance(value, str) else _texts(value)),
    ),
    "stop_token_ids": Range("a list of token ids, ints of at least 0", or_none(_token_ids)),
    "bad_words": Range("a list of texts, none of them empty", or_none(_texts)),
    "logit_bias": Range("a dict from token ids to numbers", or_none(_biases)),
    "ignore_eos": FLAG,
    "logprobs": Range(
        "an int of at least 0, -1 for all tokens, or None",
        or_none(lambda value: value is True or whole(-1)(value)),  # vLLM takes True for 1
    ),
}


def unfit(name: str, value: object) -> str | None:
    """Why a parameter can't have a value; `None` if it can, or is not in the table.

    Example:
        >>> unfit("temperature", -1)
        'temperature is a number from 0 (greedy) to 2, not -1'
        >>> unfit("temperature", 0.7)
    """
    known = RANGES.get(name)
    return None if known is None else known.refusal(name, value)


def unfit_object(params: object) -> str | None:
    """Why an object can't be the `SamplingParams` to start from; `None` if it can, as far as can be told without vLLM."""
    if isinstance(params, type) or issubclass(kind_of(params), _NO_OBJECTS) or hasattr(params, "beam_width"):
        which = f"the class {params.__name__}" if isinstance(params, type) else f"a {kind_of(params).__name__}"
        return (
            f"sampling_params is a vllm.SamplingParams, not {which}; write single parameters as options by name, as in "
            "temperature=0.7, max_tokens=200"
        )
    for name in RANGES:
        if hasattr(params, name) and (reason := unfit(name, getattr(params, name))) is not None:
            return f"in the given sampling_params, {reason}"
    return None


def given(sampling: Mapping[str, Any], params: object, name: str) -> Any:
    """A parameter as it is asked for: by itself, or else in the object to start from; `None` where in neither."""
    return sampling.get(name, getattr(params, name, None))


def conflict(sampling: Mapping[str, Any], params: object, *, text: bool) -> str | None:
    """Why the parameters don't go together; `None` if they do.

    Args:
        sampling: Single parameters by name.
        params: The `SamplingParams` to start from, or `None`.
        text: Whether the answer is free text.
    """
    least, most = given(sampling, params, "min_tokens"), _limit(sampling, params, text=text)
    if least and most is not None and least > most:
        return f"min_tokens={least} is more than max_tokens={most}"
    return None


def limit_of(request: Request) -> int | None:
    """The token limit that a request names itself, as a single parameter or in its `SamplingParams`; `None` without one.

    A `SamplingParams` that says 16, which is vLLM's default, may have been left as it was. For free text it is kept, as vLLM
    keeps it; an answer with a constraint is bounded by its type, and there it counts as not set. Both are logged, once a
    function. As a single parameter, 16 is 16.
    """
    params, text = request.sampling_params, request.constraint.kind == "text"
    if "max_tokens" not in request.sampling and getattr(params, "max_tokens", None) == UNSET_LIMIT:
        _say(request.function, text)
    return _limit(request.sampling, params, text=text)


def _limit(sampling: Mapping[str, Any], params: object, *, text: bool) -> int | None:
    if "max_tokens" in sampling:
        limit: int | None = sampling["max_tokens"]
        return limit
    limit = getattr(params, "max_tokens", None)
    return limit if text or limit != UNSET_LIMIT else None


_told: set[tuple[str, bool]] = set()


def _say(function: str, text: bool) -> None:
    if (function, text) in _told:
        return
    _told.add((function, text))
    consequence = (
        "answers are cut after 16 tokens, as vLLM does it; max_tokens= as an option sets another limit"
        if text
        else "it counts as not set, and an answer may be as long as its type; for a limit of 16, set max_tokens=16 as an option"
    )
    logger.warning(
        "%s: the given SamplingParams has max_tokens=%d, vLLM's default: %s", function, UNSET_LIMIT, consequence
    )
