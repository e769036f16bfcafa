"""Rules about a prompt function: its return type, its examples, its template, its body.

A body makes the message, returns the value of `ask`, and does nothing else. Type checkers see `ask` as a value of the
return type, so `ask("...") + 1` passes them, and so does a function that lacks its `@prompt`. Both fail when they run; they
are found here.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from typefold.checks.checked_file import CheckedFile
from typefold.checks.docstrings import Place, docstring_of
from typefold.checks.evaluator.verdict import judged
from typefold.checks.findings import Finding, at
from typefold.checks.rules_calls import judgement_findings, known_options
from typefold.checks.source import Function, Unknown
from typefold.compiler import OutputType
from typefold.compiler.templates.braces import braces_in, no_f_string
from typefold.compiler.templates.value_types import Kind

_VALUES = (
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Lambda),
    *(ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
"""Expressions that are certain to be something else than the value of `ask`."""
_WAYS_OUT = (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)
_ALL_NAMES = {"locals", "vars", "eval", "exec"}


def prompt_findings(
    function: Function,
    file: CheckedFile,
    kinds: Mapping[str, Kind],
    *,
    reports_annotations: bool = False,
    reports_returns: bool = False,
) -> Iterator[Finding]:
    """Check a prompt function; a type checker may say itself that an annotation or a `return` is missing."""
    for finding in _findings(function, file, kinds, reports_annotations, reports_returns):
        yield replace(finding, silenced_on=function.head)


def _findings(
    function: Function, file: CheckedFile, kinds: Mapping[str, Kind], reports_annotations: bool, reports_returns: bool
) -> Iterator[Finding]:
    kind = yield from _of_return_type(function, file, reports_annotations)
    yield from _of_examples(function, file, kind)
    used = yield from _of_template(function, file, kinds)
    yield from _of_body(function, file)
    if not any(isinstance(node, _WAYS_OUT) for node in function.inside):
        if not reports_returns:
            name = function.node.name
            message = f"the body of a prompt function returns ask(...), and {name!r} returns nothing"
            yield _at_name("prompt-ask", message, function)
    elif used is not None and _asks(function, file):
        yield from _unused_parameters(function, used, file)


def _of_return_type(
    function: Function, file: CheckedFile, reports_annotations: bool
) -> Generator[Finding, None, OutputType[Any] | None]:
    node, name, where = function.node.returns, function.node.name, file.beside(function)
    if node is None:
        if not reports_annotations:
            message = f"the prompt function {name!r} has no return annotation, which says what the model may answer"
            yield _at_name("prompt-return", message, function)
        return None
    call = next((each for each in function.node.decorator_list if isinstance(each, ast.Call)), None)
    options = known_options(call, file.evaluator, where)
    found = judged(file.evaluator.hint(node, where), options=options)
    yield from judgement_findings(found, node, call)
    return found.kind


def _of_template(
    function: Function, file: CheckedFile, kinds: Mapping[str, Kind]
) -> Generator[Finding, None, set[str] | None]:
    """Check the template, and return the parameters that it uses, if they can be known."""
    docstring = docstring_of(function.node, file.source.lines)
    if docstring is None or not _asks(function, file, bare=True):
        return set()
    from typefold.compiler.templates.template_check import check_template, constant  # it imports jinja2

    expected = [argument.arg for argument in _expected_parameters(function)]
    found = check_template(docstring.text, kinds, expected=expected)
    for problem in found.problems:
        code = "prompt-template" if problem.code == "syntax" else f"prompt-{problem.code}"
        start, end = docstring.place(problem.offset), docstring.place(problem.offset + problem.length)
        yield Finding(code, problem.message, start, end)
    if any(problem.code in ("syntax", "name", "braces") for problem in found.problems):
        return None  # in doubt
    reason = None if _asks(function, file, bare=False) else constant(expected, found.used)
    if reason is None:
        return found.used
    yield Finding("prompt-constant", reason, docstring.place(0), docstring.place(len(docstring.text)))
    return None


def _at_name(code: str, message: str, function: Function) -> Finding:
    start = Place(function.node.lineno, function.node.col_offset)
    return Finding(code, message, start, start)


def _of_examples(function: Function, file: CheckedFile, kind: OutputType[Any] | None) -> Iterator[Finding]:
    """Check each of `examples=[example(value, name=...)]`: names of arguments, and values that are written out."""
    name, known = function.node.name, _named_parameters(function)
    takes_any = function.node.args.kwarg is not None
    for call in _examples(function, file):
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
        if kind is not None and call.args and (reason := _no_value(call.args[0], kind, function, file)) is not None:
            yield at("prompt-example", f"the example's value is none of the return type: {reason}", call.args[0])


def _examples(function: Function, file: CheckedFile) -> Iterator[ast.Call]:
    for decorator in function.node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "examples" and isinstance(keyword.value, (ast.List, ast.Tuple)):
                for item in keyword.value.elts:
                    if isinstance(item, ast.Call) and file.is_example(item.func, function):
                        yield item


def _named_parameters(function: Function) -> dict[str, bool]:
    """The parameters that can be given by name, and whether each must be; without the instance of a method."""
    arguments = function.node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    first_default = len(plain) - len(arguments.defaults)
    found = {argument.arg: index < first_default for index, argument in enumerate(plain)}
    if function.is_bound and plain:
        del found[plain[0].arg]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {argument.arg: default is None for argument, default in pairs}


def _no_value(node: ast.expr, kind: OutputType[Any], function: Function, file: CheckedFile) -> str | None:
    """Explain why a value that is written out is not of a type."""
    try:
        value = file.evaluator.value(node, file.beside(function))
    except Unknown:
        return None
    try:
        # The program's own validators are checks that can't be run here.
        kept = bool(kind.post_checks) or kind.decode(kind.encode(value)) == value
    except Exception as error:
        return f"{error}"
    return None if kept else "it would not come back as it is"


def _of_body(function: Function, file: CheckedFile) -> Iterator[Finding]:
    name = function.node.name
    for node in function.inside:
        if isinstance(node, ast.Call) and node in file.asks_in(function):
            if not _is_returned(node, function):
                message = (
                    f"what ask() gives stands for an answer that is not there yet, and the body of a prompt function "
                    f"returns it as it is; work on the value where {name!r} is called"
                )
                yield at("prompt-ask", message, node)
        elif isinstance(node, ast.Call) and file.is_prompt(node.func, function):
            message = (
                f"the body of {name!r} calls the prompt function {ast.unparse(node.func)!r}, and a body makes its message and "
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


def _asks(function: Function, file: CheckedFile, *, bare: bool | None = None) -> bool:
    """Whether the body calls `ask`; `bare` without arguments, so that the docstring is the message, or not bare."""
    return any(bare in (None, not (call.args or call.keywords)) for call in file.asks_in(function))


def _expected_parameters(function: Function) -> list[ast.arg]:
    """The parameters that a prompt is made of; without those of methods and those that are left out on purpose."""
    return [each for each in function.arguments[function.is_bound :] if not each.arg.startswith("_")]


def _unused_parameters(function: Function, used_by_template: Collection[str], file: CheckedFile) -> Iterator[Finding]:
    """Parameters that neither the body nor the template uses; none that a misspelt name in the body may mean."""
    nodes = [node for node in ast.walk(ast.Module(function.node.body, [])) if isinstance(node, ast.Name)]
    used = {node.id for node in nodes} | set(used_by_template)
    unused = [argument for argument in _expected_parameters(function) if argument.arg not in used]
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
    returns = [node.value for node in function.inside if isinstance(node, ast.Return) and node.value is not None]
    returned = [end for value in returns for end in _ends(value)]
    if any(value is call for value in returned):
        return True
    names = {value.id for value in returned if isinstance(value, ast.Name)}
    for node in function.inside:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(value is call for value in _ends(node.value)):
                return any(isinstance(target, ast.Name) and target.id in names for target in targets)
    return False


def _ends(value: ast.expr) -> Iterator[ast.expr]:
    """The expressions of which one is the value of another."""
    match value:
        case ast.IfExp():
            yield from _ends(value.body)
            yield from _ends(value.orelse)
        case ast.Call(func=ast.Name("cast") | ast.Attribute(ast.Name("typing"), "cast"), args=[_, inner]):
            yield from _ends(inner)
        case _:
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
