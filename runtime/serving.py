"""Threads that answers come from: the engine's, the journal's. Code that waits there for an answer waits for itself.

Callbacks of futures, `on_delta`, logging handlers and tracers may be run by them, whoever wrote those. They may send
requests; what waits is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["refusal", "serving"]

_here = threading.local()


@contextmanager
def serving(whose: str) -> Generator[None]:
    """This thread hands out answers from here on.

    Args:
        whose: The owner of the thread, in words.
    """
    _here.whose = whose
    try:
        yield
    finally:
        del _here.whose


def refusal() -> str | None:
    """Why nothing may wait for an answer in this thread; `None` where it may.

    Example:
        >>> refusal()
        >>> with serving("the engine"):
        ...     refusal()
        'this is the thread of the engine, ...
    """
    whose: str | None = getattr(_here, "whose", None)
    if whose is None:
        return None
    return (
        f"this is the thread of {whose}, which runs callbacks (of a future, a stream, a logging handler, a tracer), and "
        f"what waits in it for an answer would wait for ever. Use prompt.submit(...) here, which does not wait, or hand "
        f"the work to a thread of your own: executor.submit(...), queue.put(...)"
    )
