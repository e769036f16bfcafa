"""The table of hooks: the questions of mypy's that typefold answers.

Code that the plugin does not understand is left to mypy: an exception in a hook becomes a note, and fails nothing. With
`TYPEFOLD_MYPY_RAISE` set in the environment it is raised, for work on the plugin. The checks are imported at the first
prompt, so that a run that has none to check, or finds nothing changed, costs what mypy costs.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mypy.nodes import MypyFile, TypeInfo
from mypy.plugin import (
    AttributeContext,
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import AnyType, CallableType, FunctionLike, Instance, ParamSpecType, Type, UnionType, get_proper_type

from typefold.mypy.marks import mark
from typefold.mypy.names import CHECKS, DECORATOR, DEFER, DEFERRED, GENERATE, PROMPT, USING, is_of_program
from typefold.mypy.results import INNER, ISINSTANCE, TAKEN, narrow_isinstance, value_in_pattern, value_of_name

if TYPE_CHECKING:
    from typefold.mypy.workspace import Workspace

R = TypeVar("R")


class TypefoldPlugin(Plugin):
    """The answers to mypy."""

    _workspace: Workspace | None = None

    def set_modules(self, modules: dict[str, MypyFile]) -> None:
        super().set_modules(modules)
        self._workspace = None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname == ISINSTANCE:
            return lambda ctx: _safely(lambda: narrow_isinstance(ctx)) or ctx.default_return_type
        return partial(self._checked, CHECKS[fullname]) if fullname in CHECKS else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        index = INNER.get(fullname)
        if index is None:
            return None
        return lambda ctx: _safely(lambda: value_in_pattern(ctx, index)) or ctx.default_attr_type

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if (index := TAKEN.get(fullname)) is not None:
            return lambda ctx: _safely(lambda: value_of_name(ctx, index)) or ctx.default_return_type
        return partial(self._checked, CHECKS[fullname]) if fullname in CHECKS else None

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        return self._options if fullname == PROMPT else None

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        if fullname in USING or fullname in GENERATE:
            return self._given_options
        return self._defer if fullname in DEFER else None

    def report_config_data(self, ctx: ReportConfigContext) -> None:
        """Nothing to report; but before a module's interface is written down, its declarations are put into it."""
        tree = None if ctx.is_check else (self._modules or {}).get(ctx.id)
        if tree is not None:
            self._mark(tree)

    def get_additional_indirect_deps(self, file: MypyFile) -> set[str]:
        self._mark(file)
        return set() if self._workspace is None else self._workspace.dependencies.get(file.fullname, set())

    def _mark(self, tree: MypyFile) -> None:
        if not is_of_program(tree):
            return
        if self._workspace is not None:
            self._workspace.checked(tree.fullname)
        _safely(lambda: mark(tree, self._modules or {}))

    def _checked(self, check: str, ctx: FunctionContext | MethodContext) -> Type:
        if self._workspace is not None and self._workspace.is_clean(ctx.context):
            return ctx.default_return_type
        return self._safely(check, ctx) or ctx.default_return_type

    def _options(self, ctx: FunctionSigContext) -> FunctionLike:
        made = get_proper_type(ctx.default_signature.ret_type)
        if not (isinstance(made, Instance) and made.type.fullname == DECORATOR):  # another overload
            return ctx.default_signature
        return self._safely("check_options", ctx) or ctx.default_signature

    def _given_options(self, ctx: MethodSigContext) -> FunctionLike:
        self._safely("check_given_options", ctx)
        return ctx.default_signature

    def _defer(self, ctx: MethodSigContext) -> FunctionLike:
        found = self.lookup_fully_qualified(DEFERRED)
        deferred = found.node if found is not None and isinstance(found.node, TypeInfo) else None
        return _safely(lambda: _widened(ctx.default_signature, deferred)) or ctx.default_signature

    def _safely(self, check: str, ctx: Any) -> Any:
        ends = not self.options.fine_grained_incremental and gc.isenabled()  # else a daemon, which goes on
        if ends:
            gc.disable()  # else what the checks make has the collector go through all that mypy holds
        try:
            from typefold.checks.libraries import own_imports
            from typefold.mypy import reports
            from typefold.mypy.workspace import Workspace

            with warnings.catch_warnings(), own_imports(()):
                warnings.simplefilter("ignore")  # pydantic's, of the types that are made again
                if self._workspace is None:
                    self._workspace = Workspace(self._modules or {})
                workspace = self._workspace
                made = _safely(lambda: getattr(reports, check)(ctx, workspace), ctx)
                _safely(lambda: reports.report_unread(ctx, workspace))
                return made
        finally:
            if ends:
                gc.freeze()
                gc.enable()


def _safely(work: Callable[[], R], ctx: Any = None) -> R | None:
    try:
        return work()
    except Exception as error:
        if os.environ.get("TYPEFOLD_MYPY_RAISE"):
            raise
        if ctx is not None:
            message = f"typefold could not check this ({type(error).__name__}: {error}); it is a mistake in typefold, please report it"
            ctx.api.msg.note(message, ctx.context)
        return None


def _widened(signature: CallableType, deferred: TypeInfo | None) -> FunctionLike:
    """Return the signature of `.defer` with `T | Deferred[T]` for every `T`: types can't widen a `ParamSpec`."""
    if deferred is None or any(_takes(kind, deferred) for kind in signature.arg_types):
        return signature  # one of the overloads that are declared with deferred arguments
    types = [
        kind
        if isinstance(get_proper_type(kind), (AnyType, ParamSpecType))
        else UnionType.make_union([kind, Instance(deferred, [kind])])
        for kind in signature.arg_types
    ]
    return signature.copy_modified(arg_types=types)  # pyright: ignore[reportUnknownMemberType]  # mypy's own annotations


def _takes(kind: Type, deferred: TypeInfo) -> bool:
    union = get_proper_type(kind)
    members = map(get_proper_type, union.items) if isinstance(union, UnionType) else ()
    return any(isinstance(member, Instance) and member.type is deferred for member in members)
