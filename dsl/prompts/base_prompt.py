"""Base class of `Prompt` and `AsyncPrompt`, which differ in their calls that wait.

A prompt is immutable: a changed one is a new one. It holds a `PromptSpec`, which makes its calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from returns.result import Failure, Result, Success
from typing_extensions import Unpack

from typefold.compiler import Explanation, Message
from typefold.execution.background import future_result, submit
from typefold.execution.call import Call
from typefold.execution.executor import run_call, run_call_async
from typefold.graphs.deferred import Deferred, arguments, deferred_in, refuse_in_body
from typefold.messages import RawPrompt
from typefold.options import CallOptions
from typefold.prompts.definition import Example
from typefold.prompts.spec import PromptSpec
from typefold.prompts.version import Version
from typefold.response_types import Decisions, Logged, Reasoned, Scored
from typefold.runtime import PromptError
from typefold.runtimes.current import find_current

if TYPE_CHECKING:
    from returns.future import FutureResult

F_co = TypeVar("F_co", bound=Callable[..., object], covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class TakesAnswer(Generic[P, R_contra]):
    """Base class of `ExampleMaker`, for type checkers alone: what takes any answer takes that of a narrower type."""


class ExampleMaker(TakesAnswer[P, R]):
    """A function of an answer and of a call's arguments that makes an `Example` of them. Made by `Prompt.example`."""

    def __init__(self, spec: PromptSpec) -> None:
        self._spec = spec

    @overload
    def __call__(self: ExampleMaker[P, Decisions[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def __call__(self: ExampleMaker[P, Logged[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def __call__(self: ExampleMaker[P, Reasoned[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def __call__(self: ExampleMaker[P, Scored[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def __call__(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Example[R]: ...
    def __call__(self, value: Any, /, *args: Any, **kwargs: Any) -> Example[Any]:
        """Make the example; see `Prompt.example`."""
        return Example(value, self._spec.definition.bind((*self._spec.bound, *args), kwargs))


if TYPE_CHECKING:

    class OfFunction(Generic[F_co]):
        """Base class of prompts and their samples, whose parameter is the function as a callable."""
else:

    class OfFunction(Generic[P, R]):
        """The same at run time: there parameters and result are two, as annotations write them, which are evaluated."""

        def __class_getitem__(cls, parameters: Any) -> Any:
            return super().__class_getitem__(parameters if isinstance(parameters, tuple) else (P, R))


class BasePrompt(OfFunction[F_co]):
    """Base class of `Prompt` and `AsyncPrompt`: signature, rendering, options, and calls that return before the answer.

    Its parameter is the function, as a callable: type checkers compare callables, so a prompt goes where one of fewer
    parameters or of a wider return type is due. Annotations say `Prompt[[str], Character]`, of which the package makes it.
    """

    __name__: str
    __qualname__: str
    __doc__: str | None

    def __init__(self, spec: PromptSpec) -> None:
        self._spec = spec
        function = spec.definition.function
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))
        self.__wrapped__ = function

    def _bind_to(self, instance: object, owner: type[Any] | None) -> Self:
        """The prompt as an attribute: without its first parameter, if an instance or a class stands for that."""
        binding = self._spec.definition.binding
        if binding == "class":
            return type(self)(self._spec.bind_instance(type(instance) if owner is None else owner))
        # Above `@prompt`, `@classmethod` gives the class as the instance.
        return self if binding == "nothing" or instance is None else type(self)(self._spec.bind_instance(instance))

    def __repr__(self) -> str:
        return f"<prompt {self._spec.name}{self._spec.definition.signature}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self._spec,)

    def render(
        self: BasePrompt[Callable[P, object]], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[Message, ...] | RawPrompt:
        """Make the messages of a call exactly as they are sent, without sending them. Needs no engine.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            The messages, with examples and the description of the format; a `RawPrompt` if the body returns `ask(raw(...))`.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptUsageError: The body does not return `ask(...)`.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> [message.content for message in capital.render("France")]
            ['What is the capital of France?']
        """
        return self._spec.render(args, kwargs)

    def explain(self) -> Explanation:
        """Explain the return type: its format, constraint, checks and length. Needs no engine and loads none.

        Returns:
            The explanation, whose fields are data; notebooks and rich show it as a table. Lengths are in bytes, and in tokens
            too once the runtime that would answer is loaded.

        Raises:
            NameError: The return annotation names something that is not defined yet.

        Example:
            >>> from typing import Literal
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def judge(text: str) -> Literal["keep", "drop"]:
            ...     return ask(f"Keep or drop? {text}")
            >>> print(judge.explain())
            judge(text: str) -> Literal['keep', 'drop']
              answer         bare text
              told           Answer keep or drop.
              constraint     choice of 2
              enforced       the form
              checked after  nothing
              length         4 bytes
              decided        after 1 token
              unbounded      nothing
            <BLANKLINE>
            keep | drop
        """
        return self._spec.explain()

    @property
    def version(self) -> Version:
        """The version: a digest of what the model could notice of this function, and its parts. Needs no engine.

        Its digest changes with the messages that the body makes, the return type, the options that bear on answers and the
        examples, and with nothing else: not with comments, names of parameters, time limits. Journals, spans and `Logged` have
        it. `@prompt(version="2")` gives it a name too.

        Returns:
            The version, under the options of the current runtime where there is one. `.save(path)` writes it to a file.

        Raises:
            NameError: The return annotation names something that is not defined yet.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt(version="2")
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> str(capital.version).partition("@")[0], len(capital.version.digest)
            ('2', 16)
        """
        return self._spec.version(self._spec.options.runtime or find_current())

    def using(self, **options: Unpack[CallOptions]) -> Self:
        """Return the same prompt function with other options; this one stays as it is.

        Args:
            **options: Sampling parameters by vLLM's names, and typefold's options; see `typefold.options.CallOptions`. An
                option that is not given keeps its value.

        Returns:
            A new prompt function.

        Raises:
            PromptUsageError: An option does not exist or does not go with the return type.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(temperature=0)
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> engine = ScriptedEngine(answers=["Paris"])
            >>> with Runtime(engine):
            ...     capital.using(temperature=0.7)("France")
            'Paris'
            >>> engine.requests[0].sampling["temperature"]
            0.7
        """
        return type(self)(self._spec.with_options(options))

    @property
    def example(self: BasePrompt[Callable[P, R]]) -> ExampleMaker[P, R]:
        """Make a worked call of this function, for `with_examples`; type checkers see whether it fits.

        Call it with the answer that the model should give (a value of the return type, or of the type inside of `Logged` and
        the like), and then with the function's arguments. Arguments that don't fit the function are a `TypeError`.

        Returns:
            The function that makes the example.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> capital.example("Paris", "France")
            example('Paris', country='France')
        """
        return ExampleMaker(self._spec)

    def with_examples(self, *examples: Example[Any]) -> Self:
        """Return the same prompt function with further examples, which the model sees as earlier turns.

        Args:
            *examples: Worked calls, from `example`.

        Returns:
            A new prompt function.

        Raises:
            PromptUsageError: The arguments or the value of an example don't fit the function.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> shown = capital.with_examples(capital.example("Paris", "France"))
            >>> [message.content for message in shown.render("Peru")][1:]
            ['Paris', 'What is the capital of Peru?']
        """
        return type(self)(self._spec.with_examples(examples))

    def submit(self: BasePrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Ask once and return a future of the value at once.

        Calls that are in flight together share the engine's batch. Cancelling the future withdraws its request. In a row of
        `run`, `.result()` lets the other rows go on.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            A future, whose `.result(timeout)`, in seconds, returns the value or raises the call's `PromptError`.

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
        return submit(self._spec.once(args, kwargs), safe=self._spec.safe)

    async def aio(self: BasePrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask once, in a running event loop; cancelling the task withdraws the request.

        The request is sent when this is awaited. Calls that are awaited together share the engine's batch.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            The value.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptError: The call gave no value.
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
        call = self._spec.once(args, kwargs)
        if not self._spec.safe:
            return await run_call_async(call)
        try:
            return Success(await run_call_async(call))  # type: ignore[return-value]  # R is a Result here
        except PromptError as error:
            return Failure(error)  # type: ignore[return-value]  # R is a Result here

    # fmt: off
    @overload
    def future(self: BasePrompt[Callable[P, Result[T, PromptError]]], *args: P.args, **kwargs: P.kwargs) -> FutureResult[T, PromptError]: ...
    @overload
    def future(self: BasePrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> FutureResult[R, PromptError]: ...
    # fmt: on
    def future(self, *args: Any, **kwargs: Any) -> Any:
        """Ask once and return a `FutureResult` (returns) at once, to compose and await; nothing is raised for a failed call.

        The request is sent by this call and not by the `await`, so futures that exist together share the engine's batch;
        `Fold.collect` over a list of them too. It may be awaited in any asyncio loop, any number of times.

        A step added with `bind` is asked when the result is awaited. `asyncio.gather` awaits chains together, so each goes on
        as soon as it can; `Fold.collect` over chains would await one after the other.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            The value or the `PromptError`, once awaited. `.safe.future` is the same.

        Raises:
            TypeError: The arguments don't fit the function.
            NoRuntime: No model has been named.

        Example:
            >>> import asyncio
            >>> from returns.future import FutureResult
            >>> from returns.iterables import Fold
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(describe_format=False)
            ... def half(number: int) -> int:
            ...     return ask(f"Half of {number}")
            >>> async def halves(numbers):  # one batch
            ...     return await Fold.collect(map(half.future, numbers), FutureResult.from_value(()))
            >>> halve = lambda request: str(int(request.prompt[-1].content.split()[-1]) // 2)
            >>> with Runtime(ScriptedEngine(answers=halve)):
            ...     asyncio.run(halves([40, 80, 120]))
            <IOResult: <Success: (20, 40, 60)>>
        """
        return future_result(self._spec.once(args, kwargs))

    # Positional arguments may be deferred.
    # fmt: off
    @overload
    def defer(self: BasePrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A], R]], a: A | Deferred[A], /) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A, B], R]], a: A | Deferred[A], b: B | Deferred[B], /) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A, B, C], R]], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], /) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A, B, C, D], R]], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], /) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A, B, C, D, E], R]], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], e: E | Deferred[E], /) -> Deferred[R]: ...
    @overload
    def defer(self: BasePrompt[Callable[[A, B, C, D, E, F], R]], a: A | Deferred[A], b: B | Deferred[B], c: C | Deferred[C], d: D | Deferred[D], e: E | Deferred[E], f: F | Deferred[F], /) -> Deferred[R]: ...
    # fmt: on
    def defer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the call as a `Deferred` value; nothing is asked now.

        Args:
            *args: Arguments of the function, or deferred values of their types.
            **kwargs: The same by name. (Type checkers see deferred values in positional places only, in up to six.)

        Returns:
            The deferred value.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptUsageError: An argument is a list of deferred values (`gather.defer` makes it one), or this is the body of a
                prompt.

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
        spec = self._spec
        refuse_in_body(f"{spec.name}.defer")
        spec.bind(args, kwargs)
        inputs = deferred_in((*args, *kwargs.values()), f"{spec.name}.defer")
        return Deferred(spec.name, partial(ask_deferred, spec, args, kwargs), inputs, PromptError)


