"""Rules about calls: the options of `@prompt(...)`, types that are passed as values, and `ask` outside of prompts.

`Options` judges options, and the compiler judges types, as they do when the program runs. A value that can't be known from
the source counts as right. From the source alone, a runtime is known by the call that made it (`Runtime(...)`, also by
`with`) or by its annotation; a type checker knows more of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal, TypeAlias, get_args, get_origin

from typefold.checks.checked_file import CheckedFile
from typefold.checks.evaluator.verdict import Evaluator, Judgement, judged
from typefold.checks.findings import Finding, at
from typefold.checks.source import Declared, Known, Unknown, Where, arguments_of
from typefold.compiler import TemplateError, output_type
from typefold.compiler.guards import is_list
from typefold.errors import PromptUsageError
from typefold.options import PER_PROMPT, CallOptions, Options
from typefold.runtimes.current import current
from typefold.runtimes.runtime import Runtime

Literals: TypeAlias = Mapping[str, Callable[[], Sequence[object]]]
"""Options by name, each with a function for the values of which a type checker knows it to have one."""

Taker: TypeAlias = Literal["runtime", "output_type"]
"""The taker of a type: a runtime, as its second argument or `output_type=`, or `output_type`, as its first argument."""

_METHODS = ("generate", "__call__")


def call_findings(call: ast.Call, file: CheckedFile) -> Iterator[Finding]:
    """Check a call, if it is one that rules are about."""
    function = file.source.around(call.lineno, call.col_offset)
    taker, where = _taker(call, file, file.within(function)), file.within(function)
    method = call.func if isinstance(call.func, ast.Attribute) else None
    if (
        file.is_options(call)
        or (method is not None and method.attr == "using" and file.is_prompt(method.value, function))
        or (call.keywords and _of_runtime(call, file, where))
    ):
        yield from option_findings(call, file)
    if method is not None and method.attr == "sample" and file.is_prompt(method.value, function):
        yield from sample_findings(call, file)
    if taker is not None:
        yield from output_findings(call, taker, file)
    if file.is_ask(call.func, function):
        yield from ask_findings(call, file)


def option_findings(call: ast.Call, file: CheckedFile, literals: Literals | None = None) -> Iterator[Finding]:
    """Check each option of a call by itself: of `@prompt(...)`, or of `.using(...)` and `.generate(...)`.

    A type checker that says itself which names and types are wrong gives the options that remain, with the values of those
    that have a `Literal` type.
    """
    function = file.source.decorated_by(call)
    around = function if function is not None else file.source.around(call.lineno, call.col_offset)
    where, lines = (file.within(around) if function is None else file.beside(function)), decorated_line(call, file)
    method = getattr(call.func, "attr", "")
    others = {"examples"} if file.is_options(call) else set[str]() if method == "using" else {"output_type"}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in others or (literals is not None and keyword.arg not in literals):
            continue
        if (reason := why_no_option(keyword.arg)) is not None:
            yield replace(at("prompt-option", reason, keyword), silenced_on=lines)
            continue
        reasons = [_refusal(keyword.arg, value) for value in _values(keyword.value, file, where)]
        if not reasons and literals is not None:
            reasons = [_refusal(keyword.arg, value) for value in literals[keyword.arg]()]
        if reasons and reasons[0] is not None and None not in reasons:
            yield replace(at("prompt-option", reasons[0], keyword.value), silenced_on=lines)


def sample_findings(call: ast.Call, file: CheckedFile) -> Iterator[Finding]:
    """Check the number of a call `.sample(n)`."""
    where = file.within(file.source.around(call.lineno, call.col_offset))
    for value in _values(call.args[0], file, where) if call.args else ():
        if isinstance(value, int) and value < 1:
            yield at("prompt-option", f"sample takes a number of samples of at least 1, not {value!r}", call.args[0])


def _refusal(name: str, value: object) -> str | None:
    """Explain why an option can't have a value; `None` if it can."""
    several = value if name in PER_PROMPT and is_list(value) else [value]
    try:
        for each in several:
            Options().with_({name: each}, where="")
    except (PromptUsageError, TemplateError) as error:
        return str(error).removeprefix(": ")
    return None


def _values(node: ast.expr, file: CheckedFile, where: Where) -> Sequence[object]:
    """The values that an expression may have: its own, or those of the `Literal` that it is annotated with; none if unknown."""
    with suppress(Unknown):
        return [file.evaluator.value(node, where)]
    if isinstance(node, ast.Name):
        for scope in reversed(where.around):
            for argument in arguments_of(scope):
                if argument.arg == node.id and argument.annotation is not None:
                    hint = file.evaluator.hint(argument.annotation, where)
                    return get_args(hint) if get_origin(hint) is Literal else ()
    return ()


