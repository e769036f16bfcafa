"""The state that hooks share in one build: files, the evaluator of types, and dependencies that mypy does not see.

mypy looks at a module again when the interface of one that it depends on changes. Two things escape it. A template or a
return type reaches into classes some modules away, so such modules are named as dependencies. And limits
(`Field(ge=0)`) are no part of an interface to mypy, so a module that may declare some gets one more name in its symbol
table, with a digest of its declarations as type; the daemon compares symbol tables too.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mypy.nodes import GDEF, Context, Decorator, MypyFile, SymbolTableNode, TypeInfo, Var
from mypy.server.trigger import make_trigger
from mypy.types import Instance, LiteralType

from typefold.checks.checked_file import CheckedFile
from typefold.checks.evaluator.verdict import Evaluator
from typefold.checks.findings import Finding
from typefold.mypy.names import INSTALLED, MypyNames, is_of_program

_MARK = "__typefold_declarations__"
_DECLARES = re.compile(rb"Annotated|pydantic|dataclass|msgspec|attrs?\b|Enum|TypedDict|NamedTuple|hook")
_FUNCTION = re.compile(r"(\s*)(?:async\s+)?def\s")


def digest_of_package() -> str:
    """Return a digest that differs when typefold's code does: the plugin is made of much of it.

    Reading all files would cost a tenth of a run that finds nothing changed.
    """
    installed = INSTALLED.search(__file__)
    made = hashlib.blake2b(version("typefold").encode(), digest_size=8)
    for folder, _, names in sorted(os.walk(Path(__file__).parent.parent)):
        for name in sorted(names):
            if name.endswith(".py"):
                found = os.stat(os.path.join(folder, name))
                made.update(f"{name} {found.st_size} {0 if installed else found.st_mtime_ns}\n".encode())
    return made.hexdigest()


def mark(tree: MypyFile, modules: dict[str, MypyFile]) -> None:
    """Put a digest of a module's declarations where mypy compares interfaces."""
    if not is_of_program(tree):
        return
    digest = _digest(tree.path)
    builtins = modules.get("builtins")
    text = builtins.names.get("str") if builtins is not None else None
    if digest is None or text is None or not isinstance(text.node, TypeInfo):
        return
    var = Var(_MARK, LiteralType(digest, Instance(text.node, [])))
    var._fullname = f"{tree.fullname}.{_MARK}"  # pyright: ignore[reportPrivateUsage]  # as mypy's own plugins do
    var.is_ready = True
    tree.names[_MARK] = SymbolTableNode(GDEF, var, module_public=False)


def _digest(path: str) -> str | None:
    """A digest of a file without its functions' bodies, or `None` if it declares nothing that mypy does not see."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    if _DECLARES.search(content) is None:
        return None
    text = "\n".join(_declarations(content.decode(errors="replace")))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _declarations(text: str) -> Iterator[str]:
    """The lines outside the bodies of functions, by their indentation."""
    body: int | None = None
    for line in text.splitlines():
        content = line.lstrip()
        if not content or content.startswith("#"):
            continue
        indent = len(line) - len(content)
        if body is not None and (indent > body or content[0] in ")]}"):
            continue
        found = _FUNCTION.match(line)
        body = len(found[1]) if found else None
        yield line


class Workspace:
    """The state of the plugin, made anew when a source has changed, as happens under mypy's daemon."""

    def __init__(self) -> None:
        self.modules: dict[str, MypyFile] = {}
        self.dependencies: dict[str, set[str]] = {}
        self._looked = False
        self._last: tuple[Decorator, list[Finding]] | None = None
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)

    def set_modules(self, modules: dict[str, MypyFile]) -> None:
        self.modules = modules
        self._renew()

    def file(self, module: str) -> CheckedFile | None:
        """A module, up to date; `None` if it has no source."""
        if not self._looked:
            self._looked = True
            if self._names.is_stale():
                self._renew()
        source = self._names.source(module)
        return None if source is None else CheckedFile(source, self._evaluator, module)

    def call(self, api: Any, place: Context) -> tuple[CheckedFile | None, ast.Call | None]:
        file = self.file(api.tree.fullname)
        if file is None:
            return None, None
        return file, file.source.call_at(place.line, place.column, place.end_line, place.end_column)

    def once(self, decorator: Decorator, find: Callable[[], list[Finding]]) -> list[Finding]:
        """Return the findings of a decorator, found anew unless it was the last and no module was checked since.

        mypy asks once for each overload of the decorator that it tries.
        """
        if self._last is None or self._last[0] is not decorator:
            self._last = (decorator, find())
        return self._last[1]

    def forget(self) -> None:
        """Look at the next function and at the sources anew: a module has been checked."""
        self._last = None
        self._looked = False

    def depends(self, tree: MypyFile, modules: set[str], triggers: set[str]) -> None:
        """Note that the findings of a module came from these modules, and from those its declarations are made of.

        The daemon listens to the triggers.
        """
        used = {module for each in (tree.fullname, *modules) for module in self._names.used_by(each)}
        found = {module for module in modules | used if module in self.modules and module != tree.fullname}
        self.dependencies.setdefault(tree.fullname, set()).update(found)
        marks = {make_trigger(f"{module}.{_MARK}") for module in found}
        for trigger in triggers | marks:
            tree.plugin_deps.setdefault(trigger, set()).add(tree.fullname)

    def _renew(self) -> None:
        self._evaluator.synthetic.close()
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)
