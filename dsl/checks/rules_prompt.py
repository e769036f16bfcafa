"""Rules about a prompt function: its return type, its examples, its template, and by `rules_body` its body."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from typefold.checks.checked_file import CheckedFile
from typefold.checks.docstrings import Place, docstring_of
from typefold.checks.evaluator.verdict import judged
from typefold.checks.findings import Finding, at
from typefold.checks.rules_body import asks, body_findings, owed_parameters, returns_nothing, unused_parameters
from typefold.checks.rules_calls import known_options
from typefold.checks.source import Function
from typefold.checks.symbols import Unknown
from typefold.compiler import OutputType
from typefold.compiler.templates.value_types import Kind


def prompt_findings(
    function: Function,
    file: CheckedFile,
    kinds: Mapping[str, Kind],
    *,
    says_annotations: bool = False,
    says_returns: bool = False,
) -> Iterator[Finding]:
    """Check a prompt function; a type checker may say itself that an annotation or a `return` is missing."""
    for finding in _findings(function, file, kinds, says_annotations, says_returns):
        yield replace(finding, silenced_on=function.head)


def _findings(
    function: Function, file: CheckedFile, kinds: Mapping[str, Kind], says_annotations: bool, says_returns: bool
) -> Iterator[Finding]:
    kind = yield from _of_return_type(function, file, says_annotations)
    yield from _of_examples(function, file, kind)
    used = yield from _of_template(function, file, kinds)
    yield from body_findings(function, file)
    if returns_nothing(function):
        if not says_returns:
            name = function.node.name
            message = f"the body of a prompt function returns ask(...), and {name!r} returns nothing"
            yield _at_name("prompt-ask", message, function)
    elif used is not None and asks(function, file):
        yield from unused_parameters(function, used, file)


def _of_return_type(
    function: Function, file: CheckedFile, says_annotations: bool
) -> Generator[Finding, None, OutputType[Any] | None]:
    node, name, where = function.node.returns, function.node.name, file.beside(function)
    if node is None:
        if not says_annotations:
            message = f"the prompt function {name!r} has no return annotation, which says what the model may answer"
            yield _at_name("prompt-return", message, function)
        return None
    call = next((each for each in function.node.decorator_list if isinstance(each, ast.Call)), None)
    options = known_options(call, file.evaluator, where)
    found = judged(file.evaluator.hint(node, where), options=options)
    if found.refused is not None:
        yield at("prompt-return", found.refused, node)
    if found.misused is not None and call is not None:
        yield at("prompt-option", found.misused, call)
    return found.kind


def _of_template(
    function: Function, file: CheckedFile, kinds: Mapping[str, Kind]
) -> Generator[Finding, None, set[str] | None]:
    """Check the template, and return the parameters that it uses, if they can be known."""
    docstring = docstring_of(function.node, file.source.lines)
    if docstring is None or not asks(function, file, bare=True):
        return set()
    from typefold.compiler.templates.template_check import check_template, constant  # it imports jinja2

    owed = [argument.arg for argument in owed_parameters(function)]
    found = check_template(docstring.text, kinds, owed=owed)
    for problem in found.problems:
        code = "prompt-template" if problem.code == "syntax" else f"prompt-{problem.code}"
        start, end = docstring.place(problem.offset), docstring.place(problem.offset + problem.length)
        yield Finding(code, problem.message, start, end)
    if any(problem.code in ("syntax", "name", "braces") for problem in found.problems):
        return None  # in doubt
    reason = None if asks(function, file, bare=False) else constant(owed, found.used)
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
        is_checked = kind.post_checks or kind.reader_limits
        kept = is_checked or kind.decode(kind.encode(value)) == value
    except Exception as error:
        return f"{error}"
    return None if kept else "it would not come back as it is"
