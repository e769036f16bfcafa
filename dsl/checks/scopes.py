"""Names looked up in sources: through the scopes around a place, then the module, then the modules it imports from.

A name that is bound more than once in its scope is left open, unless by imports or where a subclass knows better.
`DiskNames` finds modules in files as Python's import would, without running or importing any of them.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from typefold.checks.libraries import is_library, library_module, library_object, why_missing
from typefold.checks.source import Declared, Known, Meaning, ModuleName, Source, Unreadable, Where, arguments_of

Binding: TypeAlias = tuple[ast.AST, ast.alias | None]
"""A statement that binds a name and, if it is an import, the part of it that does."""

_ANY_CLASS = "*"
"""Stands for every class, where registration is by a predicate."""
_REGISTERS = re.compile(r"\.hook(?:_factory)?\(")


class Names:
    """Looks names up in sources. A subclass finds the source of a module."""

    def __init__(self) -> None:
        self._bindings: dict[ast.AST, dict[str, list[Binding]]] = {}
        self._following: set[tuple[str, str]] = set()
        self._members: dict[tuple[str, str], Meaning | None] = {}
        self._uses: dict[str, set[str]] = {}
        self._registered: set[str] | None = None
        self.unread: dict[str, str] = {}
        """Modules that can't be read or imported here, and why; types from them count as right."""

    def source(self, module: str) -> Source | None:
        """Find the source of a module of the program, or return `None`."""
        raise NotImplementedError

    def read(self, module: str, path: str) -> Source | None:
        """Read a module, or note why that can't be done."""
        try:
            return Source.load(path)
        except Unreadable as error:
            self.unread[module] = f"{error.reason}, line {error.line} of {path}"
            return None

    def is_library(self, module: str) -> bool:
        """Whether a module's objects are those of this process; its source is not read then."""
        return is_library(module)

    def has_hook(self, node: ast.ClassDef) -> bool:
        """Whether the program registers a hook for a class of this name, or registers by predicate."""
        if self._registered is None:
            self._registered = {name for source in self.registering() for name in _registered_in(source)}
        return not self._registered.isdisjoint((node.name, _ANY_CLASS))

    def registering(self) -> Iterator[Source]:
        return iter(())

    def use(self, module: str, other: str) -> None:
        """Note that declarations of a module are made of those of another."""
        reason = why_missing(other) if self.is_library(other) else None
        if reason is not None:
            self.unread[other] = reason
        if reason is not None or not self.is_library(other):
            self._uses.setdefault(module, set()).add(other)

    def used_by(self, module: str) -> set[str]:
        """Every module with declarations of which those of a module are made, at any remove."""
        found, waiting = set[str](), [module]
        while waiting:
            for other in self._uses.get(waiting.pop(), set()) - found:
                found.add(other)
                waiting.append(other)
        return found

    def meaning(self, name: str, where: Where) -> Meaning | None:
        """Look a name up from a place; `None` if its meaning can't be known."""
        for depth in reversed(range(len(where.around))):
            scope = where.around[depth]
            # A class's names are not seen from the functions in it.
            parameters_only = isinstance(scope, ast.ClassDef) and depth < len(where.around) - 1
            for parameter in getattr(scope, "type_params", ()):
                if parameter.name == name:
                    return Declared(parameter, Where(where.module, where.around[:depth]))
            if parameters_only or not hasattr(scope, "body"):
                continue
            if any(argument.arg == name for argument in arguments_of(scope)):
                return None
            if found := self.bound(scope).get(name):
                return self._one(found, Where(where.module, where.around[: depth + 1]))
        meaning = self.member(where.module, name)
        return Known(getattr(builtins, name)) if meaning is None and hasattr(builtins, name) else meaning

    def member(self, module: str, name: str) -> Meaning | None:
        if (module, name) in self._members:
            return self._members[module, name]
        if self.is_library(module):
            if (found := library_object(module, name)) is None:
                return library_module(f"{module}.{name}")
            self._members[module, name] = found
            return found
        if (module, name) in self._following:  # modules that import from one another
            return None
        self._following.add((module, name))
        try:
            source = self.source(module)
            bound = self.bound(source.tree) if source is not None else {}
            meaning = self._one(bound[name], Where(module)) if name in bound else self._of_stars(bound, module, name)
            meaning = meaning or self.otherwise(module, name)
        finally:
            self._following.discard((module, name))
        if not self._following:  # inside a circle, the result depends on the module it was entered by
            self._members[module, name] = meaning
        return meaning

    def _of_stars(self, bound: Mapping[str, list[Binding]], module: str, name: str) -> Meaning | None:
        """Look a name up behind each `from ... import *`; the last such import stands."""
        for statement, _ in reversed(bound.get("*", []) if not name.startswith("_") else []):
            origin = self._absolute(statement, module) if isinstance(statement, ast.ImportFrom) else None
            if origin is not None and (meaning := self.member(origin, name)) is not None:
                self.use(module, origin)
                return meaning
        return None

    def otherwise(self, module: str, name: str) -> Meaning | None:
        """Look a name up that the source of its module does not bind exactly once."""
        return ModuleName(f"{module}.{name}") if self.source(f"{module}.{name}") is not None else None

    def bound(self, scope: ast.AST) -> dict[str, list[Binding]]:
        if scope not in self._bindings:
            self._bindings[scope] = {}
            for name, binding in _bindings(getattr(scope, "body", ())):
                self._bindings[scope].setdefault(name, []).append(binding)
        return self._bindings[scope]

    def _one(self, found: Sequence[Binding], where: Where) -> Meaning | None:
        if len(found) > 1 and all(alias is not None for _, alias in found):  # as in `try: import ... except`
            meanings = (self._one([each], where) for each in found)
            return next((meaning for meaning in meanings if meaning is not None), None)
        if len(found) != 1:
            return None
        statement, alias = found[0]
        if alias is None:
            return Declared(statement, where)
        if isinstance(statement, ast.Import):
            return ModuleName(alias.name if alias.asname else alias.name.partition(".")[0])
        assert isinstance(statement, ast.ImportFrom)
        origin = self._absolute(statement, where.module)
        if origin is None:
            return None
        self.use(where.module, origin)
        return self.member(origin, alias.name)

    def _absolute(self, statement: ast.ImportFrom, module: str) -> str | None:
        if not statement.level:
            return statement.module
        source = self.source(module)
        is_package = source is not None and source.path.endswith(("__init__.py", "__init__.pyi"))
        parts = module.split(".")
        kept = len(parts) - statement.level + (1 if is_package else 0)
        if kept < 0:
            return None
        return ".".join([*parts[:kept], *([statement.module] if statement.module else [])]) or None


