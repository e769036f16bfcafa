"""Calls and operators in declarations, worked out where they describe types.

`Field(ge=0)`, `NewType("Id", int)` and `date(2024, 1, 1)` describe types, and their functions are on the list in
`typefold.checks.libraries`. Any other function may do anything: it is not called, and its value is unknown. Operators such
as `10**6` and `READ | WRITE` take plain values alone, and their results have a largest size. A description of a field may
hold parts that say nothing of the type (its default, its title); these need not be known.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import operator
import typing
from collections.abc import Callable, Mapping, Sized
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from keyword import iskeyword
from typing import Any

import pydantic
import typing_extensions

from typefold.checks.evaluator.stand_ins import Expressions
from typefold.checks.evaluator.tool_stubs import tools
from typefold.checks.libraries import is_base, is_callable, is_optional, is_subscriptable
from typefold.checks.source import Unknown, Where
from typefold.compiler.limits import KEYWORDS
from typefold.prompts.tools import Tools

# --- calls ------------------------------------------------------------------------------------------------------------

_WHOLE = (dict, frozenset, len, list, max, min, set, sorted, sum, tuple)
"""Functions that go through the whole of their argument."""
_FINITE = (str, bytes, list, tuple, set, frozenset, dict)
_DEFAULTS = {"default": None, "default_factory": lambda: None, "factory": lambda: None}
_NAMED = (*KEYWORDS, "alias", "validation_alias", "init", "kw_only", "discriminator", "name", "exclude", "frozen")
"""Parts of a field's description to which the compiler listens, apart from the default."""


def called(evaluator: Expressions, node: ast.Call, where: Where) -> Any:
    """Return the value of a call in a declaration, or raise `Unknown`."""
    function = evaluator.function(node.func, where)
    for name, making in _OF_TYPES.items():
        if any(function is getattr(module, name, making) for module in (typing, typing_extensions)):
            return _safely(_of_types, evaluator, making, node, where)
    if is_field(function):
        return _field(evaluator, function, node, where)
    if function is Tools:
        return tools(evaluator, node, where)
    if not is_callable(function):
        raise Unknown
    arguments = [evaluator.value(argument, where) for argument in node.args]
    keywords = {_keyword(each): evaluator.value(each.value, where) for each in node.keywords}
    _check(function, arguments, keywords)
    return sized(_safely(function, *arguments, **keywords))


def is_field(function: object) -> bool:
    """Whether a function describes a field of a class."""
    known = any(function is each for each in (pydantic.Field, pydantic.PrivateAttr, dataclasses.field))
    return known or is_optional(function, "attr.ib", "attr.field", "attrs.field", "msgspec.field")


def _check(function: Any, arguments: list[Any], keywords: Mapping[str, Any]) -> None:
    """Raise `Unknown` at arguments with which a function would work for ever, or make a class of anything."""
    first = arguments[0] if arguments else None
    if any(function is each for each in _WHOLE):
        compared = len(arguments) > 1 and function in (max, min)
        if arguments and not compared and not isinstance(first, (*_FINITE, enum.EnumMeta)):
            raise Unknown
    elif function is bytes and isinstance(first, int):
        raise Unknown
    elif isinstance(function, enum.EnumMeta):
        is_known = keywords.keys() <= {"names", "value", "type", "start"}
        if not is_known or not (keywords.get("type") is None or is_base(keywords["type"])):
            raise Unknown
    elif function is Fraction and isinstance(first, str):
        sized(_safely(Decimal, first.partition("/")[0]))


def _field(evaluator: Expressions, function: Any, node: ast.Call, where: Where) -> Any:
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    for argument in node.args[:1]:  # the default
        try:
            arguments.append(evaluator.value(argument, where))
        except Unknown:
            arguments.append(None)
    written = str(function.__module__).startswith("attr")  # attrs writes its arguments into code
    for each in node.keywords:
        name = _keyword(each)
        if written and name not in {*_NAMED, *_DEFAULTS, "type", "converter", "validator"}:
            continue
        try:
            if name == "type":
                keywords[name] = evaluator.hint(each.value, where)
                continue
            keywords[name] = evaluator.value(each.value, where)
            if written and name == "alias" and not _is_name(keywords[name]):
                raise Unknown
        except Unknown:
            if name in _DEFAULTS:
                keywords[name] = _DEFAULTS[name]
            elif name in _NAMED:
                raise
    return _safely(function, *arguments, **keywords)


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.isidentifier() and not iskeyword(value))


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise Unknown
    return keyword.arg


