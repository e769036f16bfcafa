"""`typefold run`: a function over the records of a file, results in the order of the input.

A record that does not fit the function is kept aside and never asked about; one whose row fails is kept aside too. A
result that is there before its turn waits in memory, for as long as an older row runs.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from returns.result import Result, Success

from typefold.arrow import message_of
from typefold.commands.files import Source, needed_pyarrow
from typefold.commands.target import CommandError
from typefold.commands.writing import Failures, Writer
from typefold.progress import Progress
from typefold.records.calling import arrow_form, streamed
from typefold.records.inputs import BadRecord, Inputs
from typefold.records.target import Target

__all__ = ["Counts", "check_columns", "condition", "parquet_form", "report", "run_over", "taken"]


@dataclass
class Counts:
    """What became of the records.

    Attributes:
        done: Results that were written.
        failed: Rows that gave none, and records that were no rows.
        skipped: Records that the condition left out.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class _Row:
    """A record that fits."""

    number: int
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
    where: Callable[[Mapping[str, Any]], bool] | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Counts:
    """Run a function over records and write what it gives.

    Args:
        target: The function.
        source: The records.
        inputs: Makes arguments of them.
        writer: Where results go: the record, and the result under `column`.
        failures: Where records go that gave none, with what was wrong.
        column: The name of the result's column.
        limit: How many records are taken at most.
        where: Which records are taken.
        convert: Makes of a result what is written; by default what pydantic makes of it for JSON.
    """
    counts = Counts()
    as_written = convert or _json_form(target.returns)
    written: dict[int, Callable[[], None]] = {}  # by record, until its turn comes
    begun: dict[int, _Row] = {}  # by the index that `run` knows the row by
    indices, turn = itertools.count(), 0

    def ended(number: int, write: Callable[[], None]) -> None:
        nonlocal turn
        written[number] = write
        while (due := written.pop(turn, None)) is not None:
            turn += 1
            due()

    def failed(number: int, record: object, error: Exception) -> None:
        counts.failed += 1
        failures.write({"row": number, "error": type(error).__name__, "message": message_of(error), "record": record})

    def rows() -> Iterator[_Row]:
        for number, record in enumerate(itertools.islice(source, limit)):
            if isinstance(record, BadRecord):
                ended(number, _later(failed, number, None, record))
                continue
            try:
                if where is not None and not where(record):
                    counts.skipped += 1
                    ended(number, _nothing)
                    continue
                if column in record:
                    raise BadRecord(taken(column))
                row = _Row(number, record, inputs.arguments(record))
            except (BadRecord, CommandError) as error:
                ended(number, _later(failed, number, record, error))
                continue
            begun[next(indices)] = row
            yield row

    def write(row: _Row, result: Result[Any, Exception]) -> None:
        if isinstance(result, Success):
            try:
                writer.write({**row.record, column: as_written(result.unwrap())})
                counts.done += 1
            except (ValueError, TypeError, OverflowError) as error:  # a value that the file has no form for
                failed(row.number, dict(row.record), error)
        else:
            failed(row.number, dict(row.record), result.failure())

    total = source.total if limit is None or source.total is None else min(limit, source.total)
    with Progress(total) as progress, closing(streamed(target, rows())) as results:
        for index, result in results:
            row = begun.pop(index)
            progress.row(failed=not isinstance(result, Success))
            ended(row.number, _later(write, row, result))
    return counts


def check_columns(target: Target, inputs: Inputs, columns: Sequence[str]) -> None:
    """Say before any row runs what no record of these columns can fit.

    Raises:
        CommandError: A parameter has neither column, constant nor default.
    """
    if missing := inputs.missing(columns):
        raise CommandError(
            f"{target.name} needs {', '.join(missing)}, which the input has no column for (it has "
            f"{', '.join(columns) or 'none'}); rename the column, or give one value for all rows with --set {missing[0]}=..."
        )


def taken(column: str) -> str:
    """What to say where the input has the column that results are to have."""
    return f"the input has a column {column} already, which the result would replace; give the result another: --column"


def condition(expression: str) -> Callable[[Mapping[str, Any]], bool]:
    """A condition on records, written as Jinja writes expressions: `score > 3 and "refund" in text`.

    Raises:
        CommandError: It is no expression.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    try:
        compiled = SandboxedEnvironment().compile_expression(expression)
    except TemplateError as error:
        raise CommandError(f"--where {expression!r}: {error}") from None

    def holds(record: Mapping[str, Any]) -> bool:
        try:
            return bool(compiled(**record))
        except Exception as error:
            raise CommandError(f"--where {expression!r}: {error}") from error

    return holds


def _json_form(hint: Any) -> Callable[[Any], Any]:
    """What pydantic makes of values of a type for JSON."""
    try:
        adapter = TypeAdapter[Any](hint)
    except Exception:  # a return type that pydantic does not know, of a plain function
        adapter = TypeAdapter[Any](Any)

    def form(value: Any) -> Any:
        return adapter.dump_python(value, mode="json", warnings=False)

    return form


def _later(function: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: function(*arguments)


def _nothing() -> None:
    pass


def report(counts: Counts, output: str, failures: Failures, *, replayed: int) -> None:
    """Say on standard error what became of the records, and how many requests a journal answered."""
    words = [f"{counts.done:,} results in {'standard output' if output == '-' else output}"]
    if replayed:
        words.append(f"{replayed:,} {'answer' if replayed == 1 else 'answers'} from the journal")
    if counts.skipped:
        words.append(f"{counts.skipped:,} left out")
    if counts.failed:
        words.append(f"{counts.failed:,} failed, with reasons in {failures.path}")
    print("typefold: " + ", ".join(words), file=sys.stderr)


def parquet_form(target: Target, source: Source, column: str) -> tuple[Callable[[Any], Any], Any]:
    """What makes a result fit its Arrow type, and the schema of the file.

    Raises:
        CommandError: pyarrow is not installed.
        PromptUsageError: What the function returns has no Arrow type.
    """
    pa = needed_pyarrow()
    kind, convert = arrow_form(target)
    return convert, source.arrow_schema().append(pa.field(column, kind))
