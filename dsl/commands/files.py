"""Records out of files and into them: JSON lines, CSV, Parquet; `-` is standard input or output.

Reading takes one record at a time. Writing goes to a file beside the one that was named, which takes its place at the end:
so nobody reads half a result, and an earlier one stays until there is a new one. What is read is UTF-8, and a line that is
not is one bad record; what is written is JSON that any reader takes: a number that JSON has no form for is null.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, TextIO

from typefold.commands.inputs import BadRecord
from typefold.commands.target import CommandError

__all__ = ["Failures", "Source", "Writer", "check_apart", "needed_pyarrow", "open_source", "open_writer"]

_GROUP = 1000  # rows of Parquet that are written together


class Source:
    """Records to be read.

    Attributes:
        columns: The names of the columns, where they are known before the first record.
        schema: Their `pyarrow.Schema`, of a Parquet file.
        texts: Whether all values are texts.
        total: How many records there are, where that is known.
    """

    def __init__(
        self,
        records: Iterator[dict[str, Any] | BadRecord],
        *,
        columns: list[str] | None = None,
        texts: bool = False,
        total: int | None = None,
        schema: Any = None,
    ) -> None:
        self.columns = columns
        self.schema = schema
        self.texts = texts
        self.total = total
        self._records = records

    def __iter__(self) -> Iterator[dict[str, Any] | BadRecord]:
        return self._records

    def arrow_schema(self) -> Any:
        """The columns as Arrow has them: those of a Parquet file, the texts of CSV.

        Raises:
            CommandError: They are not known, as of JSON lines.
        """
        if self.schema is not None:
            return self.schema
        if self.columns is None:
            raise CommandError(
                "results of JSON lines are written to .jsonl: only the records say which columns there are"
            )
        arrow = needed_pyarrow("pyarrow")
        return arrow.schema([(name, arrow.string()) for name in self.columns])


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


def open_source(path: str) -> Source:
    """The records of a file, by the ending of its name.

    Raises:
        CommandError: There is no such file, or it is of no known kind.
    """
    if path == "-":
        return Source(_json_lines(sys.stdin.buffer))
    if not Path(path).is_file():
        raise CommandError(f"there is no file {path}")
    match _ending(path):
        case ".jsonl" | ".ndjson":
            with open(path, "rb") as file:
                total = sum(line.strip() != b"" for line in file)
            return Source(_json_lines(open(path, "rb")), total=total)  # read to its end
        case ".csv":
            return _csv(path)
        case ".parquet":
            return _parquet(path)
        case ending:
            raise CommandError(
                f"{path}: records are read from .jsonl, .csv and .parquet, not {ending or 'such a file'}"
            )


def open_writer(path: str, schema: Any = None) -> Writer:
    """A file for records, by the ending of its name.

    Args:
        path: The file.
        schema: The `pyarrow.Schema` of a Parquet file.

    Raises:
        CommandError: Files of that kind are not written, or the folder can't be written to.
    """
    try:
        match _ending(path):
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


def _ending(path: str) -> str:
    return Path(path).suffix.lower()


def _part(path: str) -> str:
    return f"{path}.part"


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # links too
    except OSError:  # one of them is not there yet
        return Path(one).resolve() == Path(other).resolve()


def _json_lines(file: BinaryIO) -> Generator[dict[str, Any] | BadRecord]:
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                yield BadRecord(f"line {number} is not UTF-8: {error}")
                continue
            except (ValueError, RecursionError) as error:
                yield BadRecord(f"line {number} is no JSON: {error}")
                continue
            yield record if isinstance(record, dict) else BadRecord(f"line {number} is no JSON object")


def _csv(path: str) -> Source:
    # A byte that is not UTF-8 becomes a lone surrogate: so it is found in its record, and ends no reading ahead.
    file = open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")  # noqa: SIM115  # read to its end
    reader = csv.DictReader(file, strict=True)
    try:
        columns = list(reader.fieldnames or [])
    except csv.Error as error:
        file.close()
        raise CommandError(f"{path}: its first line is no CSV: {error}") from error
    if not _is_text(columns):
        file.close()
        raise CommandError(f"{path}: its first line, which names the columns, is not UTF-8")
    return Source(_csv_records(reader), columns=columns, texts=True)


def _is_text(values: Iterable[str | None]) -> bool:
    """Whether values are what UTF-8 can write, as those that were read from it are."""
    try:
        "".join(value for value in values if value is not None).encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv_records(reader: csv.DictReader[str]) -> Generator[dict[str, Any] | BadRecord]:
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRecord(f"line {reader.line_num} is no CSV: {error}")
            continue
        if None in record:
            yield BadRecord(f"line {reader.line_num} has more values than there are columns")
            continue
        if not _is_text(record.values()):
            yield BadRecord(f"line {reader.line_num} is not UTF-8")
            continue
        yield {name: value for name, value in record.items() if value is not None}


def _parquet(path: str) -> Source:
    parquet = needed_pyarrow("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:
        raise CommandError(f"{path} can't be read as Parquet: {error}") from error

    def records() -> Iterator[dict[str, Any] | BadRecord]:
        with file:
            for batch in file.iter_batches(batch_size=_GROUP):
                yield from batch.to_pylist()

    return Source(
        records(), columns=list(file.schema_arrow.names), total=int(file.metadata.num_rows), schema=file.schema_arrow
    )


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
    return (text if _is_text([text]) else json.dumps(json.loads(text))) + "\n"


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
        if len(self._rows) >= _GROUP:
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


def needed_pyarrow(name: str = "pyarrow") -> Any:
    """A module of pyarrow, for a command that can't do without.

    Raises:
        CommandError: It is not installed.
    """
    from typefold.arrow import pyarrow

    try:
        return pyarrow(name)
    except ModuleNotFoundError as error:
        raise CommandError("Parquet needs pyarrow: pip install 'typefold[arrow]'") from error


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
            self._file = self._open.enter_context(open(self.path, "w", encoding="utf-8"))  # noqa: SIM115  # closed by the stack
        self.count += 1
        self._file.write(_json_line(record))
        self._file.flush()
