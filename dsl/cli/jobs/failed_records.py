r"""The file of rows that failed: written by a job, mended by a person, and read again as an input.

A line has the record, or the text that could not be read as one, and with it all that is needed to run it without the job's
input: its number there, the number of results before it in the output, the columns of its CSV file. Bytes that are not of
the input's encoding are lone surrogates in the text, as `surrogateescape` has them, which JSON writes as `\udcff`.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Self

from pydantic import TypeAdapter

from typefold.cli.input_records import Form, Read, Source, csv_text, ending_of, is_text, json_record, unread
from typefold.cli.output import StandardOutput, check_target, open_output
from typefold.cli.output_records import json_line
from typefold.cli.target import CommandError
from typefold.compiler.guards import is_dict, is_list
from typefold.programs.record_function import BadRecord

_KEYS = {"row", "error", "message", "record", "after"}
_TYPES: dict[str, Any] = {kind.__name__: kind for kind in (bytes, datetime, date, time, timedelta, Decimal)}
_NUMBERS = {str(number): number for number in (float("nan"), float("inf"), -float("inf"))}


class Failures:
    """The file of rows that failed; where none did there is none in the end, and one of an earlier run is removed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self._output = open_output(path, private=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.count:  # of a job that did not end; a finished one has nothing left here
            self._output.leave()
        else:
            self._output.discard()

    @property
    def unfinished(self) -> str | None:
        """The file with the rows that have failed so far; `None` before there is one."""
        if not self.count or isinstance(self._output, StandardOutput) or self._output.file.closed:
            return None
        return self._output.part

    def encode(self, failed: Mapping[str, Any]) -> bytes:
        """A failed row as a line; one that JSON can't hold goes without its record."""
        record: object = failed["record"]
        types = {} if not is_dict(record) else {name: kind for name, value in record.items() if (kind := _type(value))}
        try:
            return json_line({**failed, **({"types": types} if types else {})})
        except Exception:  # too deep, a cycle, an object of the user's
            message = f"{failed['message']} (the record can't be written as JSON)"
            return json_line({**failed, "message": message, "record": None})

    def write(self, line: bytes, after: int) -> None:
        """Add a row, with the number of results before it.

        The row can be read beside at once, so that a long job can be looked at.
        """
        self.count += 1
        self._output.write(line.removesuffix(b"}\n") + b', "after": %d}\n' % after)
        self._output.flush()

    def sync(self) -> None:
        """Have all of it on the disk, so that nothing is left to fail in `finish`."""
        self._output.sync()

    def finish(self) -> bool:
        """Put the file in its place. Returns whether one of an earlier run was removed instead, since no row failed."""
        if isinstance(self._output, StandardOutput):
            return False
        if self.count:
            self._output.finish()
            return False
        self._output.discard()
        check_target(self.path)
        with suppress(FileNotFoundError):
            os.unlink(os.path.realpath(self.path))
            return True
        return False


class ReadAgain(Read):
    """A record of a failures file, with its number in the job's input, and the number of results before it."""

    row: int
    after: int


def is_failures(path: str) -> bool:
    """Return whether a file is one of failed rows, by its first line."""
    if ending_of(path) not in (".jsonl", ".ndjson") or not os.path.isfile(path):
        return False
    with suppress(OSError, ValueError, RecursionError), open(path, "rb") as file:
        first: object = json.loads(next((line for line in file if line.strip()), b"null"))
        return is_dict(first) and first.keys() >= _KEYS and type(first["row"]) is int
    return False


def open_failures(path: str, form: Form) -> Source:
    """The rows of a failures file; bytes that were not of the input's encoding are read in this form's. Raises `CommandError` for a broken line."""
    count = after = 0
    last, texts, columns = -1, False, dict[str, None]()
    for number, line in _lines_of(path):
        if line["row"] <= last:
            raise CommandError(
                f"{path}, line {number}: row {line['row']} stands behind row {last}; keep the lines in order"
            )
        last, after, count = line["row"], max(after, line["after"]), count + 1
        texts = texts or line.get("texts") is True
        held = line["record"] if line["record"] is not None else line.get("columns") or ()
        columns |= dict.fromkeys(str(name) for name in held)
    records = _mended(path, form.encoding)
    return Source(records, columns=list(columns) if texts else None, texts=texts, total=count, after=after)


def _lines_of(path: str) -> Generator[tuple[int, dict[str, Any]]]:
    try:
        with open(path, "rb") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, _line(f"{path}, line {number}", text)
    except OSError as error:
        raise unread(path, error) from error


def _line(where: str, text: bytes) -> dict[str, Any]:
    try:
        line: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{where} is no JSON any more: {error}; mend it, or take the line out") from None
    if not is_dict(line) or not line.keys() >= _KEYS:
        raise CommandError(f"{where} is no failed row any more: it needs {', '.join(sorted(_KEYS))}; or take it out")
    for name in ("row", "after"):
        if type(line[name]) is not int or line[name] < 0:
            raise CommandError(f"{where}: {name} is a number, from 0; it says which row this is, so leave it as it was")
    if line["record"] is not None and not is_dict(line["record"]):
        raise CommandError(
            f"{where}: record is an object with the columns, or null where `raw` holds the record's text"
        )
    return line


def _mended(path: str, encoding: str) -> Generator[Read]:
    last = -1
    for _, line in _lines_of(path):
        for read in _records(line, encoding):  # several where a quote was closed that held records
            last = max(line["row"], last + 1)
            again = ReadAgain(*read)
            again.row, again.after = last, line["after"]
            yield again


def _records(line: Mapping[str, Any], encoding: str) -> list[Read]:
    number, raw, columns = line.get("line"), line.get("raw"), line.get("columns")
    first = number if isinstance(number, int) else 1
    if is_dict(record := line["record"]):
        types = line.get("types")
        return [Read(number, _typed(record, types) if is_dict(types) else record)]
    if not isinstance(raw, str):
        return [Read(number, BadRecord(f"its record could not be kept; write it as {'{'}...{'}'} into `record`"))]
    form = Form("jsonl", str(line.get("encoding", "utf-8")), str(line.get("delimiter", ",")))
    if not is_text([raw]):
        with suppress(UnicodeError):
            raw = raw.encode(form.encoding, "surrogateescape").decode(encoding, "surrogateescape")
            form = Form("jsonl", encoding, form.delimiter)
    if not is_list(columns):
        return [Read(number, json_record(first, raw, form))]
    return list(csv_text(raw, first, [str(name) for name in columns], form)) or [
        Read(number, BadRecord("`raw` is empty; take the line out, or write the record into it"))
    ]


def _type(value: object) -> str | None:
    """Return the name of a value's type that JSON does not tell."""
    if isinstance(value, float):
        return str(value) if str(value) in _NUMBERS else None
    return next((name for name, kind in _TYPES.items() if isinstance(value, kind)), None)


def _span(text: str) -> timedelta:
    """Read a time span as Python writes it, `-1 day, 23:59:55`; others read the sign as that of all of it."""
    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = clock.split(":")
    return timedelta(
        int(days.split()[0] if days else 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
    )


_READERS: dict[str, Callable[[str], Any]] = {"bytes": partial(b64decode, validate=True), "timedelta": _span}


def _typed(record: dict[str, Any], types: Mapping[str, Any]) -> dict[str, Any] | BadRecord:
    typed = dict(record)
    for name, kind in types.items():
        value = typed.get(name)
        if kind in _NUMBERS:
            typed[name] = _NUMBERS[kind] if value is None else value
        elif kind in _TYPES and isinstance(value, str):
            read = _READERS.get(kind) or TypeAdapter[Any](_TYPES[kind]).validate_python
            try:
                typed[name] = read(value)
            except ValueError as error:
                return BadRecord(f"{name} is no {kind}: {str(error).splitlines()[0]}")
    return typed
