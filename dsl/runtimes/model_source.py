"""The model of a runtime and the options for it, checked before anything is loaded and without importing vLLM.

A wrong model name, engine option or option of the runtime's own is a `PromptUsageError` where the runtime is made. A name and a
factory can be made into an engine any number of times; a `vllm.LLM` or an engine that was handed in can't, since it is the
user's and was made elsewhere. Left out: the values of vLLM's own options, which only vLLM can check.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from math import inf
from os import PathLike
from typing import Any, Protocol, TypeAlias

from typefold.errors import NoRuntime, PromptUsageError
from typefold.options import CallOptions
from typefold.runtime import Engine
from typefold.runtime.engine import ControlTokenPolicy
from typefold.runtime.engines.engine_registry import engine_kind_of, load_engine
from typefold.runtime.engines.vllm.precheck import engine_options, why_no_model
from typefold.runtime.journal import Journal
from typefold.runtime.sampling import FLAG, Range, number, one_of, or_none, whole


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
    """Make the engine of a model. A factory's `LLM` belongs to the runtime, and is shut down when that is closed."""
    if isinstance(model, str):
        return load_engine(model, control_tokens=control_tokens, replica=replica, **options)
    built: Any = model() if is_factory(model) else model
    if (kind := engine_kind_of(built)) is not None:
        return kind.adopt_engine(built, owned=built is not model, control_tokens=control_tokens)
    if not hasattr(built, "kill"):
        raise TypeError(f"it must return a vllm.LLM or an engine, not {type(built).__name__}")
    if control_tokens != "keep":
        raise PromptUsageError(
            f"Runtime: control_tokens={control_tokens!r} is for vLLM's chat templates, and {title(model)} has none"
        )
    engine: Engine = built
    return engine


def title(model: Any) -> str:
    """Return a name for a model that has none."""
    return str(getattr(model, "__qualname__", None) or type(model).__name__)


def is_factory(model: Any) -> bool:
    """Return whether a model is a function, or the class, that makes an `LLM` or an engine."""
    is_made = engine_kind_of(model) is not None or hasattr(model, "step")
    return isinstance(model, type) or (callable(model) and not is_made)


_ELSEWHERE = ("config_format", "hf_config_path")  # with these a model's folder may have no config.json


def model_of(given: Any, options: Mapping[str, Any]) -> Any:
    """Return the model that was given or that TYPEFOLD_MODEL names; paths as texts, with `~` resolved."""
    where = "Runtime" if given is not None else "TYPEFOLD_MODEL"
    model = given if given is not None else os.environ.get("TYPEFOLD_MODEL") or None
    if model is None:
        raise NoRuntime
    is_path = _is_path(model)
    if not is_path and not isinstance(model, str):
        if not (callable(model) or engine_kind_of(model) is not None or hasattr(model, "step")):
            raise PromptUsageError(
                f"Runtime: the model is a name or a path, a vllm.LLM, an engine, or a function that makes one of these, "
                f"not {model!r:.80}"
            )
        return model
    name = os.path.expanduser(os.fsdecode(model))
    elsewhere = any(options.get(option) for option in _ELSEWHERE)
    if (reason := why_no_model(name, is_path=is_path, elsewhere=elsewhere)) is not None:
        raise PromptUsageError(f"{where}: {reason}")
    return name


def _is_path(model: object) -> bool:
    return isinstance(model, os.PathLike) and not isinstance(model, str)


def check_engine_options(model: Any, options: Mapping[str, Any], own: Collection[str]) -> None:
    """Refuse unknown options, and those of an engine that was made already."""
    known = engine_options() if options else None
    for name in options:
        if known is not None and name in known:
            continue
        if name == "engine":
            raise PromptUsageError(
                "Runtime: a model's name is loaded by vLLM; give another engine as Runtime(lambda: ...)"
            )
        if name in CallOptions.__annotations__:
            raise PromptUsageError(f"Runtime: {name} is an option of @prompt, .using and generate, not of the runtime")
        # Without vLLM's own names, only what is very near to one of ours is certain to be a mistake.
        near = difflib.get_close_matches(name, sorted({*own, *(known or ())}), n=1, cutoff=0.6 if known else 0.8)
        if near or known is not None:
            meant = f"; did you mean {near[0]!r}?" if near else "; it has its own, and those of vllm.LLM"
            raise PromptUsageError(f"Runtime: there is no option {name!r}{meant}")
    if options and not isinstance(model, str):
        made = "the function makes the LLM" if is_factory(model) else "the LLM is made already"
        raise PromptUsageError(f"Runtime(llm): {made}, so {', '.join(options)} can't be set; pass them to LLM(...)")


_OWN: Mapping[str, Range] = {
    "deduplicate": FLAG,
    "early_stop": FLAG,
    "ignore_journal": FLAG,
    "seed": Range("an int", or_none(whole())),
    "replicas": Range("a number of engines, an int from 1", whole(1)),
    "restarts": Range("how often the engine may be built again, an int from 0", whole(0)),
    "watchdog": Range("a number of seconds above 0, or None", or_none(number(lambda value: 0 < value < inf))),
    "journal": Range(
        "the path of a file, or a Journal",
        lambda value: value is None or (value != "" and isinstance(value, str | os.PathLike | Journal)),
    ),
    "control_tokens": one_of("keep", "refuse", "escape"),
}


def check_own(model: Any, options: Mapping[str, Any]) -> None:
    """Refuse values of a runtime's own options that are out of range, or don't go with its model."""
    for name, value in options.items():
        if (reason := _OWN[name].refusal(name, value)) is not None:
            raise PromptUsageError(f"Runtime: {reason}")
    if options["control_tokens"] != "keep" and not isinstance(model, str) and hasattr(model, "step"):
        raise PromptUsageError(
            f"Runtime: control_tokens={options['control_tokens']!r} is for vLLM's chat templates, and {title(model)} has none"
        )
    if isinstance(model, str) or is_factory(model):
        return
    if (restarts := options["restarts"]) > 0:
        raise PromptUsageError(
            f"Runtime: restarts={restarts} needs a way to build the engine again, and this {title(model)} was made "
            "already; give a model's name, or a function that makes it: Runtime(lambda: LLM(...), restarts=...)"
        )
    if (replicas := options["replicas"]) > 1:
        raise PromptUsageError(
            f"Runtime: replicas={replicas} needs a way to make engines, and this {title(model)} was made already; give a "
            "model's name, or a function that makes one: Runtime(lambda: LLM(...), replicas=...)"
        )
