"""`Deferred`: a typed value that is still to be worked out, and the errors for code that takes one for a value that is there.

Nothing runs before a value is asked for; then `graph` computes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar, cast

from returns.result import Failure, Result
from typing_extensions import TypeIs

from typefold.compiler.guards import is_collection, is_dict
from typefold.errors import BatchError, PromptUsageError
from typefold.execution.ends import end_if_over
from typefold.execution.executor import unwrap, unwrap_in_row
from typefold.execution.greenlets import awaited
from typefold.graphs.graph import Node, compute
from typefold.messages import current_frame
from typefold.runtime import Cancelled, PromptError
from typefold.signatures.parameters import name_of

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)


class Deferred(Generic[T_co]):
    """A value that is still to be worked out. Made by `prompt.defer(...)`, `.then(...)` and `gather.defer(...)`.

    It is an argument in place of a value of its type in another `.defer(...)`. `result`, `safe`, `await` and `typefold.gather`
    compute it and all its inputs: each value once, as soon as its inputs are there, in one batch. Values are kept.

    Attributes:
        node: Its node in the graph; for extensions.

    Example:
        >>> from typefold import Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def hero(setting: str) -> str:
        ...     return ask(f"Name a hero from {setting}.")
        >>> @prompt
        ... def story(of: str, words: int) -> str:
        ...     return ask(f"Tell of {of} in {words} words.")
        >>> name = hero.defer("Mars")
        >>> text = story.defer(name, 2).then(str.upper)
        >>> text
        <Deferred upper: not worked out>
        >>> with Runtime(ScriptedEngine(answers=["Zed", "He came."])):
        ...     text.result(), name.result()
        ('HE CAME.', 'Zed')
    """

    __slots__ = ("node",)

    def __init__(
        self,
        name: str,
        work: Callable[[], T_co],
        inputs: Iterable[Deferred[Any]],
        expected: type[Exception] = Exception,
    ) -> None:
        self.node: Node[T_co] = Node(name, work, [given.node for given in inputs], expected)

    def __repr__(self) -> str:
        node = self.node
        if current_frame.get() is not None:
            raise PromptUsageError(
                f"a Deferred ({node.name}) can't be text of a prompt, since it is not worked out; pass it to .defer(...) "
                f"as an argument of its own, a list of them as gather.defer([...])"
            )
        state = f"{'being' if node.running else 'not'} worked out" if node.result is None else repr(node.result)
        return f"<Deferred {node.name}: {state}>"

    def __bool__(self) -> NoReturn:
        raise PromptUsageError(
            f"a Deferred ({self.node.name}) is neither true nor false before it is worked out; ask for its value with "
            f".result(), or decide in a function: d.then(lambda value: ... if value else ...)"
        )

    def then(self, function: Callable[[T_co], U], /) -> Deferred[U]:
        """Return the deferred result of a function of this value; the function is not called now.

        Args:
            function: A plain function of this value. It may call prompts: they join the same batch.

        Returns:
            A deferred value of the function's return type.

        Raises:
            PromptUsageError: This is the body of a prompt.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def hero(setting: str) -> str:
            ...     return ask(f"Name a hero from {setting}.")
            >>> length = hero.defer("Mars").then(len)
            >>> with Runtime(ScriptedEngine(answers=["Zed"])):
            ...     length.result()
            3
        """
        refuse_in_body("Deferred.then")
        name = name_of(function)
        return Deferred(name, partial(apply_deferred, function, name, self), [self])

    def result(self) -> T_co:
        """Return the value, computed now if it is not there yet.

        Returns:
            The value. It is kept, so a second call costs nothing.

        Raises:
            PromptError: Its call gave no value; `InputFailed` where an input failed.
            Exception: A function given to `then` raised it.
            NoRuntime: No model has been named.
            PromptUsageError: It waits for itself, or a prompt is used in a way that can't work.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def half(number: int) -> int:
            ...     return ask(f"Half of {number}?")
            >>> with Runtime(ScriptedEngine(answers=["2", "1"])):
            ...     half.defer(half.defer(4)).result()
            1
        """
        return unwrap_in_row(self.safe())

    def __await__(self) -> Generator[Any, None, T_co]:
        """Await the value, computed as by `result` while the event loop goes on; cancelling the task withdraws the requests.

        Several that are awaited together (`asyncio.gather`) share a batch; `await gather.defer(...)` gives a typed tuple.

        Raises:
            PromptError: Its call gave no value; `InputFailed` where an input failed.
            Exception: A function given to `then` raised it.
            NoRuntime: No model has been named.

        Example:
            >>> import asyncio
            >>> from typefold import Runtime, ask, gather, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... async def hero(setting: str) -> str:
            ...     return ask(f"Name a hero from {setting}.")
            >>> async def main() -> tuple[str, int]:
            ...     name = hero.defer("Mars")
            ...     return await gather.defer(name, name.then(len))
            >>> with Runtime(ScriptedEngine(answers=["Zed"])):
            ...     asyncio.run(main())
            ('Zed', 3)
        """
        return self._value().__await__()

    async def _value(self) -> T_co:
        await end_if_over()
        return unwrap(await awaited(self.safe))

    def safe(self) -> Result[T_co, Exception]:
        """Return the value as a `Result`, computed now if it is not there yet; no error of a call is raised.

        Returns:
            `Success(value)`, or `Failure(error)` with the exception that `result` would raise.

        Raises:
            NoRuntime: No model has been named.
            PromptUsageError: It waits for itself, or a prompt is used in a way that can't work.

        Example:
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def half(number: int) -> int:
            ...     return ask(f"Half of {number}?")
            >>> with Runtime(ScriptedEngine(answers=["2"])):
            ...     half.defer(4).safe()
            <Success: 2>
        """
        [result] = settle([self])
        return cast("Result[T_co, Exception]", result)


def settle(wanted: Iterable[Deferred[Any]], max_failures: int | None = None) -> list[Result[Any, Exception]]:
    """Compute deferred values together, and return their results. Raises BatchError after more than `max_failures`."""
    refuse_in_body("a Deferred's value")
    nodes = [each.node for each in wanted]
    done = compute(nodes, max_failures)
    results = [node.result or Failure(Cancelled(function=node.name)) for node in nodes]
    if not done:
        raise BatchError(with_rows(results), max_failures=max_failures)
    return results


def with_rows(results: Iterable[Result[Any, Exception]]) -> list[Result[Any, Exception]]:
    """Return results whose errors name their index as the row."""
    return [
        Failure(error.at(row=row))
        if isinstance(result, Failure) and isinstance(error := result.failure(), PromptError)
        else result
        for row, result in enumerate(results)
    ]


def refuse_in_body(what: str) -> None:
    """Refuse graphs in the body of a prompt."""
    frame = current_frame.get()
    if frame is not None:
        raise PromptUsageError(
            f"{frame.name}: its body uses {what}; a prompt's body makes its message and nothing else. Build the graph in "
            f"a plain function, and give {frame.name}.defer(...) the deferred value as an argument."
        )


def deferred_in(values: Iterable[Any], where: str) -> list[Deferred[Any]]:
    """Return the deferred values among arguments. Refuses one in a list or a dict: it would not be worked out."""
    found: list[Deferred[Any]] = []
    for value in values:
        if is_deferred(value):
            found.append(value)
        elif (is_dict(value) and any(map(is_deferred, value.values()))) or (
            is_collection(value) and any(map(is_deferred, value))
        ):
            raise PromptUsageError(
                f"{where}: a {type(value).__name__} of deferred values is no deferred value; make it one with "
                f"gather.defer([...]), and .then(...) for other shapes than a list or a tuple"
            )
    return found


def is_deferred(value: object) -> TypeIs[Deferred[Any]]:
    """Return whether a value is deferred."""
    return isinstance(value, Deferred)


def arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments in which values replace the deferred ones, which are computed."""
    return tuple(map(value_of, args)), {name: value_of(value) for name, value in kwargs.items()}


def value_of(given: object) -> Any:
    """Return the value of a deferred one, which is computed; any other value as it is."""
    return given.node.value if is_deferred(given) else given


def apply_deferred(function: Callable[[T], U], name: str, given: Deferred[T]) -> U:
    """Apply a function to a deferred value, once that is there. A function of the module, so that pickle can name it."""
    made = function(value_of(given))
    if inspect.iscoroutine(made):
        made.close()
        raise PromptUsageError(f"Deferred.then: {name} returned a coroutine; give .then a plain function")
    if is_deferred(made):
        raise PromptUsageError(
            f"Deferred.then: {name} returned a Deferred; inside it, call prompts plainly: they join the batch all the same"
        )
    return made
