"""Types of what a `Result` of returns holds: to mypy `Any`, behind `isinstance(result, Success)` and `case Success(value)`.

Success is generic in the value alone and Failure in the error, and mypy gives the parameters of a class that it narrows to no
arguments. They are those of the `Result` that is looked at: for `isinstance` the class is given them before mypy narrows, and
in a pattern the value gets its type once its `match` is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from mypy.checker import TypeChecker
from mypy.nodes import CallExpr, Context, MatchStmt, MemberExpr, NameExpr, RefExpr, Var
from mypy.patterns import AsPattern, ClassPattern, OrPattern, Pattern, SequencePattern
from mypy.plugin import AttributeContext, FunctionContext, MethodContext
from mypy.types import AnyType, Instance, TupleType, Type, TypeType, UnionType, get_proper_type

RESULT = "returns.result.Result"
ARGUMENT = {"returns.result.Success": 0, "returns.result.Failure": 1}
ISINSTANCE = "builtins.isinstance"
INNER = {f"{kind}._inner_value": index for kind, index in ARGUMENT.items()}
TAKEN = {"returns.result.Success.unwrap": 0, "returns.result.Failure.failure": 1}


def narrow_isinstance(ctx: FunctionContext) -> Type | None:
    """Give the class in `isinstance(result, Success)` the argument of the result."""
    api, call = ctx.api, ctx.context
    if isinstance(api, TypeChecker) and isinstance(call, CallExpr) and len(call.args) == 2:
        subject, kind = call.args
        index = ARGUMENT.get(kind.fullname) if isinstance(kind, RefExpr) else None
        held = None if index is None else _held(api.lookup_type(subject), index)
        if held is not None and isinstance(kind, RefExpr) and kind.node is not None:
            api.store_type(kind, TypeType(Instance(kind.node, [held])))  # type: ignore[arg-type]  # a class, by its name
    return None


def value_in_pattern(ctx: AttributeContext, index: int) -> Type | None:
    """Return the type of what `case Success(value)` captures."""
    if not isinstance(ctx.context, Pattern) or not isinstance(ctx.api, TypeChecker):
        return None
    for subject, pattern in _matched(ctx.api, ctx.context):
        kinds = [_held(part, index) for part in _parts(subject, pattern, ctx.context)]
        return next((kind for kind in kinds if kind is not None), None)
    return None


def value_of_name(ctx: MethodContext, index: int) -> Type | None:
    """Return the type of `result.unwrap()` where a pattern without a capture has narrowed the result."""
    call = ctx.context
    known = ctx.type.args[0] if isinstance(ctx.type, Instance) and ctx.type.args else None
    if not isinstance(get_proper_type(known), AnyType) or not isinstance(call, CallExpr):
        return None
    if isinstance(call.callee, MemberExpr) and isinstance(call.callee.expr, NameExpr):
        variable = call.callee.expr.node
        return _held(variable.type, index) if isinstance(variable, Var) and variable.type is not None else None
    return None


def _held(kind: Type | None, index: int) -> Type | None:
    """Return the type of the value, or of the error, of a result; of a union of results that of any."""
    proper = get_proper_type(kind)
    if isinstance(proper, UnionType):
        held = [each for each in (_held(item, index) for item in proper.items) if each is not None]
        known = [each for each in held if not isinstance(get_proper_type(each), AnyType)]  # of an earlier narrowing
        return UnionType.make_union(known) if known else None
    if not isinstance(proper, Instance):
        return None
    if proper.type.fullname == RESULT:
        return proper.args[index]
    return proper.args[0] if ARGUMENT.get(proper.type.fullname) == index else None


def _matched(api: TypeChecker, pattern: Context) -> Iterator[tuple[Type, Pattern]]:
    """Yield the subject's type and the pattern of the cases around a part of a pattern."""
    for statement in _statements(api.tree.defs):
        if api.has_type(statement.subject):
            for case in statement.patterns:
                if case.line <= pattern.line <= (case.end_line or case.line):
                    yield api.lookup_type(statement.subject), case


def _statements(node: object) -> Iterator[MatchStmt]:
    """Yield the match statements in a statement, or in a list of them. mypy's own visitors can't be subclassed."""
    if isinstance(node, list):
        for each in cast("list[object]", node):
            yield from _statements(each)
        return
    if isinstance(node, MatchStmt):
        yield node
    for name in ("defs", "body", "bodies", "else_body", "handlers", "finally_body", "func", "items"):
        yield from _statements(getattr(node, name)) if hasattr(node, name) else ()


def _parts(kind: Type, pattern: Pattern, part: Context) -> Iterator[Type]:
    """Yield the types of what the class pattern is held against of which this is a part."""
    inner: list[tuple[Type | None, Pattern | None]] = []
    proper = get_proper_type(kind)
    if isinstance(pattern, ClassPattern):
        if any(each is part for each in (*pattern.positionals, *pattern.keyword_values)):
            yield kind
        index = ARGUMENT.get(pattern.class_ref.fullname)
        inner = [] if index is None else [(_held(kind, index), each) for each in pattern.positionals]
    elif isinstance(pattern, SequencePattern) and isinstance(proper, TupleType):
        inner = list(zip(proper.items, pattern.patterns, strict=False))
    elif isinstance(pattern, AsPattern):
        inner = [(kind, pattern.pattern)]
    elif isinstance(pattern, OrPattern):
        inner = [(kind, each) for each in pattern.patterns]
    for held, each in inner:
        if held is not None and each is not None:
            yield from _parts(held, each, part)
