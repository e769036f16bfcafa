"""The files of recordings, for as long as a run of tests lasts: answered from, written to, and brought back in one piece.

While it is recorded, a file is a journal in a folder of its own, so that neither locks nor logs come to lie beside the
tests. After each test that passed what is in the repository is brought into its state, if that is another (`runtime.journal.settled`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from typefold.runtime.journal import Journal, ModelIdentity, identity_of
from typefold.runtime.journal.first_format import first_identity_of
from typefold.testing.cassette import settle
from typefold.testing.replay import ModelRuntime, NotRecorded, ReplayRuntime

__all__ = ["Mode", "Recordings"]

Mode: TypeAlias = Literal["none", "missing", "all"]
"""What is recorded: nothing, what a recording does not have, or everything anew."""

_OWN = frozenset({"seed", "json_format", "deduplicate"})
"""Options of a runtime; all others are the engine's."""


class Recordings:
    """The recordings of a run of tests.

    Args:
        mode: What is recorded.
        folder: Where files are while they are recorded.
        model: The name or path of the model that answers then.
    """

    def __init__(self, mode: Mode, folder: Path, model: str | None = None) -> None:
        self._mode: Mode = mode
        self._folder = folder
        self._model = model
        self._journals: dict[Path, Path] = {}
        self._runtimes: dict[str, ModelRuntime] = {}
        self.written: dict[Path, int] = {}
        """The files that were written, with how many answers each holds."""

    @contextmanager
    def runtime(
        self, path: Path, options: Mapping[str, Any], *, shared: bool, how: str, passed: Callable[[], bool]
    ) -> Generator[ReplayRuntime]:
        """A runtime that answers from a file, or records it; current inside the block.

        Args:
            path: The file.
            options: Options of a runtime and of its engine.
            shared: Whether other tests have their answers in the file too, so that what this one does not ask stays.
            how: How to record what is not there, for errors.
            passed: Whether the test passed, asked when the block is left: one that did not may not have asked everything,
                and its file is left as it is.

        Raises:
            NotRecorded: There is no such file, or it is of another model than the one that records.
            JournalError: It can't be read or written.
        """
        own = {name: value for name, value in options.items() if name in _OWN}
        if self._mode == "none":
            if not path.is_file():
                raise NotRecorded(f"There is no recording {path}.\n{how}")
            with (
                Journal(path, read_only=True) as journal,
                ReplayRuntime(journal, _only_model(journal, how), behind=None, how=how, **own) as runtime,
            ):
                yield runtime
            return
        engine = {name: value for name, value in options.items() if name not in _OWN}
        told = {
            "markers" if name == "control_tokens" else name: value for name, value in engine.items()
        }  # as files say
        model = _named(identity_of(self._model or "", told))
        work = self._begun(path)
        with Journal(work) as journal:
            first = _named(first_identity_of(self._model or "", told))
            if {each.digest for each in journal.models()} == {first.digest}:
                model = first  # it was begun with the first format, and stays a recording of one model
            if others := [each.name for each in journal.models() if each.digest != model.digest]:
                raise NotRecorded(
                    f"{path} was recorded with {', '.join(others)}, and {model.name} is another model or has other "
                    f"options. Record everything anew with --typefold-record, or set TYPEFOLD_MODEL to that model"
                )
            with ReplayRuntime(journal, model, behind=self._behind(engine), how=how, **own) as runtime:
                yield runtime
            count = journal.count()
        keep = self._mode == "all" and shared and _is_of(path, model)
        if count and passed() and settle(work, path, keep=keep):
            self.written[path] = count

    def close(self) -> None:
        """Let go of the models."""
        for runtime in self._runtimes.values():
            runtime.close()

    def _begun(self, path: Path) -> Path:
        """The journal in which a file is recorded: in this run of tests always the same one."""
        if path not in self._journals:
            work = self._folder / f"{len(self._journals)}.db"
            if self._mode == "missing" and path.is_file():
                shutil.copyfile(path, work)
            self._journals[path] = work
        return self._journals[path]

    def _behind(self, engine: Mapping[str, Any]) -> ModelRuntime:
        """The runtime that has the model, loaded when it is first asked; tests that want the same options share it."""
        key = repr(sorted(engine.items()))
        if key not in self._runtimes:
            self._runtimes[key] = ModelRuntime(self._model, **engine)
        return self._runtimes[key]


def _named(model: ModelIdentity) -> ModelIdentity:
    """A model without where it lies on this machine."""
    folder = Path(model.name)
    return replace(model, name=folder.resolve().name) if folder.is_dir() else model


def _only_model(journal: Journal, how: str) -> ModelIdentity:
    models = journal.models()
    if len(models) != 1:
        names = ", ".join(each.name for each in models) or "none"
        raise NotRecorded(f"A recording has the answers of one model, and {journal.path} those of {names}.\n{how}")
    return models[0]


def _is_of(path: Path, model: ModelIdentity) -> bool:
    if not path.is_file():
        return False
    with Journal(path, read_only=True) as journal:
        return [each.digest for each in journal.models()] == [model.digest]
