"""The content of a function's source: what it does, apart from how it is written down.

Comments, layout, annotations, decorators, docstrings and the names of parameters and variables are left out. Values that the source
names are part of it: texts and other plain data of its module or of the function around it, and its program's own functions, whose
content goes in too. Functions of libraries and classes go by their names, and arguments are no part of it. Invariant: the same source
has the same digest in every process and in every version of Python.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pprint import pformat
from types import CodeType, FunctionType, ModuleType
from typing import Any

from typefold.compiler.guards import class_of, is_list, is_list_or_tuple, is_mapping, is_set, signature_of
from typefold.runtime.journal import digest
from typefold.signatures.body import Body

_SCALARS = (str, bytes, int, float, complex, bool, type(None), Enum)
_LARGEST = 10_000  # values of a container, beyond which it is taken for data of the program
_ALL_NAMES = {"locals", "vars", "eval", "exec"}
_NAMED = {"Name": "id", "arg": "arg", "FunctionDef": "name", "AsyncFunctionDef": "name", "ExceptHandler": "name"}
_NOT_NOTICED = {"ctx", "type_comment", "kind", "type_params", "str"}
_ROLES = ("system", "user", "assistant", "raw")
_MISSING = object()


def source_content(function: Callable[..., Any], used: Iterable[str] = ()) -> tuple[bytes, list[str]]:
    """Return a digest of a function's content, and lines for people: its messages or statements, and what it names.

    Where there is no source, the texts and the names that its bytecode holds stand for it. Parameters that are `used` beside
    its body have defaults that count.
    """
    reader = _Reader()
    content = reader.function(function, used).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest(), reader.lines


@dataclass
class _Reader:
    """Reads a function and what it names, each once."""

    lines: list[str] = field(default_factory=list[str])
    _seen: dict[int, int] = field(default_factory=dict[int, int])

    def function(self, function: Callable[..., Any], used: Iterable[str] = ()) -> str:
        plain = inspect.unwrap(function)
        code = getattr(plain, "__code__", None)
        if not isinstance(code, CodeType):
            return _name(function)
        if id(plain) in self._seen:
            return f"function {self._seen[id(plain)]}"
        if self._seen:
            self.lines.append(f"def {code.co_name}:")
        indent = "    " if self._seen else ""
        self._seen[id(plain)] = len(self._seen)
        statements = _statements(code)
        if statements is None:
            texts = [*Body(plain).texts()]
            self.lines += texts
            return repr(("code", texts, sorted(code.co_names)))
        self.lines += [f"{indent}{line}" for line in _shown(statements)]
        parameters = signature_of(plain).parameters
        own, loaded = _names(statements)
        numbers = _Numbers(as_they_are=not _ALL_NAMES.isdisjoint(name for name, _ in loaded))
        content = repr([_canonical(each, numbers) for each in statements])
        scope = _scope(plain, code)
        values = [
            (numbers.of(name), path, self._named(name, path, scope))
            for name, path in loaded
            if name not in own and name not in parameters
        ]
        for name in used:
            numbers.of(name)
        defaults = {name: parameters[name].default for name in numbers.given if name in parameters}
        given = [self._held(name, value) for name, value in defaults.items() if value is not inspect.Parameter.empty]
        return repr((content, values, given))

    def _named(self, name: str, path: Sequence[str], scope: Mapping[str, Any]) -> str:
        """Return the content of a name, or of an attribute of a module, a class or an object; no property is asked."""
        value = scope.get(name, getattr(builtins, name, _MISSING))
        for attribute in path:
            held: Mapping[str, Any] = getattr(value, "__dict__", {})
            if isinstance(value, type):
                held = {key: each for kind in reversed(value.__mro__) for key, each in vars(kind).items()}
            if isinstance(value, Enum) or attribute not in held:
                break
            name, value = f"{name}.{attribute}", held[attribute]
        return name if value is _MISSING else self._held(name, getattr(value, "__func__", value))

    def _held(self, name: str, value: Any) -> str:
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


@dataclass
class _Numbers:
    """Numbers that stand for names, in the order in which these come; those of others are told by their content."""

    as_they_are: bool  # where the source looks at names itself
    given: dict[str, str] = field(default_factory=dict[str, str])

    def of(self, name: str) -> str:
        return name if self.as_they_are else self.given.setdefault(name, f"${len(self.given)}")


class _Stripped(ast.NodeTransformer):
    """Leaves out what does nothing: annotations, decorators, docstrings, `pass`."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return None
        if isinstance(node, ast.AnnAssign):
            return None if node.value is None else ast.Assign([node.target], self.visit(node.value), lineno=1)
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns, node.decorator_list = None, []
        return self.generic_visit(node)


