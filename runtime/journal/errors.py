"""What can go wrong with a journal, as one error that says which file, what, and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

__all__ = ["JournalError", "JournalInUse", "damaged", "explained"]


_RECOVER = "Keep a copy, and save what can be read with `sqlite3 FILE .recover | sqlite3 NEW`; or name another file to begin anew"


class JournalError(RuntimeError):
    """A journal can't be opened, read or written. What was written before is still there.

    It is about the program and not about a row, so it ends a batch.

    Attributes:
        path: The journal's file.
        reason: What happened and what to do.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"the journal {path}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[Callable[..., JournalError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class JournalInUse(JournalError):
    """Another process, or another part of this one, writes to the journal."""


def damaged(path: Path, what: str) -> JournalError:
    """The error of a record that is not as it was written.

    Args:
        path: The journal's file.
        what: Which one.
    """
    return JournalError(
        path,
        f"the file is damaged: {what} is not as it was written. Keep a copy; `typefold journal info {path} --check` finds "
        f"all that is damaged, `typefold journal prune {path} --damaged` removes it, to be asked anew, and `typefold "
        f"journal export {path}` writes out the rest",
    )


def explained(path: Path, error: Exception) -> JournalError:
    """What sqlite says, with what to do about it."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        reason = (
            "the disk is full. Everything that was written before is kept; make room and run the program again, and it "
            "goes on from there"
        )
    elif primary == sqlite3.SQLITE_READONLY:
        reason = "it can't be written here. Name a file in a folder that you may write to"
    elif primary == sqlite3.SQLITE_CANTOPEN:
        reason = "the file can't be opened or made. Name a file in a folder that is there and that you may write to"
    elif primary == sqlite3.SQLITE_NOTADB:
        reason = "this is no journal but some other file. It was left as it is; name another one"
    elif primary == sqlite3.SQLITE_CORRUPT:
        reason = f"the file is damaged. {_RECOVER}"
    elif primary == sqlite3.SQLITE_IOERR:
        reason = f"the disk failed ({text}). Everything that was written before is kept; run the program again"
    elif primary == sqlite3.SQLITE_BUSY:
        reason = "another program has locked it. Wait until that has ended, and run the program again"
    elif isinstance(error, sqlite3.Error | UnicodeError | MemoryError):
        reason = f"the file is damaged, or another program has changed it ({type(error).__name__}: {text}). {_RECOVER}"
    else:
        reason = f"{type(error).__name__}: {text}"
    return JournalError(path, reason)
