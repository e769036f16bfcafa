"""`typefold evaluate` and `typefold compare`: labelled records of a file, and the report of them.

A record that can't be read, or has no label of the function's type, is a mistake in the file: it is reported, and nothing is run. A
record that does not fit the function is a row that failed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from typefold.cli.input_records import Read, Source, open_source
from typefold.cli.output import open_output
from typefold.cli.target import CommandError, load
from typefold.compiler.contained import first_line
from typefold.evaluation.grading import Job, check_labels, graded
from typefold.evaluation.report import Report
from typefold.programs.record_function import BadRecord, Inputs, Target, of_row, read_value
from typefold.response_types import Logged, Reasoned, Scored
from typefold.signatures.parameters import words_of
from typefold.tables.columns import Unfit

_NAMED = 5  # records in a message


@dataclass(frozen=True)
class _Row:
    """A record, with the arguments that a function takes out of it."""

    record: Mapping[str, Any]
    arguments: Mapping[str, Any]

    def __repr__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())


@dataclass(frozen=True)
class Evaluation:
    """Functions and labelled records, checked, before anything is asked."""

    targets: Sequence[Target]
    jobs: Sequence[Job]
    metric: Target | None

    def run(self) -> list[Report[Any]]:
        """Ask all functions for all records as one batch, and return the report of each function."""
        rows = graded(self.jobs, None if self.metric is None else self.metric.function)
        size = len(rows) // len(self.targets)
        name = "" if self.metric is None else self.metric.name
        return [
            Report(target.name, tuple(rows[place * size : (place + 1) * size]), name)
            for place, target in enumerate(self.targets)
        ]


def prepared(
    functions: Sequence[str],
    path: str,
    expected: str,
    *,
    metric: str | None,
    limit: int | None,
    given: Mapping[str, str],
) -> Evaluation:
    """Import functions and read the labelled records of a file. Raises CommandError for labels that don't fit."""
    targets = [load(function) for function in functions]
    judge = None if metric is None else load(metric)
    source = open_source(path)
    records = list(itertools.islice(source, limit))
    jobs: list[Job] = []
    for target in targets:
        jobs += _jobs(target, source, records, Inputs(target, given, texts=source.texts), expected)
    return Evaluation(targets, jobs, judge)


def _jobs(target: Target, source: Source, records: Sequence[Read], inputs: Inputs, expected: str) -> list[Job]:
    """Return a row to evaluate for each record. Raises CommandError for records without a label of the function's type."""
    if source.columns is not None and expected not in source.columns:
        raise CommandError(f"--expected: the input has no column {expected}; it has {', '.join(source.columns)}")
    adapter = _adapter(target)
    function = of_row(target)
    jobs: list[Job] = []
    wrong: list[str] = []
    for index, (line, record) in enumerate(records):
        where = f"record {index}" if line is None else f"line {line}"
        if isinstance(record, BadRecord):
            wrong.append(f"{where}: {record}")
            continue
        if record.get(expected) is None or (source.texts and record[expected] == ""):
            wrong.append(f"{where}: there is no {expected}")
            continue
        rest = {name: value for name, value in record.items() if name != expected}
        try:
            label = record[expected] if adapter is None else read_value(adapter, record[expected], as_text=source.texts)
        except ValidationError as error:
            wrong.append(f"{where}: {expected}: {words_of(error)}")
            continue
        arguments, misfits = inputs.read(rest)
        row = _Row(rest, arguments)
        jobs.append(Job(function, index, Unfit("; ".join(misfits)) if misfits else (row,), row, label))
    if wrong:
        more = f"; and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise CommandError(
            f"{len(wrong):,} of {len(wrong) + len(jobs):,} records have no label that fits: {'; '.join(wrong[:_NAMED])}{more}"
        )
    if not jobs:
        raise CommandError("the input has no records")
    check_labels([job.expected for job in jobs], target.function)
    return jobs


def _adapter(target: Target) -> TypeAdapter[Any] | None:
    """Return the reader of labels; `None` for a function that does not say what it returns."""
    hint = target.returns
    if get_origin(hint) in (Logged, Reasoned, Scored):
        [hint] = get_args(hint)
    if hint is Any:
        return None
    try:
        return TypeAdapter(hint)
    except Exception as error:
        raise CommandError(
            f"{target.name}: pydantic can't read a label as its return type: {first_line(error)}"
        ) from error


def write_mistakes(report: Report[Any], path: str) -> None:
    """Write the rows that are not right as JSON lines: the record, the label, the answer, and the error of a row that failed."""
    lines: list[str] = []
    for row in report.mistakes:
        record: dict[str, Any] = {"row": row.index, "input": row.input.record, "expected": row.expected}
        if row.error is None:
            record["answer"] = row.value
        else:
            record["error"] = f"{type(row.error).__name__}: {first_line(row.error)}"
        lines.append(json.dumps(to_jsonable_python(record, fallback=str), ensure_ascii=False))
    _write(path, "".join(f"{line}\n" for line in lines))


def write_plot(report: Report[Any], path: str) -> None:
    """Write the reliability of the stated probabilities as SVG."""
    if report.calibration is None:
        raise CommandError(f"--plot: {report.function} states no probabilities; let it return Scored[...]")
    _write(path, report.calibration.svg())


def _write(path: str, text: str) -> None:
    file = open_output(path)
    try:
        file.write(text.encode("utf-8", "backslashreplace"))
        file.finish()
    finally:
        file.discard()
