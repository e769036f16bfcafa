"""`run`: a plain program, written for one row, over many rows as one continuous batch.

Each row's call runs in a greenlet of its own (an `async def` in a task). A prompt call inside parks the row, its request
joins the engine at once, and the row goes on when *its* answer is there: no waves. Rows are taken from the input as
others end, a few times as many at once as the engine runs.

Rows take turns in the caller's thread, so state that they share needs no lock but is shared: module globals, a lock held
over a prompt call, `redirect_stdout`. Each row has its own context variables. A row that blocks otherwise (`time.sleep`, a
database call) holds the other rows up, though not the engine.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar, overload

from returns.result import Failure, Result, Success
from typing_extensions import TypedDict, TypeVarTuple, Unpack

from typefold.errors import AT_ONCE, BatchError, PromptUsageError
from typefold.execution.call import values
from typefold.execution.executor import FailureLimit, in_order
from typefold.execution.greenlets import awaited
from typefold.execution.progress import Progress
from typefold.graphs.rows import AsyncRows, CallersLoop, Rows, Starter, default_rows_in_flight
from typefold.options import check_max_failures
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.prompt import Prompt
from typefold.runtime import BadInput
from typefold.signatures.parameters import Parameters, is_async, name_of
from typefold.tables.columns import Unfit, indexed, length, rows_of, spread
from typefold.tables.named_rows import NamedRows, named_rows, number_of

A = TypeVar("A")
K = TypeVar("K")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class RunOptions(TypedDict, Generic[K], total=False, closed=True):
    """The options of `run` and its other forms; `run` describes them."""

    max_rows_in_flight: int | None
    key: K | None
    max_failures: int | None


# fmt: off
class AsyncRun:
    """`run.aio`: `run` in code of an event loop, which goes on meanwhile. Call it, or one of its other forms.

    Rows of an `async def` are tasks of that loop, so they may share what belongs to it: a client's session, a lock. Rows of
    a plain function take turns in the loop's thread, which goes on where they wait for answers. Cancelling the task that
    waits ends the rows that are left.
    """

    @overload
    async def __call__(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    @overload
    async def __call__(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    @overload
    async def __call__(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    # fmt: on
    async def __call__(self, function: Callable[[Any], Any], rows: Iterable[Any], /, **options: Any) -> Any:
        """Run a function for every row; see `run`, which has the same arguments and errors.

        Returns:
            The function's values, one a row, in order.

        Example:
            >>> import asyncio
            >>> from typefold import run
            >>> async def shout(text: str) -> str:
            ...     return text.upper()
            >>> async def main() -> None:
            ...     print(await run.aio(shout, ["a", "b"]))
            >>> asyncio.run(main())
            ['A', 'B']
        """
        return await _in_loop(lambda run: run(function, rows, **options))

    # fmt: off
    @overload
    async def starmap(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], rows: Iterable[tuple[*Ts]], /, **options: Unpack[RunOptions[Callable[[Unpack[Ts]], object]]]) -> list[T]: ...
    @overload
    async def starmap(self, function: Callable[[Unpack[Ts]], T], rows: Iterable[tuple[*Ts]], /, **options: Unpack[RunOptions[Callable[[Unpack[Ts]], object]]]) -> list[T]: ...
    # fmt: on
    async def starmap(self, function: Callable[..., Any], rows: Iterable[Any], /, **options: Any) -> Any:
        """Run a function of several arguments for every row; see `run.starmap`.

        Example:
            >>> import asyncio
            >>> from typefold import run
            >>> asyncio.run(run.aio.starmap(pow, [(2, 3), (3, 2)]))
            [8, 9]
        """
        return await _in_loop(lambda run: run.starmap(function, rows, **options))

    # fmt: off
    @overload
    async def map_rows(self, function: Callable[..., Coroutine[Any, Any, T]], rows: NamedRows, /, *, max_rows_in_flight: int | None = None, max_failures: int | None = None) -> list[T]: ...
    @overload
    async def map_rows(self, function: Callable[..., T], rows: NamedRows, /, *, max_rows_in_flight: int | None = None, max_failures: int | None = None) -> list[T]: ...
    # fmt: on
    async def map_rows(self, function: Callable[..., Any], rows: NamedRows, /, **options: Any) -> Any:
        """Run a function for every row, whose columns go to the parameters of their names; see `run.map_rows`.

        Example:
            >>> import asyncio
            >>> from typefold import run
            >>> async def label(text: str, stars: int = 3) -> str:
            ...     return f"{text}: {'*' * stars}"
            >>> asyncio.run(run.aio.map_rows(label, [{"text": "good", "stars": 2}, {"text": "fine"}]))
            ['good: **', 'fine: ***']
        """
        return await _in_loop(lambda run: run.map_rows(function, rows, **options))

    # fmt: off
    @overload
    async def safe(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    @overload
    async def safe(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    @overload
    async def safe(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    # fmt: on
    async def safe(self, function: Callable[[Any], Any], rows: Iterable[Any], /, **options: Any) -> Any:
        """Run a function for every row and return a `Result` (returns) for each, in place of errors; see `run.safe`.

        Example:
            >>> import asyncio
            >>> from typefold import run
            >>> asyncio.run(run.aio.safe(int, ["1", "x"]))
            [<Success: 1>, <Failure: invalid literal for int() with base 10: 'x'>]
        """
        return await _in_loop(lambda run: run.safe(function, rows, **options))

    # fmt: off
    @overload
    def stream(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> AsyncGenerator[tuple[int, Result[T, Exception]]]: ...
    @overload
    def stream(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> AsyncGenerator[tuple[int, Result[T, Exception]]]: ...
    @overload
    def stream(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> AsyncGenerator[tuple[int, Result[T, Exception]]]: ...
    # fmt: on
    def stream(self, function: Callable[[Any], Any], rows: Iterable[Any], /, **options: Any) -> Any:
        """Run a function for every row and yield each row's index and `Result` as it ends, to `async for`; see `run.stream`.

        A loop that may be left early closes it with `contextlib.aclosing`, which waits until the other rows have ended.

        Example:
            >>> import asyncio
            >>> from typefold import run
            >>> async def main() -> None:
            ...     async for index, result in run.aio.stream(str.upper, iter("ab")):
            ...         print(index, result.unwrap())
            >>> asyncio.run(main())
            0 A
            1 B
        """
        check_max_failures(options.get("max_failures"), where="run")
        return _async_stream(lambda run: run.stream(function, rows, **options))


# fmt: off
class Run:
    """The class of `typefold.run`: call it, or one of its other forms."""

    aio = AsyncRun()
    """The same in code of an event loop: `await run.aio(function, rows)`."""

    def __init__(self, on: CallersLoop | None = None) -> None:
        self._on = on  # the loop of `run.aio`

    def __reduce__(self) -> str:
        return "run"  # of the package that the class says it is of

    @overload
    def __call__(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    @overload
    def __call__(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    @overload
    def __call__(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[T]: ...
    # fmt: on
    def __call__(
        self,
        function: Callable[[Any], Any],
        rows: Iterable[Any],
        /,
        *,
        max_rows_in_flight: int | None = None,
        key: Callable[[Any], object] | None = None,
        max_failures: int | None = None,
    ) -> Any:
        """Run a function for every row.

        Args:
            function: A program for one row, of one argument; it may call prompts, itself, anything. `async def` too.
            rows: Its arguments, one for each row; any iterable, or a column: a Series of pandas or polars, a pyarrow array.
            max_rows_in_flight: The number of rows in progress at once at most; by default four times the engine's
                `max_num_seqs`.
            key: Names a row for a journal: its answers are found again under this name, whatever else its input says. By
                default the whole input names a row.
            max_failures: The number of rows that may fail. With one more the batch is ended, requests in flight are
                cancelled, and `BatchError` is raised with the rows that had ended. By default all rows end, since a failure
                says little of the other rows.

        Returns:
            The function's values, one a row, in order.

        Raises:
            BatchError: Some rows raised; it holds every row's `Result`. All rows have ended by then, unless
                `max_failures` says otherwise.
            EngineLoadError: The engine can't be loaded. Like `JournalError`, `NoRuntime` and `PromptUsageError` this is
                about no row, and ends the batch at once.

        Example:
            >>> from typefold import Runtime, ask, prompt, run
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def double(number: int) -> int:
            ...     return ask(f"Twice {number}?")
            >>> def twice(number: int) -> int:
            ...     return double(double(number))
            >>> with Runtime(ScriptedEngine(answers=lambda request: "4")):
            ...     run(twice, [1, 2, 3])
            [4, 4, 4]
        """
        calls = _single(function, rows)
        return values(indexed(self._all(function, calls, max_rows_in_flight, key, max_failures, length(rows)), rows))

    # fmt: off
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], rows: Iterable[tuple[*Ts]], /, **options: Unpack[RunOptions[Callable[[Unpack[Ts]], object]]]) -> list[T]: ...
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], T], rows: Iterable[tuple[*Ts]], /, **options: Unpack[RunOptions[Callable[[Unpack[Ts]], object]]]) -> list[T]: ...
    # fmt: on
    def starmap(
        self,
        function: Callable[..., Any],
        rows: Iterable[Any],
        /,
        *,
        max_rows_in_flight: int | None = None,
        key: Callable[..., object] | None = None,
        max_failures: int | None = None,
    ) -> Any:
        """Run a function of several arguments for every row; see `run`.

        Args:
            function: A program for one row, `async def` too.
            rows: Tuples of its arguments, in their order.
            max_rows_in_flight: The number of rows in progress at once at most.
            key: Names a row for a journal, from the same arguments.
            max_failures: The number of rows that may fail; all by default.

        Returns:
            The function's values, one a row, in order.

        Raises:
            BatchError: Some rows raised; it holds every row's `Result`.

        Example:
            >>> from typefold import run
            >>> run.starmap(pow, [(2, 3), (3, 2)])
            [8, 9]
        """
        return values(self._all(function, fit(function, spread(rows)), max_rows_in_flight, key, max_failures, length(rows)))

    # fmt: off
    @overload
    def map_rows(self, function: Callable[..., Coroutine[Any, Any, T]], rows: NamedRows, /, *, max_rows_in_flight: int | None = None, max_failures: int | None = None) -> list[T]: ...
    @overload
    def map_rows(self, function: Callable[..., T], rows: NamedRows, /, *, max_rows_in_flight: int | None = None, max_failures: int | None = None) -> list[T]: ...
    # fmt: on
    def map_rows(
        self,
        function: Callable[..., Any],
        rows: NamedRows,
        /,
        *,
        max_rows_in_flight: int | None = None,
        max_failures: int | None = None,
    ) -> Any:
        """Run a function for every row, whose columns go to the parameters of their names; see `run` and `Prompt.map_rows`.

        Args:
            function: A program for one row, `async def` too.
            rows: Mappings, or a table with named columns.
            max_rows_in_flight: The number of rows in progress at once at most.
            max_failures: The number of rows that may fail; all by default.

        Returns:
            The function's values, one a row, in order.

        Raises:
            BatchError: Some rows raised; it holds every row's `Result`.
            PromptUsageError: A table has no column for a parameter that needs one, or these are no rows with names.

        Example:
            >>> from typefold import run
            >>> def label(text: str, stars: int = 3) -> str:
            ...     return f"{text}: {'*' * stars}"
            >>> run.map_rows(label, [{"text": "good", "stars": 2}, {"text": "fine"}])
            ['good: **', 'fine: ***']
        """
        skipped, namespace = bound_of(function)
        named = named_rows(function, name_of(function), rows, skipped=skipped, namespace=namespace)
        calls = fit(function, named)
        total = number_of(rows)
        return values(indexed(self._all(by_name(function), calls, max_rows_in_flight, None, max_failures, total), rows))

    # fmt: off
    @overload
    def safe(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    @overload
    def safe(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    @overload
    def safe(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> list[Result[T, Exception]]: ...
    # fmt: on
    def safe(
        self,
        function: Callable[[Any], Any],
        rows: Iterable[Any],
        /,
        *,
        max_rows_in_flight: int | None = None,
        key: Callable[[Any], object] | None = None,
        max_failures: int | None = None,
    ) -> Any:
        """Run a function for every row and return a `Result` (returns) for each, in place of errors; else as `run`.

        Returns:
            `Success(value)` or `Failure(error)` for each row, in order.

        Raises:
            BatchError: More than `max_failures` rows failed.

        Example:
            >>> from typefold import run
            >>> run.safe(int, ["1", "x"])
            [<Success: 1>, <Failure: invalid literal for int() with base 10: 'x'>]
        """
        calls = _single(function, rows)
        return indexed(self._all(function, calls, max_rows_in_flight, key, max_failures, length(rows)), rows)

    # fmt: off
    @overload
    def stream(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> Generator[tuple[int, Result[T, Exception]]]: ...
    @overload
    def stream(self, function: Prompt[Callable[[A], T]], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> Generator[tuple[int, Result[T, Exception]]]: ...
    @overload
    def stream(self, function: Callable[[A], T], rows: Iterable[A], /, **options: Unpack[RunOptions[Callable[[A], object]]]) -> Generator[tuple[int, Result[T, Exception]]]: ...
    # fmt: on
    def stream(
        self,
        function: Callable[[Any], Any],
        rows: Iterable[Any],
        /,
        *,
        max_rows_in_flight: int | None = None,
        key: Callable[[Any], object] | None = None,
        max_failures: int | None = None,
    ) -> Any:
        """Run a function for every row and yield each row's index and `Result` as it ends; else as `run`.

        Memory is bounded by the rows in flight, not by the rows in the job: the input is taken from only as rows end. Rows go
        on while the iterator is asked for the next one. Closing it ends the rows that are left.

        Returns:
            A generator of `(index, Result)`.

        Raises:
            BatchError: More than `max_failures` rows failed, which it holds; all have been yielded by then.

        Example:
            >>> from typefold import run
            >>> sorted((index, result.unwrap()) for index, result in run.stream(str.upper, iter("ab")))
            [(0, 'A'), (1, 'B')]
        """
        check_max_failures(max_failures, where="run")
        stream = as_ended(function, _single(function, rows), max_rows_in_flight, key, on=self._on)
        return _watched(stream, max_failures, length(rows))

    def _all(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Any, ...] | BadInput],
        max_rows_in_flight: int | None,
        key: Callable[..., object] | None,
        max_failures: int | None,
        total: int | None,
    ) -> list[Result[Any, Exception]]:
        check_max_failures(max_failures, where="run")
        return in_order(as_ended(function, calls, max_rows_in_flight, key, on=self._on), total, max_failures)


run = Run()
"""Run a plain program over many rows as one continuous batch; see `Run.__call__`."""


def as_ended(
    function: Callable[..., Any],
    rows: Iterable[tuple[Any, ...] | BadInput],
    max_rows_in_flight: int | None = None,
    key: Callable[..., object] | None = None,
    indices: Iterable[int] | None = None,
    on: CallersLoop | None = None,
) -> Generator[tuple[int, Result[Any, Exception]]]:
    """Yield the result of each row of arguments as it ends, with its index: its place, unless `indices` has others."""
    if max_rows_in_flight is not None and (type(max_rows_in_flight) is not int or max_rows_in_flight < 1):
        raise PromptUsageError(f"run: max_rows_in_flight is a number of rows of at least 1, not {max_rows_in_flight!r}")
    if not callable(function):
        raise PromptUsageError(
            f"run: the first argument is the function to call for each row, not {type(function).__name__}"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PromptUsageError(
            f"run: {name_of(function)} yields, so that a call runs none of it; return the row's value"
        )
    starter: Starter[Any] = AsyncRows(function, key=key, on=on) if is_async(function) else Rows(_checked(function), key=key)
    source = zip(count() if indices is None else indices, rows, strict=False)
    exhausted = False
    try:
        while not exhausted or starter.active:
            if exhausted or starter.failed or starter.active >= (max_rows_in_flight or default_rows_in_flight()):
                yield _of_row(starter, starter.next())
                continue
            try:
                index, arguments = next(source)
            except StopIteration:
                exhausted = True
                continue
            if isinstance(arguments, BadInput):
                yield index, Failure(arguments)
            else:
                starter.start(index, *arguments)
                _of_row(starter, None)
    finally:
        starter.close()


async def _in_loop(ask: Callable[[Run], T]) -> T:
    on = CallersLoop()
    try:
        return await awaited(partial(ask, Run(on)))
    finally:
        await on.ended()


async def _async_stream(ask: Callable[[Run], Generator[T]]) -> AsyncGenerator[T]:
    on = CallersLoop()
    stream = ask(Run(on))
    try:
        while (ended := await awaited(partial(next, stream, None))) is not None:
            yield ended
    finally:
        stream.close()
        await on.ended()


def _watched(
    stream: Generator[tuple[int, Result[Any, Exception]]], max_failures: int | None, total: int | None
) -> Generator[tuple[int, Result[Any, Exception]]]:
    """Count the rows of a stream; nothing is drawn, since the program may print between them."""
    failed: dict[int, Result[Any, Exception]] = {}  # kept only where their number matters
    limit = FailureLimit(max_failures)
    with closing(stream), Progress(total, draw=False) as progress:
        for index, result in stream:
            bad = not isinstance(result, Success)
            progress.row(failed=bad)
            yield index, result
            if bad and max_failures is not None:
                failed[index] = result
                if limit.count():
                    raise BatchError([*failed.values()], [*failed], max_failures)


def _of_row(starter: Starter[Any], ended: tuple[int, Result[Any, Exception]] | None) -> Any:
    """Return a row that has ended, or raise an error that is about no row."""
    if ended is not None and isinstance(result := ended[1], Failure) and isinstance(result.failure(), AT_ONCE):
        raise result.failure()
    if starter.batch.fault is not None:
        raise starter.batch.fault
    return ended


def _single(function: Callable[..., Any], rows: Iterable[Any]) -> Generator[tuple[Any, ...] | BadInput]:
    """Yield rows of one argument; of a column its cells."""
    return fit(function, (cell if isinstance(cell, Unfit) else (cell,) for cell in rows_of(rows, function)))


def fit(
    function: Callable[..., Any], rows: Iterable[tuple[Any, ...] | dict[str, Any] | Unfit]
) -> Generator[tuple[Any, ...] | BadInput]:
    """Yield rows of arguments, and an error for a row with a missing value that its parameter does not take.

    Arguments by name go as one argument.
    """
    parameters = Parameters(function)
    for row, given in enumerate(rows):
        if isinstance(given, Unfit):
            yield BadInput(function=name_of(function), row=row, reason=given.reason)
            continue
        reason = parameters.missing(given if isinstance(given, dict) else parameters.by_name(given))
        if reason is None:
            yield given if isinstance(given, tuple) else (given,)
        else:
            yield BadInput(function=name_of(function), row=row, reason=reason)


def bound_of(function: object) -> tuple[int, Mapping[str, Any]]:
    """Return the number of arguments that a prompt has already (the instance of a method), and the names around it."""
    if not isinstance(function, BasePrompt):
        return 0, {}
    spec = spec_of(function)  # pyright: ignore[reportUnknownArgumentType]  # any prompt
    return len(spec.bound), spec.definition.namespace


def by_name(function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function of one argument that holds a function's arguments by name; `async def` if that is."""

    def call(arguments: Mapping[str, Any]) -> Any:
        return function(**arguments)

    async def call_async(arguments: Mapping[str, Any]) -> Any:
        return await function(**arguments)

    named = call_async if is_async(function) else call
    named.__name__ = name_of(function)
    return named


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        value = function(*arguments)
        if inspect.iscoroutine(value):
            value.close()
            raise PromptUsageError("run: the function returned a coroutine; give run the `async def` function itself")
        return value

    return call
