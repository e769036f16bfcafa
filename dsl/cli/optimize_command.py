"""`typefold optimize`: a search over examples and instructions with the labelled records of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from typefold.cli.evaluate_command import Evaluation, prepared
from typefold.cli.output import open_output
from typefold.cli.run_command import InputFile
from typefold.cli.target import CommandError
from typefold.errors import PromptUsageError
from typefold.optimization.labelled_rows import LabelledRow
from typefold.optimization.optimizer import Optimization, Settings, optimize_rows
from typefold.tables.columns import Unfit

_NAMED = 5  # records in a message


class PreparedSearch:
    """A function and labelled records, checked, before anything is asked."""

    def __init__(
        self,
        function: str,
        file: InputFile,
        validation: InputFile | None,
        expected: str,
        *,
        metric: str | None,
        limit: int | None,
        given: Mapping[str, str],
    ) -> None:
        train = prepared([function], file, expected, metric, limit, None, given)
        [self._target] = train.targets
        self._metric = train.metric
        self._train = _rows(train, file.path)
        self._validation: list[LabelledRow] | None = None
        if validation is not None:
            held = prepared([function], validation, expected, None, limit, None, given)
            self._validation = _rows(held, validation.path)

    def run(self, output: str, *, quiet: bool, **options: Any) -> Optimization[Any]:
        """Search, write what is found, and return the outcome. Raises CommandError where the records or options can't work."""
        metric = None if self._metric is None else self._metric.function
        file = open_output(output)
        try:
            settings = Settings(on_round=None if quiet else _say, **options)
            found = optimize_rows(self._target.function, self._train, self._validation, metric, settings)
            file.write(found.prompts.to_json().encode("utf-8", "surrogatepass"))
            file.finish()
        except PromptUsageError as error:
            raise CommandError(str(error)) from error
        finally:
            file.discard()
        return found


def _say(ended: object) -> None:
    typer.echo(f"typefold: {ended}", err=True)


def _rows(evaluation: Evaluation, path: str) -> list[LabelledRow]:
    wrong = [f"row {job.index}: {job.arguments.reason}" for job in evaluation.jobs if isinstance(job.arguments, Unfit)]
    if wrong:
        more = f"; and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise CommandError(f"{path}: records don't fit the function: {'; '.join(wrong[:_NAMED])}{more}")
    return [LabelledRow(job.input, job.expected, (), job.keywords) for job in evaluation.jobs]
