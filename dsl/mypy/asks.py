"""Calls of `ask`, each looked at where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mypy.plugin import FunctionContext
from mypy.types import NoneType, Type, get_proper_type

from typefold.checks.findings import Finding
from typefold.checks.literals import Place
from typefold.checks.rules_body import misplaced_ask
from typefold.mypy.report import report
from typefold.mypy.workspace import Workspace

__all__ = ["check_ask"]


@dataclass(frozen=True)
class _Call:
    lineno: int
    col_offset: int


def check_ask(ctx: FunctionContext, workspace: Workspace) -> Type:
    """Report an `ask` outside of prompt functions, and give the type of one."""
    api: Any = ctx.api
    place = ctx.context
    source = workspace.source(api.tree.fullname)
    if source is not None:
        words = workspace.words(api.tree.fullname)
        message = misplaced_ask(_Call(place.line, place.column), source, words)
        if message is not None:
            start, end = Place(place.line, place.column), Place(place.end_line or place.line, place.end_column or 0)
            report(api, Finding("prompt-ask", message, start, end), None)
    returned: list[Type] = api.return_types[-1:]
    if returned and isinstance(
        get_proper_type(returned[0]), NoneType
    ):  # `-> None` is refused on the annotation; once is enough
        return NoneType()
    return ctx.default_return_type
