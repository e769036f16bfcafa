"""A function called for rows that hold its arguments, by name, and the form of what it returns in Arrow."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from returns.result import Result

from typefold.compiler.contained import first_line
from typefold.errors import PromptUsageError
from typefold.programs.record_function import Target
from typefold.programs.run import run
from typefold.tables.columns import Unfit

__all__ = ["Asks", "arrow_form", "of_row", "streamed"]

R = TypeVar("R", bound="Asks")


class Asks(Protocol):
    """Something to call a function for."""

    @property
    def arguments(self) -> Mapping[str, Any]: ...


def streamed(
    target: Target,
    rows: Iterable[R | Unfit],
    *,
    key: Callable[[R], object] | None = None,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[tuple[int, Result[Any, Exception]]]:
    """Call a function for rows; each row's index and result as it ends.

    Args:
        target: The function.
        rows: The objects that hold its arguments; an `Unfit` is handed back as a failure, in its place.
        key: What a journal knows a row by; its arguments unless given.
        guard: What each call is made in.
    """
    every: Iterable[Any] = rows
    return run.stream(of_row(target, guard), every, key=key or _arguments)


def of_row(target: Target, guard: Callable[[], AbstractContextManager[None]] = nullcontext) -> Callable[[Asks], Any]:
    """A function as one of a single argument, a row that holds its arguments; `async def` if it is one.

    Args:
        target: The function.
        guard: What each call is made in.
    """
    function = target.function

    def call(row: Asks) -> Any:
        with guard():
            return function(**row.arguments)

    async def call_async(row: Asks) -> Any:
        with guard():
            awaited: Coroutine[Any, Any, Any] = function(**row.arguments)
            return await awaited

    return call_async if target.is_async else call


def _arguments(row: Asks) -> Mapping[str, Any]:
    return row.arguments


def arrow_form(target: Target) -> tuple[Any, Callable[[Any], Any]]:
    """The Arrow type of a function's results, and what makes a result fit it.

    Raises:
        PromptUsageError: Its return type has none.
    """
    from typefold.tables.arrow import arrow_plain, arrow_type, arrow_value

    try:
        kind = arrow_type(target.returns)
    except Exception as error:
        raise PromptUsageError(f"{target.name}: its return type has no Arrow type: {first_line(error)}") from error
    taken_apart = arrow_plain(target.returns)
    return kind, lambda value: arrow_value(taken_apart(value), kind)
