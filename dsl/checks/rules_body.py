"""What a prompt function's body does: it makes the message, returns what `ask` gave, and nothing else.

Type checkers see `ask` as a value of the return type, so `ask("...") + 1` passes them, and so does a function that lacks
its `@prompt`. Both fail when they run; they are found here.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator
from typing import Protocol

from typefold.checks.findings import Finding, at
from typefold.checks.source import Function, Source
from typefold.checks.words import Words, dotted
from typefold.compiler.templates.braces import braces_in, no_f_string

__all__ = ["asks", "body_findings", "misplaced_ask", "owed_parameters", "returns_nothing", "unused_parameters"]

_VALUES = (
    ast.Constant,
    ast.JoinedStr,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
)
"""Expressions that are certain to be something else than what `ask` gave."""


class Placed(Protocol):
    """A node's place, as `ast` has it."""

    @property
    def lineno(self) -> int: ...

    @property
    def col_offset(self) -> int: ...


_ALL_NAMES = {"locals", "vars", "eval", "exec"}


def body_findings(function: Function, words: Words) -> Iterator[Finding]:
    """What is wrong with the body of a prompt function."""
    name = function.node.name
    for node in function.inside:
        if isinstance(node, ast.Call) and words.is_ask(node.func, function):
            if not _is_returned(node, function):
                message = (
                    f"what ask() gives stands for an answer that is not there yet, and the body of a prompt function "
                    f"returns it as it is; work on the value where {name!r} is called"
                )
                yield at("prompt-ask", message, node)
        elif isinstance(node, ast.Call) and words.is_prompt(node.func, function):
            message = (
                f"the body of {name!r} calls the prompt function {dotted(node.func)!r}, and a body makes its message and "
                f"nothing else; call it first, in a plain function, and pass its value as an argument"
            )
            yield at("prompt-ask", message, node)
        elif isinstance(node, ast.Return) and (value := _something_else(node, function, words)) is not None:
            message = f"the body of a prompt function returns ask(...), and {name!r} returns something else"
            yield at("prompt-ask", message, value)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            yield at("prompt-ask", "a prompt function returns ask(...); it does not yield", node)
        elif isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            message = "the body of a prompt function makes its message and can't await anything"
            yield at("prompt-ask", message, node)


def misplaced_ask(call: Placed, source: Source, words: Words) -> str | None:
    """What is wrong with a call of `ask` for standing where it does, apart from what `body_findings` says."""
    function = source.around(call.lineno, call.col_offset)
    if function is None:
        return "ask() works only in the body of a prompt function: write @prompt above a function that returns it"
    if words.is_prompt_function(function) is not False:
        return None
    return (
        f"ask() works only in the body of a prompt function, and {function.node.name!r} is none; put @prompt above it"
    )


def asks(function: Function, words: Words, *, bare: bool | None = None) -> bool:
    """Whether the body calls `ask`; `bare` without arguments, so that the docstring is the message, or not bare."""
    return any(
        isinstance(node, ast.Call)
        and bare in (None, not (node.args or node.keywords))
        and words.is_ask(node.func, function)
        for node in function.inside
    )


def returns_nothing(function: Function) -> bool:
    """Whether there is nothing in the body that could return what `ask` gave."""
    ways_out = (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)
    return not any(isinstance(node, ways_out) for node in function.inside)


def owed_parameters(function: Function) -> list[ast.arg]:
    """The parameters that a prompt is made of; without those of methods and those that are left out on purpose."""
    arguments = function.node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if function.is_bound:
        every = every[1:]
    every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [argument for argument in every if not argument.arg.startswith("_")]


def unused_parameters(function: Function, used_by_template: Collection[str], words: Words) -> Iterator[Finding]:
    """Parameters that neither the body nor the template uses; none that a misspelt name in the body may mean."""
    nodes = [node for node in ast.walk(ast.Module(function.node.body, [])) if isinstance(node, ast.Name)]
    used = {node.id for node in nodes} | set(used_by_template)
    unused = [argument for argument in owed_parameters(function) if argument.arg not in used]
    if not unused or used & _ALL_NAMES:
        return
    unknown = {node.id for node in nodes if not words.is_known(node, function)}
    meant = {
        found.name: at("prompt-braces", no_f_string(found), node)
        for node, text in [*_texts(function, words)][::-1]
        for found in braces_in(text, [argument.arg for argument in unused])
    }
    for argument in unused:
        if argument.arg in meant:
            yield meant[argument.arg]
        elif not difflib.get_close_matches(argument.arg, unknown, n=1):
            message = f"the prompt function {function.node.name!r} never uses its parameter {argument.arg!r}"
            yield at("prompt-unused", message, argument)


def _texts(function: Function, words: Words) -> Iterator[tuple[ast.expr, str]]:
    """The texts in a body, and those of the variables that it reads; not its docstring."""
    first = function.node.body[0]
    docstring = first.value if isinstance(first, ast.Expr) else None
    for node in ast.walk(ast.Module(function.node.body, [])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not docstring:
            yield node, node.value
        elif isinstance(node, ast.Name) and (text := words.text_of(node, function)) is not None:
            yield node, text


def _is_returned(call: ast.Call, function: Function) -> bool:
    """Whether the value of a call is what the function returns, by way of a name or a condition at most."""
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
    """What an expression may come down to."""
    if isinstance(value, ast.IfExp):
        yield from _ends(value.body)
        yield from _ends(value.orelse)
    elif isinstance(value, ast.Call) and dotted(value.func) in ("cast", "typing.cast") and len(value.args) == 2:
        yield from _ends(value.args[1])
    else:
        yield value


def _something_else(node: ast.Return, function: Function, words: Words) -> ast.expr | ast.Return | None:
    """What is returned, if it is certain that `ask` did not give it; and no `ask` stands in it, which is said apart."""
    if node.value is None:
        return node
    for value in _ends(node.value):
        if isinstance(value, _VALUES) and not any(
            isinstance(each, ast.Call) and words.is_ask(each.func, function) for each in ast.walk(value)
        ):
            return value
    return None
