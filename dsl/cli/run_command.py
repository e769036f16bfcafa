"""`typefold run`: a function over the records of a file, results in the order of the input.

A record that does not fit the function, or whose row fails, is kept aside. A row has the number of its record in the input,
from 0, in every message. A result that is there before its turn waits, on the disk where many do.
"""

from __future__ import annotations

import itertools
import os
import pickle
import shlex
import sqlite3
import sys
import traceback
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from returns.result import Result, Success

from typefold.cli.input_records import Form, Kind, Read, Source, Unreadable, form_of, open_source
from typefold.cli.jobs.failed_records import Failures, ReadAgain, is_failures, open_failures
from typefold.cli.jobs.status_command import JobStatus
from typefold.cli.output import check_apart, of_journal, open_output, own_output, part_of, printable, written_to
from typefold.cli.output_records import Layout, Writer, check_room, earlier_rows, kind_of, layout_of, open_writer
from typefold.cli.surroundings import program_files
from typefold.cli.target import CommandError, load
from typefold.compiler.contained import describe_exception, first_line
from typefold.errors import place_of
from typefold.execution.open_runtimes import statistics
from typefold.execution.progress import Progress
from typefold.programs.record_function import BadRecord, Fitting, Inputs, Target, streamed
from typefold.runtime import PromptError
from typefold.runtimes.current import find_current
from typefold.tables.arrow import message_of
from typefold.tables.columns import Unfit

T = TypeVar("T")

_SELF = "_self_"  # Jinja has a meaning of its own for `self`
_IN_MEMORY = 1 << 26  # bytes of results that wait
_SHOWN = 3  # failures of a function's own that are shown in full


@dataclass
class Counts:
    """Numbers of records by their outcome; `skipped` are those that the condition left out."""

    done: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.skipped


@dataclass(frozen=True)
class _Row(Fitting):
    read: Read


@dataclass(frozen=True, kw_only=True)
class JobFiles:
    """The files of a job. The input may be the failures of the output that is there: then rows are put into that."""

    source: str
    output: str
    failures: str
    form: Form
    kind: Kind
    again: bool
    into: bool
    apart: Mapping[str, Sequence[str | int]]

    @classmethod
    def of(
        cls,
        source: str,
        output: str,
        failures: str | None,
        journal: Path | None,
        input_format: Kind | None,
        output_format: Kind | None,
        encoding: str | None,
        delimiter: str | None,
    ) -> JobFiles:
        """The files that the options name. Raises `CommandError`: one of them is another as well, or of no known kind."""
        named = source if output == "-" else output
        failed = failures or ("failures.jsonl" if named == "-" else f"{os.path.splitext(named)[0]}.failures.jsonl")
        again = is_failures(source)
        into = again and os.path.exists(output) and os.path.realpath(source) == os.path.realpath(failed)
        apart: dict[str, Sequence[str | int]] = {
            "--input": [0 if source == "-" else source],
            "--output": written_to(output),
            "--failures": [part_of(failed)] if into else written_to(failed),
            "--journal": of_journal(journal),
        }
        check_apart(apart)
        if output == failed == "-":
            raise CommandError("--failures and --output are both standard output; name a file for one")
        if again:  # by the same command: the file says itself how its records were written
            input_format = delimiter = None
        kind, form = kind_of(output, output_format), form_of(source, input_format, encoding, delimiter)
        return cls(
            source=source, output=output, failures=failed, form=form, kind=kind, again=again, into=into, apart=apart
        )

    def open(self) -> Source:
        """Open the input, from its first record on."""
        return open_failures(self.source, self.form) if self.again else open_source(self.source, self.form)


class InputFile(NamedTuple):
    """A file of records, the form that it is read in, and the parameters that columns of other names are for."""

    path: str
    form: Form
    renamed: Mapping[str, str]

    def open(self) -> Source:
        return open_source(self.path, self.form)


