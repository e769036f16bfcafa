"""What tells models apart: a name and a digest, found out without loading anything.

A folder is known by its content, so that it may be moved: its small files (configuration, tokenizer, chat template)
whole, its weights by their sizes and their first and last bytes. A name of a hub is known by itself and `revision=`; pin
one where the model may change under its name. Of the engine's options those count that bear on what it answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from typefold.compiler.guards import kind_of
from typefold.runtime.journal.canonical import digest

__all__ = ["ModelIdentity", "content_of", "identity_of"]

_BEARING = (
    "revision",
    "tokenizer",
    "tokenizer_revision",
    "tokenizer_mode",
    "dtype",
    "quantization",
    "hf_config_path",
    "hf_overrides",
    "chat_template",
    "generation_config",
    "override_generation_config",
    "load_format",
    "model_impl",
    "kv_cache_dtype",
    "logits_processors",
    "logprobs_mode",
    "markers",
    "rope_parameters",
    "rope_scaling",
)
_SMALL = 64 << 20  # a tokenizer's files are of some megabytes
_EDGE = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model, as a journal knows it.

    Attributes:
        name: What it is called, to be read.
        digest: What it is known by.
    """

    name: str
    digest: bytes


def identity_of(name: str, options: Mapping[str, Any]) -> ModelIdentity:
    """The identity of a model that has a name or a folder.

    Args:
        name: A model's name or path.
        options: Options of the engine; those that do not bear on answers are left out.
    """
    state = hashlib.blake2b(content_of(name) or name.encode("utf-8", "surrogatepass"), digest_size=16)
    for option in _BEARING:
        if (value := options.get(option)) is not None:
            state.update(option.encode())
            state.update(digest(value) or _code_of(value))
    return ModelIdentity(name, state.digest())


def content_of(folder: str) -> bytes | None:
    """A digest of what is in a folder, or `None` where there is none."""
    path = Path(folder)
    if not path.is_dir():
        return None
    state = hashlib.blake2b(digest_size=16)
    for piece in _content(path):
        state.update(piece)
    return state.digest()


def _code_of(value: Any) -> bytes:
    """What tells functions apart: their names and what they are compiled to. Anything else goes by its class."""
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return kind_of(value).__qualname__.encode()
    constants = [each for each in code.co_consts if not isinstance(each, CodeType)]
    return f"{value.__module__}.{value.__qualname__} {constants}".encode() + code.co_code


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
