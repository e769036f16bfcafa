"""The state that hooks share in one build: files, the evaluator of types, and dependencies that mypy does not see.

A template or a return type reaches into classes some modules away, so such modules are named to mypy as dependencies, and
their marks (`typefold.mypy.marks`) as what the daemon listens to.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from mypy.nodes import Context, Decorator, MypyFile
from mypy.server.trigger import make_trigger

from typefold.checks.checked_file import CheckedFile
from typefold.checks.evaluator.verdict import Evaluator
from typefold.checks.findings import Finding
from typefold.mypy.lookup import MypyNames
from typefold.mypy.marks import MARK


class Workspace:
    """The state of the plugin in a build."""

    def __init__(self, modules: dict[str, MypyFile]) -> None:
        self.modules = modules
        self.dependencies: dict[str, set[str]] = {}
        self._module = ""
        self._last: tuple[Decorator, list[Finding]] | None = None
        self._renew()

    def file(self, module: str) -> CheckedFile | None:
        """A module, up to date; `None` if it has no source."""
        if module != self._module:
            self._module = module
            self._renew_if_stale(module)
        if module not in self._files:
            source = self._names.source(module)
            self._files[module] = None if source is None else CheckedFile(source, self._evaluator, module)
        return self._files[module]

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

    def is_clean(self, decorator: Context) -> bool:
        """Whether a decorator is the last that was looked at, and has no findings."""
        return self._last is not None and self._last[0] is decorator and not self._last[1]

    def checked(self, module: str) -> None:
        """Look at the next function anew, and at this module's source: it has been checked."""
        self._last = None
        self._module = ""
        self._renew_if_stale(module)

    def unread(self, module: str) -> Iterator[tuple[str, str]]:
        """The modules that the checks of a module lack because they can't be read here, and the reasons."""
        unread = self._names.unread
        for name in (module, *sorted(self._names.used_by(module) - {module})) if unread else ():
            if name in unread and name in self.modules:
                yield name, unread[name]

    def depends(self, tree: MypyFile, modules: set[str], triggers: set[str]) -> None:
        """Note that the findings of a module came from these modules, and from those its declarations are made of.

        The daemon listens to the triggers.
        """
        used = {module for each in (tree.fullname, *modules) for module in self._names.used_by(each)}
        found = {module for module in modules | used if module in self.modules and module != tree.fullname}
        self.dependencies.setdefault(tree.fullname, set()).update(found)
        marks = {make_trigger(f"{module}.{MARK}") for module in found}
        for trigger in triggers | marks:
            tree.plugin_deps.setdefault(trigger, set()).add(tree.fullname)

    def _renew_if_stale(self, module: str) -> None:
        """Forget all sources if that of a module has changed, as happens under mypy's daemon, which then checks the module."""
        if self._names.is_stale(module):
            self._evaluator.synthetic.close()
            self._renew()

    def _renew(self) -> None:
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)
        self._files: dict[str, CheckedFile | None] = {}
        self.firsts: dict[tuple[str, str], Context] = {}
        """The first place of a module at which another one, or itself, was needed and could not be read."""
