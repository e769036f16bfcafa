"""The identity of a model: a name and a digest, found without loading anything.

A folder is known by the names and the SHA-256 of its files, so that it may be moved; a model of a hub by its name and `revision=`.
Engine options that bear on answers count; those that name a file or a folder count by its content. The first format knew weights by
sizes and edges: journals that were begun with it go on to answer.

Invariant: a digest covers all bytes of a file. Each file is read once: its digest is cached by path, size, times and inode.
A cache entry that is damaged is ignored, and a cache that can't be written is left alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from typefold.compiler.guards import class_of
from typefold.runtime.journal.canonical import digest

logger = logging.getLogger(__name__)

_FIRST_BEARING = (
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
"""Engine options that bear on answers and counted from the first format on."""

_BEARING = (*_FIRST_BEARING, "code_revision", "config_format", "mm_processor_kwargs")
_PATHS = ("tokenizer", "hf_config_path", "chat_template", "generation_config")
_NOTES = {".md", ".txt~", ".log"}
_WEIGHTS = {".safetensors", ".bin", ".gguf", ".pt", ".pth"}

_MIB = 1 << 20  # smaller files are read sooner than cached
_TOKENIZER = 64 << 20  # bytes: a tokenizer's files are smaller
_LONG = 1_000_000_000  # bytes that take a second or more
_THREADS = 4
_SETTLED = 2_000_000_000  # ns after which another change of a file has another time, on every filesystem
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model, as a journal knows it.

    Attributes:
        name: The model's name, for people.
        digest: The digest that answers are found by.
    """

    name: str
    digest: bytes


def identity_of(name: str, options: Mapping[str, Any]) -> ModelIdentity:
    """Return the identity of a model.

    Args:
        name: The model's name or path.
        options: Options of the engine; those that do not bear on answers are left out.

    Raises:
        OSError: A file can't be read.
    """
    bearing = {option: options.get(option) for option in _BEARING}
    contents = {option: content_of(value) for option in _PATHS if isinstance(value := bearing[option], str | Path)}
    return _identified(name, content_of(name), {**bearing, **{option: it for option, it in contents.items() if it}})


def first_identity_of(name: str, options: Mapping[str, Any]) -> ModelIdentity:
    """Return the identity that the model had in the first format."""
    return _identified(name, first_content_of(name), {option: options.get(option) for option in _FIRST_BEARING})


def _identified(name: str, content: bytes | None, options: Mapping[str, Any]) -> ModelIdentity:
    state = hashlib.blake2b(content or name.encode("utf-8", "surrogatepass"), digest_size=16)
    for option, value in options.items():
        if value is not None:
            state.update(option.encode())
            state.update(digest(value) or _code_of(value))
    return ModelIdentity(name, state.digest())


def _code_of(value: Any) -> bytes:
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return class_of(value).__qualname__.encode()
    constants = [each for each in code.co_consts if not isinstance(each, CodeType)]
    return f"{value.__module__}.{value.__qualname__} {constants}".encode() + code.co_code


def content_of(path: str | os.PathLike[str]) -> bytes | None:
    """Return a digest of all that is in a folder or a file; `None` where there is neither."""
    files = _all_files(path)
    if files is None:
        return None
    state = hashlib.blake2b(digest_size=16)
    for name, content in zip(files, file_digests([*files.values()], of=os.fspath(path)), strict=True):
        state.update(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() + content)
    return state.digest()


def state_of(path: str | os.PathLike[str]) -> bytes | None:
    """Return a digest of sizes, times and inodes, which changes with the content of a folder or a file."""
    files = _all_files(path)
    if files is None:
        return None
    state = [(name, *_times_and_size(file.stat())) for name, file in files.items()]
    return hashlib.blake2b(repr(state).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _all_files(path: str | os.PathLike[str]) -> dict[str, Path] | None:
    """Return the files of a folder by name, or a file by the empty name; `None` where there is neither."""
    name = os.fspath(path)
    if os.path.isfile(name):
        return {"": Path(name)}
    return dict(sorted(_files(Path(name), "", ()))) if os.path.isdir(name) else None


def _files(folder: Path, within: str, above: Iterable[tuple[int, int]]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder and its folders by name; a folder that contains itself is read once."""
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


def first_content_of(folder: str) -> bytes | None:
    """Return the digest that a folder had in the first format: sizes, and the edges of weights."""
    if not os.path.isdir(folder):
        return None
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).iterdir()):
        if not path.is_file() or path.name.startswith(".") or path.suffix.lower() in _NOTES:
            continue
        size = path.stat().st_size
        state.update(f"{path.name} {size}".encode("utf-8", "surrogatepass"))
        with path.open("rb") as file:
            if size <= _TOKENIZER and path.suffix not in _WEIGHTS:
                state.update(file.read())
                continue
            state.update(file.read(_MIB))
            file.seek(max(0, size - _MIB))
            state.update(file.read(_MIB))
    return state.digest()


def file_digests(paths: Sequence[Path], *, of: str) -> list[bytes]:
    """Return the SHA-256 of each file; much that must be read is logged first. Raises OSError: a file can't be read."""
    found = [_blob_digest(path) or _cached(path) for path in paths]
    missing = [path for path, known in zip(paths, found, strict=True) if known is None]
    size = sum(path.stat().st_size for path in missing)
    if size > _LONG:
        logger.warning(
            "reading the files of %s (%.1f GB), by which a journal tells models apart; this is done once, and "
            "remembered in %s",
            of,
            size / 1e9,
            _folder(),
        )
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        read = iter([*threads.map(_read, missing)])
    return [next(read) if known is None else known for known in found]


def _blob_digest(path: Path) -> bytes | None:
    """Return the digest in the name of a blob in the hub's cache: `models--org--name/blobs/<SHA-256>`."""
    file = path.resolve()
    is_blob = file.parent.name == "blobs" and file.parent.parent.name.startswith("models--")
    return bytes.fromhex(file.name) if is_blob and _SHA256.fullmatch(file.name) else None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        content = hashlib.file_digest(file, "sha256").digest()
        after = os.fstat(file.fileno())
    if before.st_size >= _MIB and _times_and_size(before) == _times_and_size(after) and _is_settled(after):
        _cache(_entry(path, after), content)
    return content


def _is_settled(status: os.stat_result) -> bool:
    """Return whether a change from now on would show in a file's times, as coarse as its filesystem has them."""
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED


def _times_and_size(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def _cached(path: Path) -> bytes | None:
    status = path.stat()
    if status.st_size < _MIB:
        return None
    with suppress(OSError):
        entry = _entry(path, status)
        held = entry.read_bytes() if entry.is_file() else b""
        if held == _sealed(entry, held[:32]):
            return held[:32]
    return None


def _cache(entry: Path, content: bytes) -> None:
    """Write an entry whole or not at all, also beside other writers."""
    with suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=entry.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(_sealed(entry, content))
            os.replace(beside, entry)
        except BaseException:
            os.unlink(beside)
            raise


def _sealed(entry: Path, content: bytes) -> bytes:
    return content + hashlib.sha256(entry.name.encode() + content).digest()


def _entry(path: Path, status: os.stat_result) -> Path:
    known = repr((os.fspath(path.resolve()), *_times_and_size(status))).encode("utf-8", "surrogatepass")
    return _folder() / hashlib.sha256(known).hexdigest()


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("typefold") / "digests"
