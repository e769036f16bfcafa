"""`Tools(search, add)` in a return type: tools that do nothing, with the parameters and results of the program's functions.

`Tools` itself and the compiler judge them. A tool that is decorated by something else than `@prompt`, one of a library, and
one with a part that can't be known make all of them unknown.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from typefold.checks.evaluator.stand_ins import REGISTRY, Expressions, has_opaque
from typefold.checks.source import Declared, Known, Unknown, Where
from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.errors import PromptUsageError
from typefold.prompts.prompt import prompt
from typefold.prompts.tools import Tools, tool_call_codec
from typefold.response_types import ToolCall


class RefusedTools(Tools):
    """Tools that the program can't make, and why."""

    def __init__(self, reason: str) -> None:
        self.functions = {}
        self.reason = reason


@REGISTRY.hook(ToolCall)
def checked_tool_call_codec(hint: Any, context: Context) -> Codec[ToolCall[Any]]:
    """A call of one of the tools, which are refused here as where the program makes them."""
    for refused in context.limits.claim(RefusedTools):
        raise context.refuse(hint, f"has no tools that a model could call. {refused.reason}")
    return tool_call_codec(hint, context)


def tools(evaluator: Expressions, node: ast.Call, where: Where) -> Tools:
    """Return the tools that a call makes."""
    if node.keywords:
        raise Unknown
    functions = [_tool(evaluator, argument, where) for argument in node.args]
    try:
        return Tools(*functions)
    except PromptUsageError as error:
        return RefusedTools(str(error))


def _tool(evaluator: Expressions, node: ast.expr, where: Where) -> Callable[..., Any]:
    match evaluator.meaning(node, where):
        case Declared(node=ast.FunctionDef() | ast.AsyncFunctionDef() as function, where=place):
            for decorator in function.decorator_list:
                made = evaluator.meaning(decorator.func if isinstance(decorator, ast.Call) else decorator, place)
                if not isinstance(made, Known) or made.value is not prompt:
                    raise Unknown
            return _stub(evaluator, function, place)
        case Declared(node=ast.ClassDef(name=name)):
            return type(name, (), {})
        case _:
            raise Unknown


def _stub(evaluator: Expressions, function: ast.FunctionDef | ast.AsyncFunctionDef, where: Where) -> Callable[..., Any]:
    kinds, arguments = inspect.Parameter, function.args
    plain = [(each, kinds.POSITIONAL_OR_KEYWORD) for each in (*arguments.posonlyargs, *arguments.args)]
    rest = [(arguments.vararg, kinds.VAR_POSITIONAL), *((each, kinds.KEYWORD_ONLY) for each in arguments.kwonlyargs)]
    named = len(plain) - len(arguments.defaults)
    defaults = [*[None] * named, *arguments.defaults, None, *arguments.kw_defaults]
    every = zip_longest([*plain, *rest, (arguments.kwarg, kinds.VAR_KEYWORD)], defaults)
    hints: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for (argument, kind), default in every:
        if argument is not None:
            if argument.annotation is not None:
                hints[argument.arg] = evaluator.hint(argument.annotation, where)
            annotation = hints.get(argument.arg, kinds.empty)
            given = kinds.empty if default is None else None
            parameters.append(inspect.Parameter(argument.arg, kind, annotation=annotation, default=given))
    if function.returns is not None:
        hints["return"] = evaluator.hint(function.returns, where)
    if any(map(has_opaque, hints.values())):
        raise Unknown

    def made(*args: Any, **kwargs: Any) -> None: ...

    async def awaited(*args: Any, **kwargs: Any) -> None: ...

    stub: Callable[..., Any] = awaited if isinstance(function, ast.AsyncFunctionDef) else made
    stub.__name__, stub.__annotations__ = function.name, hints
    vars(stub)["__signature__"] = inspect.Signature(parameters)
    return stub
