"""Records of CSV, each with the line in which it begins; a broken one costs itself and nothing else.

Python's reader gives up in the middle of a record and goes on in the next line, inside of a quoted text perhaps, whose lines
would then be taken for records. So a record that it gives up is read once more, by rules that nothing breaks, to find its end.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Literal, Self, TextIO

from typefold.cli import input_records
from typefold.cli.input_records import Read, Source, is_text, unread
from typefold.cli.target import CommandError
from typefold.programs.record_arguments import BadRecord

__all__ = ["csv_source"]

_PIECE = 1 << 20  # characters of a line that are looked at together


def csv_source(path: str) -> Source:
    """The records of a CSV file, whose first line names the columns.

    Raises:
        CommandError: It does not, or names two of them alike.
        OSError: It can't be read.
    """
    # A byte that is not UTF-8 becomes a lone surrogate: so it is found in its record, and ends no reading ahead.
    file = open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")  # noqa: SIM115  # read to its end
    try:
        records = _records(_Lines(file))
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
    return Source(_named(file, records, header), columns=header, texts=True)


def _named(file: TextIO, records: Iterator[tuple[int, list[str] | str]], columns: list[str]) -> Generator[Read]:
    """Records as dictionaries."""
    try:
        with file:
            for line, values in records:
                wrong = values if isinstance(values, str) else _wrong(line, values, columns)
                yield Read(line, BadRecord(wrong) if wrong is not None else dict(zip(columns, values, strict=True)))
    except OSError as error:  # a disk that fails on the way
        raise unread(file.name, error) from error


def _wrong(line: int, values: list[str], columns: Sequence[str]) -> str | None:
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


def _records(lines: _Lines) -> Generator[tuple[int, list[str] | str]]:
    """The values of records, or what is wrong, each with the line in which it begins; empty lines are none."""
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


class _Lines:
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
        line = self._read(input_records.LONGEST + 1)
        if not line:
            raise StopIteration
        self._taken.append(line)
        if len(line) > input_records.LONGEST:
            raise _TooLong
        return line

    def broken(self, first: int, *, too_long: bool) -> str:
        """Go to the end of the record that has been begun; what is wrong with it, and where."""
        scan = _Scan(first)
        problem: str | None = None
        for piece in self._taken:
            scan.follow(piece)
        self._taken = []
        if too_long:
            problem = f"{scan.place}: the line is longer than {input_records.LONGEST:,} characters"
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


_LONG = "write it as JSON lines, or let the module call csv.field_size_limit(...)"
_TOKENS = re.compile(r'[^",\r\n]+|\r\n|[",\r\n]')


class _Scan:
    """Follows a record to its end, whatever is wrong in it.

    Attributes:
        column: The column that has been come to, from 1.
        opened: The line in which the quoted text begins.
        problem: The first thing that is wrong, and where.
        ended: Whether the record has ended.
    """

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
        """Where it is."""
        return f"line {self._line}, column {self.column}"

    def follow(self, text: str) -> None:
        """Go on to the end of a line, or of a part of one."""
        for token in _TOKENS.findall(text):
            self._size += len(token)
            if self._size > self._most and self.problem is None:
                self.problem = f"{self.place}: the cell is longer than {self._most:,} characters; {_LONG}"
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
