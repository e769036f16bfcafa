"""`@prompt`: a function whose body is a message and whose return annotation is the form of the answer.

`Prompt` is what users hold: called, it asks once; `.map` and `.starmap` ask for many rows as one batch; `.safe` gives
results in place of exceptions, `.sample(n)` several answers to each call. What it asks without waiting is in `later`;
`.using` and `.render` are in `face`. `AsyncPrompt`, for `async def`, is in `async_prompt`. Both are immutable: a changed
prompt is a new one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from returns.result import Failure, Result, Success
from typing_extensions import TypeVarTuple, Unpack

from typefold.errors import PromptUsageError
from typefold.execution.call import values
from typefold.execution.executor import answer, answers
from typefold.execution.streaming import Stream
from typefold.options import CallOptions, Options
from typefold.prompts.async_prompt import AsyncPrompt
from typefold.prompts.definition import Binding, Definition, Example, examples_of
from typefold.prompts.later import Later
from typefold.prompts.samples import Samples
from typefold.prompts.spec import Plan
from typefold.runtime import PromptError
from typefold.tables.columns import length
from typefold.tables.index import indexed
from typefold.tables.named_rows import NamedRows, number_of

__all__ = ["AsyncPrompt", "Prompt", "PromptDecorator", "SafePrompt", "prompt"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


class Prompt(Later[P, R]):
    """A prompt function: arguments in, a value of the return type out. Made by `@prompt`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask once and wait for the value.

        Raises:
            TypeError: The arguments don't fit the function.
            PromptError: The row gave no value; see `typefold.PromptError` for the kinds.
            NoRuntime: No model has been named.
        """
        return answer(self._plan.once(args, kwargs))

    def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Ask for every item, as one batch.

        Args:
            items: Values of the first parameter: any iterable, or a column (a Series of pandas or polars, a pyarrow array),
                in which a missing value, for a parameter that takes no `None`, is its row's `BadInput`.
            *args: The other parameters, the same for every row.
            **kwargs: The other parameters, by name.

        Returns:
            The values, in the order of the items.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
            TypeError: The arguments fit the function for no item.
        """
        return values(cast("Prompt[..., R]", self).safe.map(items, *args, **kwargs))

    def starmap(self: Callable[[Unpack[Ts]], object], rows: Iterable[tuple[*Ts]], /) -> list[R]:  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        """Ask for every row of arguments, as one batch.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
        """
        return values(cast("Prompt[..., R]", self).safe.starmap(rows))

    def map_rows(self, rows: NamedRows, /, **constants: object) -> list[R]:
        """Ask for every row, whose columns go to the parameters of their names, as one batch.

        Args:
            rows: Mappings (dictionaries, say), a frame of pandas or polars, a table of Arrow or one that gives Arrow's stream
                (a relation of DuckDB). Columns that no parameter is named after are left alone, unless the function takes
                `**fields`. A function of one parameter whose type has fields (a model, a dataclass) takes the whole row,
                where no column has the parameter's name.
            **constants: Arguments that are the same for every row. They stand above a column of that name.

        Returns:
            The values, in the order of the rows.

        Raises:
            BatchError: Some rows failed; it holds every row's `Result`.
            PromptUsageError: A table has no column for a parameter that needs one, or these are no rows with names.

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
        return values(self.safe.map_rows(rows, **constants))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Stream[R]:
        """Ask once and get the answer while it is written; the request is sent at once.

        Returns:
            A `Stream`: iterate it for pieces of text, or read `.partials()` and `.result()`. Reading it raises what the
            call gave in place of a value; closing or dropping it withdraws the request.

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
        return Stream(self._plan.once(args, kwargs))

    @property
    def safe(self) -> SafePrompt[P, R]:
        """The same prompt function with `Result` in place of exceptions."""
        return SafePrompt(self._plan)

    def sample(self, n: int, /) -> Samples[P, R]:
        """The same prompt function with `n` answers to each call, drawn independently, in one batch.

        Call it for a list of `n` values; `.map` and `.starmap` give a list for each row, and `.safe` has results in place
        of exceptions. `majority` and `best_of` make one value of several. Its own `seed=` counts up from sample to sample,
        and with `Runtime(seed=...)` each has its own.

        Raises:
            PromptUsageError: The prompt is greedy (`temperature=0`), or samples nothing (`Scored`), so that all would be one.

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
        return Samples(self._plan, n)

    # A first parameter that takes a class is that of a class method, one that takes the instance that of a method; a static
    # method has neither. mypy can't tell of every P that it may begin with a class, hence its ignores.
    # fmt: off
    @overload
    def __get__(self: Callable[Concatenate[type[A], Q], object], instance: None, owner: type[A], /) -> Prompt[Q, R]: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None, /) -> Self: ...
    @overload
    def __get__(self: Callable[Concatenate[A, Q], object], instance: A, owner: type[Any] | None = None, /) -> Prompt[Q, R]: ...  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self: Callable[Concatenate[type[A], Q], object], instance: A, owner: type[A] | None = None, /) -> Prompt[Q, R]: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...
    # fmt: on
    def __get__(self, instance: Any, owner: type[Any] | None = None, /) -> Any:
        return self._seen_from(instance, owner)


class SafePrompt(Generic[P, R]):
    """A prompt function that gives `Result[R, PromptError]` (returns) and raises nothing for a row."""

    def __init__(self, plan: Plan[R]) -> None:
        self._plan = plan

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R, PromptError]:
        """Ask once; `Success(value)` or `Failure(error)`."""
        try:
            return Success(answer(self._plan.attempt(args, kwargs, None)))
        except PromptError as error:
            return Failure(error)

    def map(
        self: Callable[Concatenate[A, Q], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        items: Iterable[A],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[Result[R, PromptError]]:
        """Ask for every item, as one batch; a `Result` for each, in order."""
        plan = cast("SafePrompt[..., R]", self)._plan
        return indexed(answers(plan.mapped(items, args, kwargs), length(items), plan.options.max_failures), items)

    def starmap(
        self: Callable[[Unpack[Ts]], object],  # pyright: ignore[reportGeneralTypeIssues]  # see docs/design.md
        rows: Iterable[tuple[*Ts]],
        /,
    ) -> list[Result[R, PromptError]]:
        """Ask for every row of arguments, as one batch; a `Result` for each, in order."""
        plan = cast("SafePrompt[..., R]", self)._plan
        return answers(plan.spread(rows), length(rows), plan.options.max_failures)

    def map_rows(self, rows: NamedRows, /, **constants: object) -> list[Result[R, PromptError]]:
        """Ask for every row, whose columns go to the parameters of their names; a `Result` for each, in order."""
        plan = self._plan
        return indexed(answers(plan.named(rows, constants), number_of(rows), plan.options.max_failures), rows)


class PromptDecorator:
    """What `@prompt(...)` with options gives: the decorator itself."""

    def __init__(self, options: Mapping[str, Any], examples: Sequence[Example[Any]]) -> None:
        self._options = options
        self._examples = examples_of(examples, where="@prompt")

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncPrompt[P, R]: ...  # type: ignore[overload-overlap]  # a coroutine function is the narrower case, and is meant to come first
    @overload
    def __call__(self, function: Callable[P, R], /) -> Prompt[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        return _decorate(function, self._options, self._examples, _scope(inspect.currentframe()))


@overload
def prompt(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncPrompt[P, R]: ...  # type: ignore[overload-overlap]  # as above
@overload
def prompt(function: Callable[P, R], /) -> Prompt[P, R]: ...
@overload
def prompt(*, examples: Sequence[Example[Any]] = (), **options: Unpack[CallOptions]) -> PromptDecorator: ...
def prompt(
    function: Callable[..., Any] | None = None, /, *, examples: Sequence[Example[Any]] = (), **options: Any
) -> Any:
    """Make a prompt function.

    Works on functions, methods, class methods and static methods (above `@classmethod` and `@staticmethod`) and
    `async def`, bare or with options.

    Args:
        function: The function; its body is `return ask(...)`, its return annotation the form of the answer.
        examples: Worked calls, shown to the model as earlier turns; see `example`.
        **options: Sampling parameters by vLLM's names (`max_tokens`, `temperature`, ...), and `sampling_params`,
            `runtime`, `timeout` (seconds), `describe_format`, `truncation`, `json_format`, `retries`, `retry_truncated`, `max_reasoning_tokens`,
            `max_failures`, `priority`, `lora_request`, `chat_template_kwargs`; see `typefold.options.CallOptions`.

    Returns:
        A `Prompt` (an `AsyncPrompt` for `async def`) with the function's parameters and return type.

    Raises:
        UnsupportedType: The return type has no JSON form.
        TemplateError: The docstring, as a template, is wrong.
        PromptUsageError: The function or its options can't work.

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
) -> Prompt[..., Any] | AsyncPrompt[..., Any]:
    binding: Binding = "instance"
    method: Any = function
    if isinstance(function, (staticmethod, classmethod)):
        binding = "nothing" if isinstance(method, staticmethod) else "class"
        function = method.__func__
    if not inspect.isroutine(function):
        raise PromptUsageError(f"@prompt goes on a function, not on {type(function).__name__}")
    definition: Definition[Any] = Definition(function, scope, binding)
    plan = Plan(definition, Options().with_(options, where=definition.name), examples)
    plan.check()
    return AsyncPrompt(plan) if definition.is_async else Prompt(plan)
