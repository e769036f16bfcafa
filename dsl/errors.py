"""Errors of the program or the machine, and `BatchError`, which holds the failures of a batch; the reader of small files refuses by them.

Errors of single rows are `PromptError`s, of the runtime room.
"""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any

from returns.result import Result, Success

from typefold.compiler import TemplateError, UnsupportedType
from typefold.compiler.contained import describe_exception, first_line
from typefold.compiler.guards import is_dict
from typefold.runtime import Cancelled, PromptError
from typefold.runtime.journal import JournalError
from typefold.runtime.ownership import UsedAfterFork


class PromptUsageError(TypeError):
    """A prompt function is written or used in a way that can't work; the message shows the way that does."""


class NoRuntime(RuntimeError):
    """A prompt was called, but no model has been named; or several runtimes are open, and the call names none of them.

    Attributes:
        open: The names of the open runtimes, where it can't be told which is meant.
        model: The model that TYPEFOLD_MODEL names beside them.
    """

    def __init__(self, open: Sequence[str] = (), model: str | None = None) -> None:
        super().__init__(open, model)
        self.open = [*open]
        self.model = model

    def __str__(self) -> str:
        if not self.open:
            return (
                "no runtime: name a model with typefold.configure('org/model'), with the environment variable "
                "TYPEFOLD_MODEL, or call inside `with typefold.Runtime('org/model'):`"
            )
        names = " and ".join(f"Runtime({name!r})" for name in self.open)
        one = len(self.open) == 1
        where = "is not in its `with` block" if one else "can't be told to be in the `with` block of one of them"
        beside = f"; TYPEFOLD_MODEL names {self.model!r}, which is not loaded beside {'it' if one else 'them'}"
        return (
            f"{names} {'is' if one else 'are'} open, but this call names none and {where}{beside if self.model else ''}. Say "
            "which is meant: call inside `with runtime:`, by prompt.using(runtime=runtime), or after "
            "typefold.configure(runtime). (A thread that began before a `with` block was entered is not in it, unless it "
            "works in a copy of its context: contextvars.copy_context().run)"
        )


class EngineLoadError(RuntimeError):
    """The engine of a model can't be loaded. It was tried once, and the job that needed it is over.

    A new job (another `run`, `.map`, call in a notebook) tries again. The exception that loading raised is the cause
    (`__cause__`) of the first of these.

    Attributes:
        model: The model's name or path, or another name for it.
        reason: The error of the load, in words.
    """

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        less = "; lower gpu_memory_utilization, max_model_len or max_num_seqs, or free the memory that others hold"
        todo = less if "out of memory" in self.reason.lower() else ""
        return f"the engine of {self.model} can't be loaded: {self.reason}{todo}"


AT_ONCE: tuple[type[Exception], ...] = (
    EngineLoadError,
    JournalError,
    NoRuntime,
    PromptUsageError,
    TemplateError,
    UnsupportedType,
    UsedAfterFork,
)
"""Errors that are about no row: they end a batch at once, in any row."""


