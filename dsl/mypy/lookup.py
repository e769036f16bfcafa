"""Names of the program, looked up in its sources with mypy's help."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from mypy.nodes import MypyFile, SymbolNode, TypeInfo
from mypy.util import module_prefix

from typefold.checks.libraries import is_library, library_module, library_object
from typefold.checks.scopes import Names, may_register
from typefold.checks.source import Declared, Meaning, ModuleName, Source, Where
from typefold.mypy.names import INSTALLED, is_of_program


class MypyNames(Names):
    """Looks names up in the modules of a build."""

    def __init__(self, modules: dict[str, MypyFile]) -> None:
        super().__init__()
        self._modules = modules
        self._sources: dict[str, Source | None] = {}
        self._stamps: dict[str, tuple[int, int] | None] = {}
        """By module; of installed files, which stay as they are, there is none."""

    def source(self, module: str) -> Source | None:
        if module not in self._sources:
            tree = self._modules.get(module)
            path = tree.path if tree is not None else ""
            if INSTALLED.search(path):
                self._sources[module] = Source.read(path) if path.endswith((".py", ".pyi")) else None
            else:
                self._stamps[module] = _stamp(path)
                self._sources[module] = self.read(module, path) if path and not os.path.isdir(path) else None
        return self._sources[module]

    def is_stale(self, module: str) -> bool:
        """Whether the source of a module was read, and has changed since."""
        return module in self._stamps and _stamp(self._modules[module].path) != self._stamps[module]

    def is_library(self, module: str) -> bool:
        """A module of the program may have the name of one of the standard library."""
        tree = self._modules.get(module)
        return is_library(module) and (tree is None or not is_of_program(tree))

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
        owner = module_prefix(self._modules, node.fullname.rpartition(".")[0])
        if owner is None:
            return None
        path = node.fullname.removeprefix(f"{owner}.")
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

    def registering(self) -> Iterator[Source]:
        for module, tree in list(self._modules.items()):
            if tree.path.endswith(".py") and is_of_program(tree) and may_register(_text(tree.path)):
                source = self.source(module)
                yield from () if source is None else (source,)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
