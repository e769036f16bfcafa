"""The rules as hooks of mypy: each looks at a prompt or a call, and reports the findings as errors of mypy's.

An error stands under its code, at its place, and can be silenced on the line of the `def` too. mypy itself compares the
types of a decorator's arguments: examples with the function, options with their declarations.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from mypy import nodes, types
from mypy.messages import format_type
from mypy.plugin import FunctionContext, FunctionSigContext, MethodContext, MethodSigContext
from mypy.subtypes import is_subtype

from typefold.checks.docstrings import Place
from typefold.checks.findings import Finding
from typefold.checks.rules_calls import (
    Taker,
    ask_findings,
    decorated_line,
    option_findings,
    output_findings,
    sample_findings,
    why_no_option,
)
from typefold.checks.rules_prompt import prompt_findings
from typefold.checks.source import Function
from typefold.compiler.templates.value_types import UNKNOWN, Kind
from typefold.mypy.kinds import Look, kind_of
from typefold.mypy.names import ANSWERS, ERROR_CODES, EXAMPLE
from typefold.mypy.workspace import Workspace

AnyContext: TypeAlias = FunctionContext | FunctionSigContext | MethodContext | MethodSigContext


def check_prompt(ctx: FunctionContext | MethodContext, workspace: Workspace) -> None:
    """Check the function that is decorated."""
    decorator = ctx.context
    api: Any = ctx.api
    if not isinstance(decorator, nodes.Decorator) or getattr(api, "tree", None) is None:
        return  # prompt(f) as a call: f may be anything
    with _unfiltered(api):
        _report(api, workspace.once(decorator, lambda: _of_prompt(decorator, api, workspace)))


def report_unread(ctx: AnyContext, workspace: Workspace) -> None:
    """Report files that mypy can read and this process can't, at the first place of a module that needs them."""
    api: Any = ctx.api
    module = api.tree.fullname
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}, which runs mypy"
    for name, reason in workspace.unread(module):
        what = (
            "typefold checks nothing in this file"
            if name == module
            else f"types that are made of {name!r} count as right"
        )
        message = f"{what}: {python}, can't read it ({reason}); run mypy by the Python, and beside the libraries, of the program"
        place = workspace.firsts.setdefault((module, name), ctx.context)
        start = Place(place.line, place.column)
        with _unfiltered(api):
            _report(api, [Finding("prompt-unread", message, start, start)])


def check_output(ctx: FunctionContext | MethodContext, workspace: Workspace) -> None:
    """Check the type that is passed to a runtime, or to `output_type`, which is no method."""
    taker: Taker = "runtime" if isinstance(ctx, MethodContext) else "output_type"
    api: Any = ctx.api
    file, call = workspace.call(api, ctx.context)
    if file is None or call is None:
        return
    with _unfiltered(api):
        _report(api, output_findings(call, taker, file))
    workspace.depends(api.tree, set(), set())


def check_sample(ctx: MethodContext, workspace: Workspace) -> None:
    """Check the number of samples."""
    file, call = workspace.call(ctx.api, ctx.context)
    if file is not None and call is not None:
        _report(ctx.api, sample_findings(call, file))


def check_ask(ctx: FunctionContext, workspace: Workspace) -> types.Type | None:
    """Check the place of an `ask`, and return the type of its value, if it is not the declared one."""
    api: Any = ctx.api
    if (file := workspace.file(api.tree.fullname)) is not None:
        call = ast.Call(ast.Name("ask"), [], [])
        call.lineno, call.col_offset = ctx.context.line, ctx.context.column
        call.end_lineno, call.end_col_offset = ctx.context.end_line, ctx.context.end_column
        _report(api, ask_findings(call, file))
    returned: list[types.Type] = api.return_types[-1:]
    if returned and isinstance(types.get_proper_type(returned[0]), types.NoneType):
        return types.NoneType()  # `-> None` is refused on the annotation; once is enough
    return None


def check_options(ctx: FunctionSigContext, workspace: Workspace) -> types.FunctionLike:
    """Check the options of a decorator, and return its signature, made to take those that have findings."""
    call, api = ctx.context, ctx.api
    if not isinstance(call, nodes.CallExpr):
        return ctx.default_signature
    file, written = workspace.call(api, call)
    found, line = _unknown_options(call), range(0)
    if file is not None and written is not None:
        literals = {name: partial(_literal_values, argument, api) for name, argument in _named(call)}
        found, line = list(option_findings(written, file, literals)), decorated_line(written, file)
    signature, ill_typed = _with_own_options(ctx.default_signature, call, api, {each.start for each in found})
    _report(api, (replace(each, silenced_on=line) for each in (*found, *ill_typed)))
    return signature


