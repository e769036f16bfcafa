"""Probabilities of choices behind a begun answer: of `Scored` parts of an object, and of the fields of `Decisions`.

A begun answer is sent as text, and ends behind the last punctuation mark that all choices share: tokenizers cut there, while a space
belongs to the token behind it. The rest of each choice may be written in any tokens. The character behind a value in JSON belongs
to each of its choices, so that 1 is told from 10.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, TypeAlias, TypeVar

from typefold.compiler import OutputType
from typefold.compiler.grammar.enumerate import common_prefix
from typefold.decisions.calibration import Calibration
from typefold.decisions.scored_codec import places_in, relative
from typefold.response_types import Scored
from typefold.runtime import Outcome, Request
from typefold.runtime.scoring import probabilities

T = TypeVar("T")
Exchange: TypeAlias = Generator[Request, Outcome, T]

_BEGUN = re.compile(r".*[^\w\s]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ChoiceSource:
    """The source of a request for the probabilities of choices: the call's, and the values by the texts that may come.

    `path` is that of the part in the type, and `at` its place in the text of the answer.
    """

    source: object
    path: str
    at: int
    values: Mapping[str, Any]


def distribution(
    request: Request,
    choices: Mapping[str, Any],
    *,
    max_logprobs: int,
    before: str = "",
    behind: str = "",
    path: str = "",
    calibration: Calibration | None = None,
) -> Exchange[Scored[Any]]:
    """Find the probability of each choice, of values by their texts, between the answer's text before and behind them.

    The engine returns no more than `max_logprobs` for a token. A calibration knows the part by its path.
    """
    begun, texts = _split(before, tuple(choices), behind)
    source = ChoiceSource(request.source, path, len(before), dict(zip(texts, choices.values(), strict=True)))
    request = replace(request, begun=(*request.begun, begun) if begun else request.begun, source=source)
    found, outside = yield from probabilities(request, texts, max_logprobs=max_logprobs)
    chances: dict[Any, float] = dict.fromkeys(choices.values(), 0.0)
    for value, chance in zip(choices.values(), found, strict=True):
        chances[value] += chance
    chances = chances if calibration is None else calibration.applied(path, chances)
    return Scored(value=max(chances, key=chances.__getitem__), probabilities=chances, outside=outside)


@lru_cache(maxsize=1024)
def _split(before: str, choices: tuple[str, ...], behind: str) -> tuple[str, tuple[str, ...]]:
    """Return the begun answer that all choices share, and the rest of each."""
    texts = [before + text + behind for text in choices]
    common = reduce(lambda one, other: one[: common_prefix(one, other)], texts)
    shared = _BEGUN.match(common) if before else None
    begun = "" if shared is None else shared[0]
    return begun, tuple(text[len(begun) :] for text in texts)


def fill(
    value: Any,
    kind: OutputType[Any],
    text: str,
    request: Request,
    *,
    max_logprobs: int,
    calibration: Calibration | None,
) -> Exchange[None]:
    """Give the `Scored` parts of a value, which was just read from a text, the probabilities of their choices there."""
    for mark, begin, end in places_in(kind, value, text):
        found = yield from distribution(
            request,
            mark.choices,
            max_logprobs=max_logprobs,
            before=text[:begin],
            behind=text[end : end + 1],
            path=relative(kind, mark.path),
            calibration=calibration,
        )
        give(mark.scored, found)


def give(scored: Scored[Any], found: Scored[Any]) -> None:
    """Give a part of a value that nobody else holds yet what was found of it; its choice stays."""
    object.__setattr__(scored, "probabilities", found.probabilities)
    object.__setattr__(scored, "outside", found.outside)
