"""Records into files: JSON lines, Parquet; `-` is standard output. And the file of rows that failed.

Writing goes to a file beside the one that was named, which takes its place at the end: so nobody reads half a result, and an
earlier one stays until there is a new one. JSON is such as any reader takes: a number that it has no form for is null.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

from typefold.commands.files import GROUP, ending_of, is_text, needed_pyarrow
from typefold.commands.target import CommandError
from typefold.runtime.private import private

__all__ = ["Failures", "Writer", "check_apart", "open_writer"]


class Writer(Protocol):
    """Where records go."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a record."""
        ...

    def close(self) -> None:
        """All records are there: let them be seen under the file's name."""
        ...

    def discard(self) -> None:
        """Leave nothing behind of a file that was not closed."""
        ...


def check_apart(source: str, **others: str | None) -> None:
    """See that no file is written to that is read, and none for two things.

    Args:
        source: The file that is read; `-` for standard input.
        **others: Files that are written, by the options that name them.

    Raises:
        CommandError: Two of them are one file.
    """
    seen: list[tuple[str, str]] = []
    for option, path in (("input", source), *others.items()):
        if path is None or path == "-":
            continue
        for earlier, other in seen:
            if _is_same(path, other):
                raise CommandError(f"--{option} and --{earlier} are one file, {path}; name another")
        seen.append((option, path))


def open_writer(path: str, schema: Any = None) -> Writer:
    """A file for records, by the ending of its name.

    Args:
        path: The file.
        schema: The `pyarrow.Schema` of a Parquet file.

    Raises:
        CommandError: Files of that kind are not written, or the folder can't be written to.
    """
    try:
        match ending_of(path):
            case "" if path == "-":
                return _Lines(sys.stdout, None)
            case ".jsonl" | ".ndjson":
                return _Lines(open(_part(path), "w", encoding="utf-8"), path)  # closed by `close`
            case ".parquet":
                return _ParquetWriter(path, schema)
            case ending:
                raise CommandError(f"{path}: results are written to .jsonl and .parquet, not {ending or 'such a file'}")
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror or error}") from error


class _Lines:
    """JSON, a record a line."""

    def __init__(self, file: TextIO, path: str | None) -> None:
        self._file = file
        self._path = path

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(_json_line(record))
        if self._path is None:
            self._file.flush()

    def close(self) -> None:
        if self._path is not None:
            self._file.close()
            os.replace(_part(self._path), self._path)

    def discard(self) -> None:
        if self._path is not None:
            with suppress(OSError):  # a full disk, on which nothing can be flushed
                self._file.close()
            Path(_part(self._path)).unlink(missing_ok=True)


def _json_line(record: Mapping[str, Any]) -> str:
    """A record as a line that every reader of JSON and of UTF-8 takes."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        plain = json.loads(json.dumps(record, default=str), parse_constant=lambda _: None)  # NaN and the infinities
        text = json.dumps(plain, ensure_ascii=False)
    return (text if is_text([text]) else json.dumps(json.loads(text))) + "\n"


class _ParquetWriter:
    """Parquet, some rows at a time."""

    def __init__(self, path: str, schema: Any) -> None:
        self._arrow = needed_pyarrow("pyarrow")
        self._path = path
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._file = needed_pyarrow("pyarrow.parquet").ParquetWriter(_part(path), schema)

    def write(self, record: Mapping[str, Any]) -> None:
        self._rows.append(record)
        if len(self._rows) >= GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()
        os.replace(_part(self._path), self._path)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        Path(_part(self._path)).unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


class Failures:
    """The file of rows that failed, made when there is one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self._open = ExitStack()
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            Path(self.path).unlink(missing_ok=True)
        except OSError as error:
            raise CommandError(f"{self.path} can't be written: {error.strerror or error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a row; it is there at once, so that a long job can be looked at."""
        if self._file is None:
            self._file = self._open.enter_context(open(self.path, "w", encoding="utf-8", opener=private))  # noqa: SIM115  # closed by the stack
        self.count += 1
        self._file.write(_json_line(record))
        self._file.flush()


def _part(path: str) -> str:
    return f"{path}.part"


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # links too
    except OSError:  # one of them is not there yet
        return Path(one).resolve() == Path(other).resolve()
