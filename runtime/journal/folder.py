"""A journal of several writers: a folder with a file for each; every writer answers from all of them.

A file is written by one process at a time, so that many may work on one job. A new writer takes the first free file of its
machine, and makes one if all are held. So there are never more files than writers at once, and a writer that replaces a
killed one goes on in its file. Names hold the machine's, so that folders of several machines can be copied into one: the
files of other machines are only read.

Invariant: answers come from records that were in the folder when it was opened, or were written here since. Left out:
records that others write meanwhile, since they work on other rows. Sqlite is safe on local disks only, so no folder is shared
over a network.
"""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from typefold.runtime.journal.errors import JournalError, JournalInUse
from typefold.runtime.journal.model_identity import ModelIdentity
from typefold.runtime.journal.store import Journal
from typefold.runtime.request import Outcome
from typefold.runtime.scheduling.pending import Limits


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
                if path != self.path:
                    self._read_also(path)
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

    def _read_also(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            journal = Journal(path, read_only=True)
            if last := journal.last:
                self._others.append((journal, last))
            else:
                journal.close()


def _own(folder: Path) -> Iterator[Path]:
    """Yield the names of this machine's files, in order, without end."""
    machine = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname()) or "machine"
    return (folder / f"{machine}-{number}.db" for number in itertools.count())
