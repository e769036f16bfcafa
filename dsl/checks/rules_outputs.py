"""Types that are given as values: `runtime.generate(..., output_type=T)`, `runtime(..., output_type=T)`, `output_type(T)`.

The compiler judges them as it does return types. From the source alone, a runtime is known by where it was made
(`Runtime(...)`, also by `with`) or by its annotation; a type checker knows more of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, TypeAlias

from typefold.checks.evaluator import Declared, Evaluator, Known, Where, judged
from typefold.checks.findings import Finding, at
from typefold.checks.rules_options import known_options
from typefold.compiler import output_type
from typefold.runtimes.current import current
from typefold.runtimes.runtime import Runtime

__all__ = ["Asking", "asking", "output_findings"]

Asking: TypeAlias = Literal["runtime", "output_type"]
"""Who is given a type: a runtime, by name, or `output_type`, in the first place."""

_METHODS = ("generate", "__call__")


def output_findings(call: ast.Call, asking: Asking, evaluator: Evaluator, where: Where) -> Iterator[Finding]:
    """What is wrong with the type, or with each of a list of types."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if asking == "output_type":
        if call.args and not named.keys() & {"registry", None}:  # hooks of a registry of its own are not known
            path = named.get("path")
            shown = path.value if isinstance(path, ast.Constant) and isinstance(path.value, str) else "return"
            format_options = known_options(call, evaluator, where)
            found = judged(evaluator.hint(call.args[0], where), path=shown, options=format_options, is_returned=False)
            if found.refused is not None:
                yield at("prompt-return", found.refused, call.args[0])
        return
    given = named.get("output_type")
    if given is None:
        return
    several = isinstance(given, (ast.List, ast.Tuple))
    options = None if several else known_options(call, evaluator, where)
    for node in given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]:
        found = judged(evaluator.hint(node, where), path="output_type", options=options)
        if found.refused is not None:
            yield at("prompt-return", found.refused, node)
        if found.misused is not None and not several:
            yield at("prompt-option", found.misused, call)


def asking(call: ast.Call, evaluator: Evaluator, where: Where) -> Asking | None:
    """Who is given a type by a call, as far as the source tells."""
    func = call.func
    if isinstance(meaning := evaluator.meaning(func, where), Known):
        return "output_type" if meaning.value is output_type else None
    if not any(keyword.arg == "output_type" for keyword in call.keywords):
        return None
    receiver = func.value if isinstance(func, ast.Attribute) and func.attr in _METHODS else func
    return "runtime" if _is_runtime(receiver, evaluator, where) else None


def _is_runtime(node: ast.expr, evaluator: Evaluator, where: Where) -> bool:
    if isinstance(node, ast.Call):
        made = evaluator.meaning(node.func, where)
        return isinstance(made, Known) and (made.value is Runtime or made.value is current)
    if not isinstance(node, ast.Name):
        return False
    for scope in reversed(where.around):
        arguments = getattr(scope, "args", None)
        if isinstance(arguments, ast.arguments):
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            for argument in every:
                if argument.arg == node.id:
                    return argument.annotation is not None and _names_runtime(argument.annotation, evaluator, where)
    meaning = evaluator.meaning(node, where)
    match meaning.node if isinstance(meaning, Declared) else None:
        case ast.AnnAssign(annotation=annotation):
            return _names_runtime(annotation, evaluator, where)
        case ast.Assign(value=value) | ast.withitem(context_expr=value):
            return not isinstance(value, ast.Name) and _is_runtime(value, evaluator, where)
        case _:
            return False


def _names_runtime(annotation: ast.expr, evaluator: Evaluator, where: Where) -> bool:
    return evaluator.hint(annotation, where) is Runtime