def decorated_line(call: ast.Call, file: CheckedFile) -> range:
    """The line of the `def` that a call decorates, on which findings about the call are silenced too."""
    function = file.source.decorated_by(call)
    return range(0) if function is None else range(function.node.lineno, function.node.lineno + 1)


def why_no_option(name: str) -> str | None:
    """Explain why there is no option of a name, and which to write instead; `None` if there is one."""
    return None if name in CallOptions.__annotations__ or name == "examples" else _refusal(name, None)


def known_options(call: ast.Call | None, evaluator: Evaluator, where: Where) -> Options:
    """Collect the options of a call whose values can be known, but for those that are wrong by themselves."""
    options = Options()
    for keyword in call.keywords if call is not None else ():
        try:
            value = evaluator.value(keyword.value, where)
            if callable(value):  # a stand-in for a function of the source, which never runs here
                continue
            options = options.with_({keyword.arg or "": value}, where="")
        except (Unknown, PromptUsageError, TemplateError):
            continue
    return options


def output_findings(call: ast.Call, taker: Taker, file: CheckedFile) -> Iterator[Finding]:
    """Check a type that is passed to a runtime or to `output_type`, or each of a list of types."""
    evaluator, where = file.evaluator, file.within(file.source.around(call.lineno, call.col_offset))
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if taker == "output_type":
        if call.args and not named.keys() & {"registry", None}:  # hooks of a registry of its own are not known
            path = named.get("path")
            shown = path.value if isinstance(path, ast.Constant) and isinstance(path.value, str) else "return"
            options = known_options(call, evaluator, where)
            found = judged(evaluator.hint(call.args[0], where), path=shown, options=options, is_returned=False)
            yield from judgement_findings(found, call.args[0], None)
        return
    given = named.get("output_type") or next(iter(call.args[1:2]), None)
    if given is None or isinstance(given, ast.Starred) or any(isinstance(each, ast.Starred) for each in call.args[:1]):
        return
    several = given.elts if isinstance(given, (ast.List, ast.Tuple)) else None
    options = known_options(call, evaluator, where) if several is None else Options()
    for node in [given] if several is None else several:
        found = judged(evaluator.hint(node, where), path="output_type", options=options)
        yield from judgement_findings(found, node, call if several is None else None)


def judgement_findings(found: Judgement, node: ast.expr, call: ast.Call | None) -> Iterator[Finding]:
    """Report the reasons against a type at its node, and those against its options at their call."""
    if found.refused is not None:
        yield at("prompt-return", found.refused, node)
    if found.misused is not None and call is not None:
        yield at("prompt-option", found.misused, call)
    for shared in found.kind.shared_texts if found.kind is not None else ():
        yield at("prompt-union", shared, node)


def _taker(call: ast.Call, file: CheckedFile, where: Where) -> Taker | None:
    func = call.func
    if isinstance(meaning := file.evaluator.meaning(func, where), Known):
        return "output_type" if meaning.value is output_type else None
    given = len(call.args) > 1 or any(keyword.arg == "output_type" for keyword in call.keywords)
    return "runtime" if given and _of_runtime(call, file, where) else None


def _of_runtime(call: ast.Call, file: CheckedFile, where: Where) -> bool:
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "safe" and getattr(func.value, "attr", "") == "generate":
        func = func.value
    receiver = func.value if isinstance(func, ast.Attribute) and func.attr in _METHODS else func
    return _is_runtime(receiver, file.evaluator, where)


def _is_runtime(node: ast.expr, evaluator: Evaluator, where: Where) -> bool:
    if isinstance(node, ast.Call):
        made = evaluator.meaning(node.func, where)
        return isinstance(made, Known) and (made.value is Runtime or made.value is current)
    if not isinstance(node, ast.Name):
        return False
    for scope in reversed(where.around):
        for argument in arguments_of(scope):
            if argument.arg == node.id:
                return argument.annotation is not None and evaluator.hint(argument.annotation, where) is Runtime
    meaning = evaluator.meaning(node, where)
    match meaning.node if isinstance(meaning, Declared) else None:
        case ast.AnnAssign(annotation=annotation):
            return evaluator.hint(annotation, where) is Runtime
        case ast.Assign(value=value) | ast.withitem(context_expr=value):
            return not isinstance(value, ast.Name) and _is_runtime(value, evaluator, where)
        case _:
            return False


def ask_findings(call: ast.Call, file: CheckedFile) -> Iterator[Finding]:
    """Check the place of a call of `ask`, apart from the rules about bodies of prompt functions."""
    function = file.source.around(call.lineno, call.col_offset)
    if function is None:
        message = "ask() works only in the body of a prompt function: write @prompt above a function that returns it"
        yield at("prompt-ask", message, call)
    elif file.is_prompt_function(function) is False:
        name = function.node.name
        message = f"ask() works only in the body of a prompt function, and {name!r} is none; put @prompt above it"
        yield at("prompt-ask", message, call)
