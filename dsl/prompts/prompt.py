"""`@prompt`, `Prompt` and `AsyncPrompt`: functions whose body is a message and whose return annotation is the answer's type."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, overload

from returns.result import Result
from typing_extensions import TypeVarTuple, Unpack

from typefold.errors import PromptUsageError
from typefold.execution.executor import run_calls, run_calls_async
from typefold.execution.streaming import AsyncStream, Stream
from typefold.options import CallOptions, Options
from typefold.prompts.base_prompt import A, B, BasePrompt, C, D, F_co, P, R, answer_with
from typefold.prompts.definition import Binding, Definition, Example, examples_of
from typefold.prompts.samples import AsyncSamples, Samples
from typefold.prompts.spec import PromptSpec
from typefold.runtime import PromptError
from typefold.tables.columns import length
from typefold.tables.named_rows import NamedRows, number_of

Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
Ts = TypeVarTuple("Ts")


class Prompt(BasePrompt[F_co]):
    """A prompt function: arguments in, a value of the return type out. Made by `@prompt`.

    A call asks once and waits for the value. It raises `TypeError` where the arguments don't fit the function, the `PromptError`
    that says why there is no value, or `NoRuntime` where no model has been named.

    Example:
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def length(text: str) -> int:
        ...     return ask(f"How long is {text}, in metres?")
        >>> with Runtime(ScriptedEngine(answers=["1609", "4828", "0"])):
        ...     length("a mile")
        ...     length.map(["a league", "a foot"])
        1609
        [4828, 0]
    """

    if TYPE_CHECKING:

        @property
        def _streamed(self: Prompt[Callable[P, R]]) -> Callable[P, Stream[R]]: ...

    def __call__(self: Prompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> R:
        # It has no docstring: on a call, editors would show that in the place of the function's own.
        value: R = answer_with(self._spec, self._spec.once(args, kwargs))
        return value

    def map(
        self: Prompt[Callable[Concatenate[A, Q], R]],
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Ask for every item, as one batch.

        Args:
            items: Values of the first parameter: any iterable, or a column (a Series of pandas or polars, a pyarrow array).
                In a column, a missing value for a parameter that takes no `None` is its row's `BadInput`.
            *args: The other parameters, the same for every row.
            **kwargs: The other parameters, by name.

        Returns:
            The values, in the order of the items.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
            TypeError: The arguments fit the function for no item.
            NoRuntime: No model has been named.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def translate(text: str, language: str) -> str:
            ...     return ask(f"Translate into {language}: {text}")
            >>> with Runtime(ScriptedEngine(answers=["un", "deux"])):
            ...     translate.map(["one", "two"], "French")
            ['un', 'deux']
        """
        spec = self._spec
        calls = spec.mapped(items, args, kwargs)
        return spec.unwrap(run_calls(calls, length(items), spec.options.max_failures), items)

    # One a length of rows: those may leave out what has defaults.
    # fmt: off
    @overload
    def starmap(self: Prompt[Callable[[A], R]], rows: Iterable[tuple[A]], /) -> list[R]: ...
    @overload
    def starmap(self: Prompt[Callable[[A, B], R]], rows: Iterable[tuple[A, B]], /) -> list[R]: ...
    @overload
    def starmap(self: Prompt[Callable[[A, B, C], R]], rows: Iterable[tuple[A, B, C]], /) -> list[R]: ...
    @overload
    def starmap(self: Prompt[Callable[[A, B, C, D], R]], rows: Iterable[tuple[A, B, C, D]], /) -> list[R]: ...
    @overload
    def starmap(self: Prompt[Callable[[Unpack[Ts]], R]], rows: Iterable[tuple[*Ts]], /) -> list[R]: ...
    # fmt: on
    def starmap(self: Prompt[Callable[..., R]], rows: Iterable[tuple[Any, ...]], /) -> list[R]:
        """Ask for every row of arguments, as one batch.

        Args:
            rows: Tuples of the function's arguments, in their order; any iterable of them.

        Returns:
            The values, in the order of the rows.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
            PromptUsageError: The first row holds no arguments in order.
            NoRuntime: No model has been named.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def translate(text: str, language: str) -> str:
            ...     return ask(f"Translate into {language}: {text}")
            >>> with Runtime(ScriptedEngine(answers=["un", "zwei"])):
            ...     translate.starmap([("one", "French"), ("two", "German")])
            ['un', 'zwei']
        """
        spec = self._spec
        return spec.unwrap(run_calls(spec.spread(rows), length(rows), spec.options.max_failures))

    def map_rows(self: Prompt[Callable[..., R]], rows: NamedRows, /, **constants: object) -> list[R]:
        """Ask for every row, as one batch; columns go to the parameters of their names.

        Args:
            rows: Mappings (dictionaries, say), a frame of pandas or polars, a table of Arrow or one that gives Arrow's stream
                (a relation of DuckDB). Columns that no parameter is named after are left alone, unless the function takes
                `**fields`. A function of one parameter whose type has fields (a model, a dataclass) takes the whole row,
                where no column has the parameter's name.
            **constants: Arguments that are the same for every row. They take precedence over a column of that name.

        Returns:
            The values, in the order of the rows.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
            PromptUsageError: A table has no column for a parameter that needs one, or these are no rows with names.
            NoRuntime: No model has been named.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def greet(name: str, mood: str) -> str:
            ...     return ask(f"Greet {name}, {mood}.")
            >>> with Runtime(ScriptedEngine(answers=["Hello, Ada!", "Bob."])):
            ...     greet.map_rows([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}], mood="calm")
            ['Hello, Ada!', 'Bob.']
        """
        spec = self._spec
        calls = spec.named(rows, constants)
        return spec.unwrap(run_calls(calls, number_of(rows), spec.options.max_failures), rows)

    def stream(self: Prompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> Stream[R]:
        """Ask once and read the answer while the model writes it; the request is sent at once.

        Args:
            *args: The function's arguments.
            **kwargs: The same by name.

        Returns:
            A `Stream`: iterate it for pieces of text, or read `.partials()` and `.result()`. If the call fails, reading it
            raises the call's `PromptError`. Closing or dropping it withdraws the request.

        Raises:
            TypeError: The arguments don't fit the function.
            NoRuntime: No model has been named.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def tell(topic: str) -> str:
            ...     return ask(f"Tell me about {topic}.")
            >>> with Runtime(ScriptedEngine(answers=["It rained."], tokens_per_step=4)):
            ...     with tell.stream("the weather") as stream:
            ...         print("|".join(stream))
            It r|aine|d.
        """
        return Stream(self._spec.once(args, kwargs), safe=self._spec.safe)

    @property
    def safe(self: Prompt[Callable[P, R]]) -> Prompt[Callable[P, Result[R, PromptError]]]:
        """The same prompt function with `Result` (returns) as its return type; nothing is raised for a failed call.

        All ways to call it are there: `.safe(...)` gives `Success(value)` or `Failure(error)`, `.safe.map` a list of these,
        `.safe.submit` a future of one. A batch that `max_failures` ends still raises `BatchError`.

        Returns:
            A new prompt function.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(max_tokens=3)
            ... def length(text: str) -> list[int]:
            ...     return ask(f"How long is {text}?")
            >>> with Runtime(ScriptedEngine(answers=["[5]", "[5, 7, 8]"])):
            ...     for result in length.safe.map(["a mile", "a league"]):
            ...         print(type(result).__name__)
            Success
            Failure
        """
        return type(self)(self._spec.as_safe())  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # another R

    def sample(self: Prompt[Callable[P, R]], n: int, /) -> Samples[Callable[P, R]]:
        """Return the same prompt function with `n` answers to each call, drawn independently, in one batch.

        Call it for a list of `n` values; `.map` and `.starmap` give a list for each row, and `.safe` gives results in place
        of exceptions. `majority` and `best_of` make one value of several. With `seed=` the seed counts up from sample to
        sample; with `Runtime(seed=...)` each sample has its own.

        Args:
            n: The number of samples, at least 1.

        Returns:
            The function that samples.

        Raises:
            PromptUsageError: `n` is no such number, or all samples would be equal: the prompt is greedy (`temperature=0`), or
                samples nothing (`Scored`).

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(temperature=0.8)
            ... def name(thing: str) -> str:
            ...     return ask(f"Name {thing}.")
            >>> with Runtime(ScriptedEngine(answers=["Ada", "Bob", "Cy", "Rex", "Pip", "Tom"])):
            ...     name.sample(2)("a hero")
            ...     name.sample(2).map(["a dog", "a cat"])
            ['Ada', 'Bob']
            [['Cy', 'Rex'], ['Pip', 'Tom']]
        """
        return Samples(self._spec, n)

    # A first parameter that takes a class is that of a class method, one that takes the instance that of a method; a static
    # method has neither.
    # fmt: off
    @overload
    def __get__(self: Prompt[Callable[Concatenate[type[A], Q], R]], instance: None, owner: type[A], /) -> Prompt[Callable[Q, R]]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None, /) -> Self: ...
    @overload
    def __get__(self: Prompt[Callable[Concatenate[A, Q], R]], instance: A, owner: type[Any] | None = None, /) -> Prompt[Callable[Q, R]]: ...
    @overload
    def __get__(self: Prompt[Callable[Concatenate[type[A], Q], R]], instance: A, owner: type[A] | None = None, /) -> Prompt[Callable[Q, R]]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...
    # fmt: on
    def __get__(self, instance: Any, owner: type[Any] | None = None, /) -> Any:
        return self._bind_to(instance, owner)


