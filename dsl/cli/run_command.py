"""`typefold run`: a function over the records of a file, results in the order of the input.

A record that does not fit the function is kept aside and never asked about; one whose row fails is kept aside too. A row has
the number of its record in the input, from 0, in every message. A result that is there before its turn waits, on the
disk where many do, so memory is bounded by the rows in flight.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from returns.result import Result, Success

from typefold.cli.input_records import Source, needed_pyarrow
from typefold.cli.output import printable
from typefold.cli.output_records import Failures, Writer
from typefold.cli.reordering import Waiting
from typefold.cli.target import CommandError
from typefold.cli.where import Condition
from typefold.compiler.contained import describe_exception
from typefold.errors import place_of
from typefold.execution.executor import FailureLimit
from typefold.execution.progress import Progress
from typefold.programs.record_arguments import BadRecord, Inputs
from typefold.programs.record_function import Target, arrow_form, streamed
from typefold.runtime import PromptError
from typefold.tables.arrow import message_of, plain_form
from typefold.tables.columns import Unfit

_SHOWN = 3  # failures of a function's own that are shown in full


@dataclass
class Counts:
    """Numbers of records by their outcome; `skipped` are those that the condition left out."""

    done: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class _Row:
    """A record that fits, with the line of the file in which it begins, if files of its kind have lines."""

    line: int | None
    record: Mapping[str, Any]
    arguments: Mapping[str, Any]


def run_over(
    target: Target,
    source: Source,
    inputs: Inputs,
    writer: Writer,
    failures: Failures,
    *,
    column: str,
    limit: int | None = None,
    where: Condition | None = None,
    convert: Callable[[Any], Any] | None = None,
    max_failures: int | None = None,
) -> Counts:
    """Run a function over records and write its results.

    Args:
        target: The function.
        source: The records.
        inputs: Makes arguments of them.
        writer: Where results go: the record, and the result under `column`.
        failures: Where failed records go, with their errors.
        column: The name of the result's column.
        limit: The most records that are taken; all of them unless given.
        where: Which records are taken.
        convert: Converts a result for the file; by default pydantic's JSON form.
        max_failures: The number of rows that may fail before the job is ended; any number unless given.

    Raises:
        CommandError: More failed, the condition failed for every record, or nothing can be written any more.
    """
    job = _Job(inputs, writer, failures, column, where, convert or plain_form(target.returns, json=True), max_failures)
    total = source.total if limit is None or source.total is None else min(limit, source.total)
    with Progress(total) as progress, job.waiting, closing(streamed(target, job.rows(source, limit))) as results:
        try:
            for index, result in results:
                progress.row(failed=job.ended(index, result))
            if where is not None:
                where.check_used()
        except BaseException:
            job.give_up()
            raise
    return job.counts


class _Job:
    """The records of one job, as they are taken and as they end."""

    def __init__(
        self,
        inputs: Inputs,
        writer: Writer,
        failures: Failures,
        column: str,
        where: Condition | None,
        convert: Callable[[Any], Any],
        max_failures: int | None,
    ) -> None:
        self.counts = Counts()
        self.waiting: Waiting[tuple[bool, Any] | None] = Waiting()  # whether it has a result, and its encoded form
        self._inputs = inputs
        self._writer = writer
        self._failures = failures
        self._column = column
        self._where = where
        self._convert = convert
        self._limit = FailureLimit(max_failures)
        self._begun: dict[int, _Row] = {}
        self._aside: dict[int, bool] = {}  # of records that are no rows, whether they failed
        self._shown: set[str] = set()

    def rows(self, source: Source, limit: int | None) -> Iterator[_Row | Unfit]:
        """Yield the records that fit, and `Unfit`, which `run` hands back at once, in the place of the others."""
        for number, (line, record) in enumerate(itertools.islice(source, limit)):
            row = self._taken(number, line, record)
            if row is None:
                yield Unfit("")
            else:
                self._begun[number] = row
                yield row

    def ended(self, number: int, result: Result[Any, Exception]) -> bool:
        """A record has ended; whether it failed."""
        row = self._begun.pop(number, None)
        if row is None:
            return self._aside.pop(number)
        if not isinstance(result, Success):
            self._failed(number, row.line, row.record, result.failure())
            return True
        try:
            encoded = self._writer.encode({**row.record, self._column: self._convert(result.unwrap())})
        except Exception as error:  # a value that the file has no form for
            self._failed(number, row.line, row.record, error, own=False)
            return True
        self.counts.done += 1
        self._put(number, (True, encoded))
        return False

    def give_up(self) -> None:
        """Write the failures down that still wait for their turn."""
        for item in self.waiting.rest():
            if item is not None and not item[0]:
                self._failures.write(item[1])

    def _taken(self, number: int, line: int | None, record: dict[str, Any] | BadRecord) -> _Row | None:
        try:
            if isinstance(record, BadRecord):
                raise record
            arguments, wrong = self._inputs.read(record)
            wanted = self._where is None or self._where.holds(self._inputs.seen(record, arguments))
            if wanted and self._column in record:
                raise BadRecord(taken(self._column))
            if wanted and wrong:
                raise BadRecord("; ".join(wrong))
        except Exception as error:  # a user's validator may raise anything
            self._aside[number] = True
            self._failed(number, line, None if isinstance(record, BadRecord) else record, error)
            return None
        if wanted:
            return _Row(line, record, arguments)
        self.counts.skipped += 1
        self._aside[number] = False
        self._put(number, None)
        return None

    def _failed(self, number: int, line: int | None, record: object, error: Exception, *, own: bool = True) -> None:
        self.counts.failed += 1
        failed = {"row": number, "line": line, "error": type(error).__name__, "message": message_of(error)}
        if own and not isinstance(error, PromptError | BadRecord):  # the function's own error
            failed["traceback"] = trace = _traceback(error)
            self._show(f"row {number}" + ("" if line is None else f" (line {line})"), error, trace)
        self._put(number, (False, self._failures.encode({**failed, "record": record})))
        if self._limit.count():
            raise CommandError(
                f"{self._limit.failed:,} rows failed, more than --max-failures {self._limit.max_failures:,} allows; the job was ended"
            )

    def _show(self, where: str, error: Exception, trace: str) -> None:
        """Print an error of the function's own, the first of those that come from one place."""
        place = place_of(error)
        if place not in self._shown and len(self._shown) < _SHOWN:
            self._shown.add(place)
            with suppress(OSError, ValueError):  # nobody reads it any more
                print(f"typefold: {where} failed:\n{printable(trace)}", file=sys.stderr, flush=True)

    def _put(self, number: int, item: tuple[bool, Any] | None) -> None:
        for each in self.waiting.due(number, item):
            if each is not None:
                has_result, written = each
                (self._writer if has_result else self._failures).write(written)


