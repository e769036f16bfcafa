"""What a runtime's model may be, and how its engine is made of it: the first time, and again after a crash.

A name and a factory can be made into an engine any number of times; a `vllm.LLM` or an engine that was handed in can't,
since they are the user's and were made elsewhere. What does not go together is refused when the runtime is made, not when
the engine has crashed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Protocol, TypeAlias

from typefold.errors import PromptUsageError
from typefold.runtime import Engine
from typefold.runtime.engine import ControlTokenPolicy

__all__ = ["LLM", "Model", "engine_of", "is_factory", "title"]


class LLM(Protocol):
    """A `vllm.LLM`, by the one attribute that it is known by here: this room does not know vLLM."""

    llm_engine: Any


Model: TypeAlias = str | PathLike[str] | LLM | Engine | Callable[[], LLM | Engine]
"""A model's name or path, a `vllm.LLM`, an engine, or a function that makes one of the last two."""


def engine_of(
    model: Any,
    options: Mapping[str, Any],
    *,
    control_tokens: ControlTokenPolicy = "keep",
    replica: tuple[int, int] = (0, 1),
) -> Engine:
    """The engine of a model. A factory's `LLM` belongs to the runtime, and is shut down when that is closed.

    Args:
        model: What the runtime was made with.
        options: What `vllm.LLM` takes, for a model that is named.
        control_tokens: What becomes of messages that hold a template's own markers.
        replica: Which of how many engines of this model it is.
    """
    if isinstance(model, str):
        from typefold.runtime.engines.vllm.engine import load

        return load(model, control_tokens=control_tokens, replica=replica, **options)
    built: Any = model() if is_factory(model) else model
    if not hasattr(built, "llm_engine") and not hasattr(built, "kill"):
        raise TypeError(f"it is to return a vllm.LLM or an engine, and returned {type(built).__name__}")
    if hasattr(built, "llm_engine"):
        from typefold.runtime.engines.vllm.engine import VllmEngine

        return VllmEngine(built, owned=built is not model, control_tokens=control_tokens)
    if control_tokens != "keep":
        raise PromptUsageError(
            f"Runtime: control_tokens={control_tokens!r} is for vLLM's chat templates, and {title(model)} has none"
        )
    engine: Engine = built
    return engine


def title(model: Any) -> str:
    """A name in place of that of a model that has none."""
    return str(getattr(model, "__qualname__", None) or type(model).__name__)


def is_factory(model: Any) -> bool:
    """Whether it is a function that makes an `LLM` or an engine."""
    return callable(model) and not hasattr(model, "llm_engine") and not hasattr(model, "step")
