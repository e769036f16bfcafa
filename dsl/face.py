"""What prompt functions of both colours share: they look like the function, render, and take options."""

from __future__ import annotations

import functools
from typing import Generic, ParamSpec, Self, TypeVar

from typing_extensions import Unpack

from typefold.compiler import Message
from typefold.messages import RawPrompt
from typefold.options import CallOptions
from typefold.plan import Plan

__all__ = ["Face"]

P = ParamSpec("P")
R = TypeVar("R")


class Face(Generic[P, R]):
    """A prompt function, as far as it asks nothing."""

    def __init__(self, plan: Plan[R]) -> None:
        self._plan = plan
        function = plan.definition.function
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<prompt {self._plan.name}{self._plan.definition.signature}>"

    def render(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Message, ...] | RawPrompt:
        """The messages exactly as they are sent, examples and shape included. Needs no engine.

        Raises:
            TypeError: The arguments don't fit the function.
        """
        return self._plan.call(args, kwargs).messages

    def using(self, **options: Unpack[CallOptions]) -> Self:
        """The same prompt function with other options.

        Args:
            **options: Sampling parameters by name, `sampling_params=`, `runtime=`, `timeout=`, ...

        Raises:
            PromptUsageError: An option that does not exist or does not go with the return type.
        """
        return type(self)(self._plan.with_options(options))
