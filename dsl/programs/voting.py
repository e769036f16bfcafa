"""One value made of several: `majority`, by a vote, and `best_of`, by a score.

Both take values of any type, and results too: what failed has no vote and no score, and is counted. Values are one if
Python calls them equal and they are of one type; so they need not be hashable, as models and lists are not. Of equals in
votes or in score, the first goes before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Generic, TypeVar, overload

from returns.result import Failure, Result, Success

from typefold.compiler.guards import class_of
from typefold.programs.run import run
from typefold.response_types import Logged, Reasoned, Scored

__all__ = ["Best", "Votes", "best_of", "majority"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=float)


@dataclass(frozen=True)
class Votes(Generic[T_co]):
    """What a vote came to. Made by `majority`.

    Attributes:
        counts: Each value with its votes, the one with most votes first, of equals that which was seen first.
        failed: How many results had no value to vote for.
    """

    counts: tuple[tuple[T_co, int], ...]
    failed: int = 0

    @property
    def winner(self) -> T_co:
        """The value with most votes.

        Raises:
            ValueError: Nobody voted.
        """
        if not self.counts:
            raise ValueError(
                f"no vote: {f'all {self.failed} answers failed' if self.failed else 'there were no values'}"
            )
        return self.counts[0][0]

    @property
    def total(self) -> int:
        """How many votes there were."""
        return sum(votes for _, votes in self.counts)

    @property
    def share(self) -> float:
        """The winner's part of the votes, of 1; 0 if nobody voted."""
        return self.counts[0][1] / self.total if self.counts else 0.0


@overload
def majority(values: Iterable[Result[T, Any]], /, *, key: Callable[[T], object] | None = None) -> Votes[T]: ...
@overload
def majority(values: Iterable[T], /, *, key: Callable[[T], object] | None = None) -> Votes[T]: ...
def majority(values: Iterable[Any], /, *, key: Callable[[Any], object] | None = None) -> Votes[Any]:
    """The value that was given most often, as in self-consistency (Wang et al. 2022, arXiv:2203.11171).

    There a question is answered several times, each time by another train of thought, and the answer to which most of
    them lead is taken: `-> Reasoned[T]`, `.sample(n)` and a vote on `.value`.

    Args:
        values: Values, or results of values.
        key: What of a value the vote is about; the whole of it unless given.

    Returns:
        The votes. A value stands for all that have its key: the first of them.

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
    good, failed = _parted(values)
    groups: list[list[Any]] = []  # the key, then the values that have it
    known: dict[tuple[type, Hashable], list[Any]] = {}
    for value in good:
        of: Any = value if key is None else key(value)
        group = _found(of, groups, known)
        group.append(value)
    groups.sort(key=len, reverse=True)  # stable: the first seen stays before its equals
    return Votes(tuple((group[1], len(group) - 1) for group in groups), failed)


@dataclass(frozen=True)
class Best(Generic[T_co]):
    """The best of several values. Made by `best_of`.

    Attributes:
        ranking: Each value with its score, the best first, of equals that which came first.
        failed: How many results had no value to judge.
    """

    ranking: tuple[tuple[T_co, float], ...]
    failed: int = 0

    @property
    def winner(self) -> T_co:
        """The value with the highest score.

        Raises:
            ValueError: There was none.
        """
        if not self.ranking:
            raise ValueError(
                f"nothing to choose: {f'all {self.failed} answers failed' if self.failed else 'there were no values'}"
            )
        return self.ranking[0][0]

    @property
    def score(self) -> float:
        """The winner's score.

        Raises:
            ValueError: There was none.
        """
        _ = self.winner
        return self.ranking[0][1]


# fmt: off
@overload
def best_of(values: Iterable[Result[T, Any]], score: Callable[[T], float | Logged[float] | Reasoned[float]], /) -> Best[T]: ...
@overload
def best_of(values: Iterable[Result[T, Any]], score: Callable[[T], Scored[S]], /) -> Best[T]: ...
@overload
def best_of(values: Iterable[T], score: Callable[[T], float | Logged[float] | Reasoned[float]], /) -> Best[T]: ...
@overload
def best_of(values: Iterable[T], score: Callable[[T], Scored[S]], /) -> Best[T]: ...
# fmt: on
def best_of(values: Iterable[Any], score: Callable[[Any], Any], /) -> Best[Any]:
    """The value with the highest score: best-of-n (Stiennon et al. 2020, arXiv:2009.01325).

    Args:
        values: Values, or results of values.
        score: Gives a value its score: a prompt function, which judges all values in one batch, a function that calls
            some, or any other function. Of a `Scored` number the score is the mean by its probabilities (as in G-Eval, Liu
            et al. 2023, arXiv:2303.16634), which is finer than the likeliest; of a `Scored[bool]` the probability of `True`.
            What is not a number (NaN) comes last.

    Returns:
        All values with their scores.

    Raises:
        BatchError: Some scores failed; it holds the `Result` of each.
        TypeError: A score is no number.

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
    good, failed = _parted(values)
    scores = [_number(given) for given in run(score, good)]
    # NaN is neither more nor less than any other, so it would leave all unsorted. Sorting is stable.
    ranked = sorted(zip(good, scores, strict=True), key=lambda pair: (not math.isnan(pair[1]), pair[1]), reverse=True)
    return Best(tuple(ranked), failed)


def _parted(values: Iterable[Any]) -> tuple[list[Any], int]:
    """The values alone, and how many results had none."""
    good: list[Any] = []
    failed = 0
    for value in values:
        if isinstance(value, Failure):
            failed += 1
        else:
            good.append(value.unwrap() if isinstance(value, Success) else value)
    return good, failed


def _found(of: Any, groups: list[list[Any]], known: dict[tuple[type, Hashable], list[Any]]) -> list[Any]:
    """The group of a key, new if there was none; a key that can't be hashed is compared with each."""
    try:
        group = known.get((class_of(of), of))
        if group is None:
            group = known[class_of(of), of] = [of]
            groups.append(group)
    except TypeError:
        group = next((each for each in groups if class_of(each[0]) is class_of(of) and each[0] == of), None)
        if group is None:
            group = [of]
            groups.append(group)
    return group


def _number(given: Any) -> float:
    """A score as a number.

    Raises:
        TypeError: It is none, or a `Scored` of something else than numbers.
    """
    kind = class_of(given)
    if kind is Scored:
        return math.fsum(_number(choice) * probability for choice, probability in given.probabilities.items())
    if kind in (Logged, Reasoned):
        return _number(given.value)
    if isinstance(given, (Real, Decimal)):
        return float(given)
    raise TypeError(
        f"best_of: a score is a number, not {given!r:.80}; give a function that makes one of it, such as "
        f"lambda value: judge(value).probabilities['keep']"
    )
