"""The content of a function's source: what it does, apart from how it is written down.

Comments, layout, annotations, decorators, the docstring and the names of parameters and variables are left out. Values that the
source names are part of it: texts and other plain data of its module or of the function around it, and its program's own functions,
whose content goes in too. Functions of libraries and classes go by their names, and arguments are no part of it. Invariant: the same
source has the same digest in every process and in every version of Python.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pprint import pformat
from types import CodeType, FunctionType, ModuleType
from typing import Any

from typefold.compiler.guards import class_of, is_list, is_list_or_tuple, is_mapping, is_set
from typefold.runtime.journal import digest

_NOT_NOTICED = {
    "ctx",
    "type_comment",
    "kind",
    "annotation",
    "returns",
    "decorator_list",
    "type_params",
    "simple",
    "str",
}
_SCALARS = (str, bytes, int, float, complex, bool, type(None))
_LARGEST = 10_000  # values of a container, beyond which it is taken for data of the program
_ALL_NAMES = {"locals", "vars", "eval", "exec"}
_MISSING = object()


@dataclass
class SourceContent:
    """The content of a function: a digest, and the texts for people to compare.

    Attributes:
        digest: 16 bytes.
        lines: The body as messages or statements, and behind them the values and functions that it names.
    """

    digest: bytes
    lines: list[str]


def source_content(function: Callable[..., Any], used: Iterable[str] = ()) -> SourceContent:
    """Return the content of a function.

    Where there is no source, the texts and the names that its bytecode holds stand for it.

    Args:
        function: The function, as it was defined.
        used: The parameters that are used beside its body, whose defaults count.
    """
    reader = _Reader()
    state = hashlib.blake2b(reader.function(function, used).encode("utf-8", "surrogatepass"), digest_size=16)
    return SourceContent(state.digest(), reader.lines)


@dataclass
class _Reader:
    """Reads a function and what it names, each once."""

    lines: list[str] = field(default_factory=list[str])
    _seen: dict[CodeType, int] = field(default_factory=dict[CodeType, int])

    def function(self, function: Callable[..., Any], used: Iterable[str] = ()) -> str:
        plain = inspect.unwrap(function)
        code = getattr(plain, "__code__", None)
        if not isinstance(code, CodeType):
            return _name(function)
        if code in self._seen:
            return f"function {self._seen[code]}"
        first = not self._seen
        self._seen[code] = len(self._seen)
        defined = _parsed(plain, code)
        if defined is None:
            texts = [*_texts(code, getattr(plain, "__doc__", None))]
            self.lines += [*([] if first else [f"def {code.co_name}: "]), *texts]
            return repr(("code", texts, sorted(code.co_names)))
        statements = _without_docstring(defined.body)
        self.lines += [] if first else [f"def {code.co_name}({ast.unparse(_bare(defined.args))}):"]
        self.lines += [f"{'' if first else '    '}{line}" for line in _shown(statements)]
        names = _Names(defined)
        content = repr([_canonical(each, names) for each in statements])
        scope = _scope(plain)
        values = [(names.number(found), path, self._named(found, path, scope)) for found, path in names.free()]
        for name in used:
            names.number(name)
        parameters = inspect.signature(plain).parameters
        defaults = {name: parameters[name].default for name in names.numbers if name in parameters}
        given = [self._shown(name, value) for name, value in defaults.items() if value is not inspect.Parameter.empty]
        return repr((content, values, given))

    def _named(self, name: str, path: tuple[str, ...], scope: Mapping[str, Any]) -> str:
        """Return the content of a name, or of an attribute of a module."""
        value = scope.get(name, getattr(builtins, name, _MISSING))
        for attribute in path:
            if not isinstance(value, ModuleType):
                break
            name, value = f"{name}.{attribute}", getattr(value, attribute, _MISSING)
        if value is _MISSING:
            return name
        return self._shown(name, value)

    def _shown(self, name: str, value: Any) -> str:
        """Return the content of a value, and show it to people where it is data."""
        content = self._value(value)
        if content.startswith("data "):
            lines = f"{name} = {pformat(value, width=120, sort_dicts=False)}".splitlines()
            self.lines += lines if lines[0] not in self.lines else []
        return content

    def _value(self, value: Any) -> str:
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, type):
            members = [(each.name, each.value) for each in value] if issubclass(value, Enum) else []
            return " ".join(["class", _name(value), *([self._value(members)] if members else [])])
        if isinstance(value, FunctionType) and _is_own(value):
            return self.function(value)
        found = digest(value) if _is_data(value) else None
        return f"data {found.hex()}" if found is not None else f"object {_name(value)}"


class _Names(ast.NodeVisitor):
    """The names in a function: each gets a number as it comes, and those of others are told by their content."""

    def __init__(self, defined: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.numbers: dict[str, str] = {}
        self._loaded: dict[tuple[str, tuple[str, ...]], None] = {}
        declared = [
            name for each in ast.walk(defined) if isinstance(each, ast.Global | ast.Nonlocal) for name in each.names
        ]
        self.own = {each.arg for each in ast.walk(defined) if isinstance(each, ast.arg)}
        for statement in _without_docstring(defined.body):
            self.visit(statement)
        self.own.difference_update(declared)
        self._as_they_are = not _ALL_NAMES.isdisjoint(name for name, _ in self._loaded)

    def number(self, name: str) -> str:
        """Return what stands for a name."""
        return name if self._as_they_are else self.numbers.setdefault(name, f"${len(self.numbers)}")

    def free(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The names of others, each with the attributes that are read of it."""
        return ((name, path) for name, path in self._loaded if name not in self.own)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._loaded.setdefault((node.id, ()))
        else:
            self.own.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            path.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._loaded.setdefault((inner.id, tuple(path)))
        else:
            self.visit(inner)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.own.add(node.name)
        self.visit(node.args)
        for statement in node.body:
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # both have these fields  # pyright: ignore[reportAssignmentType]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self.own.add(node.name)
        self.generic_visit(node)


