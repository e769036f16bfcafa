"""The table of hooks: which of mypy's questions typefold answers, and which file does it.

Code that the plugin does not understand is left to mypy: an exception in a hook means that nothing is reported. With
`TYPEFOLD_MYPY_RAISE` set in the environment it is raised, for work on the plugin.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TypeVar

from mypy.nodes import MypyFile, TypeInfo
from mypy.options import Options
from mypy.plugin import (
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Type

from typefold.checks.libraries import own_imports
from typefold.mypy.adapters import check_prompt
from typefold.mypy.asks import check_ask
from typefold.mypy.deferral import widened
from typefold.mypy.freshness import mark
from typefold.mypy.options import checked_signature
from typefold.mypy.outputs import check_output
from typefold.mypy.workspace import Workspace

__all__ = ["TypefoldPlugin"]

R = TypeVar("R")

_GENERATES = {f"typefold.runtimes.runtime.Runtime.{name}" for name in ("generate", "__call__")}
_DEFERS = {
    f"typefold.prompts.{name}.defer" for name in ("prompt.Prompt", "async_prompt.AsyncPrompt", "base_prompt.BasePrompt")
}


class TypefoldPlugin(Plugin):
    """What mypy asks."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._workspace = Workspace()

    def set_modules(self, modules: dict[str, MypyFile]) -> None:
        super().set_modules(modules)
        self._workspace.set_modules(modules)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname == "typefold.prompts.prompt.prompt":
            return self._prompt
        if fullname == "typefold.compiler.output_type.output_type":
            return self._output_type
        return self._ask if fullname == "typefold.messages.ask" else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if fullname in _GENERATES:
            return self._generated
        return self._prompt if fullname == "typefold.prompts.prompt.PromptDecorator.__call__" else None

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        return self._options if fullname == "typefold.prompts.prompt.prompt" else None

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        return self._defer if fullname in _DEFERS else None

    def report_config_data(self, ctx: ReportConfigContext) -> None:
        """Nothing to report; but before a module's interface is written down, its declarations are put into it."""
        self._workspace.forget()
        tree = None if ctx.is_check else self._workspace.modules.get(ctx.id)
        if tree is not None:
            _safely(lambda: mark(tree, self._workspace.modules))

    def get_additional_indirect_deps(self, file: MypyFile) -> set[str]:
        self._workspace.forget()
        _safely(lambda: mark(file, self._workspace.modules))
        return self._workspace.dependencies.of(file)

    def _prompt(self, ctx: FunctionContext | MethodContext) -> Type:
        _safely(lambda: check_prompt(ctx, self._workspace))
        return ctx.default_return_type

    def _generated(self, ctx: MethodContext) -> Type:
        _safely(lambda: check_output(ctx, "runtime", self._workspace))
        return ctx.default_return_type

    def _output_type(self, ctx: FunctionContext) -> Type:
        _safely(lambda: check_output(ctx, "output_type", self._workspace))
        return ctx.default_return_type

    def _ask(self, ctx: FunctionContext) -> Type:
        return _safely(lambda: check_ask(ctx, self._workspace)) or ctx.default_return_type

    def _options(self, ctx: FunctionSigContext) -> FunctionLike:
        return _safely(lambda: checked_signature(ctx, self._workspace)) or ctx.default_signature

    def _defer(self, ctx: MethodSigContext) -> FunctionLike:
        found = self.lookup_fully_qualified("typefold.graphs.deferred.Deferred")
        deferred = found.node if found is not None and isinstance(found.node, TypeInfo) else None
        return _safely(lambda: widened(ctx, deferred)) or ctx.default_signature


def _safely(work: Callable[[], R]) -> R | None:
    try:
        with warnings.catch_warnings(), own_imports(()):
            warnings.simplefilter("ignore")  # pydantic's, of the types that are made again
            return work()
    except Exception:
        if os.environ.get("TYPEFOLD_MYPY_RAISE"):
            raise
        return None