def _of_prompt(decorator: nodes.Decorator, api: Any, workspace: Workspace) -> list[Finding]:
    file = workspace.file(api.tree.fullname)
    function = file.source.function_at(decorator.func.line, decorator.func.name) if file is not None else None
    if file is None or function is None:
        return []
    look, signature = Look(api.options), types.get_proper_type(decorator.func.type)
    typed = [replace(each, silenced_on=function.head) for each in _example_findings(decorator, signature, api)]
    checked = prompt_findings(
        function,
        file,
        _kinds(function, signature, look),
        reports_annotations=bool(api.options.disallow_untyped_defs or api.options.disallow_incomplete_defs),
        reports_returns=True,
    )
    found = [*typed, *_beside(checked, typed, signature)]
    workspace.depends(api.tree, look.modules, look.triggers)
    return found


def _beside(checked: Iterable[Finding], typed: Iterable[Finding], signature: object) -> Iterator[Finding]:
    """The findings at other places than `typed`, none of an annotation that mypy has an error for itself."""
    places = {finding.start for finding in typed}
    refused = isinstance(signature, types.CallableType) and _has_error(signature.ret_type)
    for finding in checked:
        if finding.start not in places and not (refused and finding.code == "prompt-return"):
            yield finding


def _kinds(function: Function, signature: object, look: Look) -> dict[str, Kind]:
    parameters = _parameters(signature) if isinstance(signature, types.CallableType) else {}
    names = (argument.arg for argument in function.arguments)
    return {name: kind_of(parameters[name], look) if name in parameters else UNKNOWN for name in names}


def _has_error(kind: types.Type) -> bool:
    """Whether mypy has put an error's `Any` somewhere in a type."""
    if isinstance(kind, types.TypeAliasType) and kind.is_recursive:
        return False
    proper = types.get_proper_type(kind)
    if isinstance(proper, types.AnyType):
        return proper.type_of_any == types.TypeOfAny.from_error
    parts = proper.args if isinstance(proper, types.Instance) else ()
    return any(map(_has_error, proper.items if isinstance(proper, (types.UnionType, types.TupleType)) else parts))


def _report(api: Any, findings: Iterable[Finding]) -> None:
    for finding in findings:
        place = nodes.Context()
        place.line, place.column = finding.start
        place.end_line, place.end_column = finding.end
        span = None
        if finding.silenced_on:
            span = nodes.StrExpr("")  # mypy takes the lines of an expression, and the first alone of anything else
            span.line, span.end_line = finding.silenced_on[0], finding.silenced_on[-1]
        report, message = api.msg.fail, finding.message
        if finding.severity != "error":  # mypy shows no code with notes, and knows no warnings
            report, message = api.msg.note, f"{message}  [{finding.code}]"
        report(message, place, code=ERROR_CODES[finding.code], origin_context=span)


@contextmanager
def _unfiltered(api: Any) -> Generator[None]:
    """Report although mypy is trying out an overload, as it does of every decorator that has some.

    It takes an error within as a sign that the overload does not fit, and goes on to another. Findings are about the
    function that is decorated, whichever overload it is; reported twice, one is shown once.
    """
    errors = api.msg.errors
    watchers: list[Any] | None = getattr(errors, "_watchers", None)
    if watchers is None:  # another mypy: an overload is then chosen in spite of the error, or not at all
        yield
        return
    errors._watchers = []
    try:
        yield
    finally:
        errors._watchers = watchers


def _example_findings(decorator: nodes.Decorator, signature: object, api: Any) -> Iterator[Finding]:
    if not isinstance(signature, types.CallableType) or signature.variables:
        return
    name = decorator.func.name
    parameters = _parameters(signature)
    returned = _returned(signature, is_async=decorator.func.is_coroutine)
    for call in _examples(decorator):
        for parameter, how, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
            if how == nodes.ARG_POS and (shown := _mismatch(argument, returned, api)) is not None:
                message = f"the example's value is {shown}, and {name!r} returns {format_type(returned, api.options)}"
                yield _finding("prompt-example", message, argument)
            elif parameter in parameters and (shown := _mismatch(argument, parameters[parameter], api)) is not None:
                wanted = format_type(parameters[parameter], api.options)
                message = f"the example gives {shown} for {parameter!r}, which takes {wanted}"
                yield _finding("prompt-example", message, argument)


def _parameters(signature: types.CallableType) -> dict[str, types.Type]:
    """The types of the parameters that have a name, without `*args` and `**kwargs`."""
    every = zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
    return {name: kind for name, kind, how in every if name is not None and not how.is_star()}


