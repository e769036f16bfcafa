"""What prompt functions of both colours share: they look like the function, render, and take options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from typing_extensions import Unpack

from typefold.compiler import Explanation, Message
from typefold.messages import RawPrompt
from typefold.options import CallOptions
from typefold.prompts.definition import Example
from typefold.prompts.spec import Plan
from typefold.response_types import Logged, Reasoned, Scored

__all__ = ["Face", "plan_of"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Face(Generic[P, R]):
    """A prompt function, as far as it asks nothing."""

    def __init__(self, plan: Plan[R]) -> None:
        self._plan = plan
        function = plan.definition.function
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))
        self.__wrapped__ = function

    def _seen_from(self, instance: object, owner: type[Any] | None) -> Self:
        """The prompt as an attribute: without its first parameter, if an instance or a class stands for that."""
        binding = self._plan.definition.binding
        if binding == "class":
            return type(self)(self._plan.bind_instance(type(instance) if owner is None else owner))
        # Above `@prompt`, `@classmethod` gives the class as the instance.
        return self if binding == "nothing" or instance is None else type(self)(self._plan.bind_instance(instance))

    def __repr__(self) -> str:
        return f"<prompt {self._plan.name}{self._plan.definition.signature}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self._plan,)  # how a plan goes, `pickling` says

    def render(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Message, ...] | RawPrompt:
        """The messages exactly as they are sent, examples and shape included. Needs no engine.

        Raises:
            TypeError: The arguments don't fit the function.
        """
        return self._plan.call(args, kwargs).messages

    def explain(self) -> Explanation:
        """What becomes of the return type: shape, constraint, what decoding enforces, what is checked after, length.

        It needs no engine and loads none. Bounds are in bytes, and in tokens too once the runtime that would answer is
        loaded. In a notebook and by rich it is shown as a table; its fields are data.

        Example:
            >>> from typing import Literal
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def judge(text: str) -> Literal["keep", "drop"]:
            ...     return ask(f"Keep or drop? {text}")
            >>> print(judge.explain())
            judge(text: str) -> Literal['keep', 'drop']
              answer         bare text
              constraint     choice of 2
              enforced       the form
              checked after  nothing
              length         4 bytes
              decided        after 1 token
              unbounded      nothing
            <BLANKLINE>
            keep | drop
        """
        return self._plan.explain()

    def using(self, **options: Unpack[CallOptions]) -> Self:
        """The same prompt function with other options.

        Args:
            **options: Sampling parameters by name, `sampling_params=`, `runtime=`, `timeout=`, ...

        Raises:
            PromptUsageError: An option that does not exist or does not go with the return type.
        """
        return type(self)(self._plan.with_options(options))

    @overload
    def example(self: Face[P, Logged[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def example(self: Face[P, Reasoned[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def example(self: Face[P, Scored[T]], value: T, /, *args: P.args, **kwargs: P.kwargs) -> Example[T]: ...
    @overload
    def example(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Example[R]: ...
    def example(self, value: Any, /, *args: Any, **kwargs: Any) -> Example[Any]:
        """A worked call of this function, for `with_examples`; type checkers see whether it fits.

        Args:
            value: What the model should answer: a value of the return type, or of the type inside of `Logged` and the like.
            *args: The function's arguments.
            **kwargs: The same by name.

        Raises:
            TypeError: The arguments don't fit the function.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> capital.example("Paris", "France")
            example('Paris', country='France')
        """
        plan = self._plan
        return Example(value, plan.definition.bind((*plan.bound, *args), kwargs))

    def with_examples(self, *examples: Example[Any]) -> Self:
        """The same prompt function with further examples, shown to the model as earlier turns.

        Raises:
            PromptUsageError: An example whose arguments or value don't fit the function.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> shown = capital.with_examples(capital.example("Paris", "France"))
            >>> [message.content for message in shown.render("Peru")][1:]
            ['Paris', 'What is the capital of Peru?']
        """
        return type(self)(self._plan.with_examples(examples))


def plan_of(prompt: Face[..., R]) -> Plan[R]:
    """What stands behind a prompt function; for the other parts of this package."""
    return prompt._plan  # pyright: ignore[reportPrivateUsage]  # in its own module
