"""Files that commands write: made beside under a name of their own, and renamed when they are whole.

Invariant: a file that was there stays as it is until the new one is complete and on the disk; two processes never write the
same one; nothing but a regular file is ever replaced. The unfinished file, `NAME.typefold-part`, is its own lock, which the
system lets go of with the process, so the next command overwrites a file that a killed one left behind.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from typefold.cli.target import CommandError
from typefold.runtime.journal.lock import locked_file
from typefold.runtime.ownership import notify_child

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_DATABASE = b"SQLite format 3\0"
_JOB = (".typefold-job", ".typefold-job.new")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


class Output:
    """A file that is being written; a link stays one, and the file that it leads to is replaced.

    A `private` file may be read by its owner only; another keeps the permissions of an earlier one. Each method raises
    `CommandError` where the file can't be written.
    """

    def __init__(self, path: str, *, private: bool = False) -> None:
        self.path = path
        check_target(path)
        self.part = part_of(path)
        self._target = os.path.realpath(path)
        with self.explained():
            descriptor = locked_file(self.part, 0o666, check=self._check_part, required=False)
            self._permit(descriptor, private=private)
            os.ftruncate(descriptor, 0)
        self.file = io.BufferedWriter(_Own(descriptor, "wb"))
        notify_child(self)

    def write(self, data: bytes) -> None:
        with self.explained():
            self.file.write(data)

    def flush(self) -> None:
        """Let readers of the unfinished file see all of it."""
        with self.explained():
            self.file.flush()

    def sync(self) -> None:
        """Have all of it on the disk."""
        check_target(self.path)
        with self.explained():
            self.file.flush()
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Put the whole file in its place; where that can't be done, an earlier file is still there."""
        self.sync()
        with self.explained():
            os.replace(self.part, self._target)
        with suppress(OSError):  # not every filesystem knows how to
            folder = os.open(os.path.dirname(self._target), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self.file.close()

    def leave(self) -> None:
        """Leave the unfinished file as it is."""
        with suppress(OSError):
            self.file.close()

    def discard(self) -> None:
        """Remove the unfinished file, if there is one."""
        if not self.file.closed:
            with suppress(OSError):
                os.unlink(self.part)
            self.leave()

    forked = leave  # a child's copy, which leaves the parent's as it is, and locked by the parent alone

    @contextmanager
    def explained(self) -> Generator[None]:
        """Raise an error of the system as a command's, with a remedy."""
        try:
            yield
        except BlockingIOError:
            raise CommandError(
                f"{self.path} is being written by another command; wait until that has ended, or name another file"
            ) from None
        except OSError as error:
            kept = ". What was there before is unchanged" if os.path.exists(self.path) else ""
            raise CommandError(f"{self.path} can't be written: {error.strerror or error}{kept}") from error

    def _check_part(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise CommandError(f"{self.path} can't be written: {self.part} is in the way; remove it")

    def _permit(self, descriptor: int, *, private: bool) -> None:
        if private:
            os.fchmod(descriptor, 0o600)
        else:
            with suppress(OSError):  # there is none yet
                os.fchmod(descriptor, stat.S_IMODE(os.stat(self._target).st_mode))


class StandardOutput:
    """Standard output, written to as an `Output` is; raises `BrokenPipeError` where nobody reads it any more."""

    path = "-"

    def write(self, data: bytes) -> None:
        with _standard_output_errors():
            _standard().write(data)
            if _results:  # a job's results are seen as they come
                _standard().flush()

    def flush(self) -> None:
        with _standard_output_errors():
            _standard().flush()

    sync = finish = flush

    def discard(self) -> None:
        """Do nothing: written bytes can't be taken back."""

    leave = discard


def _standard() -> BinaryIO:
    if not _results and sys.stdout is None:
        raise CommandError("standard output is closed; name a file")
    return next(iter(_results.values()), sys.stdout.buffer)


@contextmanager
def _standard_output_errors() -> Generator[None]:
    """Raise errors of standard output as a command's, except for that of a closed pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"standard output can't be written: {error.strerror or error}") from error


def open_output(path: str | None, *, private: bool = False) -> Output | StandardOutput:
    """Open a file to be written, or standard output where the path is `-` or none."""
    return StandardOutput() if path is None or path == "-" else Output(path, private=private)


class _Own(io.FileIO):
    """A file that a forked child writes nothing to, not even buffered data."""

    def __init__(self, descriptor: int, mode: str) -> None:
        super().__init__(descriptor, mode)
        self._process = os.getpid()

    def write(self, data: ReadableBuffer, /) -> int:
        return super().write(data) if os.getpid() == self._process else memoryview(data).nbytes


def check_target(path: str) -> None:
    """Check that only a regular file would be replaced, and no database."""
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:
                head = file.read(len(_DATABASE))
        else:
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")
            raise CommandError(f"{path} can't be written: it is {kind}; name a file, or - for standard output")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror or error}") from error
    if head == _DATABASE:
        raise CommandError(f"{path} can't be written: it is a database, a journal perhaps; name another file")


def check_apart(files: Mapping[str, Iterable[str | int]]) -> None:
    """Check that no file is both read and written, or written twice. Files are paths, or open descriptors."""
    seen: dict[object, str] = {}
    for option, paths in (*files.items(), ("the command's own output", (1, 2, *_results))):
        own = [(identity, path) for path in paths if (identity := _identity(path)) is not None]
        for identity, path in own:
            if (earlier := seen.get(identity)) is not None:
                named = "" if isinstance(path, int) else f", {path}"
                raise CommandError(f"{option} and {earlier} are one file{named}; name another")
        seen.update(dict.fromkeys([identity for identity, _ in own], option))


_results: dict[int, BinaryIO] = {}  # the descriptor of standard output while others print to standard error


@contextmanager
def own_output() -> Generator[None]:
    """Keep standard output for `StandardOutput`; all else that is printed, in C too, goes to standard error meanwhile."""
    if sys.stdout is None:
        raise CommandError("standard output is closed; name a file")
    sys.stdout.flush()
    stream, number, copy = sys.stdout.buffer, -1, None
    with suppress(OSError):  # a stream of a test's, which has no descriptor
        number = sys.stdout.fileno()
        copy = os.dup(number)
        stream = open(copy, "wb")  # noqa: SIM115  # closed below
        os.dup2(2, number)
    _results[-1 if copy is None else copy] = stream
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.clear()
        if copy is not None:
            os.dup2(copy, number)
            with suppress(OSError):  # a closed pipe, which was reported
                stream.close()


def written_to(path: str | None) -> list[str]:
    """The files that writing an output makes or replaces; none for standard output."""
    return [] if path is None or path == "-" else [path, part_of(path)]


def of_journal(path: Path | str | None) -> list[str]:
    """A journal's file, and those that lie beside it while it is in use."""
    if path is None:
        return []
    names = dict.fromkeys((str(path), os.path.realpath(path)))
    return [f"{name}{ending}" for name in names for ending in ("", "-wal", "-shm", "-journal", ".lock", *_JOB)]


def job_of(path: Path | str) -> str:
    """The file beside a journal in which its last job says how far it is."""
    return f"{os.path.realpath(path)}{_JOB[0]}"


def loaded_modules() -> list[str]:
    """The files of all modules that are loaded, the user's among them."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return [file for file in files if isinstance(file, str)]


def part_of(path: str) -> str:
    """The unfinished file beside a file."""
    return f"{os.path.realpath(path)}.typefold-part"


def _identity(path: str | int) -> object:
    """Return the identity that two names of one file share; `None` for a descriptor of no regular file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None if isinstance(path, int) else os.path.realpath(path)
    if isinstance(path, int) and not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino


def moment_shown(moment: str) -> str:
    """A moment as it stands in a journal, to the second."""
    return moment[:19].replace("T", " ")


def printable(text: str) -> str:
    r"""A text with escapes for characters that a terminal would obey, or that turn the direction of writing."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
