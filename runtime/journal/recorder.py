"""Between whoever submits requests and the scheduler that runs them: answers what is in the journal, writes what is not.

A request that the journal knows is answered at once, as it ended then; an engine need not be there for it. Any other goes
on, and its outcome is written before its future is settled: by a thread that takes what has finished since its last
write as one transaction. So whoever has an answer can rely on it, and the engine never waits for the disk.

Invariant: a future that this gives ends once, after its outcome is on the disk. What an engine finished is written also
where its caller has gone. Of failures those are written that will be the same again (`failures`). Not written: what was
cancelled or timed out, and failures of the engine.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from typefold.runtime.engine import EngineFacts, EngineInfo
from typefold.runtime.errors import Cancelled, PromptError, PromptTooLong, Truncated
from typefold.runtime.journal.errors import JournalError, damaged, explained
from typefold.runtime.journal.failures import Circumstances, failure_in, failure_text
from typefold.runtime.journal.keys import content_key, placed_key
from typefold.runtime.journal.model_identity import ModelIdentity, content_of, first_content_of
from typefold.runtime.journal.records import row_of
from typefold.runtime.journal.store import Journal
from typefold.runtime.ownership import serving
from typefold.runtime.request import FinishReason, Outcome, Request
from typefold.runtime.scheduling.deduplication import SETTLED
from typefold.runtime.scheduling.pending import Answer, Entry, Limits, settle, verdict
from typefold.runtime.statistics import Statistics

__all__ = ["Recorder"]

logger = logging.getLogger(__name__)

_GROUP = 1000  # the most requests in one transaction


class _Recorded(Answer):
    """What a caller holds: it ends when the outcome is on the disk."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry

    def cancel(self) -> bool:
        """Withdraw the request; `False` if it is answered already."""
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
    entry: Entry
    failure: str | None = None


