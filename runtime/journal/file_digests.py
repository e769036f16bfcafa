"""SHA-256 of files, each read once: a digest is remembered in the user's cache by path, size, times and inode.

Invariant: a digest is of all the bytes of a file. An entry of the cache that can't be read, or is not as it was written,
counts for nothing, and a cache that can't be written stays as it is: then files are read again. A file in the cache of
Hugging Face's hub has its digest as its name and is not read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

__all__ = ["file_digests", "times_and_size"]

logger = logging.getLogger(__name__)

_SMALL = 1 << 20  # bytes that are read sooner than remembered
_LONG = 1_000_000_000  # bytes that take a second or more
_THREADS = 4
_SETTLED = 2_000_000_000  # ns after which a file that is changed again has another time, on every filesystem
_SHA256 = re.compile(r"[0-9a-f]{64}")


def file_digests(paths: Sequence[Path], *, of: str) -> list[bytes]:
    """The SHA-256 of each file; a log line says so first where much must be read.

    Args:
        paths: Files that are there.
        of: The model or adapter that they belong to, for the log.

    Raises:
        OSError: One of them can't be read.
    """
    found = [_named(path) or _remembered(path) for path in paths]
    missing = [path for path, digest in zip(paths, found, strict=True) if digest is None]
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
    return [next(read) if digest is None else digest for digest in found]


def _named(path: Path) -> bytes | None:
    """The digest that a file of the hub's cache is called by: `models--org--name/blobs/<SHA-256>`."""
    file = path.resolve()
    is_blob = file.parent.name == "blobs" and file.parent.parent.name.startswith("models--")
    return bytes.fromhex(file.name) if is_blob and _SHA256.fullmatch(file.name) else None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").digest()
        after = os.fstat(file.fileno())
    if before.st_size >= _SMALL and times_and_size(before) == times_and_size(after) and _is_settled(after):
        _remember(_entry(path, after), digest)
    return digest


def _is_settled(status: os.stat_result) -> bool:
    """Whether a change from now on would show in a file's times, which are as coarse as its filesystem has them."""
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED


def _remembered(path: Path) -> bytes | None:
    status = path.stat()
    if status.st_size < _SMALL:
        return None
    with suppress(OSError):
        entry = _entry(path, status)
        held = entry.read_bytes() if entry.is_file() else b""
        if held == _sealed(entry, held[:32]):
            return held[:32]
    return None


def _remember(entry: Path, digest: bytes) -> None:
    """Write an entry whole or not at all, whoever else writes it."""
    with suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=entry.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(_sealed(entry, digest))
            os.replace(beside, entry)
        except BaseException:
            os.unlink(beside)
            raise


def _sealed(entry: Path, digest: bytes) -> bytes:
    return digest + hashlib.sha256(entry.name.encode() + digest).digest()


def times_and_size(status: os.stat_result) -> tuple[int, ...]:
    """Return the facts of a file that change where its content is changed."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def _entry(path: Path, status: os.stat_result) -> Path:
    """The file of the cache that has a file's digest."""
    known = repr((os.fspath(path.resolve()), *times_and_size(status))).encode("utf-8", "surrogatepass")
    return _folder() / hashlib.sha256(known).hexdigest()


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("typefold") / "digests"
