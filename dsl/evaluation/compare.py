"""`compare`: two functions over the same labelled rows, as one batch.

Rows are pairs, so the difference has the interval of the paired differences, which is narrower than that of two evaluations.
McNemar's exact test (1947, doi:10.1007/BF02295996) says whether chance alone would flip as uneven numbers of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar, overload

from typefold.evaluation.grading import Case, Metric, Wrapped, graded, labelled_jobs, listed, reported
from typefold.evaluation.intervals import Estimate, difference
from typefold.evaluation.report import EvaluatedRow, Report, answer_text
from typefold.evaluation.tables import Shown, Table, figures_as_json, text_of

A = TypeVar("A")
T = TypeVar("T")
Pair: TypeAlias = tuple[EvaluatedRow[T], EvaluatedRow[T]]

_SHOWN = 10  # rows of a table


@dataclass(frozen=True)
class Comparison(Shown, Generic[T]):
    """The outcome of two functions over the same rows.

    Attributes:
        before: The report of the first function.
        after: The report of the second.
    """

    before: Report[T] = field(repr=False)
    after: Report[T] = field(repr=False)

    @cached_property
    def difference(self) -> Estimate:
        """The mean of the second function's scores less the first's, row by row."""
        return difference(*([each.score for each in report.rows] for report in (self.before, self.after)))

    @property
    def gained(self) -> Sequence[Pair[T]]:
        """The rows that the second function alone has right, each as both answered it."""
        return [pair for pair in self._pairs if pair[1].right and not pair[0].right]

    @property
    def lost(self) -> Sequence[Pair[T]]:
        """The rows that the first function alone has right, each as both answered it."""
        return [pair for pair in self._pairs if pair[0].right and not pair[1].right]

    @property
    def chance(self) -> float:
        """The probability that as uneven numbers of rows are gained and lost by two functions that are equally often right."""
        gained, lost = len(self.gained), len(self.lost)
        flipped = gained + lost
        tail: int = sum(math.comb(flipped, count) for count in range(min(gained, lost) + 1))
        return min(1.0, tail / 2 ** (flipped - 1)) if flipped else 1.0

    @property
    def _pairs(self) -> Iterator[Pair[T]]:
        return zip(self.before.rows, self.after.rows, strict=True)

    def to_json(self) -> str:
        """Return the figures as a JSON object: those of both reports, the difference, and the rows that flipped.

        Returns:
            JSON, indented.
        """
        return figures_as_json(
            {
                "before": dict(self.before.figures()),
                "after": dict(self.after.figures()),
                "difference": self.difference,
                "gained": [new.index for _, new in self.gained],
                "lost": [old.index for old, _ in self.lost],
                "chance": self.chance,
            }
        )

    def tables(self) -> Iterator[Table]:
        """Yield the tables that `str()`, rich and notebooks show."""
        reports, gained, lost = (self.before, self.after), self.gained, self.lost
        change = self.difference
        yield Table(
            f"{self.before.function} and {self.after.function}: {len(self.before.rows):,} rows",
            ("", "before", "after"),
            [
                ("right", *(str(each.accuracy) for each in reports)),
                ("score", *(str(each.score) for each in reports)),
                ("failed", *(f"{sum(each.failures.values()):,}" for each in reports)),
                ("difference of the scores", "", f"{change:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"),
                ("right in one alone", f"{len(lost):,}", f"{len(gained):,} (by chance: p = {self.chance:.2g})"),
            ],
        )
        for title, pairs in (("gained", gained), ("lost", lost)):
            if pairs:
                yield Table(
                    f"{title}: the first of {len(pairs):,} rows",
                    ("row", "input", "expected", "before", "after"),
                    [
                        (
                            f"{old.index:,}",
                            text_of(old.input),
                            text_of(old.expected),
                            answer_text(old),
                            answer_text(new),
                        )
                        for old, new in pairs[:_SHOWN]
                    ],
                )


# fmt: off
@overload
def compare(before: Callable[[A], Coroutine[Any, Any, Wrapped[T]]], after: Callable[[A], Coroutine[Any, Any, Wrapped[T]]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], Wrapped[T]], after: Callable[[A], Wrapped[T]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], Coroutine[Any, Any, T]], after: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], Wrapped[T]], after: Callable[[A], T], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], T], after: Callable[[A], Wrapped[T]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], T], after: Callable[[A], T], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], Wrapped[T]], after: Callable[[A], Wrapped[T]], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Comparison[T]: ...
@overload
def compare(before: Callable[[A], T], after: Callable[[A], T], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Comparison[T]: ...
# fmt: on
def compare(
    before: Callable[[Any], Any],
    after: Callable[[Any], Any],
    rows: Iterable[Any],
    /,
    expected: Iterable[Any] | None = None,
    *,
    metric: Metric[Any] | None = None,
) -> Comparison[Any]:
    """Ask two functions for the same labelled rows, and report how they differ.

    Args:
        before: A function of one argument, as `evaluate` takes it.
        after: The other, such as `before.using(temperature=0.2)` or the same with other words.
        rows: Their arguments, one for each row, or `Case`s.
        expected: The right answers, in the order of the rows.
        metric: A function `(expected, answer)`; see `evaluate`.

    Returns:
        Both reports, the paired difference with its interval, and the rows that flipped.

    Raises:
        PromptUsageError: A label is missing or no value of the return types, or there are not as many as rows.

    Example:
        >>> from typefold import compare
        >>> outcome = compare(str.strip, str.upper, ["a", "B ", "C"], ["A", "B", "C"])
        >>> outcome.difference, len(outcome.gained), len(outcome.lost)
        (0.00 [-0.78, 0.78] of 3 rows, 1, 1)
    """
    given, labels = listed(rows), None if expected is None else listed(expected)
    jobs = [job for function in (before, after) for job in labelled_jobs(function, given, labels)]
    ended = graded(jobs, metric)
    half = len(ended) // 2
    return Comparison(reported(before, ended[:half], metric), reported(after, ended[half:], metric))
