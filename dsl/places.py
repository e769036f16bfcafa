"""Where in a program a call is made, so that it can be drawn with the same seed each time the program runs.

A place is a row of a batch, or the program itself. It numbers what is asked in it, by name and in order; a batch takes
one number, and its rows are told apart by their indices. So a call's path says nothing of what shared the engine with it,
nor of the order in which rows ended.

Left out: calls from threads that the program itself starts are numbered as they come, which may differ each time.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typefold.runtimes import Runtime

__all__ = ["Batch", "Place", "here", "name_of", "seed_for"]


class Place:
    """A piece of a program in which one thing comes after the other.

    Args:
        batch: The batch that it is a row of; none for the program itself.
        index: The row's index.
    """

    __slots__ = ("_batch", "_counts", "_index")

    def __init__(self, batch: Batch | None = None, index: int | None = None) -> None:
        self._batch = batch
        self._index = index
        self._counts: dict[str, itertools.count[int]] = {}

    def number(self, name: str) -> int:
        """How many things of this name came before here; the next will get the next number."""
        return next(self._counts.setdefault(name, itertools.count()))

    def path(self, runtime: Runtime) -> tuple[object, ...]:
        """The way to this place from the beginning of what a runtime was asked."""
        return () if self._batch is None else (*self._batch.path(runtime), self._index)


class Batch:
    """Rows that are asked together. It is numbered in its place with the first call that a runtime gets of it.

    Args:
        name: What is asked of each row.
    """

    __slots__ = ("_around", "_name", "_numbers")

    def __init__(self, name: str) -> None:
        self._name = name
        self._around = here.get()
        self._numbers: dict[Runtime, int] = {}

    def path(self, runtime: Runtime) -> tuple[object, ...]:
        """The way to this batch."""
        around = self._around or runtime.place
        if runtime not in self._numbers:
            self._numbers[runtime] = around.number(self._name)
        return (*around.path(runtime), self._name, self._numbers[runtime])


here: ContextVar[Place | None] = ContextVar("typefold_place", default=None)
"""The row that runs, or `None` in the program itself."""


def seed_for(runtime: Runtime, function: str, batch: Batch | None, row: int | None) -> int | None:
    """The seed of a call, if its runtime has one.

    Args:
        runtime: What answers.
        function: The name of what is asked.
        batch: The batch that the call is a row of; `None` for a call by itself.
        row: The row in it.
    """
    if runtime.seed is None:
        return None
    if batch is None:
        place = here.get() or runtime.place
        path = (*place.path(runtime), function, place.number(function))
    else:
        path = (*batch.path(runtime), row)
    digest = hashlib.blake2b(repr((runtime.seed, function, path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # a generator takes 64 bits with a sign


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, here and in messages; one without a name, by its class."""
    return getattr(function, "__name__", type(function).__name__)