class AnsweredBy(Protocol[P, R_contra]):
    """A prompt function that answers of a type fit. A prompt is covariant in its result, so its own type doesn't say that."""

    @property
    def example(self) -> TakesAnswer[P, R_contra]: ...


class AnsweredByExactly(Protocol[P, R]):
    """The same for mypy, which finds a `Literal` only where it is the very type."""

    @property
    def example(self) -> ExampleMaker[P, R]: ...


def ask_deferred(spec: PromptSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Ask a deferred call, once its arguments are there. A function of the module, so that pickle can name it."""
    args, kwargs = arguments(args, kwargs)
    return answer_with(spec, spec.calls().attempt(args, kwargs, None))


def answer_with(spec: PromptSpec, call: Call[Any] | PromptError) -> Any:
    """Wait for one call's value, or, of a safe prompt, its `Result`. Raises `PromptError` for a prompt that is not safe."""
    if not spec.safe:
        return run_call(call)
    try:
        return Success(run_call(call))
    except PromptError as error:
        return Failure(error)


def spec_of(prompt: BasePrompt[Any]) -> PromptSpec:
    """The spec of a prompt function; for the other parts of this package."""
    return prompt._spec  # pyright: ignore[reportPrivateUsage]  # in its own module


def spec_if_prompt(function: object) -> PromptSpec | None:
    """The spec of a prompt function; `None` for any other object."""
    return spec_of(function) if isinstance(function, BasePrompt) else None  # pyright: ignore[reportUnknownArgumentType]  # any prompt
