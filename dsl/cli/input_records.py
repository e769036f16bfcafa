"""Records out of files: JSON lines, CSV, Parquet; `-` is standard input.

Reading takes one record at a time, of a limited size. A mistake in a record costs that record, and is reported with line
and column; one in the columns as a whole is reported before any record is read.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Self, TextIO

from typefold.cli.target import CommandError
from typefold.compiler.contained import first_line
from typefold.compiler.guards import is_dict
from typefold.programs.record_function import BadRecord

GROUP = 1000  # rows of Parquet that are read or written together
LONGEST = 1 << 26  # characters of a line of CSV, bytes of a line of JSON
_DEEPEST = 200  # levels of a record of JSON: less than what any writer of JSON gives up at
_BUFFER = 1 << 20
_PIECE = 1 << 20  # characters of a line that are looked at together


class Read(NamedTuple):
    """A record, or the error that explains why it can't be read, and its first line, from 1; Parquet has no lines."""

    line: int | None
    record: dict[str, Any] | BadRecord


@dataclass(frozen=True)
class Source:
    """Records to be read, with facts that are known before the first one; `texts` says that all values are texts."""

    records: Iterator[Read]
    columns: list[str] | None = None
    texts: bool = False
    total: int | None = None
    schema: Any = None

    def __iter__(self) -> Iterator[Read]:
        return self.records

    def arrow_schema(self) -> Any:
        """The columns as Arrow has them: those of a Parquet file, the texts of CSV."""
        if self.schema is not None:
            return self.schema
        if self.columns is None:
            raise CommandError(
                "results of JSON lines are written to .jsonl: only the records say which columns there are"
            )
        arrow = needed_pyarrow("pyarrow")
        return arrow.schema([(name, arrow.string()) for name in self.columns])


def open_source(path: str) -> Source:
    """The records of a file, by the ending of its name."""
    if path == "-":
        if sys.stdin is None:
            raise CommandError("standard input is closed; name a file")
        return Source(_json_lines(sys.stdin.buffer))
    if not Path(path).is_file():
        if Path(path).exists():
            raise CommandError(f"{path} is no regular file; JSON lines from it are read by -i - < {path}")
        raise CommandError(f"there is no file {path}")
    try:
        match ending_of(path):
            case ".jsonl" | ".ndjson":
                with open(path, "rb") as file:
                    total = sum(line is None or line.strip() != b"" for _, line in _lines(file))
                return Source(_json_lines(open(path, "rb")), total=total)  # read to its end
            case ".csv":
                return _csv(path)
            case ".parquet":
                return _parquet(path)
            case ending:
                raise CommandError(
                    f"{path}: records are read from .jsonl, .csv and .parquet, not {ending or 'such a file'}"
                )
    except OSError as error:
        raise unread(path, error) from error


def unread(name: object, error: OSError) -> CommandError:
    """An error of the system's, of a file that is read."""
    return CommandError(f"{'standard input' if name == '<stdin>' else name} can't be read: {error.strerror or error}")


def ending_of(path: str) -> str:
    """Return the ending of a file's name, which names its kind."""
    return Path(path).suffix.lower()


def is_text(values: Iterable[str | None]) -> bool:
    """Return whether UTF-8 can write the values, as it can all that were read from it."""
    try:
        "".join(value for value in values if value is not None).encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines(file: BinaryIO) -> Generator[tuple[int, bytes | None]]:
    """The lines, numbered; none for one that is too long, of which no more than that is held."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) <= LONGEST:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_BUFFER)
        yield number, None


def _json_lines(file: BinaryIO) -> Generator[Read]:
    try:
        with file:
            for number, line in _lines(file):
                if line is None:
                    yield Read(number, BadRecord(f"line {number} is longer than {LONGEST:,} bytes"))
                elif line.strip():
                    yield Read(number, _json_record(number, line))
    except OSError as error:  # a disk that fails on the way
        raise unread(file.name, error) from error


class _Twice(Exception):
    """An object names something twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Twice
    return made


def _json_record(number: int, line: bytes) -> dict[str, Any] | BadRecord:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        record: object = json.loads(text, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return BadRecord(f"line {number} is not UTF-8: {error}")
    except json.JSONDecodeError as error:
        return BadRecord(f"line {number} is no JSON: {error.msg} at column {error.colno}")
    except _Twice:
        name, column = _second(line.decode("utf-8", "replace"))
        return BadRecord(f"line {number}, column {column}: the object names {name} a second time")
    except RecursionError:
        return BadRecord(f"line {number} is no JSON: it is nested too deep")
    except ValueError as error:  # a whole number of thousands of digits
        return BadRecord(f"line {number} is no JSON: {error}")
    if not is_dict(record):
        return BadRecord(f"line {number} is no JSON object")
    if (deep := _beyond(text)) is not None:
        return BadRecord(f"line {number}, column {deep}: it is nested more than {_DEEPEST} levels deep")
    return record


_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}:,]')


