"""A journal as a file that lies still: to be kept under version control, beside tests that are answered from it.

Such a file is one file (no write-ahead log beside it), holds its records in an order that no run decides, and is written
anew only if it would hold something else: whoever records the same answers once more changes nothing. It is replaced
whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from typefold.runtime.journal.errors import explained
from typefold.runtime.journal.private import private
from typefold.runtime.journal.records import COLUMNS
from typefold.runtime.journal.store import FORMAT, upgrade

__all__ = ["settle"]

_SAME = " AND ".join(
    f"a.{name.strip()} IS b.{name.strip()}"
    for name in COLUMNS.split(",")
    if name.strip() not in ("finished", "checksum")
)
_PAGE = 1024  # recordings of tests are small
_ORDER = "function, model, row, attempt, prompt, sampling, key"


def settle(journal: Path, target: Path, *, keep: bool = False) -> bool:
    """Bring a file into the state of a journal that is closed.

    Args:
        journal: The journal; it is left as it is.
        target: The file, which need not be there; its folder is made.
        keep: Whether records of the file stay that the journal does not have.

    Returns:
        Whether the file was written, since it held something else.

    Raises:
        JournalError: One of the two can't be read, or the file can't be written.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _settle(journal, target, Path(folder), keep=keep)
    except (sqlite3.Error, OSError) as error:
        raise explained(target, error) from error


def _settle(journal: Path, target: Path, folder: Path, *, keep: bool) -> bool:
    new, old = folder / "new.db", folder / "old.db"
    shutil.copyfile(journal, new)
    with closing(sqlite3.connect(new, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE")  # of the file that is made too
        database.execute(f"PRAGMA page_size = {_PAGE}")
        if target.exists():
            shutil.copyfile(target, old)
            with closing(sqlite3.connect(old, isolation_level=None)) as earlier:
                if earlier.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
                    upgrade(earlier)
            database.execute("ATTACH ? AS old", (str(old),))
            if keep:
                database.execute(f"INSERT OR IGNORE INTO calls ({COLUMNS}) SELECT {COLUMNS} FROM old.calls")
                database.execute("INSERT OR IGNORE INTO models SELECT * FROM old.models")
            if _are_alike(database):
                return False
            database.execute(  # an answer that is the same again was there since then
                f"UPDATE calls AS a SET finished = b.finished, checksum = b.checksum FROM old.calls AS b WHERE {_SAME}"
            )
            database.execute("DETACH old")
        database.execute(f"CREATE TEMP TABLE ordered AS SELECT {COLUMNS} FROM calls ORDER BY {_ORDER}")
        database.execute("DELETE FROM calls")
        database.execute(f"INSERT INTO calls ({COLUMNS}) SELECT {COLUMNS} FROM ordered ORDER BY rowid")
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        try:
            os.close(private(os.fspath(beside), os.O_CREAT | os.O_EXCL | os.O_RDWR))
            database.execute("VACUUM main INTO ?", (str(beside),))
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    return True


def _are_alike(database: sqlite3.Connection) -> bool:
    """Whether both hold the same, but for when it was written."""
    pairs = f"SELECT count(*) FROM main.calls AS a JOIN old.calls AS b ON {_SAME}"
    [(alike,)] = database.execute(pairs)
    [(here,)], [(there,)] = (database.execute(f"SELECT count(*) FROM {name}.calls") for name in ("main", "old"))
    differing = "SELECT * FROM (SELECT * FROM main.models EXCEPT SELECT * FROM old.models)"
    gone = "SELECT * FROM (SELECT * FROM old.models EXCEPT SELECT * FROM main.models)"
    return alike == here == there and not any(database.execute(query).fetchone() for query in (differing, gone))
