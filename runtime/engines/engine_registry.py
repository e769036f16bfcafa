"""The registry of engines: the ways to make an engine, by the name of its library.

To add an engine, write a module or a folder beside this one with an `Engine` class and a function that loads a model, and add a
line to `ENGINE_KINDS`. Nothing else changes: the scheduler, the journal and the tracer read `Engine.info`. A runtime loads a model
that it is given by name with the default engine; another engine is given as a function, `Runtime(lambda: load_engine(...))`.
Modules are imported when an engine is made, so that a library which is not installed costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typefold.runtime.engine import ControlTokenPolicy, CountsTokens, Engine

DEFAULT_ENGINE = "vllm"  # of a model that is given by its name


@dataclass(frozen=True, slots=True)
class EngineKind:
    """The engines of one library: `load(model, *, control_tokens, replica, **engine_options)` in a module.

    `adopt` names its function for an object of the library: `adopt(native, *, owned, control_tokens)`.
    """

    module: str
    adopt: str = ""
    native: str = ""  # an attribute by which an object of the library is known
    counter: str = ""  # a module whose `load` makes what counts a model's tokens, without its weights

    def adopt_engine(self, native: Any, *, owned: bool, control_tokens: ControlTokenPolicy) -> Engine:
        """Make an engine of an object of the library; closing it shuts the object down if it is `owned`."""
        engine: Engine = getattr(import_module(self.module), self.adopt)(
            native, owned=owned, control_tokens=control_tokens
        )
        return engine


ENGINE_KINDS: Mapping[str, EngineKind] = {
    "vllm": EngineKind(
        "typefold.runtime.engines.vllm.engine",
        adopt="VllmEngine",
        native="llm_engine",
        counter="typefold.runtime.engines.vllm.tokenizer_only",
    ),
    "scripted": EngineKind("typefold.runtime.engines.scripted"),
}


def engine_kind_of(value: object) -> EngineKind | None:
    """Return the kind of engine by its library's object; `None` for any other object."""
    return next((kind for kind in ENGINE_KINDS.values() if kind.native and hasattr(value, kind.native)), None)


def load_counter(model: str, *, control_tokens: ControlTokenPolicy = "keep", **engine_options: Any) -> CountsTokens:
    """Load the part of the default engine that counts the tokens of prompts: no weights, and no engine."""
    made: CountsTokens = import_module(ENGINE_KINDS[DEFAULT_ENGINE].counter).load(
        model, control_tokens=control_tokens, options=engine_options
    )
    return made


def load_engine(
    model: str,
    *,
    engine: str = DEFAULT_ENGINE,
    control_tokens: ControlTokenPolicy = "keep",
    replica: tuple[int, int] = (0, 1),
    **engine_options: Any,
) -> Engine:
    """Load a model by an engine in `ENGINE_KINDS`, as one of `replica[1]` engines; options are those of its library."""
    kind = ENGINE_KINDS.get(engine)
    if kind is None:
        raise ValueError(f"there is no engine {engine!r}; there are {', '.join(ENGINE_KINDS)}")
    load = import_module(kind.module).load
    loaded: Engine = load(model, control_tokens=control_tokens, replica=replica, **engine_options)
    return loaded
