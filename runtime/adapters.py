"""LoRA adapters, as requests name them.

An adapter is a name and a folder; numbers, which vLLM wants too, are the engine's affair (`engines.adapters`). vLLM's own
`LoRARequest` says the same and more, and is taken in its place. Invariant: equal names and folders are equal adapters, so
requests with them may share an answer. Left out: what is in the folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

__all__ = ["Adapter", "AdapterLike", "is_adapter"]


class AdapterLike(Protocol):
    """An `Adapter`, or a `vllm.lora.request.LoRARequest`."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str | os.PathLike[str]: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter, for `lora_request=`.

    Attributes:
        name: What it is called; one engine knows one adapter by a name.
        path: Its folder, in the format of PEFT (`adapter_config.json` and the weights), or the name of one on the hub.

    Raises:
        ValueError: The name or the path is empty, or the name no text.

    Example:
        >>> from typefold.runtime import Adapter, Request, Scheduler
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> scheduler = Scheduler(ScriptedEngine(answers=lambda request: f"as {request.options['lora_request'].name}"))
        >>> legal = Adapter("legal", "adapters/legal")
        >>> [future] = scheduler.submit([Request(prompt="Write a clause.", options={"lora_request": legal})])
        >>> future.result().text
        'as legal'
        >>> scheduler.close()
    """

    name: str
    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fsdecode(self.path))
        name: Any = self.name  # untyped code may give anything
        if not (isinstance(name, str) and name and self.path):
            raise ValueError(f"an adapter needs a name and a path, both as text, not {name!r} and {self.path!r}")


def is_adapter(value: Any) -> TypeGuard[AdapterLike]:
    """Whether a value names an adapter: an `Adapter`, or a `LoRARequest` of vLLM's."""
    return isinstance(value, Adapter) or all(
        isinstance(getattr(value, name, None), kind)
        for name, kind in (("lora_name", str), ("lora_int_id", int), ("lora_path", str))
    )