def _safely(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    try:
        return function(*arguments, **keywords)
    except Unknown:
        raise
    except Exception as error:  # the program would fail there too, and say so itself
        raise Unknown from error


# --- functions that take types ----------------------------------------------------------------------------------------

_OF_TYPES: Mapping[str, Any] = {
    "NewType": typing.NewType,
    "TypeVar": typing_extensions.TypeVar,
    "TypedDict": typing_extensions.TypedDict,
    "NamedTuple": typing.NamedTuple,
    "TypeAliasType": typing_extensions.TypeAliasType,
}
"""Functions that take a name and types, by their names in `typing` and its extensions, and the one to call for each."""


def _of_types(evaluator: Expressions, function: Any, node: ast.Call, where: Where) -> Any:
    name = evaluator.value(node.args[0], where)
    arguments = [_types_in(argument, evaluator, where) for argument in node.args[1:]]
    keywords: dict[str, Any] = {}
    for each in node.keywords:
        if each.arg in ("bound", "default"):
            keywords[each.arg] = evaluator.hint(each.value, where)
        elif each.arg in ("total", "type_params"):
            keywords[each.arg] = evaluator.value(each.value, where)
    if function is typing_extensions.TypeAliasType:
        return evaluator.synthetic.alias(name, arguments[0], keywords.get("type_params", ()))
    return function(name, *arguments, **keywords)


def _types_in(node: ast.expr, evaluator: Expressions, where: Where) -> Any:
    """A type, the types of a `TypedDict` by key, or those of a `NamedTuple` in pairs."""
    match node:
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(filter(None, keys), values, strict=True)
            return {evaluator.value(key, where): evaluator.hint(value, where) for key, value in pairs}
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_pair(element, evaluator, where) for element in elements]
        case _:
            return evaluator.hint(node, where)


def _pair(node: ast.expr, evaluator: Expressions, where: Where) -> tuple[Any, Any]:
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
        raise Unknown
    return evaluator.value(node.elts[0], where), evaluator.hint(node.elts[1], where)


# --- operators --------------------------------------------------------------------------------------------------------

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: lambda left, right: left**right,
    ast.BitOr: lambda left, right: left | right,
    ast.BitAnd: lambda left, right: left & right,
    ast.LShift: lambda left, right: left << right,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_LARGEST = 1000
"""An exponent or a shift beyond this is not worked out."""
_BITS = 20_000
_ITEMS = 100_000
_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, Decimal, Fraction)
_MOMENTS = (date, time, timedelta)


def binary(kind: ast.operator, left: Any, right: Any) -> Any:
    """Return the value of an operator between two values; raise `Unknown` if it fails or would take long."""
    if isinstance(kind, (ast.Pow, ast.LShift)) and not (isinstance(right, int) and abs(right) <= _LARGEST):
        raise Unknown
    if isinstance(kind, ast.Mult) and not all(isinstance(side, (int, float)) for side in (left, right)):
        raise Unknown
    if isinstance(kind, ast.Mod) and isinstance(left, (str, bytes)):  # a format may be as wide as it says
        raise Unknown
    if not (_is_plain(left) and _is_plain(right)) and not (
        isinstance(kind, ast.BitOr) and all(side is None or is_subscriptable(side) for side in (left, right))
    ):
        raise Unknown
    if type(kind) not in _BINARY:
        raise Unknown
    return sized(_safely(_BINARY[type(kind)], left, right))


def unary(kind: ast.unaryop, operand: Any) -> Any:
    """Return the value of an operator before its operand; raise `Unknown` if it fails."""
    if not _is_plain(operand) or type(kind) not in _UNARY:
        raise Unknown
    return _safely(_UNARY[type(kind)], operand)


def sized(value: Any) -> Any:
    """Return a value of a size that can be worked with; raise `Unknown` if it is larger."""
    match value:
        case int() if value.bit_length() > _BITS:
            raise Unknown
        case Sized() if len(value) > _ITEMS:
            raise Unknown
        case Decimal() if value.is_finite() and value and abs(value.adjusted()) > _LARGEST:
            raise Unknown
        case Fraction() if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
            raise Unknown
        case _:
            return value


def _is_plain(value: object) -> bool:
    return type(value) in _PLAIN or isinstance(value, (enum.Enum, *_MOMENTS))
