"""The keys of requests: digests of their content, and for sampled requests of the row too.

Content is all that an answer depends on: model, prompt, constraint, sampling parameters, adapter, template variables. It
settles a greedy or seeded request. Equal sampled requests are told apart by their row and by their number in it, so that a
program that runs again finds for each the answer of the first run, whichever row ends first. The function's name, priorities
and time limits do not bear on answers and are left out.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.model_identity import ModelIdentity
from typefold.runtime.request import Request, is_adapter
from typefold.runtime.sampling import UNSET_LIMIT

_IN_MEMORY = 1 << 16  # keys
_PLAIN = (str, int, float, bool)

rehearsal: ContextVar[Numbers | None] = ContextVar("typefold_rehearsal", default=None)
"""Counts the keys of a part of a program that is run before its time, and so takes no numbers from the rest."""
_NO_BEARING = {"priority", "trace_headers", "arrival_time", "data_parallel_rank"}


def content_key(request: Request, model: ModelIdentity, contents: Callable[[str], bytes | None]) -> bytes | None:
    """Return the key of all requests with equal content; `None` for an option that has no digest."""
    try:
        parameters = _parameters(request, contents)
    except OSError:  # an adapter that can't be read
        parameters = None
    return None if parameters is None else request.digest(model.digest, parameters)


def placed_key(content: bytes, place: bytes, number: int) -> bytes:
    """Return the key of one of several equal requests."""
    return hashlib.blake2b(b"%b%b%d" % (content, place, number), digest_size=16).digest()


def _parameters(request: Request, contents: Callable[[str], bytes | None]) -> bytes | None:
    params = request.sampling_params
    sampling: dict[str, Any] = {  # `None` says something only where it takes away what the object says
        name: value
        for name, value in request.sampling.items()
        if value is not None or getattr(params, name, None) is not None
    }
    # An object with this value does not always mean it.
    if params is not None and request.token_limit() == UNSET_LIMIT:
        sampling["max_tokens"] = UNSET_LIMIT
    options = {
        name: (is_adapter(value) and contents(os.fspath(value.path))) or value  # by its path where it is not here
        for name, value in request.options.items()
        if value is not None and name not in _NO_BEARING
    }
    rest = (params, options, dict(request.chat_template_kwargs))
    if rest == (None, {}, {}) and all(type(value) in _PLAIN for value in sampling.values()):  # most requests, quickly
        return repr((sorted(sampling.items()), request.begun, request.thinking)).encode("utf-8", "surrogatepass")
    return digest([*rest, sampling, request.begun, request.thinking])


class Numbers:
    """Counts how often each key was given, in bounded memory: later keys in a temporary sqlite database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[bytes, int] = {}
        self._database: sqlite3.Connection | None = None

    def next(self, key: bytes) -> int:
        with self._lock:
            times = self._first.get(key, -1) + 1
            if times or len(self._first) < _IN_MEMORY:
                self._first[key] = times
                return times
            if self._database is None:
                self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
                self._database.execute("PRAGMA journal_mode = OFF")
                self._database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
            [times] = self._database.execute(
                "INSERT INTO seen VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times",
                (key,),
            ).fetchone()
            return int(times)

    def count(self, key: bytes) -> int:
        """Return how often a key was given."""
        with self._lock:
            if key in self._first or self._database is None:
                return self._first.get(key, -1) + 1
            found = self._database.execute("SELECT times FROM seen WHERE key = ?", (key,)).fetchone()
            return 0 if found is None else int(found[0]) + 1

    def close(self) -> None:
        with self._lock:
            self._first.clear()
            if self._database is not None:
                self._database.close()
                self._database = None
