"""`AsyncPrompt`: a prompt function written with `async def`, whose calls are awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast, overload

from returns.result import Result
from typing_extensions import TypeVarTuple, Unpack

from typefold.execution.executor import run_calls_async
from typefold.execution.streaming import AsyncStream
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.samples import AsyncSamples
from typefold.runtime import PromptError
from typefold.tables.named_rows import NamedRows

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


class AsyncPrompt(BasePrompt[P, R]):
    """A prompt function written with `async def`. Made by `@prompt`; its calls are awaited, those together share a batch.

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
        """Ask once; see `Prompt.__call__`. Cancelling the task withdraws the request."""
        return await self.aio(*args, **kwargs)

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[R]:
        """Ask once and read the answer, by `async for`, while the model writes it; see `Prompt.stream`."""
        return AsyncStream(self._spec.once(args, kwargs), safe=self._spec.safe)

    async def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Ask for every item, as one batch; see `Prompt.map`.

        Args:
            items: Values of the first parameter: any iterable, or a column.
            *args: The other parameters, the same for every row.
            **kwargs: The other parameters, by name.
        """
        spec = spec_of(cast("AsyncPrompt[..., R]", self))
        return spec.unwrap(await run_calls_async(spec.mapped(items, args, kwargs), spec.options.max_failures), items)

    async def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[R]:
        """Ask for every row of arguments, as one batch; see `Prompt.starmap`.

        Args:
            rows: Tuples of the function's arguments, in their order.
        """
        spec = spec_of(cast("AsyncPrompt[..., R]", self))
        return spec.unwrap(await run_calls_async(spec.spread(rows), spec.options.max_failures))

    async def map_rows(self, rows: NamedRows, /, **constants: object) -> list[R]:
        """Ask for every row, as one batch; columns go to the parameters of their names; see `Prompt.map_rows`.

        Args:
            rows: Mappings, or a table with named columns.
            **constants: Arguments that are the same for every row.
        """
        spec = self._spec
        return spec.unwrap(await run_calls_async(spec.named(rows, constants), spec.options.max_failures), rows)

    @property
    def safe(self) -> AsyncPrompt[P, Result[R, PromptError]]:
        """The same prompt function with `Result` (returns) as its return type; see `Prompt.safe`."""
        return cast("AsyncPrompt[P, Result[R, PromptError]]", type(self)(self._spec.as_safe()))

    def sample(self, n: int, /) -> AsyncSamples[P, R]:
        """Return the same prompt function with `n` answers to each call, drawn independently; see `Prompt.sample`.

        Args:
            n: The number of samples, at least 1.
        """
        return AsyncSamples(self._spec, n)

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
        return self._bind_to(instance, owner)
