"""A runtime that answers from a recording, with or without the recorded model.

It stands before another runtime, which has the model, or before none. Then a call that is not recorded is `NotRecorded`: an
error of the test and of no row, with the call and its difference from the nearest recorded prompt.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from heapq import nlargest
from typing import Any

from typefold.runtime import Engine, Outcome, Request
from typefold.runtime.journal import Journal, ModelIdentity, Record
from typefold.runtime.journal.recorder import Recorder
from typefold.runtime.scheduling.replicas import Worker
from typefold.runtimes.runtime import Runtime
from typefold.testing.sent import by_call

# Limits of a message's cost, however large the recording is and however many rows are missing: records, characters, errors.
_SEARCHED = 200
_READ = 4000
_COMPARED = 3


class NotRecorded(AssertionError):
    """A prompt was called without an answer in the recording. The message says how to record it."""


class ModelRuntime(Runtime):
    """The runtime with the recorded model, behind the runtimes of recordings."""

    stands_alone = False

    @property
    def worker(self) -> Worker:
        return self._ready()


class ReplayRuntime(Runtime):
    """Answers from a recording, whose journal stays open, and sends missing requests to the runtime `behind`, if any.

    `remedy` is the advice on a missing call, for its error; `missing` holds the errors, since a program may have caught them.
    """

    def __init__(
        self, journal: Journal, model: ModelIdentity, *, behind: ModelRuntime | None, remedy: str, **options: Any
    ) -> None:
        super().__init__(_no_engine, **options)
        self._model = model.name  # of another machine, perhaps: it is loaded by the runtime behind, or not at all
        self.missing: list[NotRecorded] = []
        self._behind = behind
        self._remedy = remedy
        self._kept = journal
        self.journaled = True
        self._recorder = Recorder(
            journal,
            model=None,
            options={},
            engine=lambda: self.engine,
            forward=self._send,
            identity=model,
        )

    def _send(self, requests: Sequence[Request]) -> Sequence[Future[Outcome]]:
        if self._behind is None:
            compared = len(self.missing) < _COMPARED
            error = NotRecorded(_describe(self._kept, requests[0], self._remedy, compared=compared))
            self.missing.append(error)
            raise error
        return self._ready().submit(requests)

    def _load(self) -> Worker:
        if self._behind is None:
            raise NotRecorded(f"{self._kept.path} has no facts of its model's engine. {self._remedy}")
        return self._behind.worker

    def close(self) -> None:
        """Close the recording; the runtime behind this one goes on."""
        self._scheduler = None
        super().close()


def _no_engine() -> Engine:
    raise NotImplementedError  # `_load` says where the engine is


def _describe(journal: Journal, request: Request, remedy: str, *, compared: bool) -> str:
    [sent] = by_call([request])
    where = request.function if request.row is None else f"{request.function}, row {request.row}"
    nearest = f"{_nearest(journal, request)}\n{remedy}\n" if compared else ""
    return f"{where}: this call is not in the recording {journal.path}.\n{nearest}What was asked:\n{sent}"


def _nearest(journal: Journal, request: Request) -> str:
    """Describe how the call differs from the most similar one in the recording."""
    records = list(journal.records(function=request.function, last=_SEARCHED))
    if not records:
        names = ", ".join(sorted({summary.function for summary in journal.summary()}))
        return f"It has no call of {request.function}, but of: {names or 'nothing'}."
    asked = _lines(request)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2("\n".join(asked)[:_READ])

    def likeness(record: Record, *, quick: bool = False) -> float:
        matcher.set_seq1("\n".join(_recorded(record))[:_READ])
        return matcher.quick_ratio() if quick else matcher.ratio()

    nearest = max(nlargest(5, records, key=partial(likeness, quick=True)), key=likeness)
    if _recorded(nearest) != asked:
        changes = difflib.unified_diff(_recorded(nearest), asked, "recorded", "asked", lineterm="", n=1)
        return "The nearest recorded prompt differs in this:\n" + "\n".join(f"  {line}" for line in changes)
    sampling = {name: value for name, value in request.sampling.items() if value is not None}
    if json.loads(json.dumps(sampling, default=repr)) != nearest.sampling:
        return f"It has the same prompt with other sampling parameters: {nearest.sampling}, and now {sampling}."
    return (
        "It has the same prompt, but for another type of the answer, with other options, for another row, or asked less "
        "often."
    )


def _lines(request: Request) -> list[str]:
    if isinstance(request.prompt, str):
        return request.prompt.splitlines()
    return [line for turn in request.prompt for line in f"{turn.role}: {turn.shown}".splitlines()]


def _recorded(record: Record) -> list[str]:
    if record.prompt is None:
        return []
    if isinstance(record.prompt, str):
        return record.prompt.splitlines()
    return [line for turn in record.prompt for line in f"{turn['role']}: {turn['content']}".splitlines()]
