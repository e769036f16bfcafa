"""Where in a program a call is made, so that it can be drawn with the same seed each time the program runs.

A place is a row of a batch, or the program itself. It numbers what is asked in it, by name and in order; a batch takes
one number, and its rows are told apart by their indices. So a call's path says nothing of what shared the engine with it,
nor of the order in which rows ended.

A batch is also what an error ends that is about no row of it: the batches that run are known here, and each remembers
such an error, so that rows which catch it don't go on without end.

A journal needs to know the same row again although others were added or left out. So a row also has an identity: a digest
of its input, or of the key that the program gives it, and of how many equal ones came before.

Left out: calls from threads that the program itself starts are numbered as they come, which may differ each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from typefold.errors import EngineLoadError
from typefold.execution.greenlets import current_row
from typefold.runtime.journal import JournalError, Numbers, digest

if TYPE_CHECKING:
    from typefold.runtimes.runtime import Runtime

__all__ = [
    "Batch",
    "Place",
    "around",
    "end_batches",
    "end_if_over",
    "ending_batches",
    "here",
    "identity_here",
    "name_of",
    "running",
    "seed_for",
]


class Place:
    """A piece of a program in which one thing comes after the other.

    Args:
        batch: The batch that it is a row of; none for the program itself.
        index: The row's index.
        identity: What a journal knows the row by; nothing for the program itself, and where no journal is kept.
    """

    __slots__ = ("_counts", "_index", "batch", "identity")

    def __init__(self, batch: Batch | None = None, index: int | None = None, identity: bytes = b"") -> None:
        self.batch = batch
        self._index = index
        self.identity = identity
        self._counts: dict[str, itertools.count[int]] = {}

    def number(self, name: str) -> int:
        """How many things of this name came before here; the next will get the next number."""
        return next(self._counts.setdefault(name, itertools.count()))

    def path(self, runtime: Runtime) -> tuple[object, ...]:
        """The way to this place from the beginning of what a runtime was asked."""
        return () if self.batch is None else (*self.batch.path(runtime), self._index)


class Batch:
    """Rows that are asked together. It is numbered in its place with the first call that a runtime gets of it.

    Args:
        name: What is asked of each row.

    Attributes:
        fault: An error that is about no row and ends the batch, once there is one.
        end_call: Awaited by calls of its rows once the batch of coroutines is over: it ends them.
        tell: Called when there is such an error, by any thread, where somebody waits to hear of it.
    """

    __slots__ = ("__weakref__", "_around", "_name", "_numbers", "_seen", "end_call", "fault", "tell")

    def __init__(self, name: str) -> None:
        self.fault: Exception | None = None
        self.end_call: Callable[[], Awaitable[None]] | None = None
        self.tell: Callable[[], None] | None = None
        self._name = name
        self._around = here.get()
        self._numbers: dict[Runtime, int] = {}
        self._seen: Numbers | None = None

    def path(self, runtime: Runtime) -> tuple[object, ...]:
        """The way to this batch."""
        around = self._around or runtime.place
        if runtime not in self._numbers:
            self._numbers[runtime] = around.number(self._name)
        return (*around.path(runtime), self._name, self._numbers[runtime])

    @property
    def around(self) -> Batch | None:
        """The batch that this one is in a row of."""
        return None if self._around is None else self._around.batch

    @property
    def identity(self) -> bytes:
        """What a journal knows the row around by."""
        return b"" if self._around is None else self._around.identity

    def place(self, index: int, key: object, *, journaled: bool) -> Place:
        """The place of a row; rows are given theirs in the order of the input.

        Args:
            index: Its index.
            key: Its input, or what the program knows it by.
            journaled: Whether any journal is kept, that may have to know it again.
        """
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


_MOMENT = 0.05  # seconds between two calls of a row whose batch is to end

here: ContextVar[Place | None] = ContextVar("typefold_place", default=None)
"""The row that runs, or `None` in the program itself."""


running: WeakSet[Batch] = WeakSet()
"""The batches of programs that run now, in any thread."""


def around() -> Iterator[Batch]:
    """The batches that this code is in a row of, the innermost first; none in threads that a row started."""
    place = here.get()
    batch = None if place is None else place.batch
    while batch is not None:
        yield batch
        batch = batch.around


async def end_if_over() -> None:
    """End a call that is awaited in a row of a batch of coroutines which is over, or let a batch end that is to.

    Raises:
        CancelledError: It is over.
    """
    for batch in around():
        if batch.fault is not None and batch.end_call is None:
            await asyncio.sleep(_MOMENT)  # for the thread that hears of it
        if batch.end_call is not None:
            await batch.end_call()


@contextmanager
def ending_batches() -> Generator[None]:
    """A journal or a load that fails here ends the batches that this code is in a row of, and the row."""
    try:
        yield
    except (JournalError, EngineLoadError) as error:
        end_batches(error)
        if (row := current_row()) is not None:
            row.fail(error)
        raise


def end_batches(error: Exception) -> None:
    """Have the batches end that this code is in a row of: an error is about none of their rows."""
    for batch in around():
        batch.fault = batch.fault or error
        if batch.tell is not None:
            batch.tell()


def seed_for(
    runtime: Runtime, function: str, batch: Batch | None, row: int | None, sample: int | None = None
) -> int | None:
    """The seed of a call, if its runtime has one.

    Args:
        runtime: What answers.
        function: The name of what is asked.
        batch: The batch that the call is a row of; `None` for a call by itself.
        row: The row in it.
        sample: Which of the row's samples it is, of a row that is asked several times.
    """
    if runtime.seed is None:
        return None
    if batch is None:
        place = here.get() or runtime.place
        path = (*place.path(runtime), function, place.number(function))
    else:
        path = (*batch.path(runtime), row) if sample is None else (*batch.path(runtime), row, sample)
    digest = hashlib.blake2b(repr((runtime.seed, function, path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # a generator takes 64 bits with a sign


def identity_here(batch: Batch | None) -> bytes:
    """What a journal knows the row by that makes a call, or a batch of calls."""
    if batch is not None:
        return batch.identity
    place = here.get()
    return b"" if place is None else place.identity


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, here and in messages; one without a name, by its class."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
