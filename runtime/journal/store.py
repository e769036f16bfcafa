"""The journal's file: a sqlite database, opened and checked, read and written.

Writes are transactions of their own, in the write-ahead log and on the disk (`synchronous=FULL`) when they return, so that
neither the process nor the machine can take them back by dying. Reading goes on beside writing, from other processes too.

Invariant: one process writes a journal at a time (`lock`), and a file is written to only if it is a journal of this
version or was empty.
"""

from __future__ import annotations

import ctypes
import sqlite3
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from typefold.runtime.entry import Limits
from typefold.runtime.forks import Owner, tell_child
from typefold.runtime.journal.errors import JournalError, explained
from typefold.runtime.journal.lock import Lock, check_filesystem
from typefold.runtime.journal.model import ModelIdentity
from typefold.runtime.journal.numbers import Numbers
from typefold.runtime.journal.records import COLUMNS, SCHEMA, Record, Summary, moment, outcome_in
from typefold.runtime.request import Outcome

__all__ = ["FORMAT", "Journal", "file_of"]

FORMAT = 1
"""The version of the tables; raise it when they change, and read the older ones."""

_APPLICATION = 0x54464C44  # "TFLD": says in the file's header whose it is
_NAMED = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR finished < ?3)"
_WAIT = 30.0  # seconds for a reader that holds up a checkpoint, or another tool's write


class Journal:
    """Finished requests in a file. `Runtime(journal=path)` opens one; make one yourself to read it, or to share it.

    Args:
        path: The file; it is made if it is not there.
        read_only: Only read it, also while a run writes to it.

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

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = file_of(path)
        self._lock: Lock | None = None
        self._reading = threading.RLock()
        self._writing = threading.RLock()  # several runtimes may share it, and a connection has one transaction
        self._numbers = Numbers()
        self._closed = False
        self._owner = Owner()
        if read_only and not self.path.is_file():
            raise JournalError(self.path, "there is no such file")
        if not read_only:
            check_filesystem(self.path)
            self._lock = Lock(self.path)
        try:
            with self._explaining():
                self._reader = self._connect(read_only=read_only)
                _check(self.path, self._reader)
                self._writer = None if read_only else self._connect()
                if self._writer is not None:
                    _prepare(self._writer)
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

    def find(self, key: bytes, *, upto: int | None = None) -> tuple[Limits, Outcome] | None:
        """How the request of a key ended, if it did; written up to the record of a number only, where that is given."""
        for row in self._rows("SELECT * FROM calls WHERE key = ?1 AND (?2 IS NULL OR id <= ?2)", key, upto):
            return outcome_in(row)
        return None

    def number(self, content: bytes, place: bytes) -> int:
        """How many requests of this content were made in a place before, since the journal was opened."""
        return self._numbers.next(content + place)

    def write(self, rows: Sequence[tuple[Any, ...]], *, replace: bool = False) -> None:
        """Write finished requests in one transaction; those that are there stay, unless they are to be replaced.

        Raises:
            JournalError: None of them was written.
        """
        verb = "REPLACE" if replace else "IGNORE"
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        with self._transaction() as writer:
            writer.executemany(f"INSERT OR {verb} INTO calls ({COLUMNS}) VALUES ({marks})", rows)

    def models(self) -> list[ModelIdentity]:
        """The models whose answers it holds, or held."""
        return [ModelIdentity(row["name"], row["digest"]) for row in self._rows("SELECT name, digest FROM models")]

    def facts(self, model: ModelIdentity) -> str | None:
        """What was written down of a model's engine."""
        for row in self._rows("SELECT facts FROM models WHERE digest = ?", model.digest):
            return str(row["facts"])
        return None

    def write_facts(self, model: ModelIdentity, facts: str) -> None:
        """Write down of a model's engine what a program needs to know that runs again without it."""
        if self.facts(model) != facts:
            with self._transaction() as writer:
                writer.execute("REPLACE INTO models VALUES (?, ?, ?)", (model.digest, model.name, facts))

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
        """
        if last is not None and last < 0:
            raise ValueError(f"last={last}: say how many, 0 or more")
        wanted = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR row = ?2) AND (?3 IS NULL OR model = ?3)"
        after = 0
        if last is not None:
            query = f"SELECT min(id) FROM (SELECT id FROM calls WHERE {wanted} ORDER BY id DESC LIMIT ?4)"
            [(first,)] = self._rows(query, function, row, model, last)
            if first is None:
                return
            after = first - 1
        page = f"SELECT * FROM calls WHERE {wanted} AND id > ?4 ORDER BY id LIMIT 1000"
        while found := self._rows(page, function, row, model, after):
            yield from map(Record.of, found)
            after = found[-1]["id"]

    def summary(self) -> list[Summary]:
        """What is held of each function and model, in the order in which they first came."""
        rows = self._rows(
            "SELECT function, model, count(*), sum(prompt_tokens), sum(output_tokens), min(finished), max(finished) "
            "FROM calls GROUP BY function, model ORDER BY min(id)"
        )
        return [Summary(*row) for row in rows]

    def damage(self) -> list[str]:
        """What sqlite finds wrong with the file; nothing if it is sound. It reads all of it."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def prune(self, *, function: str | None = None, model: str | None = None, before: str | None = None) -> int:
        """Remove requests and give the space back; how many there were.

        Args:
            function: Only those of this prompt function.
            model: Only those of this model, by its name or path.
            before: Only those that ended before this time (ISO 8601: `2026-01-31` or with a time; UTC where it says nothing).

        Raises:
            ValueError: `before` is no time.
        """
        with self._transaction() as writer:
            removed = writer.execute(f"DELETE FROM calls WHERE {_NAMED}", (function, model, _moment(before))).rowcount
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
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        target = f"{self.path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(target, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        self._owner.check(f"the journal {self.path}")
        with self._reading, self._explaining():
            self._check_open()
            return self._reader.execute(query, values).fetchall()

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
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(
                self.path, "it was closed; open it again, and close it when no runtime needs it any more"
            )

    @contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
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
    return Path(path).absolute()  # wherever the program works later


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that is no journal, or one of a later version."""
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


def _prepare(writer: sqlite3.Connection) -> None:
    """Make the tables where there are none, and write safely."""
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    if not writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        writer.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            writer.execute(statement)
        writer.execute(f"PRAGMA application_id = {_APPLICATION}")
        writer.execute(f"PRAGMA user_version = {FORMAT}")
        writer.execute("COMMIT")
