"""A runtime's journal: opened when it is first needed, before any engine is.

A program that a journal answers wholly loads no model. So what tells the model apart, and the few facts about its engine
that programs ask for, are had without one: from its name or folder, and from what an earlier run wrote down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any

from typefold.runtime import Engine, EngineFacts, EngineInfo, Outcome, Request, Statistics
from typefold.runtime.journal import Journal, JournalError, ModelIdentity, Recorder, identity_of
from typefold.runtime.journal.failures import Circumstances
from typefold.runtime.journal.model_identity import first_identity_of, state_of
from typefold.runtime.journal.store import file_of

__all__ = ["Recording"]


class Recording:
    """What a runtime does with its journal.

    Args:
        journal: The journal, which stays open when this is closed, or its file.
        model: The model's name or path; `None` where only the engine can tell.
        options: The options that the engine is built with.
        engine: Gives the engine, loaded if need be.
        forward: Sends requests to the engine, loaded if need be.
        ignore_journal: Whether to answer nothing from the journal, and to replace what is in it.
        settings: Other options that bear on which requests are turned away.
        identity: What tells the model apart, where that is known already: a replay needs no model's folder.
    """

    def __init__(
        self,
        journal: Journal | Path | str,
        *,
        model: str | None,
        options: Mapping[str, Any],
        engine: Callable[[], Engine],
        forward: Callable[[Sequence[Request]], Sequence[Future[Outcome]]],
        ignore_journal: bool = False,
        settings: Mapping[str, Any] = MappingProxyType({}),
        identity: ModelIdentity | None = None,
    ) -> None:
        self._given = journal if isinstance(journal, Journal) else file_of(journal)
        self._known = identity
        self._model = model
        self._options = options
        self._engine = engine
        self._forward = forward
        self._ignore_journal = ignore_journal
        self._settings = settings
        self._state: bytes | None = None
        self._changed: JournalError | None = None
        self._opening = threading.RLock()
        self._journal: Journal | None = None
        self._recorder: Recorder | None = None
        self._last = Statistics()
        self._closed = False

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._given.path if isinstance(self._given, Journal) else self._given

    @property
    def journal(self) -> Journal:
        """The journal, open.

        Raises:
            JournalError: It can't be opened.
        """
        with self._opening:
            if self._journal is None:
                self._journal = self._given if isinstance(self._given, Journal) else Journal(self._given)
            return self._journal

    @property
    def facts(self) -> EngineFacts | None:
        """What an earlier run wrote down of the engine."""
        return self._open().facts

    @property
    def statistics(self) -> Statistics:
        """What was answered from the journal so far."""
        recorder = self._recorder
        return self._last if recorder is None else recorder.statistics

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Answer requests, from the journal or by the engine."""
        if self._changed is not None:
            raise self._changed
        return self._open().submit(requests)

    def loaded(self, info: EngineInfo) -> None:
        """The engine is there, or several with these facts together.

        Raises:
            JournalError: The model's files were changed since they were read, so nobody knows what was loaded.
        """
        recorder = self._open()
        if self._model is not None and self._state != state_of(self._model) and self._identity() != recorder.model:
            self._changed = JournalError(
                self.path,
                f"the files of {self._model} were changed while it was loaded, so it can't be told whose answers these "
                f"would be. Nothing of them was kept; start the program again",
            )
            raise self._changed
        recorder.loaded(info)

    def close(self) -> None:
        """Write what has finished, and close a journal that was opened here. The engine must have ended."""
        with self._opening:
            self._closed = True
            recorder, self._recorder = self._recorder, None
        if recorder is not None:  # what its thread runs may come back here, so no lock is held
            recorder.close()
            self._last = recorder.statistics
        with self._opening:
            journal, self._journal = self._journal, None
            if journal is not None and journal is not self._given:
                journal.close()

    def _open(self) -> Recorder:
        recorder = self._recorder
        if recorder is not None:
            return recorder
        if self._closed:
            raise RuntimeError("this runtime was closed; make a new one")
        model = self._identity()  # may load the engine, and come back here, so no lock is held
        with self._opening:
            if self._closed:
                raise RuntimeError("this runtime was closed; make a new one")
            if self._recorder is None:
                self._recorder = Recorder(
                    self.journal,
                    model,
                    self._forward,
                    circumstances=Circumstances({**self._options, **self._settings}, loads=self._model is not None),
                    first=self._first(model),
                    ignore_journal=self._ignore_journal,
                )
            return self._recorder

    def _identity(self) -> ModelIdentity:
        """The identity of the model.

        Raises:
            JournalError: Its files can't be read.
        """
        if self._known is not None:
            return self._known
        try:
            if self._model is not None:
                self._state = self._state or state_of(self._model)
                return identity_of(self._model, self._options)
            return identity_of(*self._loaded_model())
        except OSError as error:
            raise JournalError(
                self.path, f"what tells the model apart can't be read ({error}). See that its files can be read"
            ) from error

    def _loaded_model(self) -> tuple[str, Mapping[str, Any]]:
        """The name and the options of a model that only the engine can tell."""
        info = self._engine().info
        return info.model, {**info.model_options, **self._options}

    def _first(self, model: ModelIdentity) -> ModelIdentity | None:
        """The model as the first format knew it, where the journal has answers of that."""
        if self._known is not None:
            return self._known
        held = {each.digest for each in self.journal.models()} - {model.digest}
        if not held:
            return None
        first = first_identity_of(*((self._model, self._options) if self._model is not None else self._loaded_model()))
        return first if first.digest in held else None
