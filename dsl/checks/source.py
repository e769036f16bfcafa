"""Source files as trees (functions by line, calls by place, the scopes around each), and the meanings of names in them.

A file is read as Python reads it, in the encoding that it declares. One that can't be read or parsed has no source; no
content of it can hinder the check of another.
"""

from __future__ import annotations

import ast
import io
import os
import stat
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from typefold.compiler.guards import is_list

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
Span: TypeAlias = tuple[int, int, int | None, int | None]

_LARGEST = 4_000_000
"""The size in bytes of the largest file that is read: parsing it takes some seconds and 2 GB."""
_SLOW_ENCODINGS = {"idna", "punycode"}
"""Their time grows with the square of the text."""
_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)


class Unreadable(Exception):
    """A file that holds no source, with the place of the mistake; line and column are counted from 1."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Function:
    """A function, and the classes and functions around it, the outermost first."""

    node: FunctionNode
    around: tuple[Scope, ...]

    @cached_property
    def inside(self) -> Sequence[ast.AST]:
        """The nodes of the body, as they are written, without those of functions and classes in it."""
        found: list[ast.AST] = []
        waiting: list[ast.AST] = [*reversed(self.node.body)]
        while waiting:
            node = waiting.pop()
            found.append(node)
            if not isinstance(node, Scope):
                waiting += reversed(_children(node))
        return found

    @property
    def first_line(self) -> int:
        """The line of its first decorator, or of its `def`."""
        return min(decorator.lineno for decorator in (self.node, *self.node.decorator_list))

    @property
    def head(self) -> range:
        """The lines of the signature and the docstring."""
        first = self.node.body[0]
        is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        last = first.end_lineno or first.lineno if is_docstring else max(self.node.lineno, first.lineno - 1)
        return range(self.node.lineno, last + 1)

    @property
    def arguments(self) -> list[ast.arg]:
        return arguments_of(self.node)

    @property
    def is_bound(self) -> bool:
        """Whether its first parameter is the instance or the class that it is called on."""
        static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in self.node.decorator_list)
        return bool(self.around) and isinstance(self.around[-1], ast.ClassDef) and not static


class Source:
    """A file of Python."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.tree = ast.parse(text)
        self.lines = [f"{line}\n" for line in _with_plain_ends(text).split("\n")]

    @classmethod
    def read(cls, path: str) -> Source | None:
        try:
            return cls.load(path)
        except Unreadable:
            return None

    @classmethod
    def load(cls, path: str) -> Source:
        """Read a file's source, or raise `Unreadable`."""
        try:
            return cls(_text(path), path)
        except Unreadable:
            raise
        except SyntaxError as error:
            raise Unreadable(error.msg, error.lineno or 1, error.offset or 1) from None
        except (RecursionError, MemoryError):
            raise Unreadable("its code is nested too deeply for Python's parser") from None
        except Exception as error:  # of the file, or of a codec that it names
            raise Unreadable(str(error)) from None

    @cached_property
    def module(self) -> str:
        """The name that the file's module would have when imported from the folder above its outermost package."""
        path = Path(os.path.realpath(self.path))
        parts = [] if path.stem == "__init__" else [path.stem]
        folder = path.parent
        while folder.name and os.path.exists(folder / "__init__.py"):
            parts.insert(0, folder.name)
            folder = folder.parent
        return ".".join(parts)

    @property
    def root(self) -> Path:
        """The folder that holds the file's outermost package."""
        path = Path(os.path.realpath(self.path))
        depth = len(self.module.split(".")) - (0 if path.stem == "__init__" else 1)
        return path.parents[min(depth, len(path.parents) - 1)]

    @cached_property
    def functions(self) -> Sequence[Function]:
        """Every function, the outer ones before those inside them."""
        statements = self._nodes(ast.stmt, ast.excepthandler, ast.match_case)
        return [Function(each, around) for each, around in statements if isinstance(each, FunctionNode)]

    @cached_property
    def calls(self) -> Sequence[ast.Call]:
        """Every call, the outer ones before those inside them."""
        return [node for node, _ in self._nodes(ast.AST) if isinstance(node, ast.Call)]

    def call_at(self, line: int, column: int, end_line: int | None, end_column: int | None) -> ast.Call | None:
        """The call from one place to another; columns are in bytes, as in `ast`."""
        span = line, column, end_line, end_column
        return self._decorating_by_span.get(span) or self._calls_by_span.get(span)

    def decorated_by(self, node: ast.expr) -> Function | None:
        return self._decorated.get(node)

    def function_at(self, line: int, name: str) -> Function | None:
        """The function of a name whose `def` or first decorator is on a line."""
        named = (each for each in self.functions if each.node.name == name)
        return next((each for each in named if line in (each.node.lineno, each.first_line)), None)

    def around(self, line: int, column: int) -> Function | None:
        """The innermost function whose body holds a place; the column is in bytes, as in `ast`."""
        inside = [each for each in self.functions if _holds(each.node, line, column)]
        return max(inside, key=lambda each: (each.node.lineno, each.node.col_offset), default=None)

    @cached_property
    def _decorated(self) -> dict[ast.expr, Function]:
        return {decorator: each for each in self.functions for decorator in each.node.decorator_list}

    @cached_property
    def _decorating_by_span(self) -> dict[Span, ast.Call]:
        return {_span(each): each for each in self._decorated if isinstance(each, ast.Call)}

    @cached_property
    def _calls_by_span(self) -> dict[Span, ast.Call]:
        return {_span(each): each for each in self.calls}

    def _nodes(self, *kinds: type[ast.AST]) -> Iterator[tuple[ast.AST, tuple[Scope, ...]]]:
        """Yield nodes of some kinds, those below others alone, with the scopes around each."""
        waiting: list[tuple[ast.AST, tuple[Scope, ...]]] = [(self.tree, ())]
        while waiting:
            node, around = waiting.pop()
            yield node, around
            inside = (*around, node) if isinstance(node, Scope) else around
            waiting += [(child, inside) for child in reversed(_children(node)) if isinstance(child, kinds)]


