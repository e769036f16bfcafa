"""Writers of records, as JSON lines, CSV, TSV or Parquet (`-` is standard output).

A record is encoded when its row has ended and written when its turn comes, so a record that can't be written costs its own row only. JSON
is such as any reader takes: a number that it has no form for is null. In CSV a result with fields has a column for each, lists
and objects are JSON, and nothing is an empty text.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any, Protocol

from pydantic import TypeAdapter

from typefold.cli.input_records import (
    GROUP,
    KINDS,
    CsvLines,
    Form,
    Kind,
    Source,
    csv_values,
    ending_of,
    is_text,
    keys_of,
    needed_pyarrow,
    open_source,
    unread,
)
from typefold.cli.output import Output, StandardOutput
from typefold.cli.target import CommandError
from typefold.compiler.guards import is_dict
from typefold.programs.record_function import Target, arrow_form
from typefold.tables.arrow import plain_form


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


def kind_of(path: str, kind: Kind | None = None) -> Kind:
    """Return the kind of a file to be written, by the ending of its name where none is given. Raises `CommandError`."""
    kind = kind or ("jsonl" if path == "-" else KINDS.get(ending_of(path)))
    if kind is None:
        raise CommandError(
            f"{path}: results are written to .jsonl, .csv, .tsv and .parquet, not {ending_of(path) or 'such a file'}; name what "
            f"it is to be: --output-format csv"
        )
    if kind == "parquet" and path == "-":
        raise CommandError("Parquet is no stream, so it can't be written to standard output; name a file")
    return kind


@dataclass(frozen=True)
class Layout:
    """The columns of an output, as far as they are known, those of results, and the conversion of a result to them."""

    kind: Kind
    results: Sequence[str]
    convert: Callable[[Any], Mapping[str, Any]]
    columns: Sequence[str] = ()
    schema: Any = None


def layout_of(
    target: Target, kind: Kind, column: str, source: Source, again: Callable[[], Source] | None, into: str | None
) -> Layout:
    """Return the layout of an output. `again` reads a file once more, `into` is a whole output that rows are put into.

    Raises CommandError where columns can't be told, the input has a result's column, or the output has other columns.
    """
    if kind == "parquet":
        pa = needed_pyarrow()
        arrow, to_arrow = arrow_form(target)
        field = pa.field(column, arrow)
        if into is None:
            schema = source.arrow_schema().append(field)
        else:
            schema = needed_pyarrow("pyarrow.parquet").read_schema(into).remove_metadata()
            if not len(schema) or schema.field(len(schema) - 1) != field:
                raise _of_others(into, schema.names, [column])
        return Layout(kind, [column], _spread(to_arrow, None, column), schema.names, schema)
    plain = plain_form(target.returns, json=True)
    fields = None if kind == "jsonl" else _fields(target.returns)
    results = [column] if fields is None else [f"{column}.{name}" for name in fields]
    convert = _spread(plain, fields, column)
    if kind == "jsonl":
        return Layout(kind, results, convert)
    if into is not None:
        there = open_source(into, Form(kind, delimiter=_DELIMITERS[kind])).columns or []
        if there[-len(results) :] != results:
            raise _of_others(into, there, results)
        return Layout(kind, results, convert, there)
    columns = source.columns
    if columns is None:
        if again is None:
            raise CommandError(
                "CSV begins with its columns, and standard input does not say which there are; name a file"
            )
        columns = keys_of(again())
    if not is_text(columns) or "\0" in "".join(columns):
        raise CommandError("a name in the records is no text that CSV can hold; write .jsonl")
    return Layout(kind, results, convert, [*(name for name in columns if name not in results), *results])


def _of_others(path: str, columns: Sequence[str], results: Sequence[str]) -> CommandError:
    return CommandError(
        f"{path} ends with other columns than the results' ({', '.join(results)}): it has {', '.join(columns) or 'none'}; "
        f"name the function and --column that made it, or another --output"
    )


def _fields(hint: Any) -> list[str] | None:
    """Return the names of a result's fields, if its type is one of fields alone, or such a one or `None`."""
    try:
        schema = TypeAdapter(hint).json_schema(mode="serialization", by_alias=False)
    except Exception:  # no type that pydantic knows
        return None
    definitions, found = schema.get("$defs", {}), schema
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) == 1:
        found = options[0]
    if (reference := found.get("$ref")) is not None:
        found = definitions[reference.rpartition("/")[2]]
    names = list(found.get("properties", ()))
    return names if names and not found.get("additionalProperties") else None


