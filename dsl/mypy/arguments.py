"""The types of a decorator's arguments, compared by mypy: examples with the function, options with their declarations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mypy.messages import format_type
from mypy.nodes import ARG_NAMED_OPT, ARG_POS, CallExpr, Decorator, Expression, ListExpr, RefExpr, TupleExpr
from mypy.subtypes import is_subtype
from mypy.types import AnyType, CallableType, Instance, Type, TypeOfAny, get_proper_type

from typefold.checks.docstrings import Place
from typefold.checks.findings import Finding
from typefold.checks.rules_calls import why_no_option
from typefold.mypy.names import ANSWERS, EXAMPLE


def example_findings(decorator: Decorator, signature: object, api: Any) -> Iterator[Finding]:
    """Compare the types of each example's value and arguments with those of the function."""
    if not isinstance(signature, CallableType) or signature.variables:
        return
    name = decorator.func.name
    every = zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
    types = {parameter: kind for parameter, kind, how in every if not how.is_star()}
    returned = _returned(signature, is_async=decorator.func.is_coroutine)
    for call in _examples(decorator):
        for parameter, how, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
            if how == ARG_POS and (shown := _mismatch(argument, returned, api)) is not None:
                message = f"the example's value is {shown}, and {name!r} returns {format_type(returned, api.options)}"
                yield _finding("prompt-example", message, argument)
            elif parameter in types and (shown := _mismatch(argument, types[parameter], api)) is not None:
                wanted = format_type(types[parameter], api.options)
                message = f"the example gives {shown} for {parameter!r}, which takes {wanted}"
                yield _finding("prompt-example", message, argument)


def _examples(decorator: Decorator) -> Iterator[CallExpr]:
    for each in decorator.decorators:
        if not isinstance(each, CallExpr) or "examples" not in each.arg_names:
            continue
        given = each.args[each.arg_names.index("examples")]
        for item in given.items if isinstance(given, (ListExpr, TupleExpr)) else ():
            if isinstance(item, CallExpr) and isinstance(item.callee, RefExpr) and item.callee.fullname == EXAMPLE:
                yield item


def _returned(signature: CallableType, *, is_async: bool) -> Type:
    """The type of the function's value: of a coroutine, of its result; of `Logged` and the like, of the value inside."""
    returned = get_proper_type(signature.ret_type)
    if is_async and isinstance(returned, Instance) and len(returned.args) == 3:
        returned = get_proper_type(returned.args[2])
    is_answer = isinstance(returned, Instance) and returned.type.fullname in ANSWERS
    return returned.args[0] if isinstance(returned, Instance) and is_answer and returned.args else returned


def with_own_options(
    signature: CallableType, call: CallExpr, api: Any, places: Collection[Place]
) -> tuple[CallableType, list[Finding]]:
    """Compare options with their declarations, but for findings at `places`, which have one.

    The signature that is returned takes any value for an option with a finding.
    """
    signature = signature.with_unpacked_kwargs()
    names, kinds, types = list(signature.arg_names), list(signature.arg_kinds), list(signature.arg_types)
    found: list[Finding] = []
    for name, argument in _named(call):
        if name not in names:
            names, kinds, types = [*names, name], [*kinds, ARG_NAMED_OPT], [*types, AnyType(TypeOfAny.from_error)]
            continue
        index = names.index(name)
        if (shown := _mismatch(argument, types[index], api)) is not None:
            if Place(argument.line, argument.column) not in places:
                message = f"the option {name!r} takes {format_type(types[index], api.options)}, not {shown}"
                found.append(_finding("prompt-option", message, argument))
            types[index] = AnyType(TypeOfAny.from_error)
    taking = signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]  # mypy's own annotations
        arg_names=names, arg_kinds=kinds, arg_types=types
    )
    return taking, found


def unknown_options(call: CallExpr) -> list[Finding]:
    """Find names that are no options, in a call without a source."""
    reasons = ((why_no_option(name), argument) for name, argument in _named(call))
    return [_finding("prompt-option", reason, argument) for reason, argument in reasons if reason is not None]


def _named(call: CallExpr) -> list[tuple[str, Expression]]:
    return [(name, argument) for name, argument in zip(call.arg_names, call.args, strict=True) if name is not None]


def _mismatch(argument: Expression, wanted: Type, api: Any) -> str | None:
    actual = api.get_expression_type(argument, wanted)
    return None if is_subtype(actual, wanted) else format_type(actual, api.options)


def _finding(code: str, message: str, place: Expression) -> Finding:
    start = Place(place.line, place.column)
    return Finding(code, message, start, Place(place.end_line or place.line, place.end_column or place.column))