@contextmanager
def opened_job(
    files: JobFiles,
    function: str,
    given: Mapping[str, str],
    column: str,
    where: str | None,
    renamed: Mapping[str, str] | None = None,
    **options: Any,
) -> Generator[Job]:
    """Open the files of a job and import its function; `options` are the job's own. Raises `CommandError`."""
    if files.into and (options["limit"] is not None or options["offset"] or where is not None):
        raise CommandError(
            f"--limit, --offset and --where would leave rows of {files.source} out, which takes the place of itself; name "
            f"another --output to try some of them"
        )
    with ExitStack() as stack:
        if "-" in (files.output, files.failures):
            stack.enter_context(own_output())
        records = files.open()
        whole = open_output(files.output)
        stack.callback(whole.discard)
        aside = stack.enter_context(Failures(files.failures))
        target = load(function)
        check_apart({**files.apart, **program_files()})
        inputs = Inputs(target, given, texts=records.texts, renamed=renamed)
        known = records.columns
        if known is not None:
            check_columns(target, inputs, known)
        into = files.output if files.into else None
        layout = layout_of(target, files.kind, column, records, None if files.source == "-" else files.open, into)
        if twice := [name for name in layout.results if name in (known or ())]:
            raise CommandError(taken(twice[0]))
        names = None if known is None else [*known, *(each.name for each in target.parameters)]
        holds = None if where is None else Condition(where, names)
        if into is not None:
            check_room(into, layout, records.after)
        writer = open_writer(whole, layout)
        stack.callback(writer.discard)
        yield Job(
            target=target,
            files=files,
            source=records,
            inputs=inputs,
            writer=writer,
            layout=layout,
            failures=aside,
            where=holds,
            earlier=iter(()) if into is None else earlier_rows(into, layout),
            **options,
        )