def _spread(plain: Callable[[Any], Any], fields: Sequence[str] | None, column: str) -> Callable[[Any], dict[str, Any]]:
    def convert(value: Any) -> dict[str, Any]:
        held = plain(value)
        if fields is None:
            return {column: held}
        return {f"{column}.{name}": held.get(name) if is_dict(held) else None for name in fields}

    return convert


def open_writer(output: Output | StandardOutput, layout: Layout) -> Writer:
    """A writer of records into a file."""
    match layout.kind:
        case "parquet":
            assert isinstance(output, Output)
            return _ParquetWriter(output, layout.schema)
        case "csv" | "tsv":
            return _Csv(output, layout)
        case "jsonl":
            return _Lines(output)


def earlier_rows(path: str, layout: Layout) -> Generator[Any]:
    """Yield the rows of an output that is there already, as its writer takes them."""
    match layout.kind:
        case "parquet":
            return (read.record for read in open_source(path, Form("parquet")))
        case "csv" | "tsv":
            return _csv_rows(path, layout.kind)
        case "jsonl":
            return _json_rows(path)


def check_room(path: str, layout: Layout, after: int) -> None:
    """Check that an output has the rows among which failed ones have their places. Raises `CommandError`."""
    if (rows := sum(1 for _ in earlier_rows(path, layout))) < after:
        raise CommandError(
            f"{path} has {rows:,} results, and rows failed behind the first {after:,}, so it is not the output that they belong "
            f"to; name that, or another --output"
        )


def _json_rows(path: str) -> Generator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from (line.removesuffix(b"\n") + b"\n" for line in file if line.strip())
    except OSError as error:
        raise unread(path, error) from error


def _csv_rows(path: str, kind: Kind) -> Generator[bytes]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = CsvLines(file, _DELIMITERS[kind])
            rows = csv_values(lines)
            next(rows, None)
            for _ in rows:
                yield f"{lines.text}\n".encode("utf-8", "surrogateescape")
    except OSError as error:
        raise unread(path, error) from error


_DELIMITERS: dict[Kind, str] = {"csv": ",", "tsv": "\t"}


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
    return _json(record).encode() + b"\n"


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        plain = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)  # NaN and the infinities
        text = json.dumps(plain, ensure_ascii=False)
    return text if is_text([text]) else json.dumps(json.loads(text))


def _plain(value: object) -> str:
    """A value of Parquet that JSON has no form for: bytes in base64, all else as its text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class _Csv(_Lines):
    """CSV, with its columns in the first line."""

    def __init__(self, output: Output | StandardOutput, layout: Layout) -> None:
        super().__init__(output)
        self._columns, self._known = layout.columns, frozenset(layout.columns)
        self._delimiter = _DELIMITERS[layout.kind]
        output.write(self._row(self._columns))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        if not self._known.issuperset(record):
            name = next(name for name in record if name not in self._known)
            raise ValueError(f"the output has no column {name}; its columns are {', '.join(self._columns)}")
        return self._row([_cell(record.get(name)) for name in self._columns])

    def _row(self, cells: Sequence[str]) -> bytes:
        if "\0" in "".join(cells):
            raise ValueError("a text holds a NUL character, which CSV has no form for; write .jsonl")
        text = StringIO()
        csv.writer(text, delimiter=self._delimiter).writerow(cells)  # its own end of a line, so that it quotes all ends
        return text.getvalue().removesuffix("\r\n").encode() + b"\n"


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    text = _json(value)  # of a value that JSON has no form for it is a text
    return "" if text == "null" else json.loads(text) if text.startswith('"') else text


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
