"""What tells models apart: a name and a digest, found out without loading anything.

A folder is known by all that is in it, so that it may be moved: by the names and the SHA-256 of its files, of which each is
read once (`file_digests`). Left out are hidden files, notes and logs, and the checkpoints of a training. A name of a hub is
known by itself and `revision=`; pin one where the model may change under its name. Of the engine's options those count that
bear on what it answers; those that name a file or a folder count by what is in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from typefold.compiler.guards import kind_of
from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.file_digests import file_digests, times_and_size

__all__ = ["FIRST_BEARING", "ModelIdentity", "content_of", "identified", "identity_of", "state_of"]

FIRST_BEARING = (
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
"""Options that bear on answers: those that counted from the first format on."""

_BEARING = (*FIRST_BEARING, "code_revision", "config_format", "mm_processor_kwargs")
_PATHS = ("tokenizer", "hf_config_path", "chat_template", "generation_config")
_NOTES = {".md", ".txt~", ".log"}


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
    told = {option: options.get(option) for option in _BEARING}
    contents = {option: content_of(value) for option in _PATHS if isinstance(value := told[option], str | Path)}
    return identified(name, content_of(name), {**told, **{option: it for option, it in contents.items() if it}})


def identified(name: str, content: bytes | None, told: Mapping[str, Any]) -> ModelIdentity:
    """The identity of a model of a name, of what is in its folder, if it has one, and of options in a fixed order."""
    state = hashlib.blake2b(content or name.encode("utf-8", "surrogatepass"), digest_size=16)
    for option, value in told.items():
        if value is not None:
            state.update(option.encode())
            state.update(digest(value) or _code_of(value))
    return ModelIdentity(name, state.digest())


def content_of(path: str | os.PathLike[str]) -> bytes | None:
    """A digest of all that is in a folder, or in a file; `None` where there is neither.

    Raises:
        OSError: Something in it can't be read.
    """
    name, files = os.fspath(path), _all_files(path)
    if files is None:
        return None
    state = hashlib.blake2b(digest_size=16)
    for file, digest_of_file in zip(files, file_digests([*files.values()], of=name), strict=True):
        state.update(hashlib.sha256(file.encode("utf-8", "surrogatepass")).digest() + digest_of_file)
    return state.digest()


def state_of(path: str | os.PathLike[str]) -> bytes | None:
    """Return a digest that changes where a folder or a file is changed, without reading it: sizes, times and inodes.

    Raises:
        OSError: Something in it can't be looked at.
    """
    files = _all_files(path)
    if files is None:
        return None
    told = [(name, *times_and_size(path.stat())) for name, path in files.items()]
    return hashlib.blake2b(repr(told).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _all_files(path: str | os.PathLike[str]) -> dict[str, Path] | None:
    """The files of a folder by their names, or a file by none; `None` where there is neither."""
    name = os.fspath(path)
    if os.path.isfile(name):
        return {"": Path(name)}
    return dict(sorted(_files(Path(name), "", ()))) if os.path.isdir(name) else None


def _files(folder: Path, within: str, above: Iterable[tuple[int, int]]) -> Iterator[tuple[str, Path]]:
    """The files of a folder and of those in it, by their names; a folder that contains itself is read once."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above or (within and (folder / "trainer_state.json").exists()):
        return
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == "__pycache__" or path.suffix.lower() in _NOTES:
            continue
        if path.is_file():
            yield within + path.name, path
        elif path.is_dir():
            yield from _files(path, f"{within}{path.name}/", {*above, here})


def _code_of(value: Any) -> bytes:
    """What tells functions apart: their names and what they are compiled to. Anything else goes by its class."""
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return kind_of(value).__qualname__.encode()
    constants = [each for each in code.co_consts if not isinstance(each, CodeType)]
    return f"{value.__module__}.{value.__qualname__} {constants}".encode() + code.co_code