class AsyncPrompt(BasePrompt[F_co]):
    """A prompt function written with `async def`. Made by `@prompt`; its calls are awaited, those together share a batch.

    Cancelling the task of a call withdraws the request.

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

    if TYPE_CHECKING:

        @property
        def _streamed(self: AsyncPrompt[Callable[P, R]]) -> Callable[P, AsyncStream[R]]: ...

    async def __call__(self: AsyncPrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.aio(*args, **kwargs)

    def stream(self: AsyncPrompt[Callable[P, R]], *args: P.args, **kwargs: P.kwargs) -> AsyncStream[R]:
        """Ask once and read the answer, by `async for`, while the model writes it; see `Prompt.stream`."""
        return AsyncStream(self._spec.once(args, kwargs), safe=self._spec.safe)

    async def map(
        self: AsyncPrompt[Callable[Concatenate[A, Q], R]],
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
        spec = self._spec
        return spec.unwrap(await run_calls_async(spec.mapped(items, args, kwargs), spec.options.max_failures), items)

    # One a length of rows: those may leave out what has defaults.
    # fmt: off
    @overload
    async def starmap(self: AsyncPrompt[Callable[[A], R]], rows: Iterable[tuple[A]], /) -> list[R]: ...
    @overload
    async def starmap(self: AsyncPrompt[Callable[[A, B], R]], rows: Iterable[tuple[A, B]], /) -> list[R]: ...
    @overload
    async def starmap(self: AsyncPrompt[Callable[[A, B, C], R]], rows: Iterable[tuple[A, B, C]], /) -> list[R]: ...
    @overload
    async def starmap(self: AsyncPrompt[Callable[[A, B, C, D], R]], rows: Iterable[tuple[A, B, C, D]], /) -> list[R]: ...
    @overload
    async def starmap(self: AsyncPrompt[Callable[[Unpack[Ts]], R]], rows: Iterable[tuple[*Ts]], /) -> list[R]: ...
    # fmt: on
    async def starmap(self: AsyncPrompt[Callable[..., R]], rows: Iterable[tuple[Any, ...]], /) -> list[R]:
        """Ask for every row of arguments, as one batch; see `Prompt.starmap`.

        Args:
            rows: Tuples of the function's arguments, in their order.
        """
        spec = self._spec
        return spec.unwrap(await run_calls_async(spec.spread(rows), spec.options.max_failures))

    async def map_rows(self: AsyncPrompt[Callable[..., R]], rows: NamedRows, /, **constants: object) -> list[R]:
        """Ask for every row, as one batch; columns go to the parameters of their names; see `Prompt.map_rows`.

        Args:
            rows: Mappings, or a table with named columns.
            **constants: Arguments that are the same for every row.
        """
        spec = self._spec
        return spec.unwrap(await run_calls_async(spec.named(rows, constants), spec.options.max_failures), rows)

    @property
    def safe(self: AsyncPrompt[Callable[P, R]]) -> AsyncPrompt[Callable[P, Result[R, PromptError]]]:
        """The same prompt function with `Result` (returns) as its return type; see `Prompt.safe`."""
        return type(self)(self._spec.as_safe())  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # another R

    def sample(self: AsyncPrompt[Callable[P, R]], n: int, /) -> AsyncSamples[Callable[P, R]]:
        """Return the same prompt function with `n` answers to each call, drawn independently; see `Prompt.sample`.

        Args:
            n: The number of samples, at least 1.
        """
        return AsyncSamples(self._spec, n)

    # As in Prompt.
    # fmt: off
    @overload
    def __get__(self: AsyncPrompt[Callable[Concatenate[type[A], Q], R]], instance: None, owner: type[A], /) -> AsyncPrompt[Callable[Q, R]]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None, /) -> Self: ...
    @overload
    def __get__(self: AsyncPrompt[Callable[Concatenate[A, Q], R]], instance: A, owner: type[Any] | None = None, /) -> AsyncPrompt[Callable[Q, R]]: ...
    @overload
    def __get__(self: AsyncPrompt[Callable[Concatenate[type[A], Q], R]], instance: A, owner: type[A] | None = None, /) -> AsyncPrompt[Callable[Q, R]]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...
    # fmt: on
    def __get__(self, instance: Any, owner: type[Any] | None = None, /) -> Any:
        return self._bind_to(instance, owner)


if TYPE_CHECKING:  # for checkers alone: at run time a method is a prompt as any other

    class MethodFunction(Protocol[P, R_co]):
        """A function whose first parameter is called self. Its type is left out: two classes' methods differ in it."""

        def __call__(_, self: Any, *args: P.args, **kwargs: P.kwargs) -> R_co: ...  # pyright: ignore[reportSelfClsParameterName]  # this self is the function's

    # fmt: off
    class PromptMethod(Prompt[F_co]):
        """A prompt in a class, before it is looked up. Its parameter is the function without self."""

        @overload  # type: ignore[override]  # looked up, it is no method any more
        def __get__(self: PromptMethod[Callable[Q, R]], instance: None, owner: type[A], /) -> Prompt[Callable[Concatenate[A, Q], R]]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Prompt[F_co]: ...
        def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]

    class AsyncPromptMethod(AsyncPrompt[F_co]):
        """An asynchronous prompt in a class, before it is looked up; see `PromptMethod`."""

        @overload  # type: ignore[override]  # as above
        def __get__(self: AsyncPromptMethod[Callable[Q, R]], instance: None, owner: type[A], /) -> AsyncPrompt[Callable[Concatenate[A, Q], R]]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any] | None = None, /) -> AsyncPrompt[F_co]: ...
        def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]
    # fmt: on


