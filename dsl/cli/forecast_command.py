"""`typefold forecast`: a function and the records of a file, as work to be forecast.

A record that can't be read, or does not fit the function, is a row that can't be run. Records are held in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from returns.result import Result

from typefold.cli.output_records import json_line
from typefold.cli.run_command import InputFile, check_columns
from typefold.cli.target import CommandError, load
from typefold.evaluation.forecasting import Work
from typefold.execution.call import Call
from typefold.programs.record_function import BadRecord, Fitting, Inputs, of_row
from typefold.programs.run import as_ended, fit
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.runtime import PromptError
from typefold.tables.arrow import plain_form
from typefold.tables.columns import Unfit


def work_of(function: str, file: InputFile, given: Mapping[str, str], limit: int | None, column: str) -> Work:
    """Return a function and the records of a file, to be asked as `typefold run` asks them."""
    target = load(function)
    source = file.open()
    inputs = Inputs(target, given, texts=source.texts, renamed=file.renamed)
    if source.columns is not None:
        check_columns(target, inputs, source.columns)
    rows: list[Fitting | Unfit] = []
    for _, record in itertools.islice(source, limit):
        try:
            if isinstance(record, BadRecord):
                raise record
            rows.append(Fitting(record, inputs.arguments(record)))
        except Exception as error:  # a user's validator may raise anything
            rows.append(Unfit(str(error)))
    if not rows:
        raise CommandError("the input has no records")
    program, convert = of_row(target), plain_form(target.returns, json=True)

    def ended(indices: Sequence[int]) -> Generator[tuple[int, Result[Any, Exception]]]:
        asked = fit(program, (row if isinstance(row, Unfit) else (row,) for row in (rows[index] for index in indices)))
        return as_ended(program, asked, key=attrgetter("arguments"), indices=indices)

    def written(index: int, value: object) -> int:
        row = rows[index]
        return len(json_line({**({} if isinstance(row, Unfit) else row.record), column: convert(value)}))

    spec = spec_if_prompt(target.function)
    if spec is None:
        return Work(target.name, len(rows), ended, written=written)

    def calls(indices: Iterable[int]) -> Iterator[Call[Any] | PromptError]:
        chosen = (rows[index] for index in indices)
        return spec.of_rows(row if isinstance(row, Unfit) else dict(row.arguments) for row in chosen)

    return Work(target.name, len(rows), ended, calls, written=written, runtime=spec.options.runtime)
