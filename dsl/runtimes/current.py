"""Which runtime is meant where a call names none.

It is, in this order: that of the innermost `with` block around the call (`registry.blocks_here`: of its context, or of a
worker thread that began in the block), the one that `configure` made, and one for the model named in `TYPEFOLD_MODEL`. The
last only where no other runtime is open: a call beside one that is open has mostly lost its way, and a second model
is not loaded for it. What is asked of all that are open is here too.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import Any

from typefold.errors import NoRuntime
from typefold.execution.open_runtimes import blocks_here, inherited, opened
from typefold.runtime import Statistics
from typefold.runtime.ownership import in_child, lock
from typefold.runtimes.model_source import Model
from typefold.runtimes.runtime import Runtime

__all__ = ["any_journaled", "configure", "current", "named", "resume_hints", "statistics"]

logger = logging.getLogger(__name__)

_default: Runtime | None = None
_of_environment: Runtime | None = None
_default_lock = lock(threading.Lock)


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
        NoRuntime: No model has been named in any of the ways; or it can't be told which is meant, since the call is in no
            `with` block while a runtime is open, or in a thread that began before the innermost of several blocks.
        UsedAfterFork: The runtimes that are open belong to the process of which this one is a fork.
    """
    global _of_environment
    found = blocks_here()
    if len(found) == 1:
        return found[0].runtime
    if found:
        raise NoRuntime([block.runtime.name for block in found])
    with _default_lock:
        if _default is not None:
            return _default
        if others := [each for each in opened if each is not _of_environment and each.stands_alone]:
            raise NoRuntime([each.name for each in others], os.environ.get("TYPEFOLD_MODEL"))
        if _of_environment is None:
            for each in inherited:
                each.check_process()
            _of_environment = Runtime()
            logger.info("calls that name no runtime are answered by %s, as TYPEFOLD_MODEL says", _of_environment.name)
        return _of_environment


def named() -> Runtime | None:
    """The runtime that `current` would give, if there is one already; none is made."""
    found = blocks_here()
    if found:
        return found[0].runtime if len(found) == 1 else None
    return _default or _of_environment


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


def _forked() -> None:
    global _default, _of_environment
    _default = _of_environment = None


in_child(_forked)


@atexit.register
def _close_all() -> None:
    for runtime in list(opened):
        runtime.close()
