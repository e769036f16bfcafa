"""A function that is to be called for records: what it takes by name, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typefold.errors import PromptUsageError
from typefold.signatures.by_name import Parameter, parameters_of
from typefold.signatures.parameters import hints_of, is_async

__all__ = ["Target", "target_of"]


@dataclass(frozen=True)
class Target:
    """A function to be called for rows: a prompt or any other.

    Attributes:
        name: As it was named.
        function: The function.
        parameters: What it takes by name.
        returns: Its return type; `Any` where it has none.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def is_async(self) -> bool:
        """Whether calling it gives something to be awaited."""
        return is_async(self.function)


def target_of(function: Callable[..., Any], name: str) -> Target:
    """A function as one to be called for rows.

    Args:
        function: The function.
        name: What messages call it.

    Raises:
        PromptUsageError: It can't be called by name, or an annotation names what is not there.
    """
    hint_of = hints_of(function, {})
    try:
        return Target(name, function, parameters_of(function, name, hint_of), hint_of("return"))
    except NameError as error:
        raise PromptUsageError(
            f"{getattr(function, '__name__', function)}: an annotation names what is not there: {error}"
        ) from error