def _statements(code: CodeType) -> list[ast.stmt] | None:
    """Return the body of a function, stripped; `None` where there is no source."""
    try:
        source = inspect.getsource(code)
        # An indented function stays as it is: texts of several lines in it may begin further left.
        tree = ast.parse(f"if 1:\n{source}" if source[:1].isspace() else textwrap.dedent(source))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    outer = tree.body[0]
    found = outer.body[0] if isinstance(outer, ast.If) else outer
    if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) or found.name != code.co_name:
        return None
    stripped: ast.FunctionDef = _Stripped().visit(found)
    return stripped.body


def _names(statements: Iterable[ast.stmt]) -> tuple[set[str], dict[tuple[str, tuple[str, ...]], None]]:
    """Return the names that a body gives itself, and those that it reads, each with the attributes that are read of it."""
    own, elsewhere = set[str](), set[str]()
    loaded: dict[tuple[str, tuple[str, ...]], None] = {}
    inside: set[ast.AST] = set()
    for node in (each for statement in statements for each in ast.walk(statement)):
        if isinstance(node, ast.Attribute) and node not in inside:
            path, inner = [node.attr], node.value
            while isinstance(inner, ast.Attribute):
                inside.add(inner)
                path, inner = [inner.attr, *path], inner.value
            if isinstance(inner, ast.Name):
                inside.add(inner)
                loaded.setdefault((inner.id, tuple(path)))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node not in inside:
                loaded.setdefault((node.id, ()))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        elif (name := getattr(node, _NAMED.get(type(node).__name__, ""), None)) is not None:
            own.add(name)
    return own - elsewhere, loaded


def _canonical(node: Any, numbers: _Numbers) -> Any:
    """Return a tree as tuples that are the same in every version of Python."""
    if is_list(node):
        return [_canonical(each, numbers) for each in node]
    if isinstance(node, ast.JoinedStr):
        return _joined(node, numbers)
    if isinstance(node, ast.Constant):
        return ("Constant", type(node.value).__name__, repr(node.value))
    if not isinstance(node, ast.AST):
        return node
    numbered = _NAMED.get(type(node).__name__)
    held = [(name, value) for name, value in ast.iter_fields(node) if name not in _NOT_NOTICED]
    return (
        type(node).__name__,
        *(
            (name, numbers.of(value) if name == numbered else _canonical(value, numbers))
            for name, value in held
            if value is not None and value != []
        ),
    )


def _joined(node: ast.JoinedStr, numbers: _Numbers) -> Any:
    """Return an f-string as its texts and values: how many pieces its text is in differs between versions."""
    parts: list[Any] = [""]
    for each in node.values:
        if not isinstance(each, ast.Constant):
            parts += [_canonical(each, numbers), ""]
        else:
            parts[-1] += str(each.value)
    return ("Constant", "str", repr(parts[0])) if len(parts) == 1 else ("f", *parts)


def _shown(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the lines of a body: the texts of its messages where it returns `ask` of texts, else statements."""
    for each in statements:
        asked = each.value if isinstance(each, ast.Return) else None
        if not (isinstance(asked, ast.Call) and ast.unparse(asked.func).endswith("ask")):
            yield from ast.unparse(each).splitlines()
            continue
        for part in asked.args:
            role, texts = "user", [part]
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in _ROLES:
                role, texts = part.func.id, part.args
            yield from f"{role}: {''.join(map(_text, texts))}".split("\n")


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


def _scope(function: Callable[..., Any], code: CodeType) -> Mapping[str, Any]:
    """Return the values of a function's names that are not its own."""
    found: dict[str, Any] = dict(getattr(function, "__globals__", {}))
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True):
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
        if is_mapping(each):
            return all(fits(key, depth + 1) and fits(held, depth + 1) for key, held in each.items())
        if is_list_or_tuple(each) or is_set(each):
            return all(fits(held, depth + 1) for held in each)
        if is_dataclass(each) and not isinstance(each, type):
            return all(fits(getattr(each, held.name, None), depth + 1) for held in fields(each))
        return isinstance(each, _SCALARS)

    return fits(value, 0)
