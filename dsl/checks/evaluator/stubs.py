"""Functions that declarations name (validators, factories), stood for by functions that do nothing."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["stub", "stub_of"]


def stub(name: str, arguments: ast.arguments) -> Callable[..., Any]:
    """Stands for a function of the program, of which only the name and the parameters count."""
    kind = inspect.Parameter
    parameters = [kind(each.arg, kind.POSITIONAL_OR_KEYWORD) for each in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(parameters) - len(arguments.defaults)
    parameters[first_default:] = [each.replace(default=None) for each in parameters[first_default:]]
    if arguments.vararg is not None:
        parameters.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
    return _nothing(name, inspect.Signature(parameters))


def stub_of(function: Any) -> Callable[..., Any]:
    """Stands for a function of a library."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # as many that are written in C
        signature = inspect.Signature([inspect.Parameter("value", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    return _nothing(str(getattr(function, "__name__", "function")), signature)


def _nothing(name: str, signature: inspect.Signature) -> Callable[..., Any]:
    def made(*args: Any, **kwargs: Any) -> None:
        return None

    made.__name__ = made.__qualname__ = name
    made.__signature__ = signature  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return made
