"""The journal's file: a sqlite database, opened and checked, read and written.

Writes are transactions of their own, in the write-ahead log and on the disk (`synchronous=FULL`) when they return, so that
neither the process nor the machine can take them back by dying. Reading goes on beside writing, from other processes too.

Invariant: one process writes a journal at a time (`lock`), and a file is written to only if it is a journal of this
version, or of an earlier one that is brought to this version first, or was empty. Whatever is read was written here: a row
whose checksum does not fit, and whatever else can't be read, is a `JournalError`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from typefold.runtime.journal.errors import JournalError, damaged, explained
from typefold.runtime.journal.keys import Numbers
from typefold.runtime.journal.lock import Lock, check_filesystem
from typefold.runtime.journal.model_identity import ModelIdentity
from typefold.runtime.journal.records import (
    COLUMNS,
    FIRST_COLUMNS,
    SCHEMA,
    Record,
    Summary,
    check_kinds,
    checksum,
    moment,
    outcome_in,
)
from typefold.runtime.ownership import Owner, keep, tell_child
from typefold.runtime.request import Outcome
from typefold.runtime.scheduling.pending import Limits

__all__ = ["FORMAT", "Journal", "file_of", "upgrade"]

T = TypeVar("T")

FORMAT = 2
"""The version of the tables; raise it when they change, and read the older ones. The first one had no checksums."""

_APPLICATION = 0x54464C44  # "TFLD": says in the file's header whose it is
_NAMED = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR finished < ?3)"
_MODEL = "digest, name, facts"
_PAGE = 1000  # rows that are read at once
_WAIT = 30.0  # seconds for a reader that holds up a checkpoint, or another tool's write


class Journal:
    """Finished requests in a file. `Runtime(journal=path)` opens one; make one yourself to read it, or to share it.

    Args:
        path: The file; it is made if it is not there.
        read_only: Only read it, also while a run writes to it.
        prompts: Whether prompts are kept, to be read. Without them a row has its key, which is a digest of what was asked,
            and its answer; programs are answered from it all the same.

    Attributes:
        path: The file.
        prompts: Whether prompts are kept.

    Raises:
        JournalError: The file is damaged, is no journal, is of a newer version, can't be opened or made, or another
            process is using it.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, Journal(Path(folder) / "run.db") as journal:
        ...     journal.count(), list(journal.records())
        (0, [])
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, prompts: bool = True) -> None:
        self.path = file_of(path)
        self.prompts = prompts
        self._lock: Lock | None = None
        self._reading = threading.RLock()
        self._writing = threading.RLock()  # several runtimes may share it, and a connection has one transaction
        self._numbers = Numbers()
        self._files: list[tuple[int, int] | None] | None = None
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
                    with suppress(FileExistsError):  # and with it the files that sqlite makes beside it
                        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                self._reader = self._connect(read_only=read_only)
                self._sealed = _check(self.path, self._reader) >= 2
                self._writer = None if read_only else self._connect()
                if self._writer is not None:
                    _prepare(self._writer)
                    self._sealed = True
                first = f"{FIRST_COLUMNS}, NULL AS failure, NULL AS checksum"
                self._select = f"SELECT id, {COLUMNS if self._sealed else first} FROM calls"
                self._files = _numbers_of(self.path)
        except BaseException:
            self.close()
            raise
        tell_child(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self, *, function: str | None = None, model: str | None = None, before: str | None = None) -> int:
        """How many finished requests it holds; of those that are named, as `prune` names them."""
        [(count,)] = self._rows(f"SELECT count(*) FROM calls WHERE {_NAMED}", function, model, _moment(before))
        return int(count)

    @property
    def last(self) -> int:
        """The number of the record that was written last; 0 where there is none yet."""
        made = self._rows("SELECT name FROM sqlite_schema WHERE name = 'calls'")  # another process may be making it now
        return int(self._rows("SELECT coalesce(max(id), 0) FROM calls")[0][0]) if made else 0

    def find(self, key: bytes, *, upto: int | None = None) -> tuple[Limits, Outcome, str | None] | None:
        """The way in which the request of a key ended, if it did; written up to the record of a number only, where that is given.

        Returns:
            The limits of its answer's length, the answer, and why no model was asked, where none was.

        Raises:
            JournalError: The record is damaged, or the file.
        """
        for row in self._rows(f"{self._select} WHERE key = ?1 AND (?2 IS NULL OR id <= ?2)", key, upto):
            if row["key"] != key:  # the index says so, and the row another
                raise damaged(self.path, _which(row))
            return self._sound(row, lambda row: (*outcome_in(row), row["failure"]))
        return None

    def number(self, content: bytes, place: bytes) -> int:
        """How many requests of this content were made in a place before, since the journal was opened."""
        with self._explaining():
            return self._numbers.next(content + place)

    def write(
        self, rows: Sequence[tuple[Any, ...]], *, replace: bool = False, replaced: Collection[bytes] = ()
    ) -> None:
        """Write finished requests in one transaction; those that are there stay, unless they are to be replaced.

        Args:
            rows: Their columns.
            replace: Whether all of them take the place of what is there.
            replaced: The keys of those that do, among others that don't.

        Raises:
            JournalError: None of them was written.
        """
        verb = "REPLACE" if replace else "IGNORE"
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        with self._transaction() as writer:
            if replaced:
                writer.executemany("DELETE FROM calls WHERE key = ?", [(key,) for key in replaced])
            writer.executemany(f"INSERT OR {verb} INTO calls ({COLUMNS}) VALUES ({marks})", rows)

    def models(self) -> list[ModelIdentity]:
        """The models whose answers it holds, or held."""
        return [ModelIdentity(name, digest) for digest, name, _ in self._models()]

    def facts(self, model: ModelIdentity) -> str | None:
        """What was written down of a model's engine."""
        for _, _, facts in self._models(model.digest):
            return facts
        return None

    def write_facts(self, model: ModelIdentity, facts: str) -> None:
        """Write down of a model's engine what a program needs to know that runs again without it."""
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
        """The finished requests in the order in which they ended.

        Args:
            function: Only those of this prompt function.
            row: Only those of this row.
            last: Only so many, the last ones.
            model: Only those of this model, by its name or path.

        Raises:
            ValueError: `last` is negative.
            JournalError: A record is damaged, or the file. `prune(damaged=True)` removes such records.
        """
        for held in self._pages(function=function, row=row, last=last, model=model):
            yield self._sound(held, Record.of)

    def sound_records(self, **chosen: Any) -> Iterator[Record | JournalError]:
        """The same as `records`, with the error of a damaged record in its place; of a part of the file, one for all of it."""
        after, size, lost = None, _PAGE, False
        while True:
            try:
                for row in self._pages(after=after, size=size, **chosen):
                    after, lost = row["id"], False
                    try:
                        yield self._sound(row, Record.of)
                    except JournalError as error:
                        yield error
            except JournalError as error:
                if chosen.get("last") is not None:
                    raise
                if size > 1:  # read one by one what can be read
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
        size: int = _PAGE,
    ) -> Iterator[sqlite3.Row]:
        if last is not None and last < 0:
            raise ValueError(f"last={last}: say how many, 0 or more")
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
        """What is held of each function and model, in the order in which they first came."""
        rows = self._rows(
            "SELECT CAST(function AS TEXT), CAST(model AS TEXT), count(*), CAST(total(prompt_tokens) AS INTEGER), "
            "CAST(total(output_tokens) AS INTEGER), CAST(min(finished) AS TEXT), CAST(max(finished) AS TEXT) "
            "FROM calls GROUP BY function, model ORDER BY min(id)"
        )
        return [Summary(*row) for row in rows]

    def damage(self) -> list[str]:
        """Everything that is wrong with the file: what sqlite finds, and records that are not as they were written. It reads all."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [*(found if found != ["ok"] else ()), *(what for _, what in self._damaged())]

    def _damaged(self) -> Iterator[tuple[tuple[str, Any], str]]:
        """Everything that is damaged, as the condition that it is found by with its value, and what it is."""
        for row in self._pages():
            try:
                self._sound(row, lambda row: (outcome_in(row), Record.of(row)))
            except JournalError:
                yield ("calls WHERE id = ?", row["id"]), f"{_which(row)} is not as it was written"
        for number, name in self._rows("SELECT rowid, name FROM models"):
            try:
                self._models(where="rowid = ?", value=number)
            except JournalError:
                yield ("models WHERE rowid = ?", number), f"what is kept of the model {name} is not as it was written"

    def prune(
        self,
        *,
        function: str | None = None,
        model: str | None = None,
        before: str | None = None,
        damaged: bool = False,
    ) -> int:
        """Remove requests and give the space back; how many there were.

        Args:
            function: Only those of this prompt function.
            model: Only those of this model, by its name or path.
            before: Only those that ended before this time (ISO 8601: `2026-01-31` or with a time; UTC where it says nothing).
            damaged: Whether only what is damaged is removed, whatever it says of itself.

        Raises:
            ValueError: `before` is no time, or something is named beside `damaged`.
        """
        if damaged and (function, model, before) != (None, None, None):
            raise ValueError("damaged=True goes alone: a damaged record can't be told by its function, model or time")
        with self._transaction() as writer:
            named = (f"calls WHERE {_NAMED}", (function, model, _moment(before)))
            chosen = [(place, (number,)) for (place, number), _ in self._damaged()] if damaged else [named]
            removed = sum(writer.execute(f"DELETE FROM {place}", values).rowcount for place, values in chosen)
        with self._writing, self._explaining():
            assert self._writer is not None
            self._writer.execute("VACUUM")
        return removed

    def close(self) -> None:
        """Close the file. May be called twice. In a forked child nothing happens: the file is the parent's."""
        if self._owner.elsewhere:
            return
        with self._writing, self._reading:
            self._closed = True
            if self._files is not None and self._writer is not None and self._files != _numbers_of(self.path):
                with suppress(sqlite3.Error):  # sqlite leaves the log of a file that was moved where it is
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for connection in (getattr(self, "_reader", None), getattr(self, "_writer", None)):
                if connection is not None:
                    with suppress(sqlite3.Error):  # on a full disk the log stays as it is, and is read next time
                        connection.close()
            self._numbers.close()
            if self._lock is not None:
                self._lock.release()

    def forked(self) -> None:
        """In a child: keep the connections, which sqlite forbids to close there, as long as the process lasts."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                keep(connection)

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        target = f"{Path(os.path.realpath(self.path)).as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(target, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        return connection

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        self._owner.check(f"the journal {self.path}")
        with self._reading, self._explaining():
            self._check_open()
            return self._reader.execute(query, values).fetchall()

    def _sound(self, row: sqlite3.Row, read: Callable[[sqlite3.Row], T]) -> T:
        """Return what is read in a row, if that is as it was written.

        Raises:
            JournalError: It is not.
        """
        try:
            found = checksum(tuple(row)[1:-1])
            if not self._sealed:
                check_kinds(row)
            if not self._sealed or found == row["checksum"]:
                return read(row)
        except Exception as error:  # whatever reading it raises, it is the file's fault
            raise damaged(self.path, _which(row)) from error
        raise damaged(self.path, _which(row))

    def _models(self, value: Any = None, *, where: str = "digest = ?") -> list[tuple[bytes, str, str]]:
        """The rows of the models, or one that is named."""
        columns = f"{_MODEL}, checksum" if self._sealed else f"{_MODEL}, NULL"
        chosen, values = ("", ()) if value is None else (f" WHERE {where}", (value,))
        found = [tuple(row) for row in self._rows(f"SELECT {columns} FROM models{chosen}", *values)]
        for *row, sum_of_row in found:
            with suppress(ValueError):  # a text that is none
                digest, name, facts = row
                are_such = isinstance(digest, bytes) and isinstance(name, str) and isinstance(facts, str)
                if checksum(row) == sum_of_row or (are_such and not self._sealed):
                    continue
            raise damaged(self.path, f"what is kept of the model {row[1]!r:.80}")
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
                self._check_files()
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise

    def _check_files(self) -> None:
        """See to it that what is written will be found by the file's name.

        Raises:
            JournalError: The file, or its log, was removed, moved or replaced.
        """
        if _numbers_of(self.path) != self._files:
            raise JournalError(
                self.path,
                "the file, or its log (-wal), was removed, moved or replaced while it was open, so what is written now "
                "would be lost. Put it back, or run the program again, which begins with what is there",
            )

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(
                self.path, "it was closed; open it again, and close it when no runtime needs it any more"
            )

    @contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError, MemoryError) as error:
            raise explained(self.path, error) from error


def _moment(before: str | None) -> str | None:
    return None if before is None else moment(before)


def file_of(path: Path | str) -> Path:
    """The file of a journal.

    Raises:
        JournalError: It names none.
    """
    text = str(path)
    if not text or "\0" in text or Path(path).is_dir():
        raise JournalError(text or "''", "this names no file; name one, such as run.db")
    if text == ":memory:":
        raise JournalError(text, "in memory nothing would be kept; name a file, such as run.db")
    if Path(path).exists() and not Path(path).is_file():
        raise JournalError(text, "this is no regular file; name one, such as run.db")
    return Path(path).absolute()  # wherever the program works later


def _numbers_of(path: Path) -> list[tuple[int, int] | None]:
    """The identities of a file and its log on the disk; `None` for a missing one."""
    found: list[tuple[int, int] | None] = []
    for file in (os.path.realpath(path), os.path.realpath(path) + "-wal"):
        try:
            status = os.stat(file)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found


def _text(held: bytes) -> str:
    """A text of the file; bytes that are none show as lone surrogates, which no checksum takes."""
    return held.decode("utf-8", "surrogateescape")


def _which(row: sqlite3.Row) -> str:
    """A record by its number, and by what it says of itself."""
    where = "" if row["row"] is None else f", row {row['row']!r:.20}"
    return f"record {row['id']} ({row['function']!r:.80}{where})"


def _check(path: Path, connection: sqlite3.Connection) -> int:
    """The version of a journal's file, that of this one for an empty file.

    Raises:
        JournalError: It is no journal, or one of a later version, or says of itself what is not so.
    """
    [application], [version] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if application != _APPLICATION and not (empty and application == 0):
        raise JournalError(path, "this is a database, but no journal. It was left as it is; name another file")
    if version > FORMAT:
        raise JournalError(
            path,
            f"a later typefold wrote it (format {version}; this one reads up to {FORMAT}). It was left as it is; update "
            f"typefold, or name another file",
        )
    if empty:
        return FORMAT
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(calls)")}
    if version != (2 if "checksum" in columns else 1):
        raise damaged(path, "its version")
    return int(version)


def _prepare(writer: sqlite3.Connection) -> None:
    """Make the tables where there are none, bring those of an earlier version to this one, and write safely."""
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    if not writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        writer.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            writer.execute(statement)
        writer.execute(f"PRAGMA application_id = {_APPLICATION}")
        writer.execute(f"PRAGMA user_version = {FORMAT}")
        writer.execute("COMMIT")
    elif writer.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
        upgrade(writer)


def upgrade(database: sqlite3.Connection) -> None:
    """Give a journal of the first format its checksums, in one transaction: what can be read counts as it is now."""
    database.text_factory, database.row_factory = _text, sqlite3.Row
    database.execute("BEGIN IMMEDIATE")
    for column in ("calls ADD failure TEXT", "calls ADD checksum BLOB", "models ADD checksum BLOB"):
        database.execute(f"ALTER TABLE {column}")
    for table, columns in (("calls", COLUMNS), ("models", f"{_MODEL}, checksum")):
        last = -1 << 63
        page = f"SELECT rowid AS id, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}"
        while found := database.execute(page, (last,)).fetchall():
            sums = [(_checksum_of(row, call=table == "calls"), row["id"]) for row in found]
            database.executemany(f"UPDATE {table} SET checksum = ? WHERE rowid = ?", sums)
            if found[-1]["id"] <= last:
                raise sqlite3.DatabaseError("its rows are not in order")
            last = found[-1]["id"]
    database.execute(f"PRAGMA user_version = {FORMAT}")
    database.execute("COMMIT")


def _checksum_of(row: sqlite3.Row, *, call: bool) -> bytes | None:
    """The checksum of a row of the first format; `None` where it can't have been written so."""
    try:
        if call:
            check_kinds(row)
        return checksum(tuple(row)[1:-1])
    except Exception:  # whatever reading it raises
        return None
