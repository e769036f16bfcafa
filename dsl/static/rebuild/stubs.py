"""Functions of the program that declarations name (validators, factories), stood for by functions that do nothing."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["stub"]


def stub(name: str, arguments: ast.arguments) -> Callable[..., Any]:
    """Stands for a function, of which only the name and the parameters count."""

    def made(*args: Any, **kwargs: Any) -> None:
        return None

    kind = inspect.Parameter
    parameters = [kind(each.arg, kind.POSITIONAL_OR_KEYWORD) for each in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(parameters) - len(arguments.defaults)
    parameters[first_default:] = [each.replace(default=None) for each in parameters[first_default:]]
    if arguments.vararg is not None:
        parameters.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
    made.__name__ = made.__qualname__ = name
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return made
