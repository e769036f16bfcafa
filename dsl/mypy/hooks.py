"""The table of hooks: the questions of mypy's that typefold answers.

Code that the plugin does not understand is left to mypy: an exception in a hook means that nothing is reported. With
`TYPEFOLD_MYPY_RAISE` set in the environment it is raised, for work on the plugin.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mypy.nodes import MypyFile, TypeInfo
from mypy.options import Options
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

from typefold.checks.libraries import own_imports
from typefold.mypy.names import ASK, DECORATE, DEFER, DEFERRED, GENERATE, OUTPUT_TYPE, PROMPT
from typefold.mypy.reports import check_ask, check_options, check_output, check_prompt
from typefold.mypy.results import INNER, ISINSTANCE, TAKEN, narrow_isinstance, value_in_pattern, value_of_name
from typefold.mypy.workspace import Workspace, mark

R = TypeVar("R")


class TypefoldPlugin(Plugin):
    """The answers to mypy."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._workspace = workspace = Workspace()
        self._functions: dict[str, Callable[[FunctionContext], Type]] = {
            PROMPT: lambda ctx: _type(ctx, lambda: check_prompt(ctx, workspace)),
            OUTPUT_TYPE: lambda ctx: _type(ctx, lambda: check_output(ctx, "output_type", workspace)),
            ASK: lambda ctx: _type(ctx, lambda: check_ask(ctx, workspace)),
            ISINSTANCE: lambda ctx: _type(ctx, lambda: narrow_isinstance(ctx)),
        }
        self._methods: dict[str, Callable[[MethodContext], Type]] = {
            DECORATE: lambda ctx: _type(ctx, lambda: check_prompt(ctx, workspace)),
            **dict.fromkeys(GENERATE, lambda ctx: _type(ctx, lambda: check_output(ctx, "runtime", workspace))),
            **{name: partial(_value_of_name, index) for name, index in TAKEN.items()},
        }

    def set_modules(self, modules: dict[str, MypyFile]) -> None:
        super().set_modules(modules)
        self._workspace.set_modules(modules)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        return self._functions.get(fullname)

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        return self._methods.get(fullname)

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        return partial(_value_in_pattern, INNER[fullname]) if fullname in INNER else None

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        return self._options if fullname == PROMPT else None

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        return self._defer if fullname in DEFER else None

    def report_config_data(self, ctx: ReportConfigContext) -> None:
        """Nothing to report; but before a module's interface is written down, its declarations are put into it."""
        self._workspace.forget()
        tree = None if ctx.is_check else self._workspace.modules.get(ctx.id)
        if tree is not None:
            _safely(lambda: mark(tree, self._workspace.modules))

    def get_additional_indirect_deps(self, file: MypyFile) -> set[str]:
        self._workspace.forget()
        _safely(lambda: mark(file, self._workspace.modules))
        return self._workspace.dependencies.get(file.fullname, set())

    def _options(self, ctx: FunctionSigContext) -> FunctionLike:
        return _safely(lambda: check_options(ctx, self._workspace)) or ctx.default_signature

    def _defer(self, ctx: MethodSigContext) -> FunctionLike:
        found = self.lookup_fully_qualified(DEFERRED)
        deferred = found.node if found is not None and isinstance(found.node, TypeInfo) else None
        return _safely(lambda: _widened(ctx.default_signature, deferred)) or ctx.default_signature


def _type(ctx: FunctionContext | MethodContext, check: Callable[[], Type | None]) -> Type:
    return _safely(check) or ctx.default_return_type


def _value_of_name(index: int, ctx: MethodContext) -> Type:
    return _type(ctx, lambda: value_of_name(ctx, index))


def _value_in_pattern(index: int, ctx: AttributeContext) -> Type:
    return _safely(lambda: value_in_pattern(ctx, index)) or ctx.default_attr_type


def _safely(work: Callable[[], R]) -> R | None:
    try:
        with warnings.catch_warnings(), own_imports(()):
            warnings.simplefilter("ignore")  # pydantic's, of the types that are made again
            return work()
    except Exception:
        if os.environ.get("TYPEFOLD_MYPY_RAISE"):
            raise
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
