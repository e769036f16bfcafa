"""The runtimes that are open, and those whose `with` blocks are: written by `Runtime`, read by `selection`.

Invariant: a runtime is in `opened` from when it is made to when it is closed, and in `entered` inside its `with` block.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typefold.runtimes import Runtime

__all__ = ["entered", "innermost", "opened"]

opened: list[Runtime] = []
entered: list[Runtime] = []
innermost: ContextVar[Runtime | None] = ContextVar("typefold_runtime", default=None)
"""The runtime of the innermost `with` block of this context."""
