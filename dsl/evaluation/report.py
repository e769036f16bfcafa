"""The outcome of an evaluation: every row with its answer, and the figures over all of them.

A `Report` is plain data. `str()`, rich and notebooks show the same tables; `to_json` gives the figures to other programs.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from typefold.compiler.contained import first_line
from typefold.compiler.guards import class_of
from typefold.evaluation.fields import FAILED, FieldReport, reports_by_path
from typefold.evaluation.intervals import Estimate, mean_score
from typefold.evaluation.reliability import Reliability
from typefold.evaluation.tables import Shown, Table, figures_as_json, text_of
from typefold.response_types import Decisions, Logged, Reasoned, Scored

T = TypeVar("T")

_SHOWN = 5  # rows, labels or mistakes of a table


WRAPPERS = (Logged, Reasoned, Scored, Decisions)


class MetricFailed(ValueError):
    """A metric raised for a row, or returned no number; the exception that it raised is the cause."""


@dataclass(frozen=True, slots=True)
class EvaluatedRow(Generic[T]):
    """A row of an evaluation.

    Attributes:
        index: Its number among the rows, from 0.
        input: The function's argument, or a tuple or mapping of them.
        expected: The right answer.
        answer: The answer as the function returned it, a `Scored` or `Reasoned` say; `None` where there is none.
        error: The error of the row, of the function or of the metric; `None` for a row that has an answer and a score.
        right: Whether the answer is right; that of a row that failed is not.
        score: The metric's score, 1 or 0 for exact answers; 0 for a row that failed.
    """

    index: int
    input: Any
    expected: T
    answer: Any
    error: Exception | None
    right: bool
    score: float

    @property
    def value(self) -> T | None:
        """The value of the answer, that inside of `Scored` and the like; `None` where there is none."""
        value: T | None = unwrapped(self.answer)
        return value

    @property
    def has_answer(self) -> bool:
        """Whether there is an answer, though the metric may have failed."""
        return self.error is None or isinstance(self.error, MetricFailed)


@dataclass(frozen=True)
class Report(Shown, Generic[T]):
    """The outcome of an evaluation.

    Attributes:
        function: The name of the function.
        rows: The rows, in the order of the input.
        metric: The name of the metric; nothing for exact answers.
    """

    function: str
    rows: tuple[EvaluatedRow[T], ...] = field(repr=False)
    metric: str = ""

    @cached_property
    def accuracy(self) -> Estimate:
        """The share of rows that are right: by the metric, where it returns a truth value, else exactly equal."""
        return Estimate.share(sum(row.right for row in self.rows), len(self.rows))

    @cached_property
    def score(self) -> Estimate:
        """The mean of the metric's scores; of exact answers the share of them."""
        return mean_score([row.score for row in self.rows])

    @cached_property
    def fields(self) -> Mapping[str, FieldReport]:
        """The figures of each field, by its path (`address.city`); exact answers, whatever the metric."""
        return {path: report for path, report in self._by_path.items() if path}

    @property
    def whole(self) -> FieldReport:
        """The figures of whole answers: confusion of labels, errors of numbers, overlap of lists; exact, whatever the metric."""
        return self._by_path[""] if self._by_path else FieldReport(self.accuracy)

    @property
    def calibration(self) -> Reliability | None:
        """Agreement of the probabilities with exact answers; `None` for functions that return no `Scored`.

        Models with `Scored` parts, and `Decisions`, have it by field: `report.fields["team"].calibration`.
        """
        return self.whole.calibration

    @cached_property
    def failures(self) -> Mapping[str, int]:
        """The number of failed rows by the name of their error, the commonest first."""
        found = Counter(type(row.error).__name__ for row in self.rows if row.error is not None)
        return dict(found.most_common())

    @property
    def mistakes(self) -> Sequence[EvaluatedRow[T]]:
        """The rows that are not right, those that failed among them."""
        return [row for row in self.rows if not row.right]

    @cached_property
    def _by_path(self) -> Mapping[str, FieldReport]:
        return reports_by_path(
            (row.expected, unwrapped(row.answer, (Logged, Reasoned)) if row.has_answer else FAILED) for row in self.rows
        )

    def to_json(self) -> str:
        """Return the figures as a JSON object, without the rows.

        Returns:
            JSON, indented; an estimate is an object of `value`, `low`, `high` and `rows`.
        """
        return figures_as_json(dict(self.figures()))

    def figures(self) -> Iterator[tuple[str, Any]]:
        """Yield the figures by name, as `to_json` writes them."""
        yield "function", self.function
        yield "rows", len(self.rows)
        yield "accuracy", self.accuracy
        if self.metric:
            yield "metric", {"name": self.metric, "score": self.score}
        yield "failures", self.failures
        yield from _field_figures(self.whole)
        if self.fields:
            yield (
                "fields",
                {path: {"accuracy": each.accuracy, **dict(_field_figures(each))} for path, each in self.fields.items()},
            )

    def _repr_html_(self) -> str:
        drawn = ((path, each.calibration) for path, each in self._by_path.items() if each.calibration is not None)
        plots = (f"<figure><figcaption>{html.escape(path)}</figcaption>{found.svg()}</figure>" for path, found in drawn)
        return super()._repr_html_() + "".join(plots)

    def tables(self) -> Iterator[Table]:
        """Yield the tables that `str()`, rich and notebooks show."""
        right: list[tuple[str, ...]] = [("whole answers", str(self.accuracy), _words(self.whole))]
        if self.metric:
            right.append((f"score by {self.metric}", str(self.score), ""))
        right += [(path, str(each.accuracy), _words(each)) for path, each in self.fields.items()]
        for name, count in self.failures.items():
            share = Estimate.share(count, len(self.rows))
            right.append((f"failed: {name}", str(share), _example_of(self.rows, name)))
        yield Table(f"{self.function}: {len(self.rows):,} rows", ("", "right", ""), right)
        if (confusion := self.whole.confusion) is not None:
            labels = confusion.labels[: 4 * _SHOWN]
            figures = [(text_of(label), confusion.recall(label), confusion.precision(label)) for label in labels]
            yield Table(
                "labels",
                ("label", "rows", "found (recall)", "right when given (precision)"),
                [(label, f"{recall.rows:,}", str(recall), str(precision)) for label, recall, precision in figures],
            )
        if mistakes := self.mistakes:
            yield Table(
                f"the first of {len(mistakes):,} mistakes",
                ("row", "input", "expected", "answer"),
                [
                    (f"{row.index:,}", text_of(row.input), text_of(row.expected), answer_text(row))
                    for row in mistakes[:_SHOWN]
                ],
            )