class BatchError(Exception):
    """Some rows of a batch failed; it holds the result of every row. Its cause is the error of the first failed row.

    Args:
        results: The results.
        rows: The row of each; by default they are numbered from 0.
        max_failures: The number of failures that was allowed, where more ended the batch early.

    Attributes:
        results: A `Result` for each row, in order: `Success(value)` or `Failure(error)`. Where the batch was ended early,
            rows that had not finished are `Cancelled`; of `run.stream` only the failures are here.
        failures: The errors alone, in order.
        failed_rows: The same by row.
        max_failures: The number of failures that was allowed, if more ended the batch early.

    Example:
        >>> from typefold import BatchError, Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def half(number: int) -> int:
        ...     return ask(f"Half of {number}?")
        >>> with Runtime(ScriptedEngine(answers=["2"])):
        ...     try:
        ...         half.map([4, "five"])
        ...     except BatchError as error:
        ...         error.results[0], list(error.failed_rows)
        (<Success: 2>, [1])
    """

    def __init__(
        self,
        results: Sequence[Result[Any, Exception]],
        rows: Sequence[int] | None = None,
        max_failures: int | None = None,
    ) -> None:
        super().__init__(results, rows, max_failures)
        self.results = results if isinstance(results, list) else list(results)
        numbers = range(len(self.results)) if rows is None else rows
        self.failed_rows = {
            row: result.failure()
            for row, result in zip(numbers, self.results, strict=True)
            if not isinstance(result, Success)
        }
        self.failures = list(self.failed_rows.values())
        self.max_failures = max_failures
        own = [(row, error) for row, error in self.failed_rows.items() if not self._is_left(error)]
        shown = own[:5]
        if len(own) > 5 and all(isinstance(error, PromptError) for _, error in shown):
            shown += [each for each in own if not isinstance(each[1], PromptError)][:1]  # a bug is not to hide
        self._lines = "".join(f"\n  {_line(row, error)}" for row, error in shown)  # pickle takes no tracebacks
        self._more = len(own) - len(shown)
        self.__cause__ = own[0][1] if own else None

    def __str__(self) -> str:
        failed, rows = len(self.failures), len(self.results)
        rest = f"\n  and {self._more} more" if self._more > 0 else ""
        if self.max_failures is not None:
            left = sum(map(self._is_left, self.failures))
            own = failed - left
            return (
                f"{own} row{'' if own == 1 else 's'} failed, more than max_failures={self.max_failures}, so the batch was ended"
                f"{f' before {left} others had' if left else ''} (what had ended is in .results):{self._lines}{rest}"
            )
        return (
            f"{failed} of {rows} rows failed (every outcome is in .results; "
            f"use .safe.map, run.safe or gather.safe to get them without this error):{self._lines}{rest}"
        )

    def _is_left(self, error: Exception) -> bool:
        """Return whether a row did not fail itself, but was left when others had."""
        return self.max_failures is not None and isinstance(error, Cancelled)


def place_of(error: BaseException) -> str:
    """Return the innermost line of the program in an exception's traceback: `file.py:9, in tag`; else nothing."""
    frames = [each for each in walk_tb(error.__traceback__) if not _is_ours(each[0].f_globals.get("__name__"))]
    own = [each for each in frames if not each[0].f_code.co_filename.startswith(_LIBRARIES)]
    if not frames:
        return ""
    frame, line = (own or frames)[-1]
    return f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"


_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _line(row: int, error: Exception) -> str:
    if isinstance(error, PromptError):
        return str(error)
    first, *more = describe_exception(error).split("\n")
    place = f" ({place})" if (place := place_of(error)) else ""
    return "\n".join([f"row {row}: {first}{place}", *more])


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and (module == "typefold" or module.startswith("typefold."))


def saved_object(path: str | os.PathLike[str], mark: str, form: int, *, kind: str, how: str) -> dict[str, Any]:
    """Return the object that a small file of JSON holds, without its mark, which says its kind and the version of its form.

    Reading it runs no code. A byte order mark, as editors put one, is left out.

    Args:
        path: The file.
        mark: The name of the mark.
        form: The version of the form that is known here.
        kind: The word for its content, in messages: "calibration".
        how: The way to write such a file, in messages.

    Raises:
        PromptUsageError: The file is none of the kind, or of a later typefold.
        OSError: It can't be read.
    """
    try:
        held: Any = json.loads(Path(path).read_bytes().decode("utf-8-sig", "surrogatepass"))
    except (TypeError, ValueError, RecursionError) as error:
        raise PromptUsageError(f"{path!s}: this is no {kind} ({first_line(error)}); {how}") from None
    found = held.pop(mark, None) if is_dict(held) else None
    if type(found) is not int or found < 1:
        raise PromptUsageError(f"{path!s}: this is no {kind}; {how}")
    if found != form:
        raise PromptUsageError(f"{path!s}: a later typefold wrote this {kind}; update typefold, or make it anew")
    content: dict[str, Any] = held
    return content