def _canonical(node: Any, names: _Names) -> Any:
    """Return a tree as tuples that are the same in every version of Python."""
    if is_list(node):
        return [_canonical(each, names) for each in node]
    if isinstance(node, ast.JoinedStr):
        return _joined(node, names)
    if isinstance(node, ast.Constant):
        return ("Constant", type(node.value).__name__, repr(node.value))
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign(targets=[node.target], value=node.value)
    held = [(name, value) for name, value in ast.iter_fields(node) if name not in _NOT_NOTICED]
    numbered = _NAMED.get(type(node).__name__)
    return (
        type(node).__name__,
        *(
            (name, names.number(value) if name == numbered else _canonical(value, names))
            for name, value in held
            if value is not None and value != []
        ),
    )


def _joined(node: ast.JoinedStr, names: _Names) -> Any:
    """Return an f-string as its texts and values: how many pieces its text is in differs between versions."""
    parts: list[Any] = []
    for each in node.values:
        if isinstance(each, ast.Constant):
            if parts and isinstance(parts[-1], str):
                parts[-1] += str(each.value)
            else:
                parts.append(str(each.value))
        else:
            parts.append(_canonical(each, names))
    return ("Constant", "str", repr("".join(parts))) if all(isinstance(each, str) for each in parts) else ("f", *parts)


def _parsed(function: Callable[..., Any], code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        source = inspect.getsource(code)
        # An indented function stays as it is: texts of several lines in it may begin further left.
        tree = ast.parse(f"if 1:\n{source}" if source[:1].isspace() else textwrap.dedent(source))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    inner = tree.body[0]
    found = inner.body[0] if isinstance(inner, ast.If) else inner
    is_it = isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) and found.name == code.co_name
    return found if is_it else None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # as just seen


def _texts(code: CodeType, document: str | None) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str) and constant != document:
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant, None)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Leave out statements that do nothing: the docstring, other texts by themselves, `pass`."""
    return [
        each
        for each in body
        if not isinstance(each, ast.Pass) and not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]


def _shown(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the lines of a body: the texts of its messages where it returns `ask` of texts, else statements."""
    for each in statements:
        asked = each.value if isinstance(each, ast.Return) else None
        parts = asked.args if isinstance(asked, ast.Call) and ast.unparse(asked.func).endswith("ask") else None
        if parts is None:
            yield from ast.unparse(each).splitlines()
            continue
        for part in parts:
            role, texts = "user", [part]
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in _ROLES:
                role, texts = part.func.id, part.args
            first, *rest = "".join(map(_text, texts)).split("\n")
            yield f"{role}: {first}"
            yield from rest


_NAMED = {"Name": "id", "arg": "arg", "FunctionDef": "name", "AsyncFunctionDef": "name", "ExceptHandler": "name"}
_ROLES = ("system", "user", "assistant", "raw")


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue):
        conversion = "" if node.conversion == -1 else f"!{chr(node.conversion)}"
        spec = "" if node.format_spec is None else f":{_text(node.format_spec)}"
        return f"{{{ast.unparse(node.value)}{conversion}{spec}}}"
    return f"{{{ast.unparse(node)}}}"


def _bare(arguments: ast.arguments) -> ast.arguments:
    for each in ast.walk(arguments):
        if isinstance(each, ast.arg):
            each.annotation = None
    return arguments


def _scope(function: Callable[..., Any]) -> Mapping[str, Any]:
    found: dict[str, Any] = dict(getattr(function, "__globals__", {}))
    names = getattr(function, "__code__", None)
    for name, cell in zip(
        names.co_freevars if names else (), getattr(function, "__closure__", None) or (), strict=True
    ):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            found.pop(name, None)
    return found


def _name(value: Any) -> str:
    """Return the name of a class or function; of one of the program without its module, which may be run as `__main__`."""
    named: Any = value if hasattr(value, "__qualname__") else class_of(value)
    return named.__qualname__ if _is_own(named) else f"{getattr(named, '__module__', None)}.{named.__qualname__}"


def _is_own(value: Any) -> bool:
    """Return whether a class or a function is of the program and of no library."""
    module = getattr(value, "__module__", None) or "builtins"
    if module != "__main__" and module.partition(".")[0] in {*sys.stdlib_module_names, "typefold"}:
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def _is_data(value: Any) -> bool:
    """Return whether a value is plain data of no great size."""
    left = [_LARGEST]

    def fits(each: Any, depth: int) -> bool:
        left[0] -= 1
        if left[0] < 0 or depth > 20:
            return False
        if isinstance(each, (*_SCALARS, Enum)):
            return True
        if is_mapping(each):
            return all(fits(key, depth + 1) and fits(held, depth + 1) for key, held in each.items())
        if is_list_or_tuple(each) or is_set(each):
            return all(fits(held, depth + 1) for held in each)
        if is_dataclass(each) and not isinstance(each, type):
            return all(fits(getattr(each, held.name, None), depth + 1) for held in fields(each))
        return False

    return fits(value, 0)
