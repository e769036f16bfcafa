"""Records out of files: JSON lines, CSV and TSV, Parquet; `-` is standard input.

Reading takes one record at a time, of a limited size. A mistake in a record costs that record, and is reported with line
and column, and the text as it was; one in the columns as a whole is reported before any record is read.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, Self, TextIO, TypeAlias

from typefold.cli.target import CommandError
from typefold.compiler.contained import first_line
from typefold.compiler.guards import is_dict
from typefold.programs.record_function import BadRecord

GROUP = 1000  # rows of Parquet that are read or written together
LONGEST = 1 << 26  # characters of a line of CSV, bytes of a line of JSON
_DEEPEST = 200  # levels of a record of JSON: less than what any writer of JSON gives up at
_BUFFER = 1 << 20
_PIECE = 1 << 20  # characters of a line that are looked at together


Kind: TypeAlias = Literal["jsonl", "csv", "tsv", "parquet"]
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
}


class Read(NamedTuple):
    """A record, or the error that explains why it can't be read, and its first line, from 1; Parquet has no lines."""

    line: int | None
    record: dict[str, Any] | BadRecord


class Unreadable(BadRecord):
    """A record that can't be read; `kept` has its text, and all else that is needed to read it when it is mended."""

    def __init__(self, message: str, kept: dict[str, Any]) -> None:
        super().__init__(message)
        self.kept = kept


@dataclass(frozen=True)
class Form:
    """A file's kind, and the encoding and the delimiter of a text."""

    kind: Kind
    encoding: str = "utf-8"
    delimiter: str = ","

    @property
    def code(self) -> str:
        """The encoding in messages."""
        return "UTF-8" if self.encoding == "utf-8" else self.encoding


@dataclass(frozen=True)
class Source:
    """Records to be read, with facts that are known before the first one.

    All values are texts where `texts` says so. `after` is the largest number of results before a row of a failures file.
    """

    records: Iterator[Read]
    columns: list[str] | None = None
    texts: bool = False
    total: int | None = None
    schema: Any = None
    after: int = 0

    def __iter__(self) -> Iterator[Read]:
        return self.records

    def arrow_schema(self) -> Any:
        """The columns as Arrow has them: those of a Parquet file, the texts of CSV."""
        if self.schema is not None:
            return self.schema
        if self.columns is None:
            raise CommandError(
                "results of JSON lines are written to .jsonl, .csv or .tsv: only the records say which columns there are"
            )
        arrow = needed_pyarrow("pyarrow")
        return arrow.schema([(name, arrow.string()) for name in self.columns])


def form_of(path: str, kind: Kind | None = None, encoding: str | None = None, delimiter: str | None = None) -> Form:
    """Return the form of an input: its kind by the ending of its name where none is given. Raises `CommandError`."""
    if path != "-" and not Path(path).is_file():
        if Path(path).exists():
            raise CommandError(f"{path} is no regular file; JSON lines from it are read by -i - < {path}")
        raise CommandError(f"there is no file {path}")
    if kind is None and path != "-" and (kind := KINDS.get(ending_of(path))) is None:
        raise CommandError(
            f"{path}: records are read from .jsonl, .csv, .tsv and .parquet, not {ending_of(path) or 'such a file'}; name "
            f"what it is: --input-format csv"
        )
    kind = kind or "jsonl"
    if encoding is not None and kind == "parquet":
        raise CommandError("--encoding: Parquet has no encoding; leave it out")
    if delimiter is not None and kind not in ("csv", "tsv"):
        raise CommandError(f"--delimiter: only CSV has a delimiter, and {path} is read as {kind}; --input-format csv")
    given = {"\\t": "\t", "tab": "\t"}.get(delimiter or "", delimiter) or ("\t" if kind == "tsv" else ",")
    if delimiter == "" or len(given) != 1 or given in '"\r\n\0' or "\ud800" <= given <= "\udfff":
        raise CommandError(f"--delimiter {delimiter!r}: it is one character, such as ';', or \\t for a tab")
    return Form(kind, _codec(encoding or "utf-8"), given)


