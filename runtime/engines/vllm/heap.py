"""The garbage collector beside an engine: what loading one brings is not looked through again and again.

vLLM and what it imports are about a million objects that stay. Each full collection walks over them, a third of a second
and more, while prompts wait to be prepared: a tenth of the time of short answers. So they are frozen once an engine is
there, as vLLM does in its own processes.

Invariant: nothing that an engine held is kept from being freed with it, since all is thawed when it goes: each `freeze` has
one `thaw`. Left out: telling what an engine brought from what else was there, which is frozen too. It is freed as ever where
nothing refers to it; only what is in a cycle waits for an engine to be closed.
"""

from __future__ import annotations

import gc
from threading import RLock

from typefold.runtime.ownership import lock

__all__ = ["freeze", "thaw"]

_lock = lock(RLock)  # what a collection finalises here may close an engine
_engines = 0


def freeze() -> None:
    """An engine is loaded: leave what is there now out of collections."""
    global _engines
    with _lock:
        _engines += 1
        gc.collect()  # what is garbage already would be kept too
        gc.freeze()


def thaw() -> None:
    """A frozen engine has gone: collect what it left, and leave out what the others brought."""
    global _engines
    with _lock:
        _engines -= 1
        gc.unfreeze()
        gc.collect()
        if _engines:
            gc.freeze()
