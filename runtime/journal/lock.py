"""Locks: one process at a time writes a journal, and none on a network filesystem.

The lock is a file of its own, since closing any descriptor of an sqlite file would release sqlite's locks. The system releases it
with the process. The holder removes the lock's file; a process that waited for a removed one tries again. A forked child closes
its copy as it begins, or it would hold the lock after its parent is killed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from typefold.runtime.journal.errors import JournalError, JournalInUse
from typefold.runtime.ownership import notify_child

_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "beegfs"}
_ALLOWED = "TYPEFOLD_JOURNAL_ANYWHERE"


class Lock:
    """A lock that holds a journal for this process."""

    def __init__(self, path: Path) -> None:
        real = Path(os.path.realpath(path))
        self._path = real.with_name(real.name + ".lock")
        self._file: int | None = None
        _check_names(path, real)
        try:
            self._file = locked_file(self._path, 0o600, check=_check_is_lock)
        except FileExistsError as error:
            raise self._foreign(path) from error
        except BlockingIOError as error:
            holder = ""
            with suppress(OSError):  # it may be gone by now
                holder = self._path.read_text(errors="replace")[:32].strip()
            owner = (
                "another part of this program" if holder == str(os.getpid()) else f"another process ({holder or '?'})"
            )
            raise JournalInUse(
                path,
                f"{owner} is using it. Wait until that has ended, or name a file for each process; within a program, make "
                f"one Journal and hand it to each Runtime",
            ) from error
        except OSError as error:
            if os.path.islink(self._path) or os.path.isdir(self._path):
                raise self._foreign(path) from error
            raise JournalError(
                path, f"its folder can't be used ({error.strerror}). Name a file in a folder that you may write to"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        notify_child(self)

    def release(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                if os.path.samestat(os.fstat(self._file), os.lstat(self._path)):  # else another has removed it
                    self._path.unlink()
            os.close(self._file)
            self._file = None

    def forked(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _foreign(self, path: Path) -> JournalError:
        return JournalError(
            path,
            f"{self._path}, where its lock would be, is some other file. It was left as it is; name another journal, or move "
            "that file away",
        )


def is_held(path: Path) -> bool:
    """Return whether a process has a journal's lock; a lock that is left behind is held by none."""
    import fcntl

    real = Path(os.path.realpath(path))
    try:
        file = os.open(real.with_name(real.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(file)


def locked_file(path: Path | str, mode: int, *, check: Callable[[int], None], required: bool = True) -> int:
    """Open a file, or make it, and lock it for this process; a link is not followed, and `check` may refuse it.

    Raises BlockingIOError where another holds the lock, OSError where locks are `required` and the filesystem has none.
    """
    import fcntl

    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
        try:
            check(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if required or isinstance(error, BlockingIOError):
                    raise
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except FileNotFoundError:  # removed between opening and locking it
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _check_is_lock(file: int) -> None:
    """Admit a regular file of one name, or removed, with at most a process's number in it."""
    status = os.fstat(file)
    held = os.pread(file, 32, 0).strip() if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1 else b"?"
    if held and not held.isdigit():
        raise FileExistsError


def _check_names(path: Path, real: Path) -> None:
    """Refuse a file with hard links: sqlite's log lies beside one name and is not seen by another."""
    with suppress(OSError):  # there is none yet
        if (names := os.stat(real).st_nlink) > 1:
            raise JournalError(
                path,
                f"the file has {names} names (hard links), and a journal that is written by several names is damaged. It was "
                "left as it is; copy it to a file of its own, or remove the other names",
            )


def check_filesystem(path: Path) -> None:
    """Refuse a network filesystem, on which sqlite's write-ahead log is not safe (https://www.sqlite.org/wal.html)."""
    kind = _filesystem(Path(os.path.realpath(path.parent)))
    if kind in _REMOTE and not os.environ.get(_ALLOWED):
        raise JournalError(
            path,
            f"it would lie on a network filesystem ({kind}), where a journal can be damaged. Name a file on a local disk, "
            f"or set {_ALLOWED}=1 if only one machine will ever use it",
        )


def _filesystem(folder: Path) -> str | None:
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = -1, None
    for line in lines:
        words, _, rest = line.partition(" - ")
        mount = Path(words.split()[4].replace("\\040", " "))
        if len(mount.parts) >= best and (folder == mount or mount in folder.parents):
            best, kind = len(mount.parts), rest.split()[0]
    return kind
