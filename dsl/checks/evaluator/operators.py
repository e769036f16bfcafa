"""Operators in constant expressions, such as `10**6` and `READ | WRITE`, worked out within reason.

They are worked out of plain values alone, and what they give has a largest size.
"""

from __future__ import annotations

import ast
import enum
import operator
from collections.abc import Callable, Mapping, Sized
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from typefold.checks.libraries import is_subscriptable
from typefold.checks.symbols import Unknown

__all__ = ["binary", "sized", "unary"]

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
    """What an operator gives.

    Raises:
        Unknown: It fails, or would take long.
    """
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
    return sized(_worked(_BINARY.get(type(kind)), left, right))


def unary(kind: ast.unaryop, operand: Any) -> Any:
    """What an operator before its operand gives.

    Raises:
        Unknown: It fails.
    """
    if not _is_plain(operand):
        raise Unknown
    return _worked(_UNARY.get(type(kind)), operand)


def sized(value: Any) -> Any:
    """A value, if it is of a size that can be worked with.

    Raises:
        Unknown: It is larger.
    """
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


def _worked(operation: Callable[..., Any] | None, *operands: Any) -> Any:
    if operation is None:
        raise Unknown
    try:
        return operation(*operands)
    except Exception as error:
        raise Unknown from error
