"""Cassettes: the files of recordings, answered from and written while tests run.

A recording is a journal that lies still, to be kept under version control: one file without a log beside it, with its
records in an order that no run decides. It is replaced whole, and only if it would hold something else. While it is made,
it is a journal in a temporary folder, so that locks and logs never lie beside the tests.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from typefold.runtime.journal import Journal, ModelIdentity, identity_of
from typefold.runtime.journal.errors import explained
from typefold.runtime.journal.file_format import CALLS, FORMAT, upgrade
from typefold.runtime.journal.model_identity import first_identity_of
from typefold.testing.replay import ModelRuntime, NotRecorded, ReplayRuntime

Mode: TypeAlias = Literal["none", "missing", "all"]
"""Which calls are recorded: none, those that a recording lacks, or all of them anew."""

_OWN = frozenset({"seed", "json_format", "describe_format", "deduplicate"})
"""Options of a runtime; all others are the engine's."""

_SAME = " AND ".join(f"a.{name} IS b.{name}" for name in CALLS.split(", ") if name not in ("finished", "checksum"))
_PAGE = 1024  # bytes of a page of sqlite: recordings of tests are small
_ORDER = "function, model, row, attempt, prompt, sampling, key"


class Recordings:
    """The recordings of a run of tests; `written` has the files that were written, each with the number of its answers."""

    def __init__(self, mode: Mode, folder: Path, model: str | None = None) -> None:
        self._mode: Mode = mode
        self._folder = folder
        self._model = model or ""
        self._journals: dict[Path, Path] = {}
        self._runtimes: dict[str, ModelRuntime] = {}
        self.written: dict[Path, int] = {}

    @contextmanager
    def runtime(
        self, path: Path, options: Mapping[str, Any], *, shared: bool, remedy: str, passed: Callable[[], bool]
    ) -> Generator[ReplayRuntime]:
        """Make a runtime that answers from a file, or records it; it is current inside the block.

        `shared` says that other tests have answers in the file too, so that calls which this test does not make stay. The file
        of a test that failed is left as it is, since the test may not have made all of its calls.
        """
        own = {name: value for name, value in options.items() if name in _OWN}
        if self._mode == "none":
            if not path.is_file():
                raise NotRecorded(f"There is no recording {path}.\n{remedy}")
            with (
                Journal(path, read_only=True) as journal,
                ReplayRuntime(journal, _only_model(journal, remedy), behind=None, remedy=remedy, **own) as runtime,
            ):
                yield runtime
            return
        engine = {name: value for name, value in options.items() if name not in _OWN}
        model, first = (_named(identify(self._model, engine)) for identify in (identity_of, first_identity_of))
        work = self._work_on(path)
        with Journal(work) as journal:
            if {each.digest for each in journal.models()} == {first.digest}:
                model = first  # begun with the first format, and stays a recording of one model
            if others := [each.name for each in journal.models() if each.digest != model.digest]:
                raise NotRecorded(
                    f"{path} was recorded with {', '.join(others)}, and {model.name} is another model or has other "
                    f"options. Record everything anew with --typefold-record, or set TYPEFOLD_MODEL to that model"
                )
            with ReplayRuntime(journal, model, behind=self._behind(engine), remedy=remedy, **own) as runtime:
                yield runtime
            count = journal.count()
        keep = self._mode == "all" and shared and _models_of(path) == [model.digest]
        if count and passed() and settle(work, path, keep=keep):
            self.written[path] = count

    def close(self) -> None:
        for runtime in self._runtimes.values():
            runtime.close()

    def _work_on(self, path: Path) -> Path:
        """Return the journal in which a file is recorded: the same one during the whole run of tests."""
        if path not in self._journals:
            work = self._folder / f"{len(self._journals)}.db"
            if self._mode == "missing" and path.is_file():
                shutil.copyfile(path, work)
            self._journals[path] = work
        return self._journals[path]

    def _behind(self, engine: Mapping[str, Any]) -> ModelRuntime:
        """Return the runtime with the model; tests with equal options share it."""
        key = repr(sorted(engine.items()))
        if key not in self._runtimes:
            self._runtimes[key] = ModelRuntime(self._model, **engine)
        return self._runtimes[key]


def _named(model: ModelIdentity) -> ModelIdentity:
    """Return a model without the place where it lies on this machine."""
    folder = Path(model.name)
    return replace(model, name=folder.resolve().name) if folder.is_dir() else model


def _only_model(journal: Journal, remedy: str) -> ModelIdentity:
    models = journal.models()
    if len(models) != 1:
        names = ", ".join(each.name for each in models) or "none"
        raise NotRecorded(f"A recording has the answers of one model, and {journal.path} those of {names}.\n{remedy}")
    return models[0]


def _models_of(path: Path) -> list[bytes]:
    if not path.is_file():
        return []
    with Journal(path, read_only=True) as journal:
        return [each.digest for each in journal.models()]


def settle(journal: Path, target: Path, *, keep: bool = False) -> bool:
    """Bring a recording's file into the state of a closed journal, and return whether it held something else."""
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
                database.execute(f"INSERT OR IGNORE INTO calls ({CALLS}) SELECT {CALLS} FROM old.calls")
                database.execute("INSERT OR IGNORE INTO models SELECT * FROM old.models")
            if _are_alike(database):
                return False
            database.execute(  # an equal answer keeps its first time
                f"UPDATE calls AS a SET finished = b.finished, checksum = b.checksum FROM old.calls AS b WHERE {_SAME}"
            )
            database.execute("DETACH old")
        database.execute(f"CREATE TEMP TABLE ordered AS SELECT {CALLS} FROM calls ORDER BY {_ORDER}")
        database.execute("DELETE FROM calls")
        database.execute(f"INSERT INTO calls ({CALLS}) SELECT {CALLS} FROM ordered ORDER BY rowid")
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        try:
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            database.execute("VACUUM main INTO ?", (str(beside),))
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    return True


def _are_alike(database: sqlite3.Connection) -> bool:
    pairs = f"SELECT count(*) FROM main.calls AS a JOIN old.calls AS b ON {_SAME}"
    [(alike,)] = database.execute(pairs)
    [(here,)], [(there,)] = (database.execute(f"SELECT count(*) FROM {name}.calls") for name in ("main", "old"))
    differing = "SELECT * FROM (SELECT * FROM main.models EXCEPT SELECT * FROM old.models)"
    gone = "SELECT * FROM (SELECT * FROM old.models EXCEPT SELECT * FROM main.models)"
    return alike == here == there and not any(database.execute(query).fetchone() for query in (differing, gone))