def _bindings(body: Sequence[Any]) -> Iterator[tuple[str, Binding]]:
    """Every name that statements bind outside functions and classes; targets of loops bind nothing that is a type."""
    waiting: list[tuple[Any, Any]] = [(statement, statement) for statement in reversed(body)]
    while waiting:
        statement, around = waiting.pop()
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, (statement, None)
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    bound = alias.asname or alias.name
                    if isinstance(statement, ast.Import) and not alias.asname:
                        bound = alias.name.partition(".")[0]
                    yield bound, (statement, alias)
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, (statement, None)
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, (statement, None)
            case _ if type(statement).__name__ == "TypeAlias":
                yield statement.name.id, (statement, None)
            case ast.Name(id=name):
                yield name, (around, None)
            case _:
                inside = [child for child in ast.iter_child_nodes(statement) if _may_bind(child)]
                waiting += [(child, statement) for child in reversed(inside)]


def _may_bind(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Store)
    return isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case, ast.Tuple, ast.withitem))


def may_register(text: str) -> bool:
    """Whether a file may register hooks for types, by its text."""
    return "typefold" in text and _REGISTERS.search(text) is not None


def _registered_in(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="hook_factory")):
                yield _ANY_CLASS
            case ast.Call(func=ast.Attribute(attr="hook"), args=classes):
                yield from (getattr(cls, "id", getattr(cls, "attr", _ANY_CLASS)) for cls in classes)
            case _:
                pass


class DiskNames(Names):
    """Looks names up as Python's import would, in the folders of a program's files and of installed packages."""

    def __init__(self, sources: Iterable[Source]) -> None:
        super().__init__()
        self._program = list(sources)
        self._known: dict[str, Source | None] = {source.module: source for source in self._program}
        self.folders = list(dict.fromkeys(str(source.root) for source in self._program))
        self._roots = list(dict.fromkeys([*self.folders, os.getcwd(), *filter(os.path.isdir, sys.path)]))

    def source(self, module: str) -> Source | None:
        if module not in self._known:
            path = self._path(module)
            self._known[module] = None if path is None else self.read(module, path)
        return self._known[module]

    def is_library(self, module: str) -> bool:
        """A module of the program may have the name of one of the standard library."""
        return super().is_library(module) and self._known.get(module) not in self._program

    def registering(self) -> Iterator[Source]:
        sources = [*self._program, *filter(None, self._known.values())]
        return (source for source in sources if may_register("".join(source.lines)))

    def _path(self, module: str) -> str | None:
        relative = module.replace(".", os.sep)
        for root in self._roots:
            for ending in (".py", f"{os.sep}__init__.py", ".pyi", f"{os.sep}__init__.pyi"):
                path = os.path.join(root, relative + ending)
                if os.path.isfile(path):
                    return path
        return None
