"""The state that hooks share in one build: files, the evaluator of types, dependencies."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from mypy.nodes import Context, Decorator, MypyFile

from typefold.checks.checked_file import CheckedFile
from typefold.checks.evaluator.verdict import Evaluator
from typefold.checks.findings import Finding
from typefold.mypy.freshness import Dependencies
from typefold.mypy.names import MypyNames


class Workspace:
    """The state of the plugin, made anew when a source has changed, as happens under mypy's daemon."""

    def __init__(self) -> None:
        self.modules: dict[str, MypyFile] = {}
        self.dependencies = Dependencies()
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
        """Note that the findings of a module came from these modules, and from those its declarations are made of."""
        used = {module for each in (tree.fullname, *modules) for module in self._names.used_by(each)}
        self.dependencies.add(tree, {module for module in modules | used if module in self.modules}, triggers)

    def _renew(self) -> None:
        self._evaluator.synthetic.close()
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)
