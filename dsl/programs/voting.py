"""One value made of several: `majority`, by a vote, and `best_of`, by a score.

Both take values of any type, and results too: a failure has no vote and no score, and is counted. Values are the same if
they are equal and of one type; they need not be hashable. Among equal votes or scores the first value comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, overload

from returns.result import Failure, Result, Success

from typefold.compiler.guards import class_of
from typefold.programs.run import run
from typefold.response_types import Logged, Reasoned, Scored

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=float)


@dataclass(frozen=True)
class Votes(Generic[T_co]):
    """The outcome of a vote. Made by `majority`.

    Attributes:
        counts: Each value with its number of votes, the most votes first; of equal numbers the value that was seen first.
        failed: The number of results without a value.
    """

    counts: tuple[tuple[T_co, int], ...]
    failed: int = 0

    @property
    def winner(self) -> T_co:
        """The value with most votes.

        Raises:
            ValueError: There is no vote.
        """
        return _first(self.counts, self.failed, "no vote")[0]

    @property
    def total(self) -> int:
        """The number of votes."""
        return sum(votes for _, votes in self.counts)

    @property
    def share(self) -> float:
        """The winner's share of the votes, from 0 to 1; 0 if there is no vote."""
        return self.counts[0][1] / self.total if self.counts else 0.0


@overload
def majority(values: Iterable[Result[T, Any]], /, *, key: Callable[[T], object] | None = None) -> Votes[T]: ...
@overload
def majority(values: Iterable[T], /, *, key: Callable[[T], object] | None = None) -> Votes[T]: ...
def majority(values: Iterable[Any], /, *, key: Callable[[Any], object] | None = None) -> Votes[Any]:
    """Find the value that was given most often.

    Self-consistency (Wang et al. 2022, arXiv:2203.11171) is a vote on `.value` over `.sample(n)` of a prompt that returns
    `Reasoned[T]`.

    Args:
        values: Values, or `Result`s of values.
        key: The part of a value that is voted on; by default the whole value.

    Returns:
        The votes. Values with equal keys are counted together, and the first of them stands for all.

    Example:
        >>> from typefold import Reasoned, Runtime, ask, majority, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> majority([[1], [2], [1], [3]])
        Votes(counts=(([1], 2), ([2], 1), ([3], 1)), failed=0)
        >>> @prompt(temperature=0.8)
        ... def solve(question: str) -> Reasoned[int]:
        ...     return ask(question)
        >>> with Runtime(ScriptedEngine(answers=["Nines...", "9 and 0?", "Twice 9.", "18", "9", "18"])):
        ...     votes = majority(solve.sample(3)("What is 9 + 9?"), key=lambda answer: answer.value)
        >>> votes.winner.value, round(votes.share, 2)
        (18, 0.67)
    """
    good, failed = _split(values)
    groups: dict[_Ballot, list[Any]] = {}
    for value in good:
        groups.setdefault(_Ballot(value if key is None else key(value)), []).append(value)
    ranked = sorted(groups.values(), key=len, reverse=True)  # stable: the first seen stays before its equals
    return Votes(tuple((group[0], len(group)) for group in ranked), failed)


@dataclass(frozen=True)
class Best(Generic[T_co]):
    """The best of several values. Made by `best_of`.

    Attributes:
        ranking: Each value with its score, the highest first; of equal scores the value that came first.
        failed: The number of results without a value.
    """

    ranking: tuple[tuple[T_co, float], ...]
    failed: int = 0

    @property
    def winner(self) -> T_co:
        """The value with the highest score.

        Raises:
            ValueError: There is no value.
        """
        return _first(self.ranking, self.failed, "nothing to choose")[0]

    @property
    def score(self) -> float:
        """The winner's score.

        Raises:
            ValueError: There is no value.
        """
        return _first(self.ranking, self.failed, "nothing to choose")[1]


class _ScoredNumber(Protocol):
    """`Scored` of a number, of any choices."""

    @property
    def value(self) -> float: ...
    @property
    def probabilities(self) -> Mapping[Any, float]: ...


