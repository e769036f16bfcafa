"""Records out of files: JSON lines, CSV, Parquet; `-` is standard input.

Reading takes one record at a time. What is read is UTF-8, and a line that is not is one bad record.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from typefold.commands.target import CommandError
from typefold.records.inputs import BadRecord

__all__ = ["GROUP", "Source", "ending_of", "is_text", "needed_pyarrow", "open_source"]

GROUP = 1000  # rows of Parquet that are read or written together


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


def open_source(path: str) -> Source:
    """The records of a file, by the ending of its name.

    Raises:
        CommandError: There is no such file, or it is of no known kind.
    """
    if path == "-":
        return Source(_json_lines(sys.stdin.buffer))
    if not Path(path).is_file():
        raise CommandError(f"there is no file {path}")
    match ending_of(path):
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


def ending_of(path: str) -> str:
    """The ending of a file's name, which says what kind of file it is."""
    return Path(path).suffix.lower()


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
    if not is_text(columns):
        file.close()
        raise CommandError(f"{path}: its first line, which names the columns, is not UTF-8")
    return Source(_csv_records(reader), columns=columns, texts=True)


def is_text(values: Iterable[str | None]) -> bool:
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
        if not is_text(record.values()):
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
            for batch in file.iter_batches(batch_size=GROUP):
                yield from batch.to_pylist()

    return Source(
        records(), columns=list(file.schema_arrow.names), total=int(file.metadata.num_rows), schema=file.schema_arrow
    )


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