class Recorder:
    """Keeps the journal of a runtime.

    Args:
        journal: The journal.
        model: Whose answers they are.
        forward: Sends requests to the engine, which may have to be loaded for it.
        circumstances: All that failures depend on beside the request and the model.
        first: The model as the first format knew it, where the journal has answers of that: they are taken over.
        ignore_journal: Whether to answer nothing from the journal, and to replace what is in it.
    """

    def __init__(
        self,
        journal: Journal,
        model: ModelIdentity,
        forward: Callable[[Sequence[Request]], Sequence[Future[Outcome]]],
        *,
        circumstances: Circumstances,
        first: ModelIdentity | None = None,
        ignore_journal: bool = False,
    ) -> None:
        self._journal = journal
        self._model = model
        self._forward = forward
        self._circumstances = circumstances
        self._first = first
        self._contents = lru_cache(maxsize=256)(content_of)  # of adapters: an engine reads them once too
        self._first_contents = lru_cache(maxsize=256)(first_content_of)
        given = circumstances.options.get("max_model_len")
        self._max_model_len: int | None = given if isinstance(given, int) and given > 0 else None
        self._ignore_journal = ignore_journal
        self._facts: EngineFacts | None = None
        self._finished: queue.SimpleQueue[_Finished | None] = queue.SimpleQueue()
        self._unwritten: list[tuple[Any, ...]] = []  # what a write failed on: it goes with the next
        self._outdated: set[bytes] = set()  # keys of what is in the journal and was asked anew all the same
        self._failed: JournalError | None = None
        self._lock = threading.Lock()
        self._replayed = self._replayed_failed = 0
        self._warned = self._took_over = False
        self._thread = threading.Thread(target=self._serve, name="typefold-journal", daemon=True)
        self._thread.start()

    @property
    def model(self) -> ModelIdentity:
        """The model whose answers are kept."""
        return self._model

    @property
    def statistics(self) -> Statistics:
        """What was answered from the journal."""
        good, bad = self._replayed, self._replayed_failed
        return Statistics(submitted=good + bad, succeeded=good, failed=bad, from_journal=good + bad)

    @property
    def facts(self) -> EngineFacts | None:
        """What an earlier run wrote down of the model's engine."""
        for model in (self._model, self._first):
            if self._facts is None and model is not None and (text := self._journal.facts(model)) is not None:
                try:
                    self._facts = EngineFacts.from_json(text)
                except Exception as error:
                    raise damaged(self._journal.path, f"what is kept of the model {model.name}") from error
        return self._facts

    def loaded(self, info: EngineInfo) -> None:
        """The engine is there: write its facts down for later runs."""
        self._max_model_len = info.max_model_len
        self._facts = info
        self._journal.write_facts(self._model, info.as_json())

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Answer requests, from the journal or by the engine.

        Returns:
            A future each, in order.

        Raises:
            JournalError: The journal can't be read, or could not be written and still can't.
        """
        if self._failed is not None:
            self._write(())  # what is lost if this fails was not generated yet
        known = [self._keys(request) for request in requests]
        keys = [key for key, _ in known]
        futures = [self._replay(*both, request) for both, request in zip(known, requests, strict=True)]
        missing = [row for row, future in enumerate(futures) if future is None]
        if missing:
            sent = self._forward([requests[row] for row in missing])
            for row, entry in zip(missing, sent, strict=True):
                futures[row] = self._record(keys[row], entry)
        return [future for future in futures if future is not None]

    def close(self) -> None:
        """Write what has finished. The scheduler must have ended, so that nothing comes after."""
        self._finished.put(None)
        if threading.current_thread() is self._thread:  # a callback closes: what is left is written behind it
            return
        self._thread.join()
        if self._failed is not None:
            logger.error("%s; %d finished requests were not written", self._failed, len(self._unwritten))

    def _keys(self, request: Request) -> tuple[bytes | None, bytes | None]:
        """The key of a request, and its key in the first format, where that may be found too."""
        content = content_key(request, self._model, self._contents)
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
            found = self._taken_over(first)
        if found is None:
            return None
        limits, outcome, failure = found
        if failure is not None:
            error = self._failure(failure, request)
            is_outdated = error is None
        else:
            error = verdict(request, limits, outcome)
            is_outdated = isinstance(error, Truncated) and self._has_more_room(limits, outcome)
        if is_outdated:
            self._outdated.add(key)
            return None
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        if error is not None:
            self._replayed_failed += 1
            future.set_exception(error)
            return future
        self._replayed += 1
        if request.on_delta is not None and outcome.text:
            request.on_delta(outcome.text)
        future.set_result(outcome)
        return future

    def _failure(self, text: str, request: Request) -> PromptError | None:
        """A failure that the journal has, or `None` where it may not be one any more."""
        try:
            return failure_in(text, request, self._circumstances, self._max_model_len)
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(self._journal.path, f"a failure of {request.function}") from error

    def _taken_over(self, first: bytes) -> tuple[Limits, Outcome, str | None] | None:
        """An answer of the model as the first format knew it; a log line says once that there are such."""
        found = self._journal.find(first)
        if found is not None and not self._took_over and self._first != self._model:
            self._took_over = True
            logger.warning(
                "the journal %s has answers of %s from a time when a model was told apart by the first and last MiB of "
                "each file of weights: they are taken over. If its weights were changed in between, run once with "
                "ignore_journal=True",
                self._journal.path,
                self._model.name,
            )
        return found

    def _has_more_room(self, limits: Limits, outcome: Outcome) -> bool:
        """Whether an answer that met the end of its context would get further now."""
        now, room = self._max_model_len, limits.room
        if now is None or room is None:
            return False
        return room == limits.max_tokens and now > outcome.prompt_tokens + room

    def _record(self, key: bytes | None, entry: Future[Outcome]) -> Future[Outcome]:
        if key is None or not isinstance(entry, Entry):
            return entry
        future = _Recorded(entry)
        entry.add_done_callback(partial(self._ended, key, future))
        return future

    def _ended(self, key: bytes, future: _Recorded, entry: Future[Outcome]) -> None:
        """A request has ended; on the thread that ended it, so it is quick."""
        assert isinstance(entry, Entry)
        if entry.landed is not None and entry.landed[1].finish_reason in SETTLED:
            self._finished.put(_Finished(key, *entry.landed, future, entry))
        elif entry.landed is None and (failure := self._failure_of(entry)) is not None:
            error, text = failure
            tokens = error.prompt_tokens if isinstance(error, PromptTooLong) else 0
            outcome = Outcome(text="", finish_reason=FinishReason.ERROR, prompt_tokens=tokens, output_tokens=0)
            self._finished.put(_Finished(key, Limits(0, None), outcome, future, entry, text))
        else:
            _settle(future, entry, None)

    def _failure_of(self, entry: Entry) -> tuple[PromptError, str] | None:
        """The failure of a request that no model was asked, and its form in the journal, if it is one to be kept."""
        error = None if entry.cancelled() else entry.exception()
        if not isinstance(error, PromptError):
            return None
        text = failure_text(
            error, entry.request, self._circumstances, self._max_model_len, prompts=self._journal.prompts
        )
        return None if text is None else (error, text)

    def _serve(self) -> None:
        with serving("the journal"):
            self._write_all()

    def _write_all(self) -> None:
        """The thread."""
        ending = False
        while not ending:
            group = [self._finished.get()]
            while group[-1] is not None and len(group) < _GROUP:
                try:
                    group.append(self._finished.get_nowait())
                except queue.Empty:
                    break
            ending = group[-1] is None
            finished = [each for each in group if each is not None]
            unwritable: dict[bytes, JournalError] = {}
            error = self._try_to_write(finished, unwritable) if finished or self._unwritten else None
            for each in finished:
                _settle(each.future, each.entry, error or unwritable.get(each.key))

    def _try_to_write(
        self, finished: Sequence[_Finished], unwritable: dict[bytes, JournalError]
    ) -> JournalError | None:
        """Write what has finished: why none of it could be, or `None`. What has no form to be kept in is named by its key."""
        rows: list[tuple[Any, ...]] = []
        for each in finished:
            try:
                rows.append(
                    row_of(
                        each.key,
                        each.entry.request,
                        each.limits,
                        each.outcome,
                        self._model.name,
                        failure=each.failure,
                        prompts=self._journal.prompts,
                    )
                )
            except Exception as error:
                logger.exception("an answer of %s can't be kept", each.entry.request.function)
                unwritable[each.key] = explained(self._journal.path, error)
        try:
            self._write(rows)
        except JournalError as error:
            return error
        return None

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows, with those that an earlier write failed on."""
        with self._lock:
            self._unwritten += rows
            replaced = self._outdated.intersection(row[0] for row in self._unwritten)
            try:
                self._journal.write(self._unwritten, replace=self._ignore_journal, replaced=replaced)
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._failed = error if isinstance(error, JournalError) else explained(self._journal.path, error)
                raise self._failed from error
            self._unwritten.clear()
            self._outdated -= replaced
            self._failed = None


def _settle(future: _Recorded, entry: Entry, error: JournalError | None) -> None:
    """End a caller's future as its request ended, unless the caller has gone or nothing could be written."""
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
