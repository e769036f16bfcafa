"""Errors that are about the program and not about a row: misuse, a missing runtime, and a batch with failures in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from returns.result import Result

from typefold.runtime import PromptError

__all__ = ["BatchError", "NoRuntime", "PromptUsageError"]


class PromptUsageError(TypeError):
    """A prompt function is written or used in a way that can't work; the message shows the way that does."""


class NoRuntime(RuntimeError):
    """A prompt was called, but no model has been named."""

    def __init__(self) -> None:
        super().__init__(
            "no runtime: name a model with typefold.configure('org/model'), with the environment variable "
            "TYPEFOLD_MODEL, or call inside `with typefold.Runtime('org/model'):`"
        )

    def __reduce__(self) -> tuple[Callable[[], NoRuntime], tuple[()]]:
        return NoRuntime, ()


class BatchError(Exception):
    """Some rows of a batch failed; every row's outcome is here.

    Attributes:
        results: A `Result` for each row, in order: `Success(value)` or `Failure(error)`.
        failures: The errors alone, in order; each names its row.
    """

    def __init__(self, results: Sequence[Result[Any, Exception]]) -> None:
        super().__init__(results)
        self.results = list(results)
        self.failures = [result.failure() for result in self.results if not _succeeded(result)]

    def __str__(self) -> str:
        failed = [(row, result.failure()) for row, result in enumerate(self.results) if not _succeeded(result)]
        shown = "\n".join(f"  {_line(row, error)}" for row, error in failed[:5])
        more = len(self.failures) - 5
        rest = f"\n  and {more} more" if more > 0 else ""
        return (
            f"{len(self.failures)} of {len(self.results)} rows failed (every outcome is in .results; "
            f"use .safe.map, run.safe or gather.safe to get them without this error):\n{shown}{rest}"
        )


def _line(row: int, error: Exception) -> str:
    """An error of typefold's says where it happened; another does not."""
    return str(error) if isinstance(error, PromptError) else f"row {row}: {type(error).__name__}: {error}"


def _succeeded(result: Result[Any, Exception]) -> bool:
    from returns.pipeline import is_successful

    return is_successful(result)