def _codec(encoding: str) -> str:
    try:
        "".encode(encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise CommandError(
            f"--encoding {encoding}: there is no such encoding of texts; there are utf-8, cp1252 (Windows), latin-1, utf-16 "
            f"and others that Python knows"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name


def open_source(path: str, form: Form | None = None) -> Source:
    """The records of a file, by the ending of its name where no form is given."""
    form = form or form_of(path)
    if path == "-":
        if sys.stdin is None:
            raise CommandError("standard input is closed; name a file")
        if form.kind == "parquet":
            raise CommandError("Parquet is no stream, so standard input can't be read as it; name a file")
        return (
            Source(_json_lines(sys.stdin.buffer, form)) if form.kind == "jsonl" else _csv(path, sys.stdin.buffer, form)
        )
    try:
        match form.kind:
            case "jsonl":
                with open(path, "rb") as file:
                    total = sum(line is None or line.strip() != b"" for _, line in _lines(_recoded(file, form)))
                return Source(_json_lines(open(path, "rb"), form), total=total)  # read to its end
            case "csv" | "tsv":
                return _csv(path, open(path, "rb"), form)
            case "parquet":
                return _parquet(path)
    except (OSError, UnicodeError) as error:
        raise unread(path, error) from error


def keys_of(source: Source) -> list[str]:
    """Return the names that records have, in the order in which they come."""
    records = (each.record for each in source)
    return list(dict.fromkeys(name for record in records if not isinstance(record, BadRecord) for name in record))


def unread(name: object, error: OSError | UnicodeError) -> CommandError:
    """An error of the system's, of a file that is read, or of an encoding that it does not have."""
    file = "standard input" if name in ("<stdin>", "-") else name
    if isinstance(error, UnicodeError):
        return CommandError(f"{file} can't be read: {error}; name its encoding with --encoding")
    return CommandError(f"{file} can't be read: {error.strerror or error}")


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


class _Lines(Protocol):
    """A file of which lines are read as bytes."""

    def readline(self, size: int, /) -> bytes: ...


class _Recoded:
    """The lines of a file as UTF-8, of an encoding in which the end of a line is no byte of its own, such as UTF-16."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = TextIOWrapper(file, encoding, errors="surrogateescape", newline="\n")

    def readline(self, size: int, /) -> bytes:
        return self._text.readline(size).encode("utf-8", "surrogateescape")


def _recoded(file: BinaryIO, form: Form) -> _Lines:
    return file if "\n{".encode(form.encoding) == b"\n{" else _Recoded(file, form.encoding)


def _lines(file: _Lines) -> Generator[tuple[int, bytes | None]]:
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


def _json_lines(file: BinaryIO, form: Form) -> Generator[Read]:
    try:
        with file:
            source = _recoded(file, form)
            encoding = form.encoding if source is file else "utf-8"
            for number, line in _lines(source):
                if line is None:
                    yield Read(number, BadRecord(f"line {number} is longer than {LONGEST:,} bytes"))
                elif line.strip():
                    text = line.decode(encoding, "surrogateescape").removesuffix("\n").removesuffix("\r")
                    yield Read(number, json_record(number, text.removeprefix("\ufeff") if number == 1 else text, form))
    except (OSError, UnicodeError) as error:  # a disk that fails on the way
        raise unread(file.name, error) from error


class _Twice(Exception):
    """An object names something twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Twice
    return made


def json_record(number: int, text: str, form: Form) -> dict[str, Any] | BadRecord:
    """Read a line; bytes that its encoding does not have are lone surrogates in it, as Python's `surrogateescape` has them."""
    record = _json_object(number, text, form)
    return Unreadable(record, _raw(text, form)) if isinstance(record, str) else record


def _raw(text: str, form: Form) -> dict[str, Any]:
    return {"raw": text} | ({} if form.encoding == "utf-8" else {"encoding": form.encoding})


def _json_object(number: int, text: str, form: Form) -> dict[str, Any] | str:
    try:
        if not is_text([text]):
            text.encode(form.encoding, "surrogateescape").decode(form.encoding)
            return f"line {number} is not {form.code}"
        record: object = json.loads(text, object_pairs_hook=_object)
    except UnicodeError as error:
        return f"line {number} is not {form.code}: {error}"
    except json.JSONDecodeError as error:
        return f"line {number} is no JSON: {error.msg} at column {error.colno}"
    except _Twice:
        name, column = _second(text)
        return f"line {number}, column {column}: the object names {name} a second time"
    except RecursionError:
        return f"line {number} is no JSON: it is nested too deep"
    except ValueError as error:  # a whole number of thousands of digits
        return f"line {number} is no JSON: {error}"
    if not is_dict(record):
        return f"line {number} is no JSON object"
    if (deep := _beyond(text)) is not None:
        return f"line {number}, column {deep}: it is nested more than {_DEEPEST} levels deep"
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


def _csv(path: str, data: BinaryIO, form: Form) -> Source:
    """Open a CSV file. Its first line names the columns."""
    # A byte that the encoding does not have becomes a lone surrogate: so it is found in its record, and ends no reading ahead.
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    file = TextIOWrapper(data, encoding, errors="surrogateescape", newline="")
    try:
        lines = CsvLines(file, form.delimiter)
        records = csv_values(lines)
        line, header = next(records, (1, list[str]()))
        if isinstance(header, str):
            raise CommandError(f"{path}: its first line is no CSV: {header}")
        if not is_text(header):
            hint = "" if form.encoding != "utf-8" else ", for instance --encoding cp1252 or --encoding utf-16"
            raise CommandError(
                f"{path}: its first line, which names the columns, is not {form.code}; name the file's encoding{hint}"
            )
        if any("\0" in name for name in header):
            raise CommandError(f"{path}: its first line, which names the columns, holds a NUL byte; save it as UTF-8")
        header[:1] = [name.removeprefix("\ufeff") for name in header[:1]]
        places = dict[str, int]()
        for place, name in enumerate(header):
            if (first := places.setdefault(name, place)) < place:
                raise CommandError(
                    f"{path}: line {line}, column {place + 1} is named {name!r}, as column {first + 1} is; rename one"
                )
    except BaseException:
        file.close()
        raise
    return Source(_csv_records(file, lines, records, header, form), columns=header, texts=True)


def _csv_records(
    file: TextIO, lines: CsvLines, records: Iterator[tuple[int, list[str] | str]], columns: list[str], form: Form
) -> Generator[Read]:
    try:
        with file:
            yield from csv_records(lines, records, columns, form)
    except (OSError, UnicodeError) as error:  # a disk that fails on the way
        raise unread(file.name, error) from error


def csv_records(
    lines: CsvLines, records: Iterator[tuple[int, list[str] | str]], columns: list[str], form: Form
) -> Generator[Read]:
    """Yield the records of lines; `records` are their values."""
    for line, values in records:
        wrong = values if isinstance(values, str) else _misfit(line, values, columns, form)
        if wrong is None:
            yield Read(line, dict(zip(columns, values, strict=True)))
        elif (text := lines.text) is None:
            yield Read(line, BadRecord(wrong))
        else:
            kept = _raw(text, form) | {"columns": columns, "delimiter": form.delimiter}
            yield Read(line, Unreadable(wrong, kept))


def csv_text(text: str, line: int, columns: list[str], form: Form) -> Generator[Read]:
    """Yield the records of a text, which begins in this line of its file."""
    lines = CsvLines(StringIO(text, newline=""), form.delimiter, line)
    return csv_records(lines, csv_values(lines), columns, form)


def _misfit(line: int, values: list[str], columns: Sequence[str], form: Form) -> str | None:
    """Why values can't be those of the columns."""
    if len(values) > len(columns):
        held = f"there are {len(values):,}, and the header names {len(columns):,}"
        return f"line {line}, column {len(columns) + 1}: the record has more values than there are columns ({held})"
    if len(values) < len(columns):
        place = f"line {line}, column {len(values) + 1} ({columns[len(values)]})"
        return f"{place}: the record ends before it, with {len(values):,} of {len(columns):,} values"
    if not is_text(values):
        return f"line {line} is not {form.code}"
    if "\0" in "".join(values):
        number = next(number for number, value in enumerate(values) if "\0" in value)
        return f"line {line}, column {number + 1} ({columns[number]}): it holds a NUL byte"
    return None


def csv_values(lines: CsvLines) -> Generator[tuple[int, list[str] | str]]:
    """Yield the values of records, or an error text, each with the line in which it begins; skip empty lines."""
    reader = csv.reader(lines, strict=True, delimiter=lines.delimiter)
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


class CsvLines:
    """The lines of a file, as csv's reader takes them, which knows those of the record that is being read."""

    def __init__(self, file: TextIO, delimiter: str = ",", line: int = 1) -> None:
        self.delimiter = delimiter
        self._file = file
        self._line = line
        self._taken: list[str] = []

    @property
    def text(self) -> str | None:
        """The text of the record that was read last, without the end of its line; `None` for one that is too long."""
        text = "".join(self._taken)
        return None if len(text) > LONGEST else text.removesuffix("\n").removesuffix("\r")

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
        scan = _Scan(first, self.delimiter)
        problem: str | None = None
        for piece in self._taken:
            scan.follow(piece)
        held = sum(map(len, self._taken))
        if too_long:
            problem = f"{scan.place}: the line is longer than {LONGEST:,} characters"
        while not scan.ended and (piece := self._read(_PIECE)):
            scan.follow(piece)
            if held <= LONGEST:  # one piece more, so that `text` sees that it was too long
                self._taken.append(piece)
            held += len(piece)
        if scan.state == "quoted":
            rest = f"all to the end of the file, {self._line - scan.opened:,} lines, was taken for its text"
            problem = f"line {scan.opened}, column {scan.column}: the quote that opens here is never closed; {rest}"
        return problem or scan.problem or f"line {first} is no CSV"

    def _read(self, size: int) -> str:
        line = self._file.readline(size)
        self._line += line.endswith(("\n", "\r"))
        return line


_LONG_CELL = "write it as JSON lines, or let the module call csv.field_size_limit(...)"


class _Scan:
    """Follow a record to its end, broken or not."""

    def __init__(self, line: int, delimiter: str) -> None:
        self._line = line
        self._delimiter = delimiter
        self._tokens = re.compile(rf'[^"\r\n{re.escape(delimiter)}]+|\r\n|["\r\n{re.escape(delimiter)}]')
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
        for token in self._tokens.findall(text):
            self._size += len(token)
            if self._size > self._most and self.problem is None:
                self.problem = f"{self.place}: the cell is longer than {self._most:,} characters; {_LONG_CELL}"
            if self.state == "quoted":
                self.state = "closing" if token == '"' else "quoted"
                self._line += token in ("\r", "\n", "\r\n")
            elif token == '"' and self.state != "plain":
                self.opened = self._line if self.state == "start" else self.opened
                self.state = "quoted"
            elif token == self._delimiter:
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
