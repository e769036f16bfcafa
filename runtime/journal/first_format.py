"""The first format of a journal, as later ones read it: how it told models and adapters apart.

Weights went by their sizes and by the first and last MiB of each file. Requests are looked for under that identity too where
a journal holds answers of it, so that a file which was begun with the first format goes on to answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typefold.runtime.journal.model_identity import FIRST_BEARING, ModelIdentity, identified

__all__ = ["first_content_of", "first_identity_of"]

_SMALL = 64 << 20  # a tokenizer's files are of some megabytes
_EDGE = 1 << 20


def first_identity_of(name: str, options: Mapping[str, Any]) -> ModelIdentity:
    """The identity that a model of a name or a folder had in the first format."""
    return identified(name, first_content_of(name), {option: options.get(option) for option in FIRST_BEARING})


def first_content_of(folder: str) -> bytes | None:
    """The digest that the first format had of a folder, or `None` where there is none."""
    path = Path(folder)
    if not path.is_dir():
        return None
    state = hashlib.blake2b(digest_size=16)
    for piece in _content(path):
        state.update(piece)
    return state.digest()


def _content(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith(".") or path.suffix.lower() in {".md", ".txt~", ".log"}:
            continue
        size = path.stat().st_size
        yield f"{path.name} {size}".encode("utf-8", "surrogatepass")
        with path.open("rb") as file:
            if size <= _SMALL and path.suffix not in {".safetensors", ".bin", ".gguf", ".pt", ".pth"}:
                yield file.read()
                continue
            yield file.read(_EDGE)
            file.seek(max(0, size - _EDGE))
            yield file.read(_EDGE)
