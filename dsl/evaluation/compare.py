"""`compare`: two functions over the same labelled rows, as one batch.

Rows are pairs, so the difference has the interval of the paired differences, which is narrower than that of two evaluations. Whether
the rows that only one of both has right could be chance says McNemar's exact test (1947, doi:10.1007/BF02295996).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typefold.evaluation.grading import Job, Metric, Wrapped, graded, labelled_jobs, reported
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.report import EvaluatedRow, Report, answer_text, figures_as_json
from typefold.evaluation.tables import Table, as_html, as_rich, as_text, text_of

if TYPE_CHECKING:
    from rich.console import RenderableType

A = TypeVar("A")
T = TypeVar("T")

_SHOWN = 10  # rows of a table


@dataclass(frozen=True)
class Comparison(Generic[T]):
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
        pairs = zip(self.before.rows, self.after.rows, strict=True)
        return Estimate.mean([after.score - before.score for before, after in pairs])

    @property
    def gained(self) -> Sequence[tuple[EvaluatedRow[T], EvaluatedRow[T]]]:
        """The rows that the second function alone has right, each as both answered it."""
        return [pair for pair in self._pairs if pair[1].right and not pair[0].right]

    @property
    def lost(self) -> Sequence[tuple[EvaluatedRow[T], EvaluatedRow[T]]]:
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
    def _pairs(self) -> Iterator[tuple[EvaluatedRow[T], EvaluatedRow[T]]]:
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

    def __str__(self) -> str:
        return as_text(self.tables())

    def __rich__(self) -> RenderableType:
        return as_rich(self.tables())

    def _repr_html_(self) -> str:
        return as_html(self.tables())

    def tables(self) -> Iterator[Table]:
        """Yield the tables that `str()`, rich and notebooks show."""
        gained, lost = self.gained, self.lost
        yield Table(
            f"{self.before.function} and {self.after.function}: {len(self.before.rows):,} rows",
            ("", "before", "after"),
            [
                ("right", str(self.before.accuracy), str(self.after.accuracy)),
                ("score", str(self.before.score), str(self.after.score)),
                ("failed", *(f"{sum(each.failures.values()):,}" for each in (self.before, self.after))),
                (
                    "difference of the scores",
                    "",
                    f"{self.difference:+.3f} [{self.difference.low:+.3f}, {self.difference.high:+.3f}]",
                ),
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
# fmt: on
def compare(
    before: Callable[[Any], Any],
    after: Callable[[Any], Any],
    rows: Iterable[Any],
    /,
    expected: Iterable[Any],
    *,
    metric: Metric[Any] | None = None,
) -> Comparison[Any]:
    """Ask two functions for the same labelled rows, and report how they differ.

    Args:
        before: A function of one argument, as `evaluate` takes it.
        after: The other, such as `before.using(temperature=0.2)` or the same with other words.
        rows: Their arguments, one for each row.
        expected: The right answers, in the order of the rows.
        metric: A function `(expected, answer)`; see `evaluate`.

    Returns:
        Both reports, the paired difference with its interval, and the rows that flipped.

    Raises:
        PromptUsageError: A label is missing or no value of the return types, or there are not as many as rows.

    Example:
        >>> from typefold.evaluation import compare
        >>> outcome = compare(str.strip, str.upper, ["a", "B ", "C"], ["A", "B", "C"])
        >>> float(outcome.difference), len(outcome.gained), len(outcome.lost)
        (0.0, 1, 1)
    """
    rows = list(rows)
    expected = list(expected)
    jobs: list[Job] = []
    for function in (before, after):
        jobs += labelled_jobs(function, rows, expected)
    ended = graded(jobs, metric)
    half = len(ended) // 2
    return Comparison(reported(before, ended[:half], metric), reported(after, ended[half:], metric))
