"""Files that are for their owner alone: journals, recordings and records that failed hold people's texts."""

from __future__ import annotations

import os

__all__ = ["private"]


def private(path: str, flags: int) -> int:
    """Open a file, made with mode 0600 if it is not there; one that is there keeps its mode. The `opener` of `open`.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, open(Path(folder) / "new", "w", opener=private) as file:
        ...     oct(os.fstat(file.fileno()).st_mode & 0o777)
        '0o600'
    """
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
