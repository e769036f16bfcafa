"""The rules as hooks of mypy: each looks at a prompt or a call, and reports the findings as errors of mypy's.

An error stands under its code, at its place, and can be silenced on the line of the `def` too.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mypy.errorcodes import ErrorCode
from mypy.nodes import ARG_STAR, ARG_STAR2, CallExpr, Context, Decorator, StrExpr
from mypy.plugin import FunctionContext, FunctionSigContext, MethodContext
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    NoneType,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

from typefold.checks.findings import CODES, Finding
from typefold.checks.rules_calls import Taker, ask_findings, decorated_line, option_findings, output_findings
from typefold.checks.rules_prompt import prompt_findings
from typefold.checks.source import Function
from typefold.compiler.templates.value_types import UNKNOWN, Kind
from typefold.mypy.arguments import example_findings, unknown_options, with_own_options
from typefold.mypy.kinds import Look, kind_of
from typefold.mypy.workspace import Workspace

_ERROR_CODES = {code.name: ErrorCode(code.name, f"Report {code.title}", "Prompts") for code in CODES.values()}


def check_prompt(ctx: FunctionContext | MethodContext, workspace: Workspace) -> None:
    """Check the function that is decorated."""
    decorator = ctx.context
    api: Any = ctx.api
    if not isinstance(decorator, Decorator) or getattr(api, "tree", None) is None:
        return  # prompt(f) as a call: f may be anything
    with _unfiltered(api):
        _report(api, workspace.once(decorator, lambda: _of_prompt(decorator, api, workspace)))


def check_output(ctx: FunctionContext | MethodContext, taker: Taker, workspace: Workspace) -> None:
    """Check a type that is passed as a value."""
    api: Any = ctx.api
    file, call = workspace.call(api, ctx.context)
    if file is None or call is None:
        return
    with _unfiltered(api):
        _report(api, output_findings(call, taker, file))
    workspace.depends(api.tree, set(), set())


def check_ask(ctx: FunctionContext, workspace: Workspace) -> Type | None:
    """Check the place of an `ask`, and return the type of its value, if it is not the declared one."""
    api: Any = ctx.api
    file, call = workspace.call(api, ctx.context)
    if file is not None and call is not None:
        _report(api, ask_findings(call, file))
    returned: list[Type] = api.return_types[-1:]
    if returned and isinstance(get_proper_type(returned[0]), NoneType):
        return NoneType()  # `-> None` is refused on the annotation; once is enough
    return None


def check_options(ctx: FunctionSigContext, workspace: Workspace) -> FunctionLike:
    """Check the options of a decorator, and return its signature, made to take those that have findings."""
    call, api = ctx.context, ctx.api
    made = get_proper_type(ctx.default_signature.ret_type)
    if not isinstance(call, CallExpr) or not isinstance(made, Instance) or made.type.name != "PromptDecorator":
        return ctx.default_signature
    file, written = workspace.call(api, call)
    found, line = unknown_options(call), range(0)
    if file is not None and written is not None:
        found, line = list(option_findings(written, file)), decorated_line(written, file)
    signature, ill_typed = with_own_options(ctx.default_signature, call, api, {each.start for each in found})
    _report(api, (replace(each, silenced_on=line) for each in (*found, *ill_typed)))
    return signature


def _of_prompt(decorator: Decorator, api: Any, workspace: Workspace) -> list[Finding]:
    file = workspace.file(api.tree.fullname)
    function = file.source.function_at(decorator.func.line, decorator.func.name) if file is not None else None
    if file is None or function is None:
        return []
    look, signature = Look(api.options), get_proper_type(decorator.func.type)
    typed = [replace(each, silenced_on=function.head) for each in example_findings(decorator, signature, api)]
    checked = prompt_findings(
        function,
        file,
        _kinds(function, signature, look),
        says_annotations=bool(api.options.disallow_untyped_defs or api.options.disallow_incomplete_defs),
        says_returns=True,
    )
    found = [*typed, *_beside(checked, typed, signature)]
    workspace.depends(api.tree, look.modules, look.triggers)
    return found


def _beside(checked: Iterable[Finding], typed: Iterable[Finding], signature: object) -> Iterator[Finding]:
    """The findings at other places than `typed`, none of an annotation that mypy has an error for itself."""
    places = {finding.start for finding in typed}
    refused = isinstance(signature, CallableType) and _has_error(signature.ret_type)
    for finding in checked:
        if finding.start not in places and not (refused and finding.code == "prompt-return"):
            yield finding


def _kinds(function: Function, signature: object, look: Look) -> dict[str, Kind]:
    types: dict[str, Type] = {}
    if isinstance(signature, CallableType):
        every = zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
        types = {name: kind for name, kind, how in every if name is not None and how not in (ARG_STAR, ARG_STAR2)}
    names = (argument.arg for argument in function.arguments)
    return {name: kind_of(types[name], look) if name in types else UNKNOWN for name in names}


def _has_error(kind: Type) -> bool:
    """Whether mypy has put an error's `Any` somewhere in a type."""
    if isinstance(kind, TypeAliasType) and kind.is_recursive:
        return False
    proper = get_proper_type(kind)
    if isinstance(proper, AnyType):
        return proper.type_of_any == TypeOfAny.from_error
    parts = proper.args if isinstance(proper, Instance) else ()
    return any(map(_has_error, proper.items if isinstance(proper, (UnionType, TupleType)) else parts))


def _report(api: Any, findings: Iterable[Finding]) -> None:
    for finding in findings:
        place = Context()
        place.line, place.column = finding.start
        place.end_line, place.end_column = finding.end
        span = None
        if finding.silenced_on:
            span = StrExpr("")  # mypy takes the lines of an expression, and the first alone of anything else
            span.line, span.end_line = finding.silenced_on[0], finding.silenced_on[-1]
        api.msg.fail(finding.message, place, code=_ERROR_CODES[finding.code], origin_context=span)


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
