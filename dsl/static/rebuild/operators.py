"""Operators in constant expressions, such as `10**6` and `READ | WRITE`, worked out within reason."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from typefold.static.rebuild.meanings import Unknown

__all__ = ["binary", "unary"]

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


def binary(kind: ast.operator, left: Any, right: Any) -> Any:
    """What an operator gives.

    Raises:
        Unknown: It fails, or would take long.
    """
    if isinstance(kind, (ast.Pow, ast.LShift)) and not (isinstance(right, int) and abs(right) <= _LARGEST):
        raise Unknown
    if isinstance(kind, ast.Mult) and not all(isinstance(side, (int, float)) for side in (left, right)):
        raise Unknown
    return _worked(_BINARY.get(type(kind)), left, right)


def unary(kind: ast.unaryop, operand: Any) -> Any:
    """What an operator before its operand gives.

    Raises:
        Unknown: It fails.
    """
    return _worked(_UNARY.get(type(kind)), operand)


def _worked(operation: Callable[..., Any] | None, *operands: Any) -> Any:
    if operation is None:
        raise Unknown
    try:
        return operation(*operands)
    except Exception as error:
        raise Unknown from error
