"""The mypy plugin: `plugins = ["typefold.mypy"]` makes mypy read prompts.

It checks docstring templates, return types (by the compiler itself, on types made again from their declarations), options,
bodies and examples, and widens the arguments of `.defer`. docs/typing.md lists its findings. The rules do not need mypy
and stand in `typefold.checks`. They are imported at the first prompt that is to be checked.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from typefold import __version__ as _version

if TYPE_CHECKING:
    from mypy.plugin import Plugin

__all__ = ["plugin"]

_OLDEST = (2, 4)
"""The first mypy that asks a plugin for its dependencies; an older one would keep errors that are mended."""


def plugin(version: str) -> type[Plugin]:
    """Return the plugin's class; mypy calls this function by its name.

    Raises:
        SystemExit: This mypy is too old. (Of other exceptions mypy shows no text.)
    """
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise SystemExit(f"the plugin typefold.mypy needs mypy {oldest} or newer, and this is mypy {version}")
    from typefold.mypy.hooks import TypefoldPlugin  # an older mypy may lack what it imports

    return TypefoldPlugin


def _digest_of_package() -> str:
    """Return a digest that differs when typefold's code does: the plugin is made of much of it.

    Reading all files would cost a tenth of a run that finds nothing changed.
    """
    installed = re.search(r"[/\\](?:site|dist)-packages[/\\]", __file__)
    made = hashlib.blake2b(_version.encode(), digest_size=8)
    for folder, _, names in sorted(os.walk(Path(__file__).parent.parent)):
        for name in sorted(names):
            if name.endswith(".py"):
                found = os.stat(os.path.join(folder, name))
                made.update(f"{name} {found.st_size} {0 if installed else found.st_mtime_ns}\n".encode())
    return made.hexdigest()


__version__ = _digest_of_package()
"""Compared by mypy to know whether a cache was made with this very plugin."""
