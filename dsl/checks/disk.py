"""Names looked up in the files of a program and of what is installed, without running or importing any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from typefold.checks.evaluator.registrations import may_register, registered_in
from typefold.checks.scopes import SourceNames
from typefold.checks.source import Source

__all__ = ["DiskNames"]


class DiskNames(SourceNames):
    """Looks names up as Python's import would, in folders.

    Args:
        sources: The files of the program.

    Attributes:
        folders: The folders that the program's modules and packages are in.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        super().__init__()
        self._program = list(sources)
        self._known: dict[str, Source | None] = {source.module: source for source in self._program}
        roots = (str(_root(source)) for source in self._program)
        self.folders = list(dict.fromkeys(roots))
        self._roots = list(dict.fromkeys([*self.folders, os.getcwd(), *filter(os.path.isdir, sys.path)]))

    def source(self, module: str) -> Source | None:
        if module not in self._known:
            path = self._path(module)
            self._known[module] = None if path is None else Source.read(path)
        return self._known[module]

    def is_library(self, module: str) -> bool:
        """A module of the program may have the name of one of the standard library."""
        return super().is_library(module) and self._known.get(module) not in self._program

    def registrations(self) -> Iterator[str]:
        for source in [*self._program, *filter(None, self._known.values())]:
            if may_register("".join(source.lines)):
                yield from registered_in(source)

    def _path(self, module: str) -> str | None:
        relative = module.replace(".", os.sep)
        for root in self._roots:
            for ending in (".py", f"{os.sep}__init__.py", ".pyi", f"{os.sep}__init__.pyi"):
                path = os.path.join(root, relative + ending)
                if os.path.isfile(path):
                    return path
        return None


def _root(source: Source) -> Path:
    """The folder that holds the file's outermost package."""
    path = Path(os.path.realpath(source.path))
    depth = len(source.module.split(".")) - (0 if path.stem == "__init__" else 1)
    return path.parents[min(depth, len(path.parents) - 1)]