Score: TypeAlias = float | Logged[float] | Reasoned[float] | _ScoredNumber
"""A score, as a function of a program's own or a prompt gives it."""


@overload
def best_of(values: Iterable[Result[T, Any]], score: Callable[[T], Score], /) -> Best[T]: ...
@overload
def best_of(values: Iterable[T], score: Callable[[T], Score], /) -> Best[T]: ...
def best_of(values: Iterable[Any], score: Callable[[Any], Any], /) -> Best[Any]:
    """Find the value with the highest score: best-of-n (Stiennon et al. 2020, arXiv:2009.01325).

    Args:
        values: Values, or `Result`s of values.
        score: Scores a value: a prompt function, which judges all values in one batch, or any other function. The score of a
            `Scored` number is its mean by probability (as in G-Eval, Liu et al. 2023, arXiv:2303.16634), which is finer than
            its likeliest value; the score of a `Scored[bool]` is the probability of `True`. NaN comes last.

    Returns:
        All values with their scores, the best first.

    Raises:
        BatchError: Some scores failed; it holds the `Result` of each.
        TypeError: A score is not a number.

    Example:
        >>> from typing import Annotated
        >>> from pydantic import Field
        >>> from typefold import Runtime, ask, best_of, prompt, run
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt(temperature=1)
        ... def slogan(product: str) -> str:
        ...     return ask(f"A slogan for {product}.")
        >>> @prompt(temperature=0)
        ... def rate(text: str) -> Annotated[int, Field(ge=1, le=5)]:
        ...     return ask(f"Rate this slogan from 1 to 5: {text}")
        >>> def best_slogan(product: str) -> str:
        ...     return best_of(slogan.sample(3)(product), rate).winner
        >>> with Runtime(ScriptedEngine(answers=["Good.", "Better!", "New.", "2", "5", "3"])):
        ...     run(best_slogan, ["tea"])  # of many rows, samples and ratings all share one batch
        ['Better!']
    """
    good, failed = _split(values)
    scores = [number_of(given) for given in run(score, good)]
    # NaN is neither more nor less than any other, so it would leave all unsorted. Sorting is stable.
    ranked = sorted(zip(good, scores, strict=True), key=lambda pair: (not math.isnan(pair[1]), pair[1]), reverse=True)
    return Best(tuple(ranked), failed)


def _split(values: Iterable[Any]) -> tuple[list[Any], int]:
    """Return the values, and the number of results without one."""
    good: list[Any] = []
    failed = 0
    for value in values:
        if isinstance(value, Failure):
            failed += 1
        else:
            good.append(value.unwrap() if isinstance(value, Success) else value)
    return good, failed


def _first(pairs: tuple[tuple[T, S], ...], failed: int, otherwise: str) -> tuple[T, S]:
    if not pairs:
        raise ValueError(f"{otherwise}: {f'all {failed} answers failed' if failed else 'there were no values'}")
    return pairs[0]


class _Ballot:
    """A value as the key of a dictionary, hashable or not. Equal are equal values of one type."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self._kind = class_of(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Ballot) or self._kind is not other._kind:
            return False
        return self._value is other._value or bool(self._value == other._value)

    def __hash__(self) -> int:
        try:
            return hash((self._kind, self._value))
        except TypeError:
            return hash(self._kind)


def number_of(given: Any) -> float:
    """Return a score as a number; raises `TypeError` for anything else."""
    kind = class_of(given)
    if kind is Scored:
        return math.fsum(number_of(choice) * probability for choice, probability in given.probabilities.items())
    if kind in (Logged, Reasoned):
        return number_of(given.value)
    if isinstance(given, (Real, Decimal)):
        with suppress(OverflowError):  # of an integer of 400 digits
            return float(given)
    raise TypeError(
        f"best_of: a score is a number, not {given!r:.80}; give a function that makes one of it, such as "
        f"lambda value: judge(value).probabilities['keep']"
    )
