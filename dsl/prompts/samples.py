"""Several answers to one call: the function that `prompt.sample(n)` returns.

Each sample is a request of its own, so that one that fails fails alone and each has its own seed, retries and place in a
journal. vLLM's own `n` would make one row of them that ends with its slowest sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, overload

from returns.result import Result
from typing_extensions import TypeVarTuple, Unpack

from typefold.errors import PromptUsageError
from typefold.execution.call import Call
from typefold.execution.executor import run_calls, run_calls_async
from typefold.execution.strategies import strategy_of
from typefold.prompts.base_prompt import A, B, C, D, F_co, OfFunction, P, R
from typefold.prompts.spec import PromptSpec
from typefold.runtime import PromptError
from typefold.tables.named_rows import NamedRows, number_of

Q = ParamSpec("Q")
Ts = TypeVarTuple("Ts")


class _BaseSamples(OfFunction[F_co]):
    """Base class of `Samples` and `AsyncSamples`: a prompt's spec and the number of answers to each call."""

    def __init__(self, spec: PromptSpec, n: int) -> None:
        _check(spec, n)
        self._spec = spec
        self._n = n
        self.__wrapped__ = spec.definition.function

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self._spec, self._n)

    def __repr__(self) -> str:
        return f"<{self._n} samples of {self._spec.name}{self._spec.definition.signature}>"

    def _drawn(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Call[Any] | PromptError]:
        return list(self._spec.drawn(self._spec.once(args, kwargs), self._n))

    def _rows(self, calls: Iterable[Call[Any] | PromptError], rows: object) -> list[Result[Any, PromptError]]:
        number = number_of(rows)
        total = None if number is None else number * self._n
        return run_calls(self._spec.sampled(calls, self._n), total, self._spec.options.max_failures)

    async def _rows_awaited(self, calls: Iterable[Call[Any] | PromptError]) -> list[Result[Any, PromptError]]:
        return await run_calls_async(self._spec.sampled(calls, self._n), self._spec.options.max_failures)

    def _grouped(self, results: list[Result[Any, PromptError]]) -> list[list[Any]]:
        flat = self._spec.unwrap(results)
        return [list(flat[first : first + self._n]) for first in range(0, len(flat), self._n)]


