"""The runtimes that are open, and their `with` blocks: written by `Runtime`, read by `runtimes.current`.

Invariant: a runtime is in `opened` from when it is made to when it is closed, and has a block in `entered` inside its `with`
block; the name of its model is in `loads` while it is loaded. In a forked child all are empty: the parent's runtimes are in
`inherited`, and are kept, since freeing an engine ends its processes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Thread, current_thread
from typing import ClassVar

from typefold.options import Submitter
from typefold.runtime import Statistics
from typefold.runtime.ownership import Owner, in_child


class OpenRuntime(Submitter):
    """A runtime, as far as code that looks at all open ones needs it."""

    stands_alone: ClassVar[bool] = True  # else it stands behind another that answers calls

    @property
    @abstractmethod
    def name(self) -> str:
        """The model's name or path where it is known, else another for it."""

    @property
    @abstractmethod
    def stats(self) -> Statistics:
        """Its statistics so far."""

    @property
    @abstractmethod
    def loaded(self) -> bool:
        """Whether its engine is there."""

    @property
    @abstractmethod
    def max_num_seqs(self) -> int | None:
        """The number of requests that its engine runs at once; `None` while that is not known."""

    @property
    @abstractmethod
    def resume_hint(self) -> str | None:
        """The advice on going on with a program that was interrupted; `None` where nothing was kept."""

    @abstractmethod
    def close(self) -> None:
        """Free the engine. May be called twice."""

    @abstractmethod
    def check_process(self) -> None:
        """Raise UsedAfterFork in a fork of the process that it was made in."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A `with` block of a runtime."""

    runtime: OpenRuntime
    outer: Block | None  # by its context
    before: frozenset[Thread]  # threads that had begun by then; calls of later threads are in the block
    owner: Owner = field(default_factory=Owner)

    def around(self) -> Iterator[Block]:
        """The blocks that it is in, from the inside out."""
        block = self.outer
        while block is not None:
            yield block
            block = block.outer


opened: list[OpenRuntime] = []
entered: list[Block] = []
inherited: list[OpenRuntime] = []
loads: list[str] = []
innermost: ContextVar[Block | None] = ContextVar("typefold_runtime", default=None)
"""The innermost `with` block of this context."""


def blocks_here() -> list[Block]:
    """Return the innermost block around a call made here, if there is one; several where it can't be told which is meant.

    A thread whose context has no block is in those that were open when it began.
    """
    inner = innermost.get()
    if inner is not None and not inner.owner.elsewhere:
        return [inner]
    thread, blocks = current_thread(), [*entered]
    mine = [block for block in blocks if thread not in block.before]
    outer = {each for block in mine for each in block.around()}
    later = [block for block in blocks if block not in mine and not outer.union(mine).isdisjoint(block.around())]
    return [block for block in mine if block not in outer] + later


def _forked() -> None:
    inherited.extend(opened)
    opened.clear()
    entered.clear()
    loads.clear()


in_child(_forked)


@contextmanager
def loading(model: str) -> Generator[None]:
    """Note that a model is loaded inside."""
    loads.append(model)
    try:
        yield
    finally:
        loads.remove(model)


def any_journaled() -> bool:
    """Whether any runtime that is open keeps a journal."""
    return any(runtime.journaled for runtime in list(opened))


def statistics() -> tuple[Statistics, int]:
    """Return the statistics of all runtimes that are open, added up, and the number of requests that they can run at once."""
    runtimes = list(opened)
    total = sum((runtime.stats for runtime in runtimes), Statistics())
    return total, sum(runtime.max_num_seqs or 0 for runtime in runtimes if runtime.loaded)


def resume_hints() -> list[str]:
    """Return the advice on going on with what was interrupted, of each runtime that is open and has any."""
    hints = (runtime.resume_hint for runtime in list(opened))
    return list(dict.fromkeys(hint for hint in hints if hint))