class Unknown(Exception):
    """A meaning that can't be known without running the program."""


@dataclass(frozen=True)
class Where:
    """A place from which names are looked up: a module, and the scopes around it, the outermost first.

    `local` has the values of names that the body of the innermost class has defined so far.
    """

    module: str
    around: tuple[Scope, ...] = ()
    local: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Known:
    """An object of a library that is there in this process too."""

    value: Any


@dataclass(frozen=True)
class ModuleName:
    """A module."""

    name: str


@dataclass(frozen=True)
class Declared:
    """A statement (or a type parameter) of the program that gives the name its meaning, and its place."""

    node: ast.AST
    where: Where


Meaning: TypeAlias = Known | ModuleName | Declared


def arguments_of(scope: ast.AST) -> list[ast.arg]:
    """Every parameter of a function or a lambda; none of another scope."""
    arguments = getattr(scope, "args", None)
    if not isinstance(arguments, ast.arguments):
        return []
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument for argument in every if argument is not None]


def _children(node: ast.AST) -> list[ast.AST]:
    """The nodes below a node, but for leaves that say nothing: `ast.iter_child_nodes` takes three times as long."""
    found: list[ast.AST] = []
    for name in node._fields:
        value: object = getattr(node, name, None)
        if isinstance(value, ast.AST):
            if not isinstance(value, _LEAVES):
                found.append(value)
        elif is_list(value):
            found += [item for item in value if isinstance(item, ast.AST)]
    return found


def _span(node: ast.expr) -> Span:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _text(path: str) -> str:
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a FIFO would wait for its other end
        raise Unreadable("it is no regular file")
    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Unreadable(f"it has more than {_LARGEST:,} bytes, and larger files are not checked")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    if encoding in _SLOW_ENCODINGS:
        raise Unreadable(f"its encoding {encoding} is not read")
    return _with_plain_ends(data.decode(encoding))


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _holds(function: FunctionNode, line: int, column: int) -> bool:
    first, last = function.body[0], function.body[-1]
    start, end = (first.lineno, first.col_offset), (last.end_lineno or last.lineno, last.end_col_offset or 0)
    return start <= (line, column) < end