def _second(text: str) -> tuple[str, int]:
    """The first name that an object of a text of JSON has a second time, as it is written, and its column."""
    around: list[set[str]] = []
    before = 0, ""
    for found in _PARTS.finditer(text):
        part = found[0]
        if part in "{[":
            around.append(set())
        elif part in "]}":
            around.pop()
        elif part == ":":
            start, name = before
            if json.loads(name) in around[-1]:
                return name, start + 1
            around[-1].add(json.loads(name))
        before = found.start(), part
    raise AssertionError(text)  # it is asked for only where there is one


def _beyond(text: str) -> int | None:
    """The column in which a text of JSON is nested deeper than it may be, if it is."""
    if text.count("{") + text.count("[") <= _DEEPEST:
        return None
    depth = 0
    for found in _PARTS.finditer(text):
        depth += (found[0] in "{[") - (found[0] in "]}")
        if depth > _DEEPEST:
            return found.start() + 1
    return None


# --- CSV: Python's reader gives up in the middle of a record and goes on in the next line, inside of a quoted text perhaps,
# whose lines would then be taken for records. A record that it gives up is read once more, by rules that nothing breaks, to
# find its end.


def _csv(path: str) -> Source:
    """Open a CSV file. Its first line names the columns."""
    # A byte that is not UTF-8 becomes a lone surrogate: so it is found in its record, and ends no reading ahead.
    file = open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")  # noqa: SIM115  # read to its end
    try:
        records = _csv_values(_CsvLines(file))
        line, header = next(records, (1, list[str]()))
        if isinstance(header, str):
            raise CommandError(f"{path}: its first line is no CSV: {header}")
        if not is_text(header):
            raise CommandError(f"{path}: its first line, which names the columns, is not UTF-8")
        if any("\0" in name for name in header):
            raise CommandError(f"{path}: its first line, which names the columns, holds a NUL byte; save it as UTF-8")
        places = dict[str, int]()
        for place, name in enumerate(header):
            if (first := places.setdefault(name, place)) < place:
                raise CommandError(
                    f"{path}: line {line}, column {place + 1} is named {name!r}, as column {first + 1} is; rename one"
                )
    except BaseException:
        file.close()
        raise
    return Source(_csv_records(file, records, header), columns=header, texts=True)


def _csv_records(file: TextIO, records: Iterator[tuple[int, list[str] | str]], columns: list[str]) -> Generator[Read]:
    try:
        with file:
            for line, values in records:
                wrong = values if isinstance(values, str) else _misfit(line, values, columns)
                yield Read(line, BadRecord(wrong) if wrong is not None else dict(zip(columns, values, strict=True)))
    except OSError as error:  # a disk that fails on the way
        raise unread(file.name, error) from error


def _misfit(line: int, values: list[str], columns: Sequence[str]) -> str | None:
    """Why values can't be those of the columns."""
    if len(values) > len(columns):
        held = f"there are {len(values):,}, and the header names {len(columns):,}"
        return f"line {line}, column {len(columns) + 1}: the record has more values than there are columns ({held})"
    if len(values) < len(columns):
        place = f"line {line}, column {len(values) + 1} ({columns[len(values)]})"
        return f"{place}: the record ends before it, with {len(values):,} of {len(columns):,} values"
    if not is_text(values):
        return f"line {line} is not UTF-8"
    if "\0" in "".join(values):
        number = next(number for number, value in enumerate(values) if "\0" in value)
        return f"line {line}, column {number + 1} ({columns[number]}): it holds a NUL byte"
    return None


def _csv_values(lines: _CsvLines) -> Generator[tuple[int, list[str] | str]]:
    """Yield the values of records, or an error text, each with the line in which it begins; skip empty lines."""
    reader = csv.reader(lines, strict=True)
    while True:
        first = lines.begin()
        try:
            values = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            yield first, lines.broken(first, too_long=isinstance(error, _TooLong))
            continue
        if values:
            yield first, values


class _TooLong(Exception):
    """A line is longer than lines may be."""


