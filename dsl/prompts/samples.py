"""Several answers to one call: what `prompt.sample(n)` gives.

Each sample is a request of its own, and all of them are rows of one batch: the engine computes their common prompt once
(its prefix cache), a sample that fails fails alone, and each has its own seed, retries and place in a journal. vLLM's own
`n` would make one row of them that ends with its slowest sample. So that samples differ, something must be drawn: a
prompt that is greedy by its options, or that is not sampled at all (`Scored`), is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from returns.result import Result
from typing_extensions import TypeVarTuple, Unpack

from typefold.errors import PromptUsageError
from typefold.execution.call import Call, values
from typefold.execution.executor import answers, answers_awaited
from typefold.options import Options
from typefold.prompts.spec import Plan
from typefold.runtime import PromptError
from typefold.tables.named_rows import NamedRows, number_of

__all__ = ["AsyncSafeSamples", "AsyncSamples", "SafeSamples", "Samples"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


class _Drawn(Generic[P, R]):
    """A plan and how often each of its calls is asked."""

    def __init__(self, plan: Plan[R], n: int) -> None:
        _check(plan, n)
        self._plan = plan
        self._n = n
        self.__wrapped__ = plan.definition.function

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self._plan, self._n)  # the function goes as its prompt does

    def __repr__(self) -> str:
        return f"<{self._n} samples of {self._plan.name}{self._plan.definition.signature}>"

    def _once(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Call[R] | PromptError]:
        return list(self._plan.drawn(self._plan.once(args, kwargs), self._n))

    def _total(self, items: object) -> int | None:
        rows = number_of(items)
        return None if rows is None else rows * self._n

    @property
    def _most(self) -> int | None:
        return self._plan.options.max_failures

    def _grouped(self, flat: Sequence[T]) -> list[list[T]]:
        return [list(flat[first : first + self._n]) for first in range(0, len(flat), self._n)]


class Samples(_Drawn[P, R]):
    """A prompt function that gives several answers to each call. Made by `Prompt.sample`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Ask as often as samples are wanted, as one batch.

        Raises:
            TypeError: The arguments don't fit the function.
            BatchError: Some samples failed; it holds the `Result` of each.
        """
        return values(answers(self._once(args, kwargs), most=self._most))

    def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[R]]:
        """The samples of every item, all as one batch.

        Raises:
            BatchError: Some samples failed; it holds the `Result` of each, item by item.
        """
        drawn = cast("Samples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.mapped(items, args, kwargs), drawn._n)
        return drawn._grouped(values(answers(calls, drawn._total(items), drawn._most)))

    def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[list[R]]:
        """The samples of every row of arguments, all as one batch.

        Raises:
            BatchError: Some samples failed; it holds the `Result` of each, row by row.
        """
        drawn = cast("Samples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.spread(rows), drawn._n)
        return drawn._grouped(values(answers(calls, drawn._total(rows), drawn._most)))

    def map_rows(self, rows: NamedRows, /, **constants: object) -> list[list[R]]:
        """The samples of every row, whose columns go to the parameters of their names; see `Prompt.map_rows`.

        Raises:
            BatchError: Some samples failed; it holds the `Result` of each, row by row.
        """
        calls = self._plan.sampled(self._plan.named(rows, constants), self._n)
        return self._grouped(values(answers(calls, self._total(rows), self._most)))

    @property
    def safe(self) -> SafeSamples[P, R]:
        """The same with a `Result` in place of each sample."""
        return SafeSamples(self._plan, self._n)


class SafeSamples(_Drawn[P, R]):
    """Several answers to each call, each a `Result[R, PromptError]`; nothing is raised for a sample."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Result[R, PromptError]]:
        """Ask as often as samples are wanted, as one batch; a `Result` for each."""
        return answers(self._once(args, kwargs), most=self._most)

    def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[Result[R, PromptError]]]:
        """The samples of every item, all as one batch; a `Result` for each."""
        drawn = cast("SafeSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.mapped(items, args, kwargs), drawn._n)
        return drawn._grouped(answers(calls, drawn._total(items), drawn._most))

    def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[list[Result[R, PromptError]]]:
        """The samples of every row of arguments, all as one batch; a `Result` for each."""
        drawn = cast("SafeSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.spread(rows), drawn._n)
        return drawn._grouped(answers(calls, drawn._total(rows), drawn._most))

    def map_rows(self, rows: NamedRows, /, **constants: object) -> list[list[Result[R, PromptError]]]:
        """The samples of every row, whose columns go to the parameters of their names; a `Result` for each."""
        calls = self._plan.sampled(self._plan.named(rows, constants), self._n)
        return self._grouped(answers(calls, self._total(rows), self._most))


class AsyncSamples(_Drawn[P, R]):
    """A prompt function that is awaited and gives several answers to each call. Made by `AsyncPrompt.sample`."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Ask as often as samples are wanted, as one batch; see `Samples.__call__`."""
        return values(await answers_awaited(self._once(args, kwargs), self._most))

    async def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[R]]:
        """The samples of every item, all as one batch; see `Samples.map`."""
        drawn = cast("AsyncSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.mapped(items, args, kwargs), drawn._n)
        return drawn._grouped(values(await answers_awaited(calls, drawn._most)))

    async def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[list[R]]:
        """The samples of every row of arguments, all as one batch; see `Samples.starmap`."""
        drawn = cast("AsyncSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.spread(rows), drawn._n)
        return drawn._grouped(values(await answers_awaited(calls, drawn._most)))

    async def map_rows(self, rows: NamedRows, /, **constants: object) -> list[list[R]]:
        """The samples of every row, whose columns go to the parameters of their names; see `Samples.map_rows`."""
        calls = self._plan.sampled(self._plan.named(rows, constants), self._n)
        return self._grouped(values(await answers_awaited(calls, self._most)))

    @property
    def safe(self) -> AsyncSafeSamples[P, R]:
        """The same with a `Result` in place of each sample."""
        return AsyncSafeSamples(self._plan, self._n)


class AsyncSafeSamples(_Drawn[P, R]):
    """Several awaited answers to each call, each a `Result[R, PromptError]`."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Result[R, PromptError]]:
        """Ask as often as samples are wanted, as one batch; a `Result` for each."""
        return await answers_awaited(self._once(args, kwargs), self._most)

    async def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[list[Result[R, PromptError]]]:
        """The samples of every item, all as one batch; a `Result` for each."""
        drawn = cast("AsyncSafeSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.mapped(items, args, kwargs), drawn._n)
        return drawn._grouped(await answers_awaited(calls, drawn._most))

    async def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[list[Result[R, PromptError]]]:
        """The samples of every row of arguments, all as one batch; a `Result` for each."""
        drawn = cast("AsyncSafeSamples[..., R]", self)
        calls = drawn._plan.sampled(drawn._plan.spread(rows), drawn._n)
        return drawn._grouped(await answers_awaited(calls, drawn._most))

    async def map_rows(self, rows: NamedRows, /, **constants: object) -> list[list[Result[R, PromptError]]]:
        """The samples of every row, whose columns go to the parameters of their names; a `Result` for each."""
        calls = self._plan.sampled(self._plan.named(rows, constants), self._n)
        return self._grouped(await answers_awaited(calls, self._most))


def _check(plan: Plan[Any], n: object) -> None:
    """Refuse samples that would all be one."""
    name = plan.name
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PromptUsageError(f"{name}: sample takes a number of samples of at least 1, not {n!r}")
    if n == 1:
        return
    if not _is_drawn(plan):
        raise PromptUsageError(
            f"{name}: sample({n}) of a prompt that gives Scored would give one value {n} times, since nothing is sampled "
            f"for it; its probabilities are what samples could tell"
        )
    if reason := _greedy(plan.options):
        raise PromptUsageError(
            f"{name}: sample({n}) of a prompt with {reason} would give one value {n} times; set a temperature, as in "
            f"{name}.using(temperature=0.8).sample({n})"
        )


def _is_drawn(plan: Plan[Any]) -> bool:
    try:
        return plan.definition.form.is_drawn
    except NameError:  # a forward reference: the first use will check
        return True


def _greedy(options: Options) -> str | None:
    """The option that leaves nothing to chance, where the caller set one; what a model's own settings say, only its engine knows."""
    for name, single in (("temperature", 0), ("top_k", 1)):
        value: object = options.sampling.get(name, getattr(options.sampling_params, name, None))
        if value is not None and value == single:
            return f"{name}={single}"
    return None
