"""The place in a program where a call is made, so that it has the same seed each time the program runs.

A place is a row of a batch, or the program itself. It numbers what is asked in it, by name and in order; a batch takes
one number, and its rows are told apart by their indices. So a call's path does not depend on what shared the engine with it,
nor on the order in which rows ended.

A journal needs to know the same row again although others were added or left out. So a row also has an identity: a digest
of its input, or of the key that the program gives it, and of how many equal ones came before.

Left out: calls from threads that the program itself starts are numbered as they come, which may differ each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakKeyDictionary

from typefold.options import Submitter
from typefold.runtime.journal import digest
from typefold.runtime.journal.keys import Numbers, rehearsal

_counting = threading.Lock()


@dataclass(slots=True, eq=False)
class Place:
    """A piece of a program in which one thing comes after the other: a row of a batch, or the program itself."""

    batch: Batch | None = None
    index: int | None = None
    identity: bytes = b""  # in a journal; empty where none is kept
    _counts: dict[str, int] = field(default_factory=dict[str, int])

    def number(self, name: str) -> int:
        """Return the number of things of this name that came before, and count one more."""
        with _counting:
            number = self._counts[name] = self._counts.get(name, -1) + 1
        return number

    def path(self, runtime: Submitter) -> tuple[object, ...]:
        """Return the way to this place from the beginning of what a runtime was asked."""
        return () if self.batch is None else (*self.batch.path(runtime), self.index)

    def rehearsed(self) -> Place:
        """Return a place that goes on as this one would, and takes no number of it."""
        with _counting:
            return Place(self.batch, self.index, self.identity, dict(self._counts))

    def row_of(self, inner: Place | None) -> int | None:
        """Return the index of the row, of a batch that is asked here, which a place is in; `None` for one in none."""
        while inner is not None and inner.batch is not None:
            if inner.batch.home is self:
                return inner.index
            inner = inner.batch.home
        return None


class Batch:
    """Rows that are asked together. It is numbered in its place with the first call that a runtime gets of it."""

    __slots__ = ("__weakref__", "_name", "_numbers", "_seen", "end_call", "fault", "home", "wake_reader")

    def __init__(self, name: str) -> None:
        self.fault: Exception | None = None  # about no row: it ends the batch
        # Where its rows are tasks of an event loop: wakes the thread that takes its results; ends a call if it is over.
        self.wake_reader: Callable[[], None] | None = None
        self.end_call: Callable[[], Awaitable[None]] | None = None
        self._name = name
        self.home = here.get()  # the place where it is asked
        self._numbers: dict[Submitter, int] = {}
        self._seen: Numbers | None = None

    def path(self, runtime: Submitter) -> tuple[object, ...]:
        around = self.home or _program(runtime)
        if runtime not in self._numbers:
            self._numbers[runtime] = around.number(self._name)
        return (*around.path(runtime), self._name, self._numbers[runtime])

    @property
    def around(self) -> Batch | None:
        return None if self.home is None else self.home.batch

    @property
    def identity(self) -> bytes:
        """The identity in a journal of the row around."""
        return b"" if self.home is None else self.home.identity

    def place(self, index: int, key: object, *, journaled: bool) -> Place:
        """Return the place of a row; rows are given theirs in the order of the input."""
        if not journaled:
            return Place(self, index)
        content = digest(key)
        if content is None:  # it can't be told by its content, so by where it stands
            content, number = b"index", index
        else:
            self._seen = self._seen or Numbers()
            number = self._seen.next(content)
        identity = hashlib.blake2b(b"%b%b%d" % (self.identity, content, number), digest_size=16).digest()
        return Place(self, index, identity)


here: ContextVar[Place | None] = ContextVar("typefold_place", default=None)
"""The row that runs, or `None` in the program itself."""

_programs: WeakKeyDictionary[Submitter, Place] = WeakKeyDictionary()


def _program(runtime: Submitter) -> Place:
    return _programs.get(runtime) or _programs.setdefault(runtime, Place())


@contextmanager
def rehearsing(runtime: Submitter | None) -> Generator[Place]:
    """Ask as the program would next: seeds, and numbers in journals, are those that a later run has. Yields the place."""
    place = (here.get() or (Place() if runtime is None else _program(runtime))).rehearsed()
    tokens = here.set(place), rehearsal.set(Numbers())
    try:
        yield place
    finally:
        here.reset(tokens[0])
        rehearsal.reset(tokens[1])


def around() -> Iterator[Batch]:
    """The batches that this code is in a row of, the innermost first; none in threads that a row started."""
    place = here.get()
    batch = None if place is None else place.batch
    while batch is not None:
        yield batch
        batch = batch.around


Path: TypeAlias = tuple[object, ...]


def path_of(runtime: Submitter, function: str, batch: Batch | None, row: int | None, sample: int | None = None) -> Path:
    """Return the way to a call from the beginning of what a runtime was asked."""
    if batch is None:
        place = here.get() or _program(runtime)
        return (*place.path(runtime), function, place.number(function))
    return (*batch.path(runtime), row) if sample is None else (*batch.path(runtime), row, sample)


def seed_at(runtime: Submitter, function: str, path: Path) -> int | None:
    """Return the seed of a call at the end of a way; `None` where the runtime has none."""
    if runtime.seed is None:
        return None
    digest = hashlib.blake2b(repr((runtime.seed, function, path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # a generator takes 64 bits with a sign


def identity_here(batch: Batch | None) -> bytes:
    """Return the identity in a journal of the row that makes a call, or a batch of calls."""
    if batch is not None:
        return batch.identity
    place = here.get()
    return b"" if place is None else place.identity
