"""A journal: finished requests in an sqlite file, written, found and read.

Each write is a transaction, in the write-ahead log and on the disk (`synchronous=FULL`) when it returns. Reading goes on beside
writing, from other processes too. Invariant: one process writes a journal at a time (`lock`). A row or a file that is not as it was
written is a `JournalError` and never an answer.

A `JournalFolder` has a file for each of several writers. A new writer takes the first free file of its machine, so that one that
replaces a killed one goes on in its file. Names hold the machine's, so that folders of several machines can be copied into one.
Invariant: answers come from records that were in the folder when it was opened, or were written here since.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from typefold.runtime.journal.errors import JournalError, JournalInUse, damaged, explained
from typefold.runtime.journal.file_format import (
    CALLS,
    CALLS_OF,
    FORMAT,
    MODELS,
    PAGE,
    check_format,
    empty,
    file_of,
    inodes,
    prepare,
    text_of,
)
from typefold.runtime.journal.keys import Numbers, rehearsal
from typefold.runtime.journal.lock import Lock, check_filesystem
from typefold.runtime.journal.model_identity import ModelIdentity
from typefold.runtime.journal.records import (
    Record,
    Summary,
    check_values,
    checksum,
    checksum_of_call,
    moment,
    outcome_in,
    record_in,
)
from typefold.runtime.ownership import Owner, keep, notify_child
from typefold.runtime.request import Outcome
from typefold.runtime.scheduling.pending import Limits

T = TypeVar("T")

_NAMED = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR finished < ?3)"
_WAIT = 30.0  # seconds for a reader that holds up a checkpoint, or another tool's write


class Journal:
    """Finished requests in a file. `Runtime(journal=path)` opens one; open one yourself to read it, or to share it.

    Close it after the runtimes that use it, or use it in a `with` block.

    Args:
        path: The file; it is made if it is missing.
        read_only: Whether to read the file only, also while a run writes to it. By default it is written too, and locked.
        prompts: Whether to keep prompts, for people; by default they are kept. Without them a record has its key, a digest
            of the request, and its answer, and programs are answered from it all the same.

    Attributes:
        path: The file.
        prompts: Whether prompts are kept.

    Raises:
        JournalError: The file is damaged, no journal, of a later version, can't be opened or made, or is in use by another
            process.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from typefold import Journal, Runtime
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> with TemporaryDirectory() as folder, Journal(Path(folder) / "run.db") as journal:
        ...     with Runtime(ScriptedEngine(answers=["yes"]), journal=journal) as runtime:
        ...         _ = runtime.generate("Is it?")
        ...     journal.count(), [record.text for record in journal.records()]
        (1, ['yes'])
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, prompts: bool = True) -> None:
        self.path = file_of(path)
        self.prompts = prompts
        self._lock: Lock | None = None
        self._reading = threading.RLock()
        self._writing = threading.RLock()  # several runtimes may share it, and a connection has one transaction
        self._numbers = Numbers()
        self._inodes: list[tuple[int, int] | None] | None = None
        self._closed = False
        self._owner = Owner()
        if read_only and not self.path.is_file():
            raise JournalError(self.path, "there is no such file")
        if not read_only:
            check_filesystem(self.path)
            self._lock = Lock(self.path)
        try:
            with self._explaining():
                if not read_only:
                    with suppress(FileExistsError):  # for its owner alone, as the files that sqlite makes beside it
                        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                self._reader = self._connect(read_only=read_only)
                found = check_format(self.path, self._reader)
                form = found if read_only else FORMAT  # it is upgraded below
                self._has_checksums = form >= 2
                # A file that its process has only just made, or was killed over, has no tables: it reads as empty.
                self._empty = empty() if read_only else None
                self._writer = None if read_only else self._connect()
                if self._writer is not None:
                    prepare(self._writer)
                self._select = f"SELECT id, {CALLS_OF[form - 1]} FROM calls"
                self._inodes = inodes(self.path)
        except BaseException:
            self.close()
            raise
        notify_child(self)

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self, *, function: str | None = None, model: str | None = None, before: str | None = None) -> int:
        """Count finished requests.

        Args:
            function: Count only those of this prompt function.
            model: Count only those of this model, by its name or path.
            before: Count only those that ended before this time (ISO 8601; UTC where it has no offset).

        Returns:
            The number of requests; by default of all.

        Raises:
            ValueError: `before` is not a time.
            JournalError: The file can't be read.
        """
        [(count,)] = self._rows(f"SELECT count(*) FROM calls WHERE {_NAMED}", *_named(function, model, before))
        return int(count)

    @property
    def last(self) -> int:
        """The number of the newest record; 0 for an empty journal."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM calls")[0][0])

    def find(self, key: bytes, *, upto: int | None = None) -> tuple[Limits, Outcome, str | None] | None:
        """Find a finished request.

        Args:
            key: The request's key.
            upto: The number of the last record that counts; by default all count.

        Returns:
            The limits of its answer's length, the answer, and for a request that no model was asked its failure; `None` if it
            is missing.

        Raises:
            JournalError: The record is damaged, or the file.
        """
        for row in self._rows(f"{self._select} WHERE key = ?1 AND (?2 IS NULL OR id <= ?2)", key, upto):
            if row["key"] != key:  # the index and the row differ
                raise damaged(self.path, _which(row))
            return self._checked(row, lambda row: (*outcome_in(row), row["failure"]))
        return None

    def number(self, content: bytes, place: bytes) -> int:
        """Return the number of requests before this one, since the journal was opened, with its content and place.

        Args:
            content: The content's key.
            place: The row that asks, in bytes.
        """
        key, rehearsed = content + place, rehearsal.get()
        with self._explaining():
            return self._numbers.next(key) if rehearsed is None else self._numbers.count(key) + rehearsed.next(key)

    def write(
        self, rows: Sequence[tuple[Any, ...]], *, replace: bool = False, replaced: Collection[bytes] = ()
    ) -> None:
        """Write finished requests in one transaction.

        Args:
            rows: Their columns, from `row_of`.
            replace: Whether they take the place of records with their keys; by default those stay.
            replaced: Keys of records that are replaced in any case.

        Raises:
            JournalError: None of them was written.
        """
        verb, marks = "REPLACE" if replace else "IGNORE", ", ".join("?" * len(CALLS.split(",")))
        with self._transaction() as writer:
            writer.executemany("DELETE FROM calls WHERE key = ?", [(key,) for key in replaced])
            writer.executemany(f"INSERT OR {verb} INTO calls ({CALLS}) VALUES ({marks})", rows)

    def models(self) -> list[ModelIdentity]:
        """Return the models that the journal has, or had, answers of.

        Raises:
            JournalError: The file is damaged.
        """
        return [ModelIdentity(name, digest) for digest, name, _ in self._models()]

    def facts(self, model: ModelIdentity) -> str | None:
        """Return the facts of a model's engine as they were written; `None` where they were not.

        Args:
            model: The model.
        """
        for _, _, facts in self._models("digest = ?", model.digest):
            return facts
        return None

    def write_facts(self, model: ModelIdentity, facts: str) -> None:
        """Write the facts of a model's engine, for programs that run again without it.

        Args:
            model: The model.
            facts: The facts, as JSON.
        """
        if self.facts(model) != facts:
            row = (model.digest, model.name, facts)
            with self._transaction() as writer:
                writer.execute("REPLACE INTO models VALUES (?, ?, ?, ?)", (*row, checksum(row)))

    def records(
        self,
        *,
        function: str | None = None,
        row: int | None = None,
        last: int | None = None,
        model: str | None = None,
    ) -> Iterator[Record]:
        """Read finished requests in the order in which they ended.

        Args:
            function: Read only those of this prompt function.
            row: Read only those of this row.
            last: Read only this number of them, the newest.
            model: Read only those of this model, by its name or path.

        Returns:
            An iterator that reads on as it is used; by default over all records.

        Raises:
            ValueError: `last` is negative.
            JournalError: A record is damaged, or the file. `prune(damaged=True)` removes such records.
        """
        for held in self._pages(function=function, row=row, last=last, model=model):
            yield self._checked(held, record_in)

    def sound_records(self, **chosen: Any) -> Iterator[Record | JournalError]:
        """Read records as `records` does, with an error in place of a damaged record or of a part of the file that is.

        Args:
            **chosen: The arguments of `records`.
        """
        after, size, lost = None, PAGE, False
        while True:
            try:
                for row in self._pages(after=after, size=size, **chosen):
                    after, lost = row["id"], False
                    try:
                        yield self._checked(row, record_in)
                    except JournalError as error:
                        yield error
            except JournalError as error:
                if chosen.get("last") is not None:
                    raise
                if size > 1:  # from here on one by one
                    size = 1
                    continue
                if not lost:
                    yield error
                after, lost = max(after or 0, 0) + 1, True
                if after < self.last:
                    continue
            return

    def _pages(
        self,
        *,
        function: str | None = None,
        row: int | None = None,
        last: int | None = None,
        model: str | None = None,
        after: int | None = None,
        size: int = PAGE,
    ) -> Iterator[sqlite3.Row]:
        if last is not None and last < 0:
            raise ValueError(f"last={last}: give a number of records, 0 or more")
        wanted = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR row = ?2) AND (?3 IS NULL OR model = ?3)"
        after = -1 << 63 if after is None else after
        if last is not None:
            query = f"SELECT min(id) FROM (SELECT id FROM calls WHERE {wanted} ORDER BY id DESC LIMIT ?4)"
            [(first,)] = self._rows(query, function, row, model, last)
            if first is None:
                return
            after = first - 1
        page = f"{self._select} WHERE {wanted} AND id > ?4 ORDER BY id LIMIT {size}"
        while found := self._rows(page, function, row, model, after):
            for held in found:
                if held["id"] <= after:  # pages that lead back to each other would have no end
                    raise damaged(self.path, "the order of its records")
                yield held
                after = held["id"]

    def summary(self) -> list[Summary]:
        """Summarise the journal by prompt function and model.

        Returns:
            A `Summary` for each function and model, in the order of their first records.

        Raises:
            JournalError: The file can't be read.
        """
        rows = self._rows(
            "SELECT CAST(function AS TEXT), CAST(model AS TEXT), count(*), CAST(total(prompt_tokens) AS INTEGER), "
            "CAST(total(output_tokens) AS INTEGER), CAST(min(finished) AS TEXT), CAST(max(finished) AS TEXT) "
            "FROM calls GROUP BY function, model ORDER BY min(id)"
        )
        return [Summary(*row) for row in rows]

    def damage(self) -> list[str]:
        """Read all of the file and describe its damage.

        Returns:
            The findings of sqlite, and each record that is not as it was written; empty for a sound journal.

        Raises:
            JournalError: The file can't be read at all.
        """
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [*(found if found != ["ok"] else ()), *(what for _, what in self._damaged())]

    def _damaged(self) -> Iterator[tuple[tuple[str, Any], str]]:
        """Yield each damaged row as an SQL condition with its value, and a description."""
        for row in self._pages():
            try:
                self._checked(row, lambda row: (outcome_in(row), record_in(row)))
            except JournalError:
                yield ("calls WHERE id = ?", row["id"]), f"{_which(row)} is not as it was written"
        for number, name in self._rows("SELECT rowid, name FROM models"):
            try:
                self._models("rowid = ?", number)
            except JournalError:
                yield ("models WHERE rowid = ?", number), f"the record of the model {name} is not as it was written"

    def prune(
        self,
        *,
        function: str | None = None,
        model: str | None = None,
        before: str | None = None,
        damaged: bool = False,
    ) -> int:
        """Remove finished requests and give their space back. Without arguments all are removed.

        Args:
            function: Remove only those of this prompt function.
            model: Remove only those of this model, by its name or path.
            before: Remove only those that ended before this time (ISO 8601: `2026-01-31` or with a time; UTC where it has no
                offset).
            damaged: Whether to remove only damaged records.

        Returns:
            The number of removed requests.

        Raises:
            ValueError: `before` is not a time, or another argument is given beside `damaged`.
            JournalError: The file can't be written.
        """
        if damaged and (function, model, before) != (None, None, None):
            raise ValueError("damaged=True goes alone: a damaged record can't be told by its function, model or time")
        with self._transaction() as writer:
            named = (f"calls WHERE {_NAMED}", _named(function, model, before))
            chosen = [(place, (number,)) for (place, number), _ in self._damaged()] if damaged else [named]
            removed = sum(writer.execute(f"DELETE FROM {place}", values).rowcount for place, values in chosen)
        with self._writing, self._explaining():
            writer.execute("VACUUM")
        return removed

    def close(self) -> None:
        """Close the file. It may be called twice. In a forked child it does nothing: the file is the parent's."""
        if self._owner.elsewhere:
            return
        with self._writing, self._reading:
            self._closed = True
            writer: sqlite3.Connection | None = getattr(self, "_writer", None)
            if self._inodes is not None and writer is not None and self._inodes != inodes(self.path):
                with suppress(sqlite3.Error):  # sqlite leaves the log of a file that was moved where it is
                    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for connection in (getattr(self, "_reader", None), getattr(self, "_empty", None), writer):
                if connection is not None:
                    with suppress(sqlite3.Error):  # on a full disk the log stays as it is, and is read next time
                        connection.close()
            self._numbers.close()
            if self._lock is not None:
                self._lock.release()

    def forked(self) -> None:
        """Keep the connections of a forked child to its end: sqlite forbids to close them there."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                keep(connection)

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        target = f"{Path(os.path.realpath(self.path)).as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(target, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.text_factory = text_of
        return connection

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        self._owner.check(f"the journal {self.path}")
        with self._reading, self._explaining():
            self._check_open()
            if self._empty is not None and self._reader.execute("SELECT 1 FROM sqlite_schema").fetchone():
                self._empty.close()
                self._empty = None
            return (self._empty or self._reader).execute(query, values).fetchall()

    def _checked(self, row: sqlite3.Row, read: Callable[[sqlite3.Row], T]) -> T:
        """Return a reading of a row, or raise `JournalError` if it is not as it was written."""
        try:
            found = checksum_of_call(tuple(row)[1:-2], row["version"])
            if not self._has_checksums:
                check_values(row)
            if not self._has_checksums or found == row["checksum"]:
                return read(row)
        except Exception as error:  # of any kind: it comes from the file
            raise damaged(self.path, _which(row)) from error
        raise damaged(self.path, _which(row))

    def _models(self, where: str = "TRUE", *values: Any) -> list[tuple[bytes, str, str]]:
        seal = "checksum" if self._has_checksums else "NULL"
        found = [tuple(row) for row in self._rows(f"SELECT {MODELS}, {seal} FROM models WHERE {where}", *values)]
        for *row, seal_of_row in found:
            with suppress(ValueError):  # bytes that are no text
                digest, name, facts = row
                has_values = isinstance(digest, bytes) and isinstance(name, str) and isinstance(facts, str)
                if checksum(row) == seal_of_row or (has_values and not self._has_checksums):
                    continue
            raise damaged(self.path, f"the record of the model {row[1]!r:.80}")
        return [(digest, name, facts) for digest, name, facts, _ in found]

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._owner.check(f"the journal {self.path}")
        writer = self._writer
        if writer is None:
            raise JournalError(self.path, "it was opened to be read only")
        with self._writing, self._explaining():
            self._check_open()
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                self._check_place()
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        """Refuse to write a file that was removed, moved or replaced, or whose log was: it would not be found again."""
        if inodes(self.path) != self._inodes:
            raise JournalError(
                self.path,
                "the file, or its log (-wal), was removed, moved or replaced while it was open, so what is written now "
                "would be lost. Put it back, or run the program again, which begins with what is there",
            )

    def _check_open(self) -> None:
        if self._closed:
            words = "it was closed; open it again, and close it when no runtime needs it any more"
            raise JournalError(self.path, words)

    @contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError, MemoryError) as error:
            raise explained(self.path, error) from error


def _named(function: str | None, model: str | None, before: str | None) -> tuple[str | None, ...]:
    return function, model, None if before is None else moment(before)


def _which(row: sqlite3.Row) -> str:
    where = "" if row["row"] is None else f", row {row['row']!r:.20}"
    return f"record {row['id']} ({row['function']!r:.80}{where})"


class JournalFolder(Journal):
    """The journal of one of several writers, which answers from the files of all of them.

    Counts, records and summaries are those of its own file; `Journal(file, read_only=True)` reads the others.

    Args:
        folder: The folder; it is made if it is missing.
        prompts: Whether to keep prompts, as for `Journal`.

    Attributes:
        path: The file of this writer.
        prompts: Whether prompts are kept.

    Raises:
        JournalError: The folder can't be made or used, or a file in it is damaged or of a later version.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, JournalFolder(folder) as one, JournalFolder(folder) as other:
        ...     one.path.parent == other.path.parent, one.path.name == other.path.name
        (True, False)
    """

    def __init__(self, folder: Path | str, *, prompts: bool = True) -> None:
        self._others: list[tuple[Journal, int]] = []
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(folder, f"the folder can't be made ({error.strerror}); name another") from error
        for path in _own(folder):
            try:
                super().__init__(path, prompts=prompts)
                break
            except JournalInUse:
                continue
        try:
            for path in sorted(folder.glob("*.db")):
                if path == self.path:
                    continue
                with suppress(FileNotFoundError):
                    journal = Journal(path, read_only=True)
                    if last := journal.last:
                        self._others.append((journal, last))
                    else:
                        journal.close()
        except BaseException:
            self.close()
            raise

    def find(self, key: bytes, *, upto: int | None = None) -> tuple[Limits, Outcome, str | None] | None:
        """Find a finished request as `Journal.find` does, also in files of others as they were when this was opened.

        Args:
            key: The request's key.
            upto: The number of the last record of its own file that counts; by default all count.
        """
        found = super().find(key, upto=upto)
        for journal, last in self._others:
            if found is not None:
                break
            found = journal.find(key, upto=last)
        return found

    def facts(self, model: ModelIdentity) -> str | None:
        """Return the facts of a model's engine as any writer wrote them; `None` where none did.

        Args:
            model: The model.
        """
        found = super().facts(model)
        for journal, _ in self._others:
            found = found or journal.facts(model)
        return found

    def models(self) -> list[ModelIdentity]:
        """Return the models that any of the files has, or had, answers of."""
        others = (each for journal, _ in self._others for each in journal.models())
        return list(dict.fromkeys([*super().models(), *others]))

    def close(self) -> None:
        """Close the files. It may be called twice."""
        for journal, _ in self._others:
            journal.close()
        super().close()


def _own(folder: Path) -> Iterator[Path]:
    """Yield the names of this machine's files, in order, without end."""
    machine = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname()) or "machine"
    return (folder / f"{machine}-{number}.db" for number in itertools.count())
