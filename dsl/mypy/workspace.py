"""What the features share in one build: names, the evaluator of types, what depends on what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mypy.nodes import Decorator, MypyFile

from typefold.checks.evaluator import Evaluator
from typefold.checks.findings import Finding
from typefold.checks.source import Source
from typefold.checks.words import Words
from typefold.mypy.freshness import Dependencies
from typefold.mypy.names import MypyNames

__all__ = ["Workspace"]

Findings: TypeAlias = list[tuple[Finding, int]]


class Workspace:
    """The state of the plugin.

    What was made of sources is made anew when one of them has changed, as happens under mypy's daemon.
    """

    def __init__(self) -> None:
        self.modules: dict[str, MypyFile] = {}
        self._looked = False
        self._last: tuple[Decorator, Findings] | None = None
        self.dependencies = Dependencies()
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)

    def set_modules(self, modules: dict[str, MypyFile]) -> None:
        """Take the modules of a build."""
        self.modules = modules
        self._renew()

    def evaluator(self) -> Evaluator:
        """The evaluator, up to date."""
        if not self._looked:
            self._looked = True
            if self._names.is_stale():
                self._renew()
        return self._evaluator

    def source(self, module: str) -> Source | None:
        """A module's source, up to date."""
        self.evaluator()
        return self._names.source(module)

    def words(self, module: str) -> Words:
        """What names mean in a module."""
        return Words(self.evaluator(), module)

    def once(self, decorator: Decorator, find: Callable[[], Findings]) -> Findings:
        """What was found of a function, if it was the last to be looked at and nothing was checked since.

        mypy asks once for each overload of the decorator that it tries.
        """
        if self._last is None or self._last[0] is not decorator:
            self._last = (decorator, find())
        return self._last[1]

    def forget(self) -> None:
        """Look at the next function anew, whichever it is, and at the sources: a module has been checked."""
        self._last = None
        self._looked = False

    def depends(self, tree: MypyFile, modules: set[str], triggers: set[str]) -> None:
        """Note what a module's findings came from: these, and what its declarations are made of."""
        used = {module for each in (tree.fullname, *modules) for module in self._names.used_by(each)}
        self.dependencies.add(tree, {module for module in modules | used if module in self.modules}, triggers)

    def _renew(self) -> None:
        self._evaluator.synthetic.close()
        self._names = MypyNames(self.modules)
        self._evaluator = Evaluator(self._names)
