"""Prompt functions: `@prompt`, definitions, samples and tools; and their types, as annotations say them.

To type checkers a prompt is generic in its function as a callable. `Prompt[[str], Character]` and the like are aliases that
put that together of the parameters and the return type. At run time they are the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar

from typing_extensions import TypeIs

from typefold.prompts import prompt, samples
from typefold.prompts.base_prompt import BasePrompt

if TYPE_CHECKING:
    P = ParamSpec("P")
    R = TypeVar("R")

    Prompt: TypeAlias = prompt.Prompt[Callable[P, R]]
    AsyncPrompt: TypeAlias = prompt.AsyncPrompt[Callable[P, R]]
    Samples: TypeAlias = samples.Samples[Callable[P, R]]
    AsyncSamples: TypeAlias = samples.AsyncSamples[Callable[P, R]]
else:
    Prompt, AsyncPrompt = prompt.Prompt, prompt.AsyncPrompt
    Samples, AsyncSamples = samples.Samples, samples.AsyncSamples


def is_prompt(value: object) -> TypeIs[Prompt[..., object] | AsyncPrompt[..., object]]:
    """Return whether a value is a prompt function; type checkers narrow it. They take no alias in `isinstance`.

    Args:
        value: Any value.

    Returns:
        Whether it was made by `@prompt`.

    Example:
        >>> from typefold import ask, is_prompt, prompt
        >>> @prompt
        ... def capital(country: str) -> str:
        ...     return ask(f"What is the capital of {country}?")
        >>> is_prompt(capital), is_prompt(str.upper)
        (True, False)
    """
    return isinstance(value, BasePrompt)
