"""The file of a journal: an sqlite database with two tables, in this format or an earlier one.

docs/reliability.md documents the columns: people read them with sqlite, pandas or duckdb. The first format had no checksums
and no failures, the second no versions; such a file is read as it is, and upgraded before it is written. Invariant: a file is written only if it is
a journal, or empty.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from typefold.runtime.journal.errors import JournalError, damaged
from typefold.runtime.journal.records import check_values, checksum

FORMAT = 3  # the version of the tables; raise it when they change, and read the older ones

_SCHEMA = """
CREATE TABLE models (digest BLOB PRIMARY KEY, name TEXT NOT NULL, facts TEXT, checksum BLOB);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    finished TEXT NOT NULL,
    function TEXT NOT NULL,
    row INTEGER,
    attempt INTEGER NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    constraint_kind TEXT NOT NULL,
    sampling TEXT NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    needed_tokens INTEGER,
    room INTEGER,
    token_ids TEXT NOT NULL,
    logprobs TEXT,
    failure TEXT,
    checksum BLOB,
    version TEXT
);
"""

_FIRST = (
    "key, finished, function, row, attempt, model, prompt, constraint_kind, sampling, text, finish_reason, prompt_tokens, "
    "output_tokens, cached_tokens, max_tokens, needed_tokens, room, token_ids, logprobs"
)

_SECOND = f"{_FIRST}, failure, checksum"
CALLS = f"{_SECOND}, version"  # columns of the table `calls` but its number
CALLS_OF = (f"{_FIRST}, NULL AS failure, NULL AS checksum, NULL AS version", f"{_SECOND}, NULL AS version", CALLS)
"""The same as they are read from a file of each format."""
MODELS = "digest, name, facts"

_SEALS = ("calls ADD failure TEXT", "calls ADD checksum BLOB", "models ADD checksum BLOB")

PAGE = 1000  # rows that are read at once

_APPLICATION = 0x54464C44  # "TFLD" in the file's header


def file_of(path: Path | str) -> Path:
    """Return the file of a journal, independent of the working folder."""
    text = str(path)
    if not text or "\0" in text or Path(path).is_dir():
        raise JournalError(text or "''", "this names no file; name one, such as run.db")
    if text == ":memory:":
        raise JournalError(text, "in memory nothing would be kept; name a file, such as run.db")
    if Path(path).exists() and not Path(path).is_file():
        raise JournalError(text, "this is no regular file; name one, such as run.db")
    return Path(path).absolute()


def inodes(path: Path) -> list[tuple[int, int] | None]:
    """Return the identities of a file and its log on the disk; `None` for a missing one."""
    found: list[tuple[int, int] | None] = []
    for file in (os.path.realpath(path), os.path.realpath(path) + "-wal"):
        try:
            status = os.stat(file)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found


def check_format(path: Path, connection: sqlite3.Connection) -> int:
    """Return the version of a journal's file; that of this code for an empty file."""
    [application], [version], [tables] = (
        connection.execute(query).fetchone()
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
    )
    if application != _APPLICATION and (tables or application != 0):
        raise JournalError(path, "this is a database, but no journal. It was left as it is; name another file")
    if version > FORMAT:
        raise JournalError(
            path,
            f"a later typefold wrote it (format {version}; this one reads up to {FORMAT}). It was left as it is; update "
            f"typefold, or name another file",
        )
    if not tables:
        return FORMAT
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(calls)")}
    if version != (3 if "version" in columns else 2 if "checksum" in columns else 1):
        raise damaged(path, "its version")
    return int(version)


def prepare(writer: sqlite3.Connection) -> None:
    """Create missing tables, upgrade those of an earlier version, and set up safe writing."""
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    if not writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        writer.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            writer.execute(statement)
        writer.execute(f"PRAGMA application_id = {_APPLICATION}")
        writer.execute(f"PRAGMA user_version = {FORMAT}")
        writer.execute("COMMIT")
    elif writer.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
        upgrade(writer)


def empty() -> sqlite3.Connection:
    """Return a database in memory with the tables of a journal and no rows."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.executescript(_SCHEMA)
    return database


def upgrade(database: sqlite3.Connection) -> None:
    """Give a journal the columns that it lacks, in one transaction; every readable row of the first format counts as it is."""
    database.text_factory, database.row_factory = text_of, sqlite3.Row
    database.execute("BEGIN IMMEDIATE")
    first = database.execute("PRAGMA user_version").fetchone()[0] == 1
    for column in _SEALS if first else ():
        database.execute(f"ALTER TABLE {column}")
    database.execute("ALTER TABLE calls ADD version TEXT")
    if first:
        _seal(database)
    database.execute(f"PRAGMA user_version = {FORMAT}")
    database.execute("COMMIT")


def _seal(database: sqlite3.Connection) -> None:
    """Give a journal of the first format its checksums."""
    for table, columns in (("calls", CALLS), ("models", f"{MODELS}, checksum")):
        last = -1 << 63
        page = f"SELECT rowid AS id, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
        while found := database.execute(page, (last,)).fetchall():
            sums = [(_first_checksum(row, is_call=table == "calls"), row["id"]) for row in found]
            database.executemany(f"UPDATE {table} SET checksum = ? WHERE rowid = ?", sums)
            if found[-1]["id"] <= last:
                raise sqlite3.DatabaseError("its rows are not in order")
            last = found[-1]["id"]


def text_of(held: bytes) -> str:
    """Decode a text of the file. Bytes that are no text become lone surrogates, which have no checksum."""
    return held.decode("utf-8", "surrogateescape")


def _first_checksum(row: sqlite3.Row, *, is_call: bool) -> bytes | None:
    try:
        if is_call:
            check_values(row)
        return checksum(tuple(row)[1 : -2 if is_call else -1])
    except Exception:  # of any kind: the row can't be read
        return None
