"""Types that are given as values, to a runtime or to `output_type`, each looked at where it stands."""

from __future__ import annotations

from typing import Any

from mypy.nodes import CallExpr
from mypy.plugin import FunctionContext, MethodContext

from typefold.checks.evaluator import Where
from typefold.checks.rules_outputs import Asking, output_findings
from typefold.mypy.report import report, unfiltered
from typefold.mypy.workspace import Workspace

__all__ = ["check_output"]


def check_output(ctx: FunctionContext | MethodContext, asking: Asking, workspace: Workspace) -> None:
    """Report a type that no constraint can be made from."""
    place = ctx.context
    api: Any = ctx.api
    source = workspace.source(api.tree.fullname)
    if source is None or not isinstance(place, CallExpr):
        return
    call = source.call_at(place.line, place.column, place.end_line, place.end_column)
    if call is None:
        return
    inside = source.around(place.line, place.column)
    where = Where(api.tree.fullname, () if inside is None else (*inside.around, inside.node))
    with unfiltered(api):
        for finding in output_findings(call, asking, workspace.evaluator(), where):
            report(api, finding, None)
    workspace.depends(api.tree, set(), set())
