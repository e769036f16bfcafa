"""Rules about a prompt function's body: it makes the message, returns the value of `ask`, and does nothing else.

Type checkers see `ask` as a value of the return type, so `ask("...") + 1` passes them, and so does a function that lacks
its `@prompt`. Both fail when they run; they are found here.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator

from typefold.checks.checked_file import CheckedFile, dotted
from typefold.checks.findings import Finding, at
from typefold.checks.source import Function
from typefold.compiler.templates.braces import braces_in, no_f_string

_VALUES = (
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Lambda),
    *(ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
"""Expressions that are certain to be something else than the value of `ask`."""
_ALL_NAMES = {"locals", "vars", "eval", "exec"}


def body_findings(function: Function, file: CheckedFile) -> Iterator[Finding]:
    """Check the body of a prompt function."""
    name = function.node.name
    for node in function.inside:
        if isinstance(node, ast.Call) and file.is_ask(node.func, function):
            if not _is_returned(node, function):
                message = (
                    f"what ask() gives stands for an answer that is not there yet, and the body of a prompt function "
                    f"returns it as it is; work on the value where {name!r} is called"
                )
                yield at("prompt-ask", message, node)
        elif isinstance(node, ast.Call) and file.is_prompt(node.func, function):
            message = (
                f"the body of {name!r} calls the prompt function {dotted(node.func)!r}, and a body makes its message and "
                f"nothing else; call it first, in a plain function, and pass its value as an argument"
            )
            yield at("prompt-ask", message, node)
        elif isinstance(node, ast.Return) and (value := _something_else(node, function, file)) is not None:
            message = f"the body of a prompt function returns ask(...), and {name!r} returns something else"
            yield at("prompt-ask", message, value)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            yield at("prompt-ask", "a prompt function returns ask(...); it does not yield", node)
        elif isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            message = "the body of a prompt function makes its message and can't await anything"
            yield at("prompt-ask", message, node)


def asks(function: Function, file: CheckedFile, *, bare: bool | None = None) -> bool:
    """Whether the body calls `ask`; `bare` without arguments, so that the docstring is the message, or not bare."""
    return any(
        isinstance(node, ast.Call)
        and bare in (None, not (node.args or node.keywords))
        and file.is_ask(node.func, function)
        for node in function.inside
    )


def returns_nothing(function: Function) -> bool:
    """Whether nothing in the body could return the value of `ask`."""
    ways_out = (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)
    return not any(isinstance(node, ways_out) for node in function.inside)


def owed_parameters(function: Function) -> list[ast.arg]:
    """The parameters that a prompt is made of; without those of methods and those that are left out on purpose."""
    return [each for each in function.arguments[function.is_bound :] if not each.arg.startswith("_")]


def unused_parameters(function: Function, used_by_template: Collection[str], file: CheckedFile) -> Iterator[Finding]:
    """Parameters that neither the body nor the template uses; none that a misspelt name in the body may mean."""
    nodes = [node for node in ast.walk(ast.Module(function.node.body, [])) if isinstance(node, ast.Name)]
    used = {node.id for node in nodes} | set(used_by_template)
    unused = [argument for argument in owed_parameters(function) if argument.arg not in used]
    if not unused or used & _ALL_NAMES:
        return
    unknown = {node.id for node in nodes if not file.is_known(node, function)}
    meant = {
        found.name: at("prompt-braces", no_f_string(found), node)
        for node, text in [*_texts(function, file)][::-1]
        for found in braces_in(text, [argument.arg for argument in unused])
    }
    for argument in unused:
        if argument.arg in meant:
            yield meant[argument.arg]
        elif not difflib.get_close_matches(argument.arg, unknown, n=1):
            message = f"the prompt function {function.node.name!r} never uses its parameter {argument.arg!r}"
            yield at("prompt-unused", message, argument)


def _texts(function: Function, file: CheckedFile) -> Iterator[tuple[ast.expr, str]]:
    first = function.node.body[0]
    docstring = first.value if isinstance(first, ast.Expr) else None
    for node in ast.walk(ast.Module(function.node.body, [])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not docstring:
            yield node, node.value
        elif isinstance(node, ast.Name) and (text := file.text_of(node, function)) is not None:
            yield node, text


def _is_returned(call: ast.Call, function: Function) -> bool:
    """Whether the function returns the value of a call, by way of a name or a condition at most."""
    names: set[str] = set()
    for node in function.inside:
        if isinstance(node, ast.Return) and node.value is not None:
            for value in _ends(node.value):
                if value is call:
                    return True
                if isinstance(value, ast.Name):
                    names.add(value.id)
    for node in function.inside:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(value is call for value in _ends(node.value)):
                return any(isinstance(target, ast.Name) and target.id in names for target in targets)
    return False


def _ends(value: ast.expr) -> Iterator[ast.expr]:
    """The expressions of which one is the value of another."""
    if isinstance(value, ast.IfExp):
        yield from _ends(value.body)
        yield from _ends(value.orelse)
    elif isinstance(value, ast.Call) and dotted(value.func) in ("cast", "typing.cast") and len(value.args) == 2:
        yield from _ends(value.args[1])
    else:
        yield value


def _something_else(node: ast.Return, function: Function, file: CheckedFile) -> ast.expr | ast.Return | None:
    """A returned value that is certain not to be that of `ask`; one with an `ask` in it has its own finding."""
    if node.value is None:
        return node
    for value in _ends(node.value):
        if isinstance(value, _VALUES) and not any(
            isinstance(each, ast.Call) and file.is_ask(each.func, function) for each in ast.walk(value)
        ):
            return value
    return None