class Samples(_BaseSamples[F_co]):
    """A prompt function that gives several answers to each call. Made by `Prompt.sample`.

    Example:
        >>> from typefold import Runtime, ask, majority, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt(temperature=0.8)
        ... def add(one: int, other: int) -> int:
        ...     return ask(f"{one} + {other}?")
        >>> with Runtime(ScriptedEngine(answers=["5", "6", "5"])):
        ...     majority(add.sample(3)(2, 3)).winner
        5
    """

    def __call__(self: Samples[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Draw the samples of one call, as one batch.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            The values.

        Raises:
            TypeError: The arguments don't fit the function.
            BatchError: Some samples failed; it holds the `Result` of each.
        """
        return self._spec.unwrap(run_calls(self._drawn(args, kwargs), max_failures=self._spec.options.max_failures))

    def map(
        self: Samples[Callable[Concatenate[A, Q], R]],
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[R]]:
        """Draw the samples of every item, all as one batch: a list for each item; see `Prompt.map`.

        Args:
            items: Values of the first parameter: any iterable, or a column.
            *args: The other parameters, the same for every row.
            **kwargs: The other parameters, by name.
        """
        return self._grouped(self._rows(self._spec.mapped(items, args, kwargs), items))

    # One a length of rows: those may leave out what has defaults.
    # fmt: off
    @overload
    def starmap(self: Samples[Callable[[A], R]], rows: Iterable[tuple[A]], /) -> list[list[R]]: ...
    @overload
    def starmap(self: Samples[Callable[[A, B], R]], rows: Iterable[tuple[A, B]], /) -> list[list[R]]: ...
    @overload
    def starmap(self: Samples[Callable[[A, B, C], R]], rows: Iterable[tuple[A, B, C]], /) -> list[list[R]]: ...
    @overload
    def starmap(self: Samples[Callable[[A, B, C, D], R]], rows: Iterable[tuple[A, B, C, D]], /) -> list[list[R]]: ...
    @overload
    def starmap(self: Samples[Callable[[Unpack[Ts]], R]], rows: Iterable[tuple[*Ts]], /) -> list[list[R]]: ...
    # fmt: on
    def starmap(self: Samples[Callable[..., R]], rows: Iterable[tuple[Any, ...]], /) -> list[list[R]]:
        """Draw the samples of every row of arguments, all as one batch: a list for each row; see `Prompt.starmap`.

        Args:
            rows: Tuples of the function's arguments, in their order.
        """
        return self._grouped(self._rows(self._spec.spread(rows), rows))

    def map_rows(self: Samples[Callable[..., R]], rows: NamedRows, /, **constants: object) -> list[list[R]]:
        """Draw the samples of every row, all as one batch: a list for each row; see `Prompt.map_rows`.

        Args:
            rows: Mappings, or a table with named columns.
            **constants: Arguments that are the same for every row.
        """
        return self._grouped(self._rows(self._spec.named(rows, constants), rows))

    @property
    def safe(self: Samples[Callable[P, R]]) -> Samples[Callable[P, Result[R, PromptError]]]:
        """The same with a `Result` in place of each sample; nothing is raised for a sample."""
        return type(self)(self._spec.as_safe(), self._n)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # another R


class AsyncSamples(_BaseSamples[F_co]):
    """A prompt function that is awaited and gives several answers to each call. Made by `AsyncPrompt.sample`.

    Example:
        >>> import asyncio
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt(temperature=0.8)
        ... async def name(thing: str) -> str:
        ...     return ask(f"Name {thing}.")
        >>> with Runtime(ScriptedEngine(answers=["Ada", "Bob"])):
        ...     asyncio.run(name.sample(2)("a hero"))
        ['Ada', 'Bob']
    """

    async def __call__(self: AsyncSamples[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Draw the samples of one call, as one batch; see `Samples.__call__`."""
        results = await run_calls_async(self._drawn(args, kwargs), self._spec.options.max_failures)
        return self._spec.unwrap(results)

    async def map(
        self: AsyncSamples[Callable[Concatenate[A, Q], R]],
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[R]]:
        """Draw the samples of every item, all as one batch; see `Samples.map`.

        Args:
            items: Values of the first parameter: any iterable, or a column.
            *args: The other parameters, the same for every row.
            **kwargs: The other parameters, by name.
        """
        return self._grouped(await self._rows_awaited(self._spec.mapped(items, args, kwargs)))

    # One a length of rows: those may leave out what has defaults.
    # fmt: off
    @overload
    async def starmap(self: AsyncSamples[Callable[[A], R]], rows: Iterable[tuple[A]], /) -> list[list[R]]: ...
    @overload
    async def starmap(self: AsyncSamples[Callable[[A, B], R]], rows: Iterable[tuple[A, B]], /) -> list[list[R]]: ...
    @overload
    async def starmap(self: AsyncSamples[Callable[[A, B, C], R]], rows: Iterable[tuple[A, B, C]], /) -> list[list[R]]: ...
    @overload
    async def starmap(self: AsyncSamples[Callable[[A, B, C, D], R]], rows: Iterable[tuple[A, B, C, D]], /) -> list[list[R]]: ...
    @overload
    async def starmap(self: AsyncSamples[Callable[[Unpack[Ts]], R]], rows: Iterable[tuple[*Ts]], /) -> list[list[R]]: ...
    # fmt: on
    async def starmap(self: AsyncSamples[Callable[..., R]], rows: Iterable[tuple[Any, ...]], /) -> list[list[R]]:
        """Draw the samples of every row of arguments, all as one batch; see `Samples.starmap`.

        Args:
            rows: Tuples of the function's arguments, in their order.
        """
        return self._grouped(await self._rows_awaited(self._spec.spread(rows)))

    async def map_rows(self: AsyncSamples[Callable[..., R]], rows: NamedRows, /, **constants: object) -> list[list[R]]:
        """Draw the samples of every row, all as one batch; see `Samples.map_rows`.

        Args:
            rows: Mappings, or a table with named columns.
            **constants: Arguments that are the same for every row.
        """
        return self._grouped(await self._rows_awaited(self._spec.named(rows, constants)))

    @property
    def safe(self: AsyncSamples[Callable[P, R]]) -> AsyncSamples[Callable[P, Result[R, PromptError]]]:
        """The same with a `Result` in place of each sample; nothing is raised for a sample."""
        return type(self)(self._spec.as_safe(), self._n)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # another R


def parts_of(samples: _BaseSamples[Any]) -> tuple[PromptSpec, int]:
    """The spec of a function that samples, and the number of answers; for the other parts of this package."""
    return samples._spec, samples._n  # pyright: ignore[reportPrivateUsage]  # in its own module


def _check(spec: PromptSpec, n: object) -> None:
    """Refuse a number of samples that is none, and samples that would all be equal by the options that the caller set."""
    name = spec.name
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PromptUsageError(f"{name}: sample takes a number of samples of at least 1, not {n!r}")
    if n == 1:
        return
    try:
        is_drawn = strategy_of(spec.definition.hint).is_drawn
    except NameError:  # a forward reference: the first use will check
        is_drawn = True
    if not is_drawn:
        raise PromptUsageError(
            f"{name}: sample({n}) of a prompt that returns Scored would give one value {n} times, since nothing is sampled; "
            f"use its probabilities"
        )
    for parameter, greedy in (("temperature", 0), ("top_k", 1)):
        if spec.options.asked(parameter) == greedy:
            raise PromptUsageError(
                f"{name}: sample({n}) of a prompt with {parameter}={greedy} would give one value {n} times; set a "
                f"temperature, as in {name}.using(temperature=0.8).sample({n})"
            )
