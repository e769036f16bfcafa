"""The LoRA adapters of one vLLM engine: numbered, checked and loaded before any request uses them.

vLLM keeps an adapter by a number and its prefix cache by the name, and trusts both. A request whose adapter can't be loaded ends its
engine. So numbers are made of name and path, clashes are refused, and an adapter is loaded by a call of its own, whose failure is
that of the row. Invariant: a name, and a number, stands for one adapter as long as the engine lives. vLLM is not imported.

On a CPU, vLLM (0.25 to 0.32: `lora/ops/torch_ops`) computes rows without an adapter with the last of its `max_loras` places, for
whose index it takes -1. So there that place is kept empty: no more adapters than the others hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.vllm.sampling_params import readable
from typefold.runtime.request import Adapter, is_adapter

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the values of max_lora_rank in vLLM


class Adapters:
    """Makes requests for adapters."""

    def __init__(
        self,
        config: Any,
        make: Callable[[str, int, str], Any],
        load: Callable[[Any], object],
        *,
        places: int | None = None,  # of all adapters together; `None` for any number
    ) -> None:
        self._config = config
        self._make = make
        self._load = load
        self._places = places
        self._paths: dict[str, str] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def request(self, given: Any) -> Any:
        """Return vLLM's request for an `Adapter` or a `LoRARequest`, which is loaded once this returns."""
        if given is None:
            return None
        if not is_adapter(given):
            raise EngineRefusal(
                f"lora_request is an adapter, as in Adapter('name', 'path') or vLLM's LoRARequest, not {given!r:.80}"
            )
        name, path = given.name, os.fspath(given.path)
        known = self._paths.get(name)
        if known is not None and known != path:
            raise EngineRefusal(
                f"two adapters are named {name!r}, one from {known} and one from {path}; give them names of their own"
            )
        number = self._number(name, path) if isinstance(given, Adapter) else _number_of(given)
        if (holder := self._names.get(number, name)) != name:
            raise EngineRefusal(
                f"the adapter {name!r} has lora_int_id={number}, which {holder!r} has already; give it another number, or "
                f"write Adapter({name!r}, {path!r})"
            )
        if (before := self._numbers.get(name, number)) != number:
            raise EngineRefusal(f"the adapter {name!r} has lora_int_id={number}, and had {before} before")
        request = self._make(name, number, path) if isinstance(given, Adapter) else given
        if known is None:
            try:
                self._refuse_unfit(name, path)
                self._load(request)
            except EngineRefusal:
                raise
            except Exception as error:  # of the file system, too: a path that is none, no home folder
                raise EngineRefusal(f"the adapter {name!r} can't be loaded: {readable(error)}") from error
            self._paths[name], self._names[number], self._numbers[name] = path, name, number
        return request

    def _number(self, name: str, path: str) -> int:
        """Return a number that is the same in every process, and in this one no other adapter's."""
        if name in self._numbers:
            return self._numbers[name]
        digest = hashlib.blake2b(f"{name}\0{path}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
        number = int.from_bytes(digest) % (1 << 30) + 1
        while number in self._names:
            number += 1
        return number

    def _refuse_unfit(self, name: str, path: str) -> None:
        folder = Path(path).expanduser()
        here = folder.is_dir()
        if not here and (folder.is_absolute() or path.startswith(("~", ".")) or folder.exists()):
            raise EngineRefusal(f"the adapter {name!r} can't be loaded: there is no folder {path}")
        rank = _rank(folder) if here else None
        if here and not (folder / "adapter_config.json").is_file():
            raise EngineRefusal(
                f"the adapter {name!r} can't be loaded: {path} has no adapter_config.json, so it is none in PEFT's format"
            )
        if self._config is None:
            raise EngineRefusal(
                f"the adapter {name!r} needs an engine that takes adapters: write "
                f"Runtime(..., enable_lora=True, max_lora_rank={_fitting(rank or 16)}), or the same for an LLM of your own"
            )
        if rank is not None and rank > self._config.max_lora_rank:
            raise EngineRefusal(
                f"the adapter {name!r} has rank {rank}, and the engine takes up to {self._config.max_lora_rank}: "
                f"write Runtime(..., enable_lora=True, max_lora_rank={_fitting(rank)})"
            )
        if self._places is not None and len(self._paths) >= self._places:
            raise EngineRefusal(
                f"the adapter {name!r} is one more than the engine has places for ({self._places}), and on a CPU none can "
                f"be given to another: write Runtime(..., enable_lora=True, max_loras={self._places + 1}), or for an LLM "
                f"of your own max_loras={self._places + 2}, one more than there are adapters"
            )


def _number_of(request: Any) -> int:
    return int(request.lora_int_id)


def _rank(folder: Path) -> int | None:
    with suppress(OSError, ValueError, AttributeError):
        rank = json.loads((folder / "adapter_config.json").read_text("utf-8")).get("r")
        return rank if isinstance(rank, int) else None
    return None


def _fitting(rank: int) -> int:
    return next((each for each in _RANKS if each >= rank), rank)
