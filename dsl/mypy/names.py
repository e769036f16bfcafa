"""Names looked up with mypy's help: it knows where each module's source is, and what a name stands for in the end."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from mypy.nodes import MypyFile, SymbolNode, TypeInfo

from typefold.checks.evaluator.registrations import may_register, registered_in
from typefold.checks.libraries import is_library, library_module, library_object
from typefold.checks.scopes import SourceNames
from typefold.checks.source import Source
from typefold.checks.symbols import Declared, Meaning, ModuleName, Where
from typefold.mypy.freshness import OF_OTHERS

__all__ = ["MypyNames"]


class MypyNames(SourceNames):
    """Looks names up in the modules of a build.

    Args:
        modules: mypy's modules by name.
    """

    def __init__(self, modules: dict[str, MypyFile]) -> None:
        super().__init__()
        self._modules = modules
        self._sources: dict[str, Source | None] = {}
        self._stamps: dict[str, tuple[int, int] | None] = {}

    def source(self, module: str) -> Source | None:
        if module not in self._sources:
            tree = self._modules.get(module)
            path = tree.path if tree is not None else ""
            if path and not OF_OTHERS.search(path):
                self._stamps[path] = _stamp(path)
            self._sources[module] = Source.read(path) if path.endswith((".py", ".pyi")) else None
        return self._sources[module]

    def is_stale(self) -> bool:
        """Whether a source that was read has changed since."""
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def is_library(self, module: str) -> bool:
        """A module of the program may have the name of one of the standard library."""
        if not is_library(module):
            return False
        tree = self._modules.get(module)
        return (
            tree is None or tree.is_stub or module.partition(".")[0] == "typefold" or bool(OF_OTHERS.search(tree.path))
        )

    def otherwise(self, module: str, name: str) -> Meaning | None:
        tree = self._modules.get(module)
        found = tree.names.get(name) if tree is not None else None
        if found is None or found.node is None:
            inner = f"{module}.{name}"
            return ModuleName(inner) if inner in self._modules else None
        if isinstance(found.node, MypyFile):
            return ModuleName(found.node.fullname)
        return self._declared(module, found.node)

    def _declared(self, module: str, node: SymbolNode) -> Meaning | None:
        """What a symbol stands for, where it was defined."""
        owner, path = self._split(node.fullname)
        if owner is None or not path:
            return None
        if self.is_library(owner):
            return library_object(owner, path) or library_module(node.fullname)
        self.use(module, owner)
        source = self.source(owner)
        if source is None:
            return None
        where, found = Where(owner), list[ast.AST]()
        scope: ast.AST = source.tree
        for part in path.split("."):
            found = [statement for statement, _ in self.bound(scope).get(part, [])]
            if len(found) > 1 and isinstance(node, TypeInfo):
                found = [each for each in found if getattr(each, "lineno", None) == node.line] or found
            if len(found) != 1:
                return None
            if scope is not source.tree and isinstance(scope, ast.ClassDef):
                where = Where(owner, (*where.around, scope))
            scope = found[0]
        return Declared(found[0], where) if not isinstance(found[0], (ast.Import, ast.ImportFrom)) else None

    def _split(self, fullname: str) -> tuple[str | None, str]:
        """A full name as a module and what is in it."""
        parts = fullname.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:length])
            if module in self._modules:
                return module, ".".join(parts[length:])
        return None, ""

    def registrations(self) -> Iterator[str]:
        for module, tree in list(self._modules.items()):
            if tree.is_stub or not tree.path.endswith(".py") or module.partition(".")[0] == "typefold":
                continue
            if not OF_OTHERS.search(tree.path) and may_register(_text(tree.path)):
                source = self.source(module)
                yield from registered_in(source) if source is not None else ()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
