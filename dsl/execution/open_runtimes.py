"""The runtimes that are open, and the `with` blocks that are: written by `Runtime`, read by `selection`.

Invariant: a runtime is in `opened` from when it is made to when it is closed, and has a block in `entered` inside its `with`
block; the name of its model is in `loads` while that is loaded. In a forked child all are empty: what the parent had open
there is in `inherited`, and is kept, since letting go of an engine ends its processes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Thread, current_thread
from typing import TYPE_CHECKING

from typefold.runtime.ownership import in_child

if TYPE_CHECKING:
    from typefold.runtimes.runtime import Runtime

__all__ = ["Block", "blocks_here", "entered", "inherited", "innermost", "loading", "loads", "opened"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A `with` block of a runtime.

    Attributes:
        runtime: The runtime.
        outer: The block that it is in by its context, if it is in one.
        before: The threads that had begun when it was entered, that of the block too: only the context tells whether their
            calls are in it, while those of a thread that begins later are.
    """

    runtime: Runtime
    outer: Block | None
    before: frozenset[Thread]

    def around(self) -> Iterator[Block]:
        """The blocks that it is in, from the inside out."""
        block = self.outer
        while block is not None:
            yield block
            block = block.outer


opened: list[Runtime] = []
entered: list[Block] = []
inherited: list[Runtime] = []
loads: list[str] = []
innermost: ContextVar[Block | None] = ContextVar("typefold_runtime", default=None)
"""The innermost `with` block of this context."""


def blocks_here() -> list[Block]:
    """The innermost block that a call made here is in, if it is in one; several where it can't be told which is meant.

    Contexts tell, of threads too that copy theirs. A thread whose context says nothing is in the blocks that were open when
    it began.
    """
    inner = innermost.get()
    if inner is not None and not inner.runtime.inherited:
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
    """A model is loaded inside."""
    loads.append(model)
    try:
        yield
    finally:
        loads.remove(model)
