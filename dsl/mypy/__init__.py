"""The mypy plugin: `plugins = ["typefold.mypy"]` makes mypy read prompts.

It checks docstring templates, return types (by the compiler itself, on types made again from their declarations), options,
bodies and examples, and widens the arguments of `.defer`. docs/typing.md lists what it finds. A feature is a file here;
what does not need mypy is in `typefold.static`.
"""

from __future__ import annotations

from mypy.plugin import Plugin

from typefold.mypy.freshness import digest_of_package
from typefold.mypy.hooks import TypefoldPlugin

__all__ = ["plugin"]

__version__ = digest_of_package()
"""What mypy compares to know whether the plugin is the one that a cache was made with."""


def plugin(version: str) -> type[Plugin]:
    """Where mypy enters."""
    return TypefoldPlugin