@dataclass(kw_only=True)
class Job:
    """A function over records, each written with its result; a failed one is put aside with its error.

    `earlier` are rows of an output that is there already, among which the results have their places.
    """

    target: Target
    files: JobFiles
    source: Source
    inputs: Inputs
    writer: Writer
    layout: Layout
    failures: Failures
    limit: int | None
    offset: int
    where: Condition | None
    max_failures: int | None
    earlier: Iterator[Any]
    counts: Counts = field(default_factory=Counts)
    _begun: dict[int, _Row] = field(default_factory=dict[int, _Row])
    _aside: dict[int, bool | None] = field(default_factory=dict[int, Any])  # no rows: whether failed; `None`: no record
    _shown: set[str] = field(default_factory=set[str])
    _after: int = 0  # rows of the output so far
    _moved: int = 0  # those of them that were there before

    def __post_init__(self) -> None:
        self._status = JobStatus(None)
        # Whether it is a result, its encoded form, its place.
        self._waiting: Waiting[tuple[bool, Any, int] | None] = Waiting()

    def carry_out(self) -> int:
        """Run the job to its end, put its files in their places, and return the number of rows that failed."""
        runtime, before, files = find_current(), statistics()[0].from_journal, self.files
        self._status = JobStatus(
            runtime.journal if runtime else None,
            function=self.target.name,
            input=files.source,
            output=files.output,
            failures=files.failures,
        )
        try:
            self.run()
            self.failures.sync()
            self.writer.finish()
            removed = self.failures.finish()
            self._status.end("finished")
        finally:
            self._status.end("ended")
            if self.failures.unfinished is not None:
                said = f"typefold: what failed until then is in {self.failures.unfinished}"
                print(said, file=sys.stderr)
        from_journal = statistics()[0].from_journal - before
        report(self.counts, files.output, self.failures, from_journal=from_journal, removed=removed, into=files.into)
        return self.counts.failed

    def run(self) -> None:
        """Run the function for all records, and write what comes of them."""
        total = self.source.total
        if total is not None:
            total = max(0, total - self.offset)
            total = total if self.limit is None else min(self.limit, total)
        with Progress(total) as progress, self._waiting, closing(streamed(self.target, self._rows())) as results:
            try:
                self._status.begin(total)
                for index, result in results:
                    if (failed := self._ended(index, result)) is not None:
                        progress.row(failed=failed)
                        self._status.tell(self.counts.ended, self.counts.failed)
                if self.where is not None:
                    self.where.check_used()
                self._move(None)
            except BaseException:
                for item in self._waiting.rest():  # the failures that still wait for their turn
                    if item is not None and not item[0]:
                        self.failures.write(item[1], self._after)
                raise

    def _rows(self) -> Iterator[_Row | Unfit]:
        """Yield the records that fit, and `Unfit`, which `run` hands back at once, in the place of the others.

        A row's index is the record's number in the input, also where records before it are left out: seeds go by it.
        """
        taken = itertools.islice(self.source, self.offset, None if self.limit is None else self.offset + self.limit)
        following = 0
        for number, read in enumerate(taken, self.offset):
            number = read.row if isinstance(read, ReadAgain) else number
            for left_out in range(following, number):
                self._aside[left_out] = None
                self._put(left_out, None)
                yield Unfit("")
            following = number + 1
            row = self._taken(number, read)
            if row is None:
                yield Unfit("")
            else:
                self._begun[number] = row
                yield row

    def _ended(self, number: int, result: Result[Any, Exception]) -> bool | None:
        """Note the result of a record, and return whether it failed; `None` where there was no record."""
        row = self._begun.pop(number, None)
        if row is None:
            return self._aside.pop(number)
        if not isinstance(result, Success):
            self._failed(number, row.read, result.failure())
            return True
        try:
            encoded = self.writer.encode({**row.record, **self.layout.convert(result.unwrap())})
        except Exception as error:  # a value that the file has no form for
            self._failed(number, row.read, error, own=False)
            return True
        self.counts.done += 1
        self._put(number, (True, encoded, _after(row.read)))
        return False

    def _taken(self, number: int, read: Read) -> _Row | None:
        try:
            if isinstance(record := read.record, BadRecord):
                raise record
            arguments, wrong = self.inputs.read(record)
            wanted = self.where is None or self.where.holds(self.inputs.seen(record, arguments))
            if wanted and (column := next(filter(record.__contains__, self.layout.results), None)) is not None:
                raise BadRecord(taken(column))
            if wanted and wrong:
                raise BadRecord("; ".join(wrong))
        except Exception as error:  # a user's validator may raise anything
            self._aside[number] = True
            self._failed(number, read, error)
            return None
        if wanted:
            return _Row(record, arguments, read)
        self.counts.skipped += 1
        self._aside[number] = False
        self._put(number, None)
        return None

    def _failed(self, number: int, read: Read, error: Exception, *, own: bool = True) -> None:
        self.counts.failed += 1
        failed: dict[str, Any] = {
            "row": number,
            "line": read.line,
            "error": type(error).__name__,
            "message": message_of(error),
        }
        if isinstance(error, Unreadable):
            failed["error"] = BadRecord.__name__
        if own and not isinstance(error, PromptError | BadRecord):  # the function's own error
            failed["traceback"] = trace = _traceback(error)
            self._show(f"row {number}" + ("" if read.line is None else f" (line {read.line})"), error, trace)
        failed["record"] = None if isinstance(read.record, BadRecord) else read.record
        failed |= read.record.kept if isinstance(read.record, Unreadable) else {}
        failed |= {"texts": True} if self.source.texts else {}
        self._put(number, (False, self.failures.encode(failed), _after(read)))
        if self.max_failures is not None and self.counts.failed > self.max_failures:
            raise CommandError(
                f"{self.counts.failed:,} rows failed, more than --max-failures {self.max_failures:,} allows; the job was ended"
            )

    def _show(self, where: str, error: Exception, trace: str) -> None:
        """Print an error of the function's own, the first of those that come from one place."""
        place = place_of(error)
        if place not in self._shown and len(self._shown) < _SHOWN:
            self._shown.add(place)
            with suppress(OSError, ValueError):  # nobody reads it any more
                print(f"typefold: {where} failed:\n{printable(trace)}", file=sys.stderr, flush=True)

    def _put(self, number: int, item: tuple[bool, Any, int] | None) -> None:
        for each in self._waiting.due(number, item):
            if each is None:
                continue
            has_result, written, after = each
            self._move(after)
            if has_result:
                self.writer.write(written)
                self._after += 1
            else:
                self.failures.write(written, self._after)

    def _move(self, upto: int | None) -> None:
        """Write the earlier rows before a place, or all that are left."""
        for row in itertools.islice(self.earlier, None if upto is None else max(0, upto - self._moved)):
            self.writer.write(row)
            self._moved += 1
            self._after += 1


