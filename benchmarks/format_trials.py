"""Which form of JSON does a function of yours answer best with? It runs on labelled rows in each form, and answers are counted.

    python -m benchmarks.format_trials module:function --labels labelled.jsonl [--column expected] [--limit 500] [--json FILE]

Prints for each form (spaced, tight, compact) the share of right answers with its 95% interval, tokens and rows a second, and
a line of advice. A label is the value that the function should give, in a column of its own; an answer is right if it equals
that. The forms take turns: each comes first for its share of the rows, so that none gains by prompts that another has left in
the prefix cache. Rows are the same for all, so forms are compared row by row.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from returns.result import Result, Success
from rich.console import Console
from rich.table import Table

from typefold import JsonFormat, Runtime, Statistics, current, run
from typefold.cli.input_records import Source, open_source
from typefold.cli.target import CommandError, load
from typefold.compiler.contained import first_line
from typefold.programs.record_function import BadRecord, Inputs, Target, of_row
from typefold.prompts.base_prompt import BasePrompt

R = TypeVar("R")
_Z = 1.96  # of 95%


@dataclass
class Trial:
    """Results of one JSON format.

    Attributes:
        name: The name of the form.
        marks: For each row whether its answer was right, by the row's number.
        failed: Rows that gave no value, or one that can't be compared.
        problem: The error of the first of these rows.
        output_tokens: Tokens of the answers.
        prompt_tokens: Tokens of the prompts.
        steps: Steps of the engine.
        seconds: The time that it took.
    """

    name: str
    marks: dict[int, bool] = field(default_factory=dict[int, bool])
    failed: int = 0
    problem: Exception | None = None
    output_tokens: int = 0
    prompt_tokens: int = 0
    steps: int = 0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """The share of rows that were right."""
        return sum(self.marks.values()) / max(1, len(self.marks))

    def per_row(self, total: float) -> float:
        """A total by the row."""
        return total / max(1, len(self.marks))

    def line(self) -> dict[str, str | float]:
        """Cells of its row in the table."""
        low, high = interval(sum(self.marks.values()), len(self.marks))
        return {
            "format": self.name,
            "right": f"{self.accuracy:.3f} [{low:.3f}, {high:.3f}]",
            "failed": self.failed,
            "tokens out a row": round(self.per_row(self.output_tokens), 1),
            "tokens in a row": round(self.per_row(self.prompt_tokens), 1),
            "rows/s": round(len(self.marks) / self.seconds, 1) if self.seconds else 0.0,
            "engine steps": self.steps,
        }


def compare(
    programs: dict[str, Callable[[R], Any]],
    rows: Sequence[R],
    is_right: Callable[[R, Any], bool],
    runtime: Runtime,
    *,
    formats: dict[str, JsonFormat] | None = None,
) -> list[Trial]:
    """Run a function on rows in each JSON format.

    Args:
        programs: The function for each format, by its name.
        rows: Its rows.
        is_right: Returns whether a value is the one that a row should give.
        runtime: The runtime that answers.
        formats: The runtime's format for each, where the function names none itself.

    Returns:
        What came of each, in the order of `programs`.
    """
    trials = {name: Trial(name) for name in programs}
    names = list(programs)
    for turn in range(len(names)):
        share = list(range(turn, len(rows), len(names)))
        for name in names[turn:] + names[:turn]:
            if not share:
                continue
            with _format(runtime, (formats or {}).get(name, runtime.json_format)):
                before, started = runtime.stats, time.perf_counter()
                results: list[Result[Any, Exception]] = list(run.safe(programs[name], [rows[row] for row in share]))
                _note(trials[name], runtime, before, time.perf_counter() - started)
            for row, result in zip(share, results, strict=True):
                try:
                    trials[name].marks[row] = is_right(rows[row], result.unwrap())
                except Exception as error:  # whatever `==` of the user's raises, too
                    trials[name].marks[row] = False
                    trials[name].failed += 1
                    problem = error if isinstance(result, Success) else result.failure()
                    trials[name].problem = trials[name].problem or problem
    return list(trials.values())


def _note(trial: Trial, runtime: Runtime, before: Statistics, seconds: float) -> None:
    after = runtime.stats
    trial.seconds += seconds
    trial.output_tokens += after.output_tokens - before.output_tokens
    trial.prompt_tokens += after.prompt_tokens - before.prompt_tokens
    trial.steps += after.steps - before.steps


@contextmanager
def _format(runtime: Runtime, json_format: JsonFormat | None) -> Generator[None]:
    before, runtime.json_format = runtime.json_format, json_format
    try:
        yield
    finally:
        runtime.json_format = before


def interval(right: int, rows: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share.

    Example:
        >>> [round(bound, 2) for bound in interval(8, 10)]
        [0.49, 0.94]
    """
    if not rows:
        return 0.0, 1.0
    share, z2 = right / rows, _Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z * sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(one: Trial, other: Trial) -> tuple[float, float, float]:
    """Mean difference of right answers, paired by row, with its 95% interval.

    Example:
        >>> better, worse = Trial("a", {0: True, 1: True}), Trial("b", {0: True, 1: False})
        >>> difference(better, worse)[0]
        0.5
    """
    rows = len(one.marks)
    if not rows:
        return 0.0, -1.0, 1.0
    deltas = [one.marks[row] - other.marks[row] for row in one.marks]
    mean = sum(deltas) / rows
    # One row of each kind is added, as Agresti and Min do, so that a few rows without a difference prove nothing.
    spread = (sum(delta * delta for delta in deltas) + 2) / (rows + 2) - mean**2
    half = _Z * sqrt(max(0.0, spread) / (rows + 2))
    return mean, mean - half, mean + half