def _traceback(error: Exception) -> str:
    """An error with where it was raised, from the function's own code on."""
    frames = error.__traceback__
    while frames is not None and str(frames.tb_frame.f_globals.get("__name__")).startswith("typefold."):
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__)).rstrip()
    except Exception:  # an error of the user's
        return describe_exception(error)


def check_columns(target: Target, inputs: Inputs, columns: Sequence[str]) -> None:
    """Refuse columns that no record could fit, before any row runs."""
    if (column := inputs.misnamed(columns)) is not None:
        raise CommandError(f"{target.name}: {column}, or give one value for all rows with --set")
    if missing := inputs.missing(columns):
        raise CommandError(
            f"{target.name} needs {', '.join(missing)}, which the input has no column for (it has "
            f"{', '.join(columns) or 'none'}); rename the column, or give one value for all rows with --set {missing[0]}=..."
        )


def taken(column: str) -> str:
    """Return the error text for an input that has the results' column already."""
    return f"the input has a column {column} already, which the result would replace; give the result another: --column"


def report(counts: Counts, output: str, failures: Failures, *, from_journal: int, removed: bool) -> None:
    """Print the numbers of records, and of answers from the journal, on standard error."""
    words = [f"{counts.done:,} results in {'standard output' if output == '-' else output}"]
    if from_journal:
        words.append(f"{from_journal:,} {'answer' if from_journal == 1 else 'answers'} from the journal")
    if counts.skipped:
        words.append(f"{counts.skipped:,} left out")
    if counts.failed:
        where = "standard output" if failures.path == "-" else failures.path
        words.append(f"{counts.failed:,} failed, with reasons in {where}")
    if removed:
        words.append(f"none failed, so {failures.path} of an earlier run was removed")
    print("typefold: " + ", ".join(words), file=sys.stderr)


def parquet_form(target: Target, source: Source, column: str) -> tuple[Callable[[Any], Any], Any]:
    """Return the conversion of results to their Arrow type, and the schema of the file."""
    pa = needed_pyarrow()
    kind, convert = arrow_form(target)
    return convert, source.arrow_schema().append(pa.field(column, kind))
