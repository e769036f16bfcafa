"""Examples in `@prompt(examples=[example(value, name=...)])`, held against the function that they are of."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from typing import Any

from typefold.checks.evaluator import Evaluator, Where
from typefold.checks.findings import Finding, at
from typefold.checks.source import Function
from typefold.checks.symbols import Unknown
from typefold.checks.words import Words
from typefold.compiler import OutputType

__all__ = ["example_findings", "examples_of", "parameters_of"]


def examples_of(function: Function, words: Words) -> Iterator[ast.Call]:
    """The calls of `example` in the function's decorator."""
    for decorator in function.node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "examples" and isinstance(keyword.value, (ast.List, ast.Tuple)):
                for item in keyword.value.elts:
                    if isinstance(item, ast.Call) and words.is_example(item.func, function):
                        yield item


def parameters_of(function: Function) -> dict[str, bool]:
    """The parameters that can be given by name, and whether each must be; without the instance of a method."""
    arguments = function.node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    first_default = len(plain) - len(arguments.defaults)
    found = {argument.arg: index < first_default for index, argument in enumerate(plain)}
    if function.is_bound and plain:
        del found[plain[0].arg]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {argument.arg: default is None for argument, default in pairs}


def example_findings(
    function: Function, words: Words, kind: OutputType[Any] | None, evaluator: Evaluator, where: Where
) -> Iterator[Finding]:
    """What is wrong with each example: names of arguments, and values that are written out."""
    name, known = function.node.name, parameters_of(function)
    takes_any = function.node.args.kwarg is not None
    for call in examples_of(function, words):
        given = {keyword.arg for keyword in call.keywords}
        for keyword in call.keywords:
            if keyword.arg is not None and keyword.arg not in known and not takes_any:
                near = difflib.get_close_matches(keyword.arg, sorted(known), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                message = f"the example names {keyword.arg!r}, which is no parameter of {name!r}{hint}"
                yield at("prompt-example", message, keyword.value)
        missing = [parameter for parameter, required in known.items() if required and parameter not in given]
        if missing and None not in given and given <= known.keys():
            yield at("prompt-example", f"the example gives nothing for {missing[0]!r}, which {name!r} needs", call)
        if kind is not None and call.args and (reason := _no_value(call.args[0], kind, evaluator, where)) is not None:
            yield at("prompt-example", f"the example's value is none of the return type: {reason}", call.args[0])


def _no_value(node: ast.expr, kind: OutputType[Any], evaluator: Evaluator, where: Where) -> str | None:
    """Why a value that is written out is none of a type."""
    try:
        value = evaluator.value(node, where)
    except Unknown:
        return None
    try:
        kept = kind.post_checks or kind.decode(kind.encode(value)) == value
    except Exception as error:
        return f"{error}"
    return None if kept else "it would not come back as it is"
