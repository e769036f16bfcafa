"""`typefold evaluate` and `typefold compare`: labelled records of a file, and the report of them.

A record that can't be read, or has no label of the function's type, is a mistake in the file: it is reported, and nothing is run. A
record that does not fit the function is a row that failed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from pydantic_core import to_jsonable_python

from typefold.cli.output import open_output
from typefold.cli.run_command import Condition, InputFile, check_columns
from typefold.cli.target import CommandError, load
from typefold.compiler.guards import is_dict
from typefold.evaluation.grading import Job, check_metric, checked_jobs, graded, read_labels, reported
from typefold.evaluation.report import Report
from typefold.programs.record_function import BadRecord, Inputs, Target
from typefold.response_types import Logged, Reasoned, Scored
from typefold.tables.columns import Unfit


@dataclass(frozen=True)
class Evaluation:
    """Functions and labelled records, checked, before anything is asked."""

    targets: Sequence[Target]
    jobs: Sequence[Job]
    records: Sequence[Mapping[str, Any]]
    metric: Target | None

    def run(self) -> list[Report[Any]]:
        """Ask all functions for all records as one batch, and return the report of each function."""
        metric = None if self.metric is None else self.metric.function
        rows, size = graded(self.jobs, metric), len(self.records)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return [
            replace(reported(target.function, part, metric), function=target.name)
            for target, part in zip(self.targets, parts, strict=True)
        ]

    def mistakes(self, report: Report[Any]) -> str:
        """Return the rows that are not right as JSON lines: the record, the answer, and the error of a row that failed."""
        lines: list[str] = []
        for row in report.mistakes:
            found = (
                {"answer": row.value} if row.error is None else {"error": f"{type(row.error).__name__}: {row.error}"}
            )
            record = {"row": row.index, "record": self.records[row.index], "expected": row.expected, **found}
            lines.append(json.dumps(to_jsonable_python(record, fallback=str), ensure_ascii=False))
        return "".join(f"{line}\n" for line in lines)


def prepared(
    functions: Sequence[str],
    file: InputFile,
    expected: str,
    metric: str | None,
    limit: int | None,
    where: str | None,
    given: Mapping[str, str],
    *,
    plots: bool = False,
) -> Evaluation:
    """Import functions and read the labelled records of a file. Raises an error for labels that don't fit."""
    targets = [load(function) for function in functions]
    if plots:
        _check_plot(targets[0])
    judge = None if metric is None else load(metric)
    check_metric(None if judge is None else judge.function)
    source = file.open()
    inputs = [Inputs(target, given, texts=source.texts, renamed=file.renamed) for target in targets]
    left_out = {expected, expected.partition(".")[0]}  # columns of labels are none of the functions'
    if source.columns is not None:
        for target, reader in zip(targets, inputs, strict=True):
            check_columns(target, reader, [column for column in source.columns if column not in left_out])
    known = None if source.columns is None else [*source.columns, *(each.name for each in targets[0].parameters)]
    holds = None if where is None else Condition(where, known)
    places: list[str] = []
    records: list[dict[str, Any]] = []
    cells: list[Any] = []
    for number, (line, record) in enumerate(itertools.islice(source, limit)):
        try:
            if isinstance(record, BadRecord):
                raise record
            if holds is not None and not holds.holds(inputs[0].seen(record, inputs[0].read(record)[0])):
                continue
            cells.append(_at(record, expected))
            records.append(record)
        except BadRecord as error:
            cells.append(Unfit(str(error)))
            records.append({})
        places.append(f"record {number}" if line is None else f"line {line}")
    if holds is not None:
        holds.check_used()
    if records and all(cell is None for cell in cells):
        raise CommandError(f"--expected: no record has {expected}; the first has {', '.join(records[0]) or 'nothing'}")
    shown = [{name: value for name, value in record.items() if name not in left_out} for record in records]
    jobs: list[Job] = []
    for target, reader in zip(targets, inputs, strict=True):
        read = [reader.read(record) for record in shown]
        rows = [Unfit("; ".join(misfits)) if misfits else arguments for arguments, misfits in read]
        labels = read_labels(target.function, cells, texts=source.texts)
        inputs_shown = [arguments for arguments, _ in read]
        jobs += checked_jobs(target.function, rows, labels, inputs=inputs_shown, where=places.__getitem__)
    return Evaluation(targets, jobs, records, judge)


def _at(record: dict[str, Any], path: str) -> Any:
    """Return the value of a column, or, by a path with dots, of an object in one; `None` where there is none."""
    if path in record:
        return record[path]
    first, dot, rest = path.partition(".")
    inside = record.get(first) if dot else None
    return _at(inside, rest) if is_dict(inside) else None


def _check_plot(target: Target) -> None:
    """Raise an error for a function of which it can be told that it states no probabilities."""
    hint = target.returns
    while get_origin(hint) in (Logged, Reasoned):
        [hint] = get_args(hint)
    if hint is not Any and get_origin(hint) is not Scored:
        raise CommandError(f"--plot: {target.name} states no probabilities; let it return Scored[...]")


@contextmanager
def opened(path: str | None) -> Generator[Callable[[Callable[[], str]], None]]:
    """Open a file, and return the function that writes the text that another returns; it does nothing where there is no path."""
    if path is None:
        yield lambda text_of: None
        return
    file = open_output(path)

    def write(text_of: Callable[[], str]) -> None:
        file.write(text_of().encode("utf-8", "backslashreplace"))
        file.finish()

    try:
        yield write
    finally:
        file.discard()


def plot_of(report: Report[Any]) -> str:
    """Return the reliability of the stated probabilities as SVG."""
    if report.calibration is None:
        raise CommandError(f"--plot: {report.function} stated no probabilities")
    return report.calibration.svg()
