"""Options of `@prompt(...)`: each wrong one is one error, at its place.

`prompt` is overloaded, so by itself mypy would say of a wrong option that no overload matches, list them all, and find
the function untyped. So the signature takes what is wrong, and it is reported here.
"""

from __future__ import annotations

from typing import Any

from mypy.messages import format_type
from mypy.nodes import ARG_NAMED_OPT, ArgKind, CallExpr, Context, Expression
from mypy.plugin import FunctionSigContext
from mypy.subtypes import is_subtype
from mypy.types import AnyType, CallableType, FunctionLike, Instance, Type, TypeOfAny, get_proper_type

from typefold.checks.evaluator import Where
from typefold.checks.findings import Finding
from typefold.checks.literals import Place
from typefold.checks.rules_options import option_findings, why_no_option
from typefold.mypy.report import report
from typefold.mypy.workspace import Workspace

__all__ = ["checked_signature"]


def checked_signature(ctx: FunctionSigContext, workspace: Workspace) -> FunctionLike:
    """The signature of `prompt` with options, made to take those of this call; what is wrong with them is reported."""
    call, api = ctx.context, ctx.api
    signature = ctx.default_signature.with_unpacked_kwargs()
    made = get_proper_type(signature.ret_type)
    if not isinstance(call, CallExpr) or not isinstance(made, Instance) or made.type.name != "PromptDecorator":
        return ctx.default_signature
    names, kinds, types = list(signature.arg_names), list(signature.arg_kinds), list(signature.arg_types)
    findings = list(_of_values(call, api, workspace))
    for name, argument in _named(call):
        if name not in names:
            names, kinds, types = [*names, name], [*kinds, ARG_NAMED_OPT], [*types, _any()]
            continue
        index = names.index(name)
        actual = ctx.api.get_expression_type(argument, types[index])
        if not is_subtype(actual, types[index]):
            if not any(each.start == Place(argument.line, argument.column) for each in findings):
                findings.append(_ill_typed(name, actual, types[index], argument, api))
            types[index] = _any()
    for finding in findings:
        report(api, finding, _definition(call, api, workspace))
    return _with(signature, names, kinds, types)


def _of_values(call: CallExpr, api: Any, workspace: Workspace) -> list[Finding]:
    """What the source alone tells: names that are no options, values out of range."""
    source = workspace.source(api.tree.fullname)
    written = source.calls.get((call.line, call.column)) if source is not None else None
    if source is not None and written is not None:
        function = source.decorated_by(written)
        where = Where(api.tree.fullname, () if function is None else function.around)
        return list(option_findings(written, workspace.evaluator(), where))
    reasons = [(why_no_option(name), argument) for name, argument in _named(call)]
    return [_finding(reason, argument) for reason, argument in reasons if reason is not None]


def _named(call: CallExpr) -> list[tuple[str, Expression]]:
    return [(name, argument) for name, argument in zip(call.arg_names, call.args, strict=True) if name is not None]


def _ill_typed(name: str, actual: Type, formal: Type, argument: Expression, api: Any) -> Finding:
    takes, given = format_type(formal, api.options), format_type(actual, api.options)
    return _finding(f"the option {name!r} takes {takes}, not {given}", argument)


def _finding(message: str, place: Expression) -> Finding:
    start = Place(place.line, place.column)
    return Finding(
        "prompt-option", message, start, Place(place.end_line or place.line, place.end_column or place.column)
    )


def _definition(call: CallExpr, api: Any, workspace: Workspace) -> Context | None:
    """The function that is decorated, as far as its line goes."""
    source = workspace.source(api.tree.fullname)
    written = source.calls.get((call.line, call.column)) if source is not None else None
    function = source.decorated_by(written) if source is not None and written is not None else None
    if function is None:
        return None
    context = Context()
    context.line = function.node.lineno
    return context


def _with(signature: CallableType, names: list[str | None], kinds: list[ArgKind], types: list[Type]) -> CallableType:
    return signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]  # mypy's own annotations
        arg_names=names, arg_kinds=kinds, arg_types=types
    )


def _any() -> AnyType:
    return AnyType(TypeOfAny.from_error)
