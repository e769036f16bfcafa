"""The ways to ask a prompt function without waiting for it: `submit`, `aio`, `future` and `defer`.

`eager` carries what the first three send, `deferred` holds what the last one makes. Arguments that don't fit, and misuse,
are said at once by all of them; what becomes of the row is told to whoever waits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from typefold.execution.background import future_result, submit
from typefold.execution.executor import answer, answer_awaited
from typefold.graphs.deferred import Deferred, arguments, deferred_in, refuse_in_body
from typefold.prompts.face import Face
from typefold.prompts.spec import Plan
from typefold.runtime import PromptError

if TYPE_CHECKING:
    from returns.future import FutureResult

__all__ = ["Later", "ask_deferred"]

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Later(Face[P, R]):
    """A prompt function, as far as it is asked now and heard later."""

    if TYPE_CHECKING:  # `defer` sees self as a callable, as Prompt and AsyncPrompt are; what a call gives differs

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Ask once, now, and get a future of the value.

        Calls that are under way share the engine's batch. Cancelling the future withdraws its request. In a row of `run`,
        `.result()` lets the other rows go on.

        Raises:
            TypeError: The arguments don't fit the function.
            NoRuntime: No model has been named.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def length(text: str) -> int:
            ...     return ask(f"How long is {text}?")
            >>> with Runtime(ScriptedEngine(answers=["5", "7"])):
            ...     futures = [length.submit(text) for text in ("a mile", "a league")]
            ...     [future.result() for future in futures]
            [5, 7]
        """
        return submit(self._plan.once(args, kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask once, in a running event loop; cancelling the task withdraws the request.

        The request is sent when this is awaited. What is awaited together shares the engine's batch.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptError: The row gave no value.
            NoRuntime: No model has been named.

        Example:
            >>> import asyncio
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def length(text: str) -> int:
            ...     return ask(f"How long is {text}?")
            >>> async def main() -> list[int]:
            ...     return await asyncio.gather(length.aio("a mile"), length.aio("a league"))
            >>> with Runtime(ScriptedEngine(answers=["5", "7"])):
            ...     asyncio.run(main())
            [5, 7]
        """
        return await answer_awaited(self._plan.once(args, kwargs))

    def future(self, *args: P.args, **kwargs: P.kwargs) -> FutureResult[R, PromptError]:
        """Ask once, now, and get a `FutureResult` (returns) to compose and await; nothing is raised for a row.

        The request is sent by this call and not by the `await`, so futures that exist together share the engine's batch;
        `Fold.collect` over a list of them too. It may be awaited in any asyncio loop, any number of times.

        What `bind` adds is asked when it is awaited. `asyncio.gather` awaits chains together, so each goes on as soon as
        it can; `Fold.collect` over chains would await one after the other.

        Raises:
            TypeError: The arguments don't fit the function.
            NoRuntime: No model has been named.

        Example:
            >>> import asyncio
            >>> from returns.future import FutureResult
            >>> from returns.io import IOSuccess
            >>> from returns.iterables import Fold
            >>> from returns.pipeline import flow
            >>> from returns.pointfree import bind
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(describe_format=False)
            ... def half(number: int) -> int:
            ...     return ask(f"Half of {number}")
            >>> async def halves(numbers):  # one batch
            ...     return await Fold.collect(map(half.future, numbers), FutureResult.from_value(()))
            >>> async def quarters(numbers):  # one batch of chains: no chain waits for another
            ...     chains = [flow(number, half.future, bind(half.future)) for number in numbers]
            ...     return Fold.collect(await asyncio.gather(*chains), IOSuccess(()))
            >>> halve = lambda request: str(int(request.prompt[-1].content.split()[-1]) // 2)
            >>> with Runtime(ScriptedEngine(answers=halve)):
            ...     asyncio.run(halves([40, 80, 120]))
            ...     asyncio.run(quarters([40, 80, 120]))
            <IOResult: <Success: (20, 40, 60)>>
            <IOResult: <Success: (10, 20, 30)>>
        """
        return future_result(self._plan.once(args, kwargs))

    # Positional arguments may be deferred. The result's type is that of the class: as a callable's it would lose `Literal`.
    # fmt: off
    @overload
    def defer(self, *args: P.args, **kwargs: P.kwargs) -> Deferred[R]: ...
    @overload
    def defer(self: Callable[[A], object], a: A | Deferred[A], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def defer(self: Callable[[A, B], object], a: A | Deferred[A], b: B | Deferred[B], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def defer(self: Callable[[A, B, C], object], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def defer(self: Callable[[A, B, C, D], object], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def defer(self: Callable[[A, B, C, D, E], object], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], e: E | Deferred[E], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def defer(self: Callable[[A, B, C, D, E, F], object], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], e: E | Deferred[E], f: F | Deferred[F], /) -> Deferred[R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    # fmt: on
    def defer(self, *args: Any, **kwargs: Any) -> Any:
        """The call as a value that is still to be worked out; nothing is asked now.

        Args:
            *args: Arguments of the function, or deferred values of their types.
            **kwargs: The same by name. (Type checkers see deferred values in positional places only, in up to six.)

        Raises:
            TypeError: The arguments don't fit the function.
            PromptUsageError: A list of deferred values (`gather.defer` makes it one), or the body of a prompt.

        Example:
            >>> from typefold import Runtime, ask, gather, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def hero(setting: str) -> str:
            ...     return ask(f"Name a hero from {setting}.")
            >>> @prompt
            ... def meet(one: str, other: str) -> str:
            ...     return ask(f"How do {one} and {other} meet?")
            >>> ada, bob = hero.defer("Mars"), hero.defer("Paris")
            >>> with Runtime(ScriptedEngine(answers=["Ada", "Bob", "By chance."])):
            ...     gather(ada, meet.defer(ada, bob))
            ('Ada', 'By chance.')
        """
        plan = self._plan
        refuse_in_body(f"{plan.name}.defer")
        plan.bind(args, kwargs)
        inputs = deferred_in((*args, *kwargs.values()), f"{plan.name}.defer")
        return Deferred(plan.name, partial(ask_deferred, plan, args, kwargs), inputs, PromptError)


def ask_deferred(plan: Plan[R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    """Ask a deferred call, once its arguments are there. A function of the module, so that pickle can name it."""
    args, kwargs = arguments(args, kwargs)
    return answer(plan.attempt(args, kwargs, None))
