"""Python started with this folder on its path finds no more instructions than `TYPEFOLD_ISA` says: see `tests/machines.py`.

vLLM asks `torch.cpu` which of its builds it may load. So those questions are answered here, as soon as torch is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_ASKED = {  # by the first setting that has it
    "AVX512_CORE": ("_is_avx512_supported", "_is_vnni_supported"),
    "AVX512_CORE_BF16": ("_is_avx512_bf16_supported",),
    "AVX512_CORE_AMX": ("_is_amx_tile_supported", "_is_amx_fp16_supported", "_init_amx"),
}


def _no() -> bool:
    return False


class _HeldDown(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        settings = ["AVX2", *_ASKED]
        for setting in settings[settings.index(os.environ["TYPEFOLD_ISA"]) + 1 :]:
            for question in _ASKED[setting]:
                if hasattr(module, question):
                    setattr(module, question, _no)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torch.cpu":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        found = find_spec(name)
        if found is not None and found.loader is not None:
            found.loader = _HeldDown(found.loader)
        return found


if os.environ.get("TYPEFOLD_ISA"):
    sys.meta_path.insert(0, _Finder())