def _field_figures(report: FieldReport) -> Iterator[tuple[str, Any]]:
    if (errors := report.errors) is not None:
        figures = {"mean_absolute": errors.mean_absolute, "bias": errors.bias}
        yield "errors", {**figures, "root_mean_square": errors.root_mean_square}
    if (overlap := report.overlap) is not None:
        yield "items", {"precision": overlap.precision, "recall": overlap.recall, "f1": overlap.f1}
    if (confusion := report.confusion) is not None:
        counts = [
            {"expected": expected, "answer": got, "rows": count} for (expected, got), count in confusion.counts.items()
        ]
        yield "confusion", counts
    if (found := report.calibration) is not None:
        yield "calibration", {"brier": found.brier, "expected_error": found.expected_error, "bins": found.bins}


def _words(report: FieldReport) -> str:
    found: list[str] = []
    if report.errors is not None:
        found.append(f"off by {report.errors.mean_absolute} in the mean")
    if report.overlap is not None:
        found.append(f"items: F1 {report.overlap.f1}")
    if report.calibration is not None:
        found.append(
            f"Brier score {report.calibration.brier}, expected calibration error {report.calibration.expected_error}"
        )
    if report.confusion is not None and (worst := report.confusion.most_confused(1)):
        [(expected, got, count)] = worst
        found.append(f"most often {text_of(expected)} as {text_of(got)}: {count:,}")
    return "; ".join(found)


def _example_of(rows: Iterable[EvaluatedRow[Any]], name: str) -> str:
    errors = (row.error for row in rows if row.error is not None)
    return text_of(first_line(next(error for error in errors if type(error).__name__ == name)))


def answer_text(row: EvaluatedRow[Any]) -> str:
    """Return a row's answer, or its error, as a table shows it."""
    if row.error is None:
        return text_of(row.value)
    return text_of(f"{type(row.error).__name__}: {first_line(row.error)}")


def unwrapped(answer: Any, wrappers: Collection[Any] = WRAPPERS) -> Any:
    """Return the value inside of `Logged`, `Reasoned`, `Scored` and `Decisions`, or of some of them."""
    while class_of(answer) in wrappers:
        answer = answer.value
    return answer