def advice(trials: Sequence[Trial]) -> str:
    """The advice in a sentence: of the formats that no other is surely better than, the one with the fewest tokens."""
    best = max(trials, key=lambda each: each.accuracy)
    if not best.accuracy:
        return "No format gave a right answer: look at some of them (typefold try), and at the labels."
    near = [each for each in trials if difference(best, each)[1] <= 0]
    cheapest = min(near, key=lambda each: each.output_tokens)
    worse = [each for each in trials if each not in near]
    saved = 1 - cheapest.output_tokens / max(1, *(each.output_tokens for each in near))
    said = f'json_format="{cheapest.name}"'
    if len(near) == 1:
        return f"{said}: it is right more often than every other, beyond chance."
    others = ", ".join(each.name for each in near if each is not cheapest)
    told = f"{said}: {saved:.0%} fewer tokens than the longest of those that these rows can't tell apart ({others})"
    return told + (f"; {', '.join(each.name for each in worse)} is right less often." if worse else ".")


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
        column: The field that holds the label.
        limit: The most records that are taken.

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


def try_formats(target: Target, rows: list[Labelled], runtime: Runtime) -> list[Trial]:
    """Run the function on the rows in each JSON format.

    Raises:
        CommandError: The function is a prompt whose answers are bare text, the same in every format.
    """
    function: Any = target.function
    formats = {each.value: each for each in JsonFormat}
    targets = dict.fromkeys(formats, target)
    if isinstance(function, BasePrompt):
        if function.explain().is_bare:
            raise CommandError(f"{target.name} answers in bare text, which is the same in every format")
        targets = {name: replace(target, function=_in_format(target.function, each)) for name, each in formats.items()}
    programs: dict[str, Callable[[Labelled], Any]] = {name: of_row(each) for name, each in targets.items()}
    return compare(programs, rows, _is_right, runtime, formats=formats)


def _in_format(prompt: Any, json_format: JsonFormat) -> Any:
    return prompt.using(json_format=json_format)


def _is_right(row: Labelled, value: Any) -> bool:
    return bool(value == row.expected)


def write(trials: list[Trial], console: Console) -> bytes:
    """Print the table and what to do; return the figures and each row's mark as JSON."""
    lines = [each.line() for each in trials]
    table = Table(
        *lines[0], title=f"{len(trials[0].marks):,} rows, each in every format; shares with their 95% intervals"
    )
    for line in lines:
        table.add_row(*map(str, line.values()))
    console.print(table)
    for each in trials:
        if each.problem is not None:
            problem = (
                f"{each.name}: {each.failed:,} failed, the first with {type(each.problem).__name__}: {each.problem}"
            )
            console.print(problem, markup=False, highlight=False)
    console.print(advice(trials), markup=False, highlight=False)
    found = [
        line | {"marks": [each.marks[row] for row in sorted(each.marks)]}
        for line, each in zip(lines, trials, strict=True)
    ]
    return json.dumps({"formats": found, "advice": advice(trials)}, indent=1).encode()


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="module:function, or file.py:function.")],
    labels: Annotated[str, typer.Option("--labels", "-l", help="A .jsonl, .csv or .parquet file of labelled rows.")],
    model: Annotated[str | None, typer.Option(help="A model's name or path, unless the module configures one.")] = None,
    column: Annotated[str, typer.Option(help="The column of the values that are right.")] = "expected",
    limit: Annotated[int | None, typer.Option(min=1, help="Take only so many records.")] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Where the figures go as JSON.")] = None,
) -> None:
    """Run a function on labelled rows in each form of JSON, and count right answers."""
    try:
        with ExitStack() as stack:
            target, records = load(function), open_source(labels)
            rows = labelled(target, records, Inputs(target, {}, texts=records.texts), column=column, limit=limit)
            if model is not None:
                stack.enter_context(Runtime(model))
            found = write(try_formats(target, rows, current()), Console())
    except CommandError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if file is not None:
        file.write_bytes(found)


if __name__ == "__main__":
    app()
