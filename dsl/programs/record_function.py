"""A function to be called for records: its parameters by name, its return type, and its calls over many rows.

Left out: reading a record into arguments, which `record_arguments` does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from returns.result import Result

from typefold.compiler.contained import first_line
from typefold.errors import PromptUsageError
from typefold.programs.run import run
from typefold.signatures.parameters import Parameter, hints_of, is_async, parameters_of
from typefold.tables.columns import Unfit

R = TypeVar("R", bound="HasArguments")


@dataclass(frozen=True)
class Target:
    """A function to be called for rows, a prompt or any other; `name` is its name in messages."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def is_async(self) -> bool:
        return is_async(self.function)


class HasArguments(Protocol):
    """A row that holds a function's arguments."""

    @property
    def arguments(self) -> Mapping[str, Any]: ...


def target_of(function: Callable[..., Any], name: str) -> Target:
    """Return a function as one to be called for rows."""
    hint_of = hints_of(function, {})
    try:
        return Target(name, function, parameters_of(function, name, hint_of), hint_of("return"))
    except NameError as error:
        raise PromptUsageError(
            f"{getattr(function, '__name__', function)}: an annotation names something that is not defined: {error}"
        ) from error


def streamed(
    target: Target,
    rows: Iterable[R | Unfit],
    *,
    key: Callable[[R], object] | None = None,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[tuple[int, Result[Any, Exception]]]:
    """Call a function for rows, and yield each row's index and result as it ends.

    An `Unfit` is handed back as a failure, in its place. `key` names a row for a journal, by default its arguments do. Each
    call is made within `guard`.
    """
    every: Iterable[Any] = rows
    return run.stream(of_row(target, guard), every, key=key or (lambda row: row.arguments))


def of_row(
    target: Target, guard: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Callable[[HasArguments], Any]:
    """Return a function of one row that calls a function with the row's arguments; `async def` if that is."""
    function = target.function

    def call(row: HasArguments) -> Any:
        with guard():
            return function(**row.arguments)

    async def call_async(row: HasArguments) -> Any:
        with guard():
            awaited: Coroutine[Any, Any, Any] = function(**row.arguments)
            return await awaited

    return call_async if target.is_async else call


def arrow_form(target: Target) -> tuple[Any, Callable[[Any], Any]]:
    """Return the Arrow type of a function's results, and the conversion of a result to it."""
    from typefold.tables.arrow import arrow_type, arrow_value, plain_form

    try:
        kind = arrow_type(target.returns)
    except Exception as error:
        raise PromptUsageError(f"{target.name}: its return type has no Arrow type: {first_line(error)}") from error
    plain = plain_form(target.returns)
    return kind, lambda value: arrow_value(plain(value), kind)
