"""Which runtime is meant where a call names none.

It is, in this order: that of the innermost `with` block of this context, that of a `with` block open anywhere in the
process (worker threads start with an empty context), the one that `configure` made, and one for the model named in
`TYPEFOLD_MODEL`. What is asked of all that are open is here too.
"""

from __future__ import annotations

import atexit
import threading
from typing import Any

from typefold.loading import Model
from typefold.registry import entered, innermost, opened
from typefold.runtime import Statistics
from typefold.runtimes import Runtime

__all__ = ["any_journaled", "configure", "current", "named", "resume_hints", "statistics"]

_default: Runtime | None = None
_default_lock = threading.Lock()


def configure(model: Model | Runtime | None = None, /, **engine_options: Any) -> Runtime:
    """Set the runtime for calls that name none; an earlier one is closed.

    Args:
        model: What `Runtime` takes, or a runtime.
        **engine_options: What `vllm.LLM` takes, and the options of `Runtime`.

    Returns:
        The runtime.

    Example:
        >>> from typefold import configure, current
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> configure(ScriptedEngine()) is current()
        True
    """
    global _default
    runtime = model if isinstance(model, Runtime) else Runtime(model, **engine_options)
    with _default_lock:
        before, _default = _default, runtime
    if before is not None and before is not runtime:
        before.close()
    return runtime


def current() -> Runtime:
    """The runtime that answers calls which name none.

    Raises:
        NoRuntime: No model has been named in any of the ways.
    """
    global _default
    inner = innermost.get()
    if inner is not None:
        return inner
    if entered:
        return entered[-1]
    with _default_lock:
        if _default is None:
            _default = Runtime()
        return _default


def named() -> Runtime | None:
    """The runtime that `current` would give, if there is one already; none is made."""
    return innermost.get() or (entered[-1] if entered else _default)


def any_journaled() -> bool:
    """Whether any runtime that is open keeps a journal."""
    return any(runtime.journaled for runtime in list(opened))


def statistics() -> tuple[Statistics, int]:
    """The statistics of all runtimes that are open, added up, and how many requests they can run at once."""
    runtimes = list(opened)
    total = sum((runtime.stats for runtime in runtimes), Statistics())
    return total, sum(runtime.max_num_seqs or 0 for runtime in runtimes if runtime.loaded)


def resume_hints() -> list[str]:
    """How to go on with what was interrupted, for each runtime that is open and knows."""
    hints = (runtime.resume_hint for runtime in list(opened))
    return list(dict.fromkeys(hint for hint in hints if hint))


@atexit.register
def _close_all() -> None:
    for runtime in list(opened):
        runtime.close()