def _after(read: Read) -> int:
    return read.after if isinstance(read, ReadAgain) else 0


def _traceback(error: Exception) -> str:
    """An error with where it was raised, from the function's own code on."""
    frames = error.__traceback__
    while frames is not None and str(frames.tb_frame.f_globals.get("__name__")).startswith("typefold."):
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__)).rstrip()
    except Exception:  # an error of the user's
        return describe_exception(error)


def check_columns(target: Target, inputs: Inputs, columns: Sequence[str]) -> None:
    """Refuse columns that no record could fit, before any row runs."""
    has = f"(it has {', '.join(columns) or 'none'})"
    if unknown := [column for column in inputs.renamed if column not in columns]:
        raise CommandError(f"--rename: the input has no column {unknown[0]} {has}")
    try:
        names = inputs.named(columns)
    except BadRecord as error:
        raise CommandError(f"--rename: {error} {has}") from None
    missing = inputs.missing(names)
    if near := inputs.almost(names):
        others = [name for name in missing if name not in near.values()]
        column, name = next(iter(near.items()))
        options = " ".join(f"--rename {shlex.quote(f'{column}={name}')}" for column, name in near.items())
        raise CommandError(
            f"{target.name}: the column {column!r} is not {name!r}; rename it, or give one value for all rows with --set "
            f"{name}=...; where it is meant: {options}"
            + (f"; it needs {', '.join(others)} too {has}" if others else "")
        )
    if missing:
        other = next((each for each in ";\t|," if len(columns) == 1 and each in columns[0]), None)
        raise CommandError(
            f"{target.name} needs {', '.join(missing)}, which the input has no column for {has}; name the column that is meant "
            f"with --rename COLUMN={missing[0]}, or give one value for all rows with --set {missing[0]}=..."
            + ("" if other is None else f"; if its columns are parted by {other!r}, --delimiter says so")
        )


def taken(column: str) -> str:
    """Return the error text for an input that has the results' column already."""
    return f"the input has a column {column} already, which the result would replace; give the result another: --column"


def report(
    counts: Counts, output: str, failures: Failures, *, from_journal: int, removed: bool, into: bool = False
) -> None:
    """Print the numbers of records, and of answers from the journal, on standard error."""
    words = [f"{counts.done:,} results {'put into' if into else 'in'} {'standard output' if output == '-' else output}"]
    if from_journal:
        words.append(f"{from_journal:,} {'answer' if from_journal == 1 else 'answers'} from the journal")
    if counts.skipped:
        words.append(f"{counts.skipped:,} left out")
    if counts.failed:
        where = "standard output" if failures.path == "-" else failures.path
        words.append(f"{counts.failed:,} failed, with reasons in {where}")
    if removed:
        words.append(f"none failed, so {failures.path} of an earlier run was removed")
    print("typefold: " + ", ".join(words), file=sys.stderr)


