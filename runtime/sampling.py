"""Sampling parameters: the values that each option may have, and checks on several of them together.

`RANGES` is vLLM's own contract, read from `vllm/sampling_params.py` (the fields of `SamplingParams`, `__post_init__` and
`_verify_args`), which is the same in 0.25 and in 0.33. Token ids and seeds are limited as its engine limits them. A test
compares the table with the installed vLLM. vLLM is not imported, so a value is refused where it is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from typefold.compiler.guards import class_of, is_dict, is_list

UNSET_LIMIT = 16
"""`SamplingParams().max_tokens`: in an object, a limit set to this looks the same as one that was left out."""


class FixedParameters(dict[str, Any]):
    """Sampling parameters that nobody changes, so that requests which share the object are known to be alike."""


HARMLESS: Mapping[str, Any] = {"detokenize": True, "n": 1, "structured_outputs": None}
"""Parameters of a `SamplingParams` that typefold sets itself, with the values that are allowed there."""

AGAINST_CONSTRAINTS = ("stop", "stop_token_ids", "ignore_eos")
"""Parameters that end a constrained answer before it is complete, or let it run on behind its end."""

_NO_OBJECTS = (str, bytes, int, float, Mapping, list, tuple, set)


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an option may have."""

    words: str  # to follow on "is"
    admits: Callable[[object], bool]

    def refusal(self, name: str, value: object) -> str | None:
        return None if self.admits(value) else f"{name} is {self.words}, not {value!r:.80}"


def number(admits: Callable[[float], bool]) -> Callable[[object], bool]:
    """Admit the numbers that pass a test; a bool is none."""
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and admits(value)


def whole(least: float = -math.inf) -> Callable[[object], bool]:
    """Admit whole numbers from `least` on; a bool is none."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def one_of(*names: str) -> Range:
    """Admit some names."""
    *most, last = map(repr, names)
    return Range(f"{', '.join(most)} or {last}", lambda value: isinstance(value, str) and value in names)


def or_none(admits: Callable[[object], bool]) -> Callable[[object], bool]:
    """Admit `None` too."""
    return lambda value: value is None or admits(value)


FLAG = Range("True or False", lambda value: isinstance(value, bool))


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


def asked(sampling: Mapping[str, Any], params: object, name: str) -> Any:
    """Return a parameter as asked for: from the single parameters, else from the object; `None` where in neither."""
    return sampling.get(name, getattr(params, name, None))


def token_limit(sampling: Mapping[str, Any], params: object, *, text: bool) -> int | None:
    """Return the token limit that the parameters set; `None` where they set none.

    An object with 16, vLLM's default, may have been left as it was. Free text keeps that limit, as in vLLM. An answer with a
    constraint is bounded by its type, and there it counts as not set. As a single parameter, 16 is 16.
    """
    limit: int | None = asked(sampling, params, "max_tokens")
    return limit if text or limit != UNSET_LIMIT or "max_tokens" in sampling else None


def conflict(sampling: Mapping[str, Any], params: object, *, text: bool) -> str | None:
    """Return why the parameters don't go together; `None` if they do. Takes the arguments of `token_limit`."""
    least, most = asked(sampling, params, "min_tokens"), token_limit(sampling, params, text=text)
    if least and most is not None and least > most:
        return f"min_tokens={least} is more than max_tokens={most}"
    return None


def unfit(name: str, value: object) -> str | None:
    """Return why a parameter can't have a value; `None` if it can, or is not in the table."""
    known = RANGES.get(name)
    return None if known is None else known.refusal(name, value)


def unfit_object(params: object) -> str | None:
    """Return why an object can't be the `SamplingParams` to start from; `None` where nothing is wrong without vLLM."""
    if isinstance(params, type) or issubclass(class_of(params), _NO_OBJECTS) or hasattr(params, "beam_width"):
        which = f"the class {params.__name__}" if isinstance(params, type) else f"a {class_of(params).__name__}"
        return (
            f"sampling_params is a vllm.SamplingParams, not {which}; write single parameters as options by name, as in "
            "temperature=0.7, max_tokens=200"
        )
    for name in RANGES:
        if hasattr(params, name) and (reason := unfit(name, getattr(params, name))) is not None:
            return f"in the given sampling_params, {reason}"
    return None