class _CsvLines:
    """The lines of a file, as csv's reader takes them, which knows those of the record that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._line = 1
        self._taken: list[str] = []

    def begin(self) -> int:
        """Begin a record; the number of its line."""
        self._taken = []
        return self._line

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._read(LONGEST + 1)
        if not line:
            raise StopIteration
        self._taken.append(line)
        if len(line) > LONGEST:
            raise _TooLong
        return line

    def broken(self, first: int, *, too_long: bool) -> str:
        """Skip to the end of the current record and return its first error with its place."""
        scan = _Scan(first)
        problem: str | None = None
        for piece in self._taken:
            scan.follow(piece)
        self._taken = []
        if too_long:
            problem = f"{scan.place}: the line is longer than {LONGEST:,} characters"
        while not scan.ended and (piece := self._read(_PIECE)):
            scan.follow(piece)
        if scan.state == "quoted":
            rest = f"all to the end of the file, {self._line - scan.opened:,} lines, was taken for its text"
            problem = f"line {scan.opened}, column {scan.column}: the quote that opens here is never closed; {rest}"
        return problem or scan.problem or f"line {first} is no CSV"

    def _read(self, size: int) -> str:
        line = self._file.readline(size)
        self._line += line.endswith(("\n", "\r"))
        return line


_LONG_CELL = "write it as JSON lines, or let the module call csv.field_size_limit(...)"
_TOKENS = re.compile(r'[^",\r\n]+|\r\n|[",\r\n]')


class _Scan:
    """Follow a record to its end, broken or not."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._size = 0
        self._most = csv.field_size_limit()
        self.column = 1
        self.opened = line
        self.problem: str | None = None
        self.ended = False
        self.state: Literal["start", "plain", "quoted", "closing"] = "start"

    @property
    def place(self) -> str:
        return f"line {self._line}, column {self.column}"

    def follow(self, text: str) -> None:
        """Go on to the end of a line, or of a part of one."""
        for token in _TOKENS.findall(text):
            self._size += len(token)
            if self._size > self._most and self.problem is None:
                self.problem = f"{self.place}: the cell is longer than {self._most:,} characters; {_LONG_CELL}"
            if self.state == "quoted":
                self.state = "closing" if token == '"' else "quoted"
                self._line += token in ("\r", "\n", "\r\n")
            elif token == '"' and self.state != "plain":
                self.opened = self._line if self.state == "start" else self.opened
                self.state = "quoted"
            elif token == ",":
                self.column += 1
                self._size = 0
                self.state = "start"
            elif token in ("\r", "\n", "\r\n"):
                self.ended = True
            else:
                if self.state == "closing":
                    self.problem = self.problem or (
                        f"{self.place}: there is text behind the quote that closes it; a quote in a text is written twice"
                    )
                self.state = "plain"


# --- Parquet


def _parquet(path: str) -> Source:
    parquet = needed_pyarrow("pyarrow.parquet")
    try:
        # Without a buffer a column of a row group, which may be the whole file, is read at once.
        file = parquet.ParquetFile(path, buffer_size=_BUFFER)
        schema = file.schema_arrow
    except Exception as error:
        raise CommandError(f"{path} can't be read as Parquet: {error}") from error
    if twice := _named_twice(schema, list(schema.names), "column"):
        file.close()
        raise CommandError(f"{path}: {twice}; rename one")
    return Source(_parquet_records(path, file), columns=list(schema.names), total=file.metadata.num_rows, schema=schema)


def _named_twice(fields: Iterable[Any], names: Sequence[str], what: str) -> str | None:
    """Name two columns, or two fields of a struct in one, that have one name; `None` if there are none."""
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        return f"{what} {names.index(name) + 1} and a later one are both named {name}"
    for field in fields:
        kind = field.type
        parts = [kind.field(index) for index in range(kind.num_fields)]
        if twice := _named_twice(parts, [part.name for part in parts], f"in {field.name}, field"):
            return twice
    return None


def _parquet_records(path: str, file: Any) -> Generator[Read]:
    done = 0
    with file:
        batches = file.iter_batches(batch_size=GROUP)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:
                raise CommandError(f"{path} is damaged after row {done:,}: {first_line(error)}") from error
            if batch is None:
                return
            try:
                yield from (Read(None, record) for record in batch.to_pylist())
            except Exception:  # a value that Python has none for
                yield from (Read(None, _row(batch, index)) for index in range(batch.num_rows))
            done += batch.num_rows


def _row(batch: Any, index: int) -> dict[str, Any] | BadRecord:
    """A row of a batch in which some can't be read."""
    record: dict[str, Any] = {}
    for place, name in enumerate(batch.schema.names):
        try:
            record[name] = batch.column(place)[index].as_py()
        except Exception as error:
            return BadRecord(f"column {place + 1} ({name}): Python has no value for it: {first_line(error)}")
    return record


def needed_pyarrow(name: str = "pyarrow") -> Any:
    """A module of pyarrow, for a command that can't do without."""
    from typefold.tables.arrow import pyarrow

    try:
        return pyarrow(name)
    except ModuleNotFoundError as error:
        raise CommandError("Parquet needs pyarrow: pip install 'typefold[arrow]'") from error