class Condition:
    """A condition on records, as Jinja writes expressions; `known` are its possible names, where they are known already."""

    def __init__(self, expression: str, known: Iterable[str] | None = None) -> None:
        self.expression = expression
        environment = ImmutableSandboxedEnvironment()
        try:
            parser = Parser(environment, expression, state="variable")
            parsed = parser.parse_expression()
            if not parser.stream.eos:
                raise CommandError(f"--where {expression!r}: there is more after the end of the expression")
            assigned = nodes.Assign(nodes.Name("result", "store"), parsed, lineno=1)
            template = nodes.Template([assigned], lineno=1)
            template.set_environment(environment)
            loaded = [name for name in template.find_all(nodes.Name) if name.ctx == "load"]
            own = {each.name for each in loaded}
            for each in loaded:
                each.name = _SELF if each.name == "self" else each.name
            self._compiled = TemplateExpression(environment.from_string(template), undefined_to_none=True)
        except CommandError:
            raise
        except Exception as error:  # nested too deep, say, or a constant that can't be worked out
            raise CommandError(f"--where {expression!r}: {first_line(error)}") from None
        self._unseen = own - set(environment.globals)
        self._tried = self._failed = self._held = 0
        self._first: str | None = None
        if known is not None:
            names = list[str](known)
            for name in sorted(self._unseen - set(names)):
                near = get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names) or 'none'}"
                raise CommandError(f"--where {expression!r}: there is no column {name}{hint}")

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds of a record; raises `BadRecord` where it can't be told."""
        self._tried += 1
        self._unseen.difference_update(values)
        try:
            found = bool(self._compiled({_SELF if name == "self" else name: value for name, value in values.items()}))
        except Exception as error:
            self._failed += 1
            message = f"--where {self.expression!r}: {first_line(error)}"
            self._first = self._first or message
            raise BadRecord(message) from error
        self._held += found
        return found

    def check_used(self) -> None:
        """Raise `CommandError`, behind the last record, where it was of no use: it failed for all, or named an unknown column."""
        if self._tried and self._failed == self._tried:
            raise CommandError(f"{self._first}; it fails for every record ({self._tried:,}), so nothing was run")
        if self._tried and not self._held and self._unseen:
            raise CommandError(f"--where {self.expression!r}: no record has {', '.join(sorted(self._unseen))}")


class Waiting(Generic[T]):
    """Items by their numbers, given back from number 0 on without a gap; those beyond some bytes wait on the disk."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._most = in_memory
        self._turn = 0
        self._held: dict[int, bytes] = {}
        self._size = 0
        self._disk: sqlite3.Connection | None = None

    def __enter__(self) -> Waiting[T]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._disk is not None:
            self._disk.close()

    def due(self, number: int, item: T) -> Generator[T]:
        """Take an item; yield the items that are due."""
        if number != self._turn:
            self._keep(number, pickle.dumps(item))
            return
        yield item
        self._turn += 1
        while (data := self._take(self._turn)) is not None:
            yield pickle.loads(data)
            self._turn += 1

    def rest(self) -> Generator[T]:
        """Yield the remaining items in order, at the end."""
        numbers = [*self._held]
        if self._disk is not None:
            numbers += [number for (number,) in self._disk.execute("SELECT number FROM items")]
        for number in sorted(numbers):
            if (data := self._take(number)) is not None:
                yield pickle.loads(data)

    def _keep(self, number: int, data: bytes) -> None:
        if self._size + len(data) <= self._most:
            self._held[number] = data
            self._size += len(data)
            return
        with _on_the_disk():
            self._spill(number, data)

    def _spill(self, number: int, data: bytes) -> None:
        if self._disk is None:
            self._disk = sqlite3.connect("", isolation_level=None)
            self._disk.execute("PRAGMA journal_mode = MEMORY")  # so that a full disk leaves the rest to be read
            self._disk.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, data BLOB)")
        self._disk.execute("INSERT INTO items VALUES (?, ?)", (number, data))

    def _take(self, number: int) -> bytes | None:
        data = self._held.pop(number, None)
        if data is not None:
            self._size -= len(data)
            return data
        if self._disk is None:
            return None
        with (
            _on_the_disk(),
            closing(self._disk.execute("DELETE FROM items WHERE number = ? RETURNING data", (number,))) as cursor,
        ):
            rows = cursor.fetchall()
        return rows[0][0] if rows else None


@contextmanager
def _on_the_disk() -> Generator[None]:
    """Say in a line that the temporary folder is full, or can't be used."""
    try:
        yield
    except sqlite3.Error as error:
        raise CommandError(
            f"results that wait for an older row can't be kept in the temporary folder ({error}); make room, or name another "
            f"folder with SQLITE_TMPDIR"
        ) from error
