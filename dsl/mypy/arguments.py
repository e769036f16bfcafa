"""Examples in `@prompt(examples=[example(value, name=...)])`: their types, held against those of the function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mypy.messages import format_type
from mypy.nodes import ARG_POS, CallExpr, Context, Decorator, Expression, ListExpr, RefExpr, TupleExpr
from mypy.subtypes import is_subtype
from mypy.types import CallableType, Instance, Type, get_proper_type

from typefold.checks.findings import Finding
from typefold.checks.literals import Place

__all__ = ["example_types"]

_EXAMPLE = "typefold.prompts.definition.example"
_SPECIAL = {f"typefold.response_types.{name}" for name in ("Logged", "Reasoned", "Scored")}


def example_types(decorator: Decorator, signature: object, api: Any) -> Iterator[Finding]:
    """What is wrong with the types of each example's value and arguments."""
    if not isinstance(signature, CallableType) or signature.variables:
        return
    for call in _examples(decorator):
        yield from _of_example(call, signature, decorator, api)


def _examples(decorator: Decorator) -> Iterator[CallExpr]:
    for each in decorator.decorators:
        if not isinstance(each, CallExpr) or "examples" not in each.arg_names:
            continue
        given = each.args[each.arg_names.index("examples")]
        if isinstance(given, (ListExpr, TupleExpr)):
            yield from (
                item
                for item in given.items
                if isinstance(item, CallExpr) and isinstance(item.callee, RefExpr) and item.callee.fullname == _EXAMPLE
            )


def _of_example(call: CallExpr, signature: CallableType, decorator: Decorator, api: Any) -> Iterator[Finding]:
    name = decorator.func.name
    every = zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
    types = {parameter: kind for parameter, kind, how in every if not how.is_star()}
    for parameter, how, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
        if how == ARG_POS:
            returned = _returned(signature, is_async=decorator.func.is_coroutine)
            if (shown := _mismatch(argument, returned, api)) is not None:
                yield _finding(
                    f"the example's value is {shown}, and {name!r} returns {_shown(returned, api)}", argument
                )
        elif parameter in types and (shown := _mismatch(argument, types[parameter], api)) is not None:
            wanted = _shown(types[parameter], api)
            yield _finding(f"the example gives {shown} for {parameter!r}, which takes {wanted}", argument)


def _returned(signature: CallableType, *, is_async: bool) -> Type:
    """What the function's answer is: of a coroutine, what it gives; of `Logged` and the like, what is inside."""
    returned = get_proper_type(signature.ret_type)
    if is_async and isinstance(returned, Instance) and len(returned.args) == 3:
        returned = get_proper_type(returned.args[2])
    special = isinstance(returned, Instance) and returned.type.fullname in _SPECIAL
    return returned.args[0] if isinstance(returned, Instance) and special and returned.args else returned


def _mismatch(argument: Expression, wanted: Type, api: Any) -> str | None:
    """The type of an argument, if it is not the one that is wanted."""
    actual = api.get_expression_type(argument, wanted)
    return None if is_subtype(actual, wanted) else _shown(actual, api)


def _shown(kind: Type, api: Any) -> str:
    return format_type(kind, api.options)


def _finding(message: str, place: Context) -> Finding:
    start = Place(place.line, place.column)
    end = Place(place.end_line or place.line, place.end_column or place.column)
    return Finding("prompt-example", message, start, end)