def _examples(decorator: nodes.Decorator) -> Iterator[nodes.CallExpr]:
    for each in decorator.decorators:
        if not isinstance(each, nodes.CallExpr) or "examples" not in each.arg_names:
            continue
        given = each.args[each.arg_names.index("examples")]
        for item in given.items if isinstance(given, (nodes.ListExpr, nodes.TupleExpr)) else ():
            if (
                isinstance(item, nodes.CallExpr)
                and isinstance(item.callee, nodes.RefExpr)
                and item.callee.fullname == EXAMPLE
            ):
                yield item


def _returned(signature: types.CallableType, *, is_async: bool) -> types.Type:
    """The type of the function's value: of a coroutine, of its result; of `Logged` and the like, of the value inside."""
    returned = types.get_proper_type(signature.ret_type)
    if is_async and isinstance(returned, types.Instance) and len(returned.args) == 3:
        returned = types.get_proper_type(returned.args[2])
    is_answer = isinstance(returned, types.Instance) and returned.type.fullname in ANSWERS
    return returned.args[0] if isinstance(returned, types.Instance) and is_answer and returned.args else returned


def check_given_options(ctx: MethodSigContext, workspace: Workspace) -> None:
    """Check the values of options of `.using(...)` and of a runtime; mypy itself says which have a wrong name or type."""
    call, api = ctx.context, ctx.api
    if not isinstance(call, nodes.CallExpr) or not any(call.arg_names):
        return
    file, source = workspace.call(api, call)
    if file is None or source is None:
        return
    signature = ctx.default_signature.with_unpacked_kwargs()
    declared = dict(zip(signature.arg_names, signature.arg_types, strict=True))
    literals = {
        name: partial(_literal_values, argument, api)
        for name, argument in _named(call)
        if name in declared and name != "output_type" and _mismatch(argument, declared[name], api) is None
    }
    with _unfiltered(api):
        _report(api, option_findings(source, file, literals))


def _literal_values(argument: nodes.Expression, api: Any) -> list[object]:
    """The values that an expression has one of, by its `Literal` type; none if mypy knows no such type of it."""
    given: types.Type = api.get_expression_type(argument)
    kind = types.get_proper_type(given)
    items = [types.get_proper_type(each) for each in (kind.items if isinstance(kind, types.UnionType) else [kind])]
    items = [(each.last_known_value or each) if isinstance(each, types.Instance) else each for each in items]
    return (
        [each.value for each in items if isinstance(each, types.LiteralType)]
        if all(isinstance(each, types.LiteralType) for each in items)
        else []
    )


def _with_own_options(
    signature: types.CallableType, call: nodes.CallExpr, api: Any, places: Collection[Place]
) -> tuple[types.CallableType, list[Finding]]:
    """Compare options with their declarations, but for findings at `places`, which have one.

    The signature that is returned takes any value for an option with a finding.
    """
    signature = signature.with_unpacked_kwargs()
    names, kinds, declared = list(signature.arg_names), list(signature.arg_kinds), list(signature.arg_types)
    found: list[Finding] = []
    for name, argument in _named(call):
        if name not in names:
            names, kinds, declared = (
                [*names, name],
                [*kinds, nodes.ARG_NAMED_OPT],
                [*declared, types.AnyType(types.TypeOfAny.from_error)],
            )
            continue
        index = names.index(name)
        if (shown := _mismatch(argument, declared[index], api)) is not None:
            if Place(argument.line, argument.column) not in places:
                message = f"the option {name!r} takes {format_type(declared[index], api.options)}, not {shown}"
                found.append(_finding("prompt-option", message, argument))
            declared[index] = types.AnyType(types.TypeOfAny.from_error)
    taking = signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]  # mypy's own annotations
        arg_names=names, arg_kinds=kinds, arg_types=declared
    )
    return taking, found


def _unknown_options(call: nodes.CallExpr) -> list[Finding]:
    """Find names that are no options, in a call without a source."""
    reasons = ((why_no_option(name), argument) for name, argument in _named(call))
    return [_finding("prompt-option", reason, argument) for reason, argument in reasons if reason is not None]


def _named(call: nodes.CallExpr) -> list[tuple[str, nodes.Expression]]:
    return [(name, argument) for name, argument in zip(call.arg_names, call.args, strict=True) if name is not None]


def _mismatch(argument: nodes.Expression, wanted: types.Type, api: Any) -> str | None:
    actual = api.get_expression_type(argument, wanted)
    return None if is_subtype(actual, wanted) else format_type(actual, api.options)


def _finding(code: str, message: str, place: nodes.Expression) -> Finding:
    start = Place(place.line, place.column)
    return Finding(code, message, start, Place(place.end_line or place.line, place.end_column or place.column))
