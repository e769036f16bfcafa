"""The mypy plugin: `plugins = ["typefold.mypy"]` makes mypy read prompts.

It checks docstring templates, return types (by the compiler itself, on types made again from their declarations), options,
bodies and examples, and widens the arguments of `.defer`. docs/typing.md lists its findings. The rules do not need mypy
and stand in `typefold.checks`.
"""

from __future__ import annotations

import re

from mypy.plugin import Plugin

from typefold.mypy.hooks import TypefoldPlugin
from typefold.mypy.workspace import digest_of_package

__all__ = ["plugin"]

__version__ = digest_of_package()
"""Compared by mypy to know whether a cache was made with this very plugin."""
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
    return TypefoldPlugin
