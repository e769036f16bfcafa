"""Writers of records, as JSON lines or Parquet (`-` is standard output), and of the rows that failed.

A record is encoded when its row has ended and written when its turn comes, so a record that can't be written costs its own row only. JSON
is such as any reader takes: a number that it has no form for is null.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol, Self

from typefold.cli.input_records import GROUP, ending_of, is_text, needed_pyarrow
from typefold.cli.output import Output, StandardOutput, check_target, open_output
from typefold.cli.target import CommandError


class Writer(Protocol):
    """A destination of records."""

    def encode(self, record: Mapping[str, Any]) -> Any:
        """Encode a record as it is written; raises where the file has no form for it."""
        ...

    def write(self, encoded: Any) -> None: ...

    def finish(self) -> None:
        """Put the complete file in its place."""
        ...

    def discard(self) -> None:
        """Drop a file that is not to be finished."""
        ...


def check_ending(path: str) -> None:
    """Check that files with this ending can be written."""
    if path != "-" and (ending := ending_of(path)) not in (".jsonl", ".ndjson", ".parquet"):
        raise CommandError(f"{path}: results are written to .jsonl and .parquet, not {ending or 'such a file'}")


def open_writer(output: Output | StandardOutput, schema: Any = None) -> Writer:
    """A writer of records into a file, by the ending of its name; `schema` is the `pyarrow.Schema` of a Parquet file."""
    if isinstance(output, Output) and ending_of(output.path) == ".parquet":
        return _ParquetWriter(output, schema)
    return _Lines(output)


class _Lines:
    """JSON, a record a line."""

    def __init__(self, output: Output | StandardOutput) -> None:
        self._output = output

    def encode(self, record: Mapping[str, Any]) -> bytes:
        return json_line(record)

    def write(self, encoded: bytes) -> None:
        self._output.write(encoded)

    def finish(self) -> None:
        self._output.finish()

    def discard(self) -> None:
        self._output.discard()


def json_line(record: Mapping[str, Any]) -> bytes:
    """A record as a line that every reader of JSON and of UTF-8 takes."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        plain = json.loads(json.dumps(record, default=_plain), parse_constant=lambda _: None)  # NaN and the infinities
        text = json.dumps(plain, ensure_ascii=False)
    return (text if is_text([text]) else json.dumps(json.loads(text))).encode() + b"\n"


def _plain(value: object) -> str:
    """A value of Parquet that JSON has no form for: bytes in base64, all else as its text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class _ParquetWriter:
    """Parquet, some rows at a time."""

    def __init__(self, output: Output, schema: Any) -> None:
        self._arrow = needed_pyarrow("pyarrow")
        self._output = output
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._file = needed_pyarrow("pyarrow.parquet").ParquetWriter(output.file, schema)

    def encode(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        self._arrow.RecordBatch.from_pylist([record], schema=self._schema)  # raises the row's error
        return record

    def write(self, encoded: Mapping[str, Any]) -> None:
        self._rows.append(encoded)
        if len(self._rows) >= GROUP:
            with self._output.explained():
                self._flush()

    def finish(self) -> None:
        with self._output.explained():
            self._flush()
            self._file.close()
        self._output.finish()

    def discard(self) -> None:
        with suppress(Exception):  # a full disk
            self._file.close()
        self._file.is_open = False  # else it would try once more when it is collected
        self._output.discard()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


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

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """A failed row as a line; one that JSON can't hold goes without its record."""
        try:
            return json_line(record)
        except Exception:  # too deep, a cycle, an object of the user's
            message = f"{record['message']} (the record can't be written as JSON)"
            return json_line({**record, "message": message, "record": None})

    def write(self, line: bytes) -> None:
        """Add a row; it can be read beside at once, so that a long job can be looked at."""
        self.count += 1
        self._output.write(line)
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