class PromptDecorator:
    """Decorator with its options, as `@prompt(...)` makes it."""

    def __init__(self, options: Mapping[str, Any], examples: Sequence[Example[Any]]) -> None:
        self._options = options
        self._examples = examples_of(examples, where="@prompt")

    # A coroutine function is the narrower case, and is meant to come first; so is a method.
    # fmt: off
    @overload
    def __call__(self, function: MethodFunction[P, Coroutine[Any, Any, R]], /) -> AsyncPromptMethod[Callable[P, R]]: ...  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncPrompt[Callable[P, R]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: MethodFunction[P, R], /) -> PromptMethod[Callable[P, R]]: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(self, function: Callable[P, R], /) -> Prompt[Callable[P, R]]: ...
    # fmt: on
    def __call__(self, function: Callable[..., Any], /) -> Any:
        return _decorate(function, self._options, self._examples, _scope(inspect.currentframe()))


# fmt: off
@overload
def prompt(function: MethodFunction[P, Coroutine[Any, Any, R]], /) -> AsyncPromptMethod[Callable[P, R]]: ...  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # as above
@overload
def prompt(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncPrompt[Callable[P, R]]: ...  # type: ignore[overload-overlap]  # as above
@overload
def prompt(function: MethodFunction[P, R], /) -> PromptMethod[Callable[P, R]]: ...  # pyright: ignore[reportOverlappingOverload]  # as above
@overload
def prompt(function: Callable[P, R], /) -> Prompt[Callable[P, R]]: ...
# fmt: on
@overload
def prompt(*, examples: Sequence[Example[Any]] = (), **options: Unpack[CallOptions]) -> PromptDecorator: ...
def prompt(
    function: Callable[..., Any] | None = None, /, *, examples: Sequence[Example[Any]] = (), **options: Any
) -> Any:
    """Make a prompt function, bare (`@prompt`) or with options (`@prompt(temperature=0)`).

    It goes on functions, `async def` too, on methods, and above `@classmethod` and `@staticmethod`.

    Args:
        function: The function. Its body is `return ask(...)`, its return annotation the type of the answer.
        examples: Worked calls, which the model sees as earlier turns; see `example`. None by default.
        **options: Sampling parameters by vLLM's names (`max_tokens`, `temperature`, ...), and `sampling_params`,
            `runtime`, `timeout` (seconds), `describe_format`, `truncation`, `json_format`, `retries`, `retry_truncated`, `max_reasoning_tokens`,
            `max_failures`, `version`, `priority`, `lora_request`, `chat_template_kwargs`; see `typefold.options.CallOptions`.

    Returns:
        A `Prompt` (an `AsyncPrompt` for `async def`) with the function's parameters and return type.

    Raises:
        UnsupportedType: The return type has no JSON form.
        TemplateError: The docstring is no valid template.
        PromptUsageError: The function has no return annotation, or its body, options or examples can't work.

    Example:
        >>> from typing import Literal
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt(temperature=0)
        ... def judge(text: str) -> Literal["keep", "drop"]:
        ...     return ask(f"Keep or drop? {text}")
        >>> with Runtime(ScriptedEngine(answers=lambda request: "keep")):
        ...     judge.map(["a", "b"])
        ['keep', 'keep']
    """
    if function is None:
        return PromptDecorator(options, examples)
    return _decorate(function, options, examples_of(examples, where="@prompt"), _scope(inspect.currentframe()))


def _scope(frame: FrameType | None) -> Mapping[str, Any]:
    """The local names where the decorator stands: a return type may be a class of the function around it."""
    return dict(frame.f_back.f_locals) if frame is not None and frame.f_back is not None else {}


def _decorate(
    function: object, options: Mapping[str, Any], examples: tuple[Example[Any], ...], scope: Mapping[str, Any]
) -> Prompt[Any] | AsyncPrompt[Any]:
    binding: Binding = "instance"
    method: Any = function
    if isinstance(function, (staticmethod, classmethod)):
        binding = "nothing" if isinstance(method, staticmethod) else "class"
        function = method.__func__
    if not inspect.isroutine(function):
        text = "; a text goes into its body, return ask(f'...')" if isinstance(function, str) else ""
        raise PromptUsageError(f"@prompt goes on a function, not on {type(function).__name__}{text}")
    definition = Definition(function, scope, binding)
    spec = PromptSpec(definition, Options().with_(options, where=definition.name), examples)
    spec.check()
    return AsyncPrompt(spec) if definition.is_async else Prompt(spec)
