"""Errors of a journal: each names the file, the problem and the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

_RECOVER = "Keep a copy, and save what can be read with `sqlite3 FILE .recover | sqlite3 NEW`; or name another file to begin anew"


class JournalError(RuntimeError):
    """A journal can't be opened, read or written. Everything that was written before is kept.

    It ends a batch, since it is about the program and not about a row.

    Attributes:
        path: The journal's file.
        reason: The problem and the remedy.

    Example:
        >>> from typefold import Journal, JournalError
        >>> try:
        ...     Journal(":memory:")
        ... except JournalError as error:
        ...     error.reason
        'in memory nothing would be kept; name a file, such as run.db'
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"the journal {path}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[Callable[..., JournalError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class JournalInUse(JournalError):
    """Another process, or another part of this one, holds the journal.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from typefold import Journal
        >>> with TemporaryDirectory() as folder, Journal(Path(folder) / "run.db"):
        ...     Journal(Path(folder) / "run.db")
        Traceback (most recent call last):
        ...
        typefold.runtime.journal.JournalInUse: the journal ...run.db: another part of this program is using it. ...
    """


def damaged(path: Path, what: str) -> JournalError:
    """Make the error of a record that is not as it was written."""
    return JournalError(
        path,
        f"the file is damaged: {what} is not as it was written. Keep a copy; `typefold journal info {path} --check` finds "
        f"all that is damaged, `typefold journal prune {path} --damaged` removes it, to be asked anew, and `typefold "
        f"journal export {path}` writes out the rest",
    )


_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full. Everything that was written before is kept; make room and run the program again, "
    "and it goes on from there",
    sqlite3.SQLITE_READONLY: "it can't be written here. Name a file in a folder that you may write to",
    sqlite3.SQLITE_CANTOPEN: "the file can't be opened or made. Name a file in a folder that is there and that you may write "
    "to",
    sqlite3.SQLITE_NOTADB: "this is no journal but some other file. It was left as it is; name another one",
    sqlite3.SQLITE_CORRUPT: f"the file is damaged. {_RECOVER}",
    sqlite3.SQLITE_IOERR: "the disk failed ({error}). Everything that was written before is kept; run the program again",
    sqlite3.SQLITE_BUSY: "another program has locked it. Wait until that has ended, and run the program again",
}


def explained(path: Path, error: Exception) -> JournalError:
    """Explain an error of sqlite or the system, with the remedy."""
    code = getattr(error, "sqlite_errorcode", None)
    reason = None if code is None else _REASONS.get(code & 0xFF)
    if reason is not None:
        return JournalError(path, reason.format(error=error))
    if isinstance(error, sqlite3.Error | UnicodeError | MemoryError):
        changed = (
            f"the file is damaged, or another program has changed it ({type(error).__name__}: {error}). {_RECOVER}"
        )
        return JournalError(path, changed)
    return JournalError(path, f"{type(error).__name__}: {error}")
