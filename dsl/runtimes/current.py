"""The current runtime: the one that is meant where a call names none.

It is, in this order: that of the innermost `with` block around the call (of its context, or of a worker thread that began in
the block), the one that `configure` made, and one for the model named in `TYPEFOLD_MODEL`. The last only where no other
runtime is open: a call beside one that is open has mostly lost its way, and a second model is not loaded for it.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import Any

from typefold.errors import NoRuntime
from typefold.execution.open_runtimes import OpenRuntime, blocks_here, inherited, opened
from typefold.runtime.ownership import in_child, lock
from typefold.runtimes.model_source import Model
from typefold.runtimes.runtime import Runtime

logger = logging.getLogger(__name__)

_default: Runtime | None = None
_of_environment: Runtime | None = None
_default_lock = lock(threading.Lock)


def configure(model: Model | Runtime | None = None, /, **engine_options: Any) -> Runtime:
    """Set the runtime for calls that name none; an earlier one is closed.

    Args:
        model: A model as for `Runtime`, or a runtime.
        **engine_options: Options of `vllm.LLM`, and of `Runtime`.

    Returns:
        The runtime.

    Raises:
        NoRuntime: No model is given, and none is named in TYPEFOLD_MODEL.
        PromptUsageError: There is no such option or folder, or an option is out of range.

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

    Example:
        >>> from typefold import Runtime, current
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> with Runtime(ScriptedEngine()) as runtime:
        ...     current() is runtime
        True
    """
    global _of_environment
    if (found := find_current()) is not None:
        return found
    if blocks := blocks_here():
        raise NoRuntime([block.runtime.name for block in blocks])
    with _default_lock:
        if _default is not None:
            return _default
        if others := _others():
            raise NoRuntime([each.name for each in others], os.environ.get("TYPEFOLD_MODEL"))
        if _of_environment is None:
            for each in inherited:
                each.check_process()
            _of_environment = Runtime()
            logger.info("calls that name no runtime are answered by %s, as TYPEFOLD_MODEL says", _of_environment.name)
        return _of_environment


def find_current() -> Runtime | None:
    """Return the runtime that `current` gives, if it is there already; none is made."""
    blocks = blocks_here()
    if blocks:
        runtime = blocks[0].runtime
        return runtime if len(blocks) == 1 and isinstance(runtime, Runtime) else None
    return _default or (None if _others() else _of_environment)


def _others() -> list[OpenRuntime]:
    return [each for each in opened if each is not _of_environment and each.stands_alone]


def _forked() -> None:
    global _default, _of_environment
    _default = _of_environment = None


in_child(_forked)


@atexit.register
def _close_all() -> None:
    for runtime in list(opened):
        runtime.close()
