"""`typefold version` and `typefold diff`: versions of prompts, what has changed between two, and what that did to answers.

A saved version runs no code; its answers are those that were kept with it. A function is asked for all records as one batch.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from returns.result import Result, Success

from typefold.cli.input_records import open_source
from typefold.cli.output_records import json_line
from typefold.cli.single_call import prompt_of
from typefold.cli.target import CommandError, load
from typefold.compiler.contained import first_line
from typefold.programs.record_function import BadRecord, Fitting, Inputs, Target, of_row
from typefold.programs.run import run
from typefold.prompts.version import Version
from typefold.tables.arrow import plain_form

_SHOWN = 10  # rows
_WIDE = 60


@dataclass(frozen=True)
class Records:
    """The records of a file, apart from their labels."""

    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[Any] | None
    texts: bool


@dataclass(frozen=True)
class Side:
    """A version of a prompt, and the prompt itself where it is not a saved one."""

    given: str
    version: Version
    target: Target | None = None

    def answers(self, records: Records) -> list[dict[str, Any]]:
        """Return each record with its `answer` as JSON, or its `error`."""
        if self.target is None:
            return self._kept(records)
        inputs = Inputs(self.target, texts=records.texts)
        plain = plain_form(self.target.returns, json=True)
        wrong: dict[int, str] = {}
        rows: list[Fitting] = []
        for number, record in enumerate(records.rows):
            arguments, misfits = inputs.read(record)
            if misfits:
                wrong[number] = "; ".join(misfits)
            else:
                rows.append(Fitting(record, arguments))
        found: list[Result[Any, Exception]] = run.safe(of_row(self.target), rows, key=lambda row: row.arguments)
        ended = iter(found)
        made: list[dict[str, Any]] = []
        for number, record in enumerate(records.rows):
            result = None if number in wrong else next(ended)
            if isinstance(result, Success):
                made.append(json.loads(json_line({"input": record, "answer": plain(result.unwrap())})))
            else:
                error = BadRecord(wrong[number]) if result is None else result.failure()
                made.append({"input": record, "error": f"{type(error).__name__}: {first_line(error)}"})
        return made

    def _kept(self, records: Records) -> list[dict[str, Any]]:
        kept = {_key(each["input"]): dict(each) for each in self.version.answers}
        missing = [number for number, record in enumerate(records.rows) if _key(record) not in kept]
        if missing:
            raise CommandError(
                f"{self.given} has no answer for {len(missing):,} of {len(records.rows):,} records (first: record {missing[0]}); "
                f"`typefold version {self.version.function} -o FILE -i RECORDS` keeps answers with a version"
            )
        return [kept[_key(record)] for record in records.rows]


def side_of(given: str) -> Side:
    """Return a saved version, or that of a function as it is now."""
    if given.endswith(".json"):
        if not Path(given).is_file():
            raise CommandError(f"there is no file {given}")
        return Side(given, Version.load(given))
    target = load(given)
    return Side(given, prompt_of(target).version, target)


def records_of(path: str, expected: str | None, limit: int | None) -> Records:
    """Read records; `expected` is the column of the labels."""
    source = open_source(path)
    rows: list[Mapping[str, Any]] = []
    labels: list[Any] = []
    for number, (line, record) in enumerate(itertools.islice(source, limit)):
        where = f"record {number}" if line is None else f"line {line}"
        if isinstance(record, BadRecord):
            raise CommandError(f"{path}: {where}: {record}")
        if expected is not None and record.get(expected) is None:
            raise CommandError(f"{path}: {where}: there is no {expected}")
        rows.append({name: value for name, value in record.items() if name != expected})
        labels.append(None if expected is None else record[expected])
    if not rows:
        raise CommandError(f"{path}: the input has no records")
    return Records(rows, None if expected is None else labels, source.texts)


def with_answers(side: Side, records: Records) -> Version:
    """Return a version with its answers to records."""
    return replace(side.version, answers=tuple(side.answers(records)))


def effect(old: Side, new: Side, records: Records) -> Iterator[str]:
    """Yield in words which answers changed, and, with labels, whether more of them are right."""
    before, after = old.answers(records), new.answers(records)
    changed = [
        number for number, pair in enumerate(zip(before, after, strict=True)) if _said(pair[0]) != _said(pair[1])
    ]
    yield f"{len(changed):,} of {len(before):,} answers changed"
    for number in changed[:_SHOWN]:
        shown = (_cut(json.dumps(records.rows[number], ensure_ascii=False, default=str)), before[number], after[number])
        yield f"{number}: {shown[0]}: {_cut(_said(shown[1]))} -> {_cut(_said(shown[2]))}"
    if len(changed) > _SHOWN:
        yield f"and {len(changed) - _SHOWN:,} more"
    if records.labels is not None:
        from typefold.evaluation import compare

        labels = _labels(records, old.target or new.target)
        yield ""
        yield str(compare(_by_number(before), _by_number(after), range(len(before)), expected=labels))


def _by_number(answers: Sequence[Mapping[str, Any]]) -> Any:
    def answer(number: int) -> Any:
        found = answers[number]
        if "error" in found:
            raise ValueError(found["error"])
        return found["answer"]

    return answer


def _labels(records: Records, target: Target | None) -> list[Any]:
    """Return the labels as JSON; those of CSV are read as values of the function's type."""
    assert records.labels is not None
    if not records.texts or target is None or target.returns is str:
        return [*records.labels]
    adapter: TypeAdapter[Any] = TypeAdapter(target.returns)
    try:
        return [adapter.dump_python(adapter.validate_strings(label), mode="json") for label in records.labels]
    except ValidationError as error:
        raise CommandError(f"a label is no value of {target.name}'s return type: {first_line(error)}") from None


def _key(record: Mapping[str, Any]) -> str:
    return json.dumps(json.loads(json_line(record)), sort_keys=True)


def _said(answer: Mapping[str, Any]) -> str:
    return str(answer["error"]) if "error" in answer else json.dumps(answer["answer"], ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."
