"""`typefold wires`: a user's function on labelled rows, in each wire, as a table and a line of advice.

A label is the value that the function should give, in a column of its own; an answer is right if it is equal to that.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from rich.console import Console
from rich.table import Table

from typefold.cli.input_records import Source
from typefold.cli.target import CommandError
from typefold.cli.wires import Trial, advice, compare
from typefold.compiler import JsonFormat
from typefold.compiler.contained import first_line
from typefold.programs.record_arguments import BadRecord, Inputs
from typefold.programs.record_calls import of_row
from typefold.programs.record_function import Target
from typefold.prompts.base_prompt import BasePrompt
from typefold.runtimes.runtime import Runtime

__all__ = ["Labelled", "labelled", "try_wires", "write"]


@dataclass(frozen=True)
class Labelled:
    """A row with what it should give."""

    arguments: Mapping[str, Any]
    expected: Any


def labelled(
    target: Target, source: Source, inputs: Inputs, *, column: str, limit: int | None = None
) -> list[Labelled]:
    """The rows of a file.

    Args:
        target: The function.
        source: The records.
        inputs: Makes arguments of them.
        column: Where the labels are.
        limit: How many records are taken at most.

    Raises:
        CommandError: A record does not fit, has no label, or one that the function's return type can't be.
    """
    try:
        labels = TypeAdapter[Any](target.returns)
    except Exception as error:
        raise CommandError(
            f"{target.name}: pydantic can't read labels as its return type: {first_line(error)}"
        ) from error
    rows: list[Labelled] = []
    for number, (line, record) in enumerate(itertools.islice(source, limit)):
        where = f"row {number} of the labels" + ("" if line is None else f" (line {line})")
        try:
            if isinstance(record, BadRecord):
                raise record
            if column not in record:
                raise BadRecord(f"there is no {column}; name the column of the labels: --column")
            rest = {name: value for name, value in record.items() if name != column}
            rows.append(Labelled(inputs.arguments(rest), _label(labels, record[column], texts=source.texts)))
        except BadRecord as error:
            raise CommandError(f"{where}: {error}") from None
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
            raise CommandError(f"{where}: its {column} is no value that {target.name} can give: {problem}") from None
    if not rows:
        raise CommandError("there are no rows with labels")
    return rows


def _label(adapter: TypeAdapter[Any], value: Any, *, texts: bool) -> Any:
    if texts:
        try:
            return adapter.validate_json(value)
        except ValidationError:
            return adapter.validate_python(value)
    try:
        return adapter.validate_json(to_json(value))
    except PydanticSerializationError as error:  # bytes of a Parquet file that are no text, say
        raise BadRecord(f"its label has no form in JSON: {error}") from None


def try_wires(target: Target, rows: list[Labelled], runtime: Runtime) -> list[Trial]:
    """Run the function on the rows in each wire.

    Raises:
        CommandError: The function is a prompt whose answers have no wire, being bare text.
    """
    function: Any = target.function
    wires = {wire.name.lower(): wire for wire in JsonFormat}
    targets = dict.fromkeys(wires, target)
    if isinstance(function, BasePrompt):
        if function.explain().is_bare:
            raise CommandError(f"{target.name} answers in bare text, which is the same in every wire")
        targets = {name: replace(target, function=_in_wire(target.function, wire)) for name, wire in wires.items()}
    programs: dict[str, Callable[[Labelled], Any]] = {name: of_row(each) for name, each in targets.items()}
    return compare(programs, rows, _is_right, runtime, wires=wires)


def _in_wire(prompt: Any, wire: JsonFormat) -> Any:
    return prompt.using(json_format=wire)


def _is_right(row: Labelled, value: Any) -> bool:
    return bool(value == row.expected)


def write(trials: list[Trial], console: Console) -> bytes:
    """Print the table and what to do; return the figures and each row's mark as JSON."""
    lines = [each.line() for each in trials]
    table = Table(
        *lines[0], title=f"{len(trials[0].marks):,} rows, each in every wire; shares with their 95% intervals"
    )
    for line in lines:
        table.add_row(*map(str, line.values()))
    console.print(table)
    for each in trials:
        if each.problem is not None:
            problem = (
                f"{each.wire}: {each.failed:,} failed, the first with {type(each.problem).__name__}: {each.problem}"
            )
            console.print(problem, markup=False, highlight=False)
    console.print(advice(trials), markup=False, highlight=False)
    found = [
        line | {"marks": [each.marks[row] for row in sorted(each.marks)]}
        for line, each in zip(lines, trials, strict=True)
    ]
    return json.dumps({"wires": found, "advice": advice(trials)}, indent=1).encode()
