"""Prompt functions written with `async def`: what is a call of a `Prompt` is awaited here.

Calls that are awaited together share a batch, and cancelling a task withdraws what it asked. What is heard later
(`submit`, `future`, `defer`) is that of `Prompt`, in `later`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from returns.result import Failure, Result, Success
from typing_extensions import TypeVarTuple, Unpack

from typefold.execution.call import values
from typefold.execution.executor import answer_awaited, answers_awaited
from typefold.execution.streaming import AsyncStream
from typefold.prompts.later import Later
from typefold.prompts.samples import AsyncSamples
from typefold.prompts.spec import Plan
from typefold.runtime import PromptError
from typefold.tables.index import indexed
from typefold.tables.named_rows import NamedRows

__all__ = ["AsyncPrompt", "AsyncSafePrompt"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


class AsyncPrompt(Later[P, R]):
    """A prompt function written with `async def`; calls that are awaited together share a batch.

    Example:
        >>> import asyncio
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... async def length(text: str) -> int:
        ...     return ask(f"How long is {text}?")
        >>> async def main() -> None:
        ...     print(await length("a mile"), await length.map(["a league", "a foot"]))
        >>> with Runtime(ScriptedEngine(answers=["5", "7", "3"])):
        ...     asyncio.run(main())
        5 [7, 3]
    """

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask once; cancelling the task withdraws the request.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptError: The row gave no value.
        """
        return await answer_awaited(self._plan.once(args, kwargs))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[R]:
        """Ask once and get the answer while it is written; see `Prompt.stream`."""
        return AsyncStream(self._plan.once(args, kwargs))

    async def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Ask for every item, as one batch; see `Prompt.map`."""
        return values(await cast("AsyncPrompt[..., R]", self).safe.map(items, *args, **kwargs))

    async def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[R]:
        """Ask for every row of arguments, as one batch; see `Prompt.starmap`."""
        return values(await cast("AsyncPrompt[..., R]", self).safe.starmap(rows))

    async def map_rows(self, rows: NamedRows, /, **constants: object) -> list[R]:
        """Ask for every row, whose columns go to the parameters of their names, as one batch; see `Prompt.map_rows`."""
        return values(await self.safe.map_rows(rows, **constants))

    @property
    def safe(self) -> AsyncSafePrompt[P, R]:
        """The same prompt function with `Result` in place of exceptions."""
        return AsyncSafePrompt(self._plan)

    def sample(self, n: int, /) -> AsyncSamples[P, R]:
        """The same prompt function with `n` answers to each call, drawn independently; see `Prompt.sample`."""
        return AsyncSamples(self._plan, n)

    # As in Prompt.
    # fmt: off
    @overload
    def __get__(self: Callable[Concatenate[type[A], Q], object], instance: None, owner: type[A], /) -> AsyncPrompt[Q, R]: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None, /) -> Self: ...
    @overload
    def __get__(self: Callable[Concatenate[A, Q], object], instance: A, owner: type[Any] | None = None, /) -> AsyncPrompt[Q, R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self: Callable[Concatenate[type[A], Q], object], instance: A, owner: type[A] | None = None, /) -> AsyncPrompt[Q, R]: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...
    # fmt: on
    def __get__(self, instance: Any, owner: type[Any] | None = None, /) -> Any:
        return self._seen_from(instance, owner)


class AsyncSafePrompt(Generic[P, R]):
    """A prompt function that is awaited, gives `Result[R, PromptError]` (returns) and raises nothing for a row."""

    def __init__(self, plan: Plan[R]) -> None:
        self._plan = plan

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R, PromptError]:
        """Ask once; `Success(value)` or `Failure(error)`."""
        try:
            return Success(await answer_awaited(self._plan.attempt(args, kwargs, None)))
        except PromptError as error:
            return Failure(error)

    async def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[Result[R, PromptError]]:
        """Ask for every item, as one batch; a `Result` for each, in order."""
        plan = cast("AsyncSafePrompt[..., R]", self)._plan
        return indexed(await answers_awaited(plan.mapped(items, args, kwargs), plan.options.max_failures), items)

    async def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[Result[R, PromptError]]:
        """Ask for every row of arguments, as one batch; a `Result` for each, in order."""
        plan = cast("AsyncSafePrompt[..., R]", self)._plan
        return await answers_awaited(plan.spread(rows), plan.options.max_failures)

    async def map_rows(self, rows: NamedRows, /, **constants: object) -> list[Result[R, PromptError]]:
        """Ask for every row, whose columns go to the parameters of their names; a `Result` for each, in order."""
        plan = self._plan
        return indexed(await answers_awaited(plan.named(rows, constants), plan.options.max_failures), rows)
