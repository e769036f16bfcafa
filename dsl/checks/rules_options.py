"""The options of `@prompt(...)` as they are written: names that do not exist, and values that they can't have.

`Options` judges them, as it does when the program runs. A value that can't be known from the source is taken for right.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from typefold.checks.evaluator.evaluate import Evaluator
from typefold.checks.findings import Finding, at
from typefold.checks.symbols import Unknown, Where
from typefold.errors import PromptUsageError
from typefold.options import CallOptions, Options

__all__ = ["known_options", "option_findings", "why_no_option"]

_OF_THE_DECORATOR = {"examples"}


def option_findings(call: ast.Call, evaluator: Evaluator, where: Where) -> Iterator[Finding]:
    """What is wrong with each option by itself."""
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in _OF_THE_DECORATOR:
            continue
        if (reason := why_no_option(keyword.arg)) is not None:
            yield at("prompt-option", reason, keyword)
            continue
        try:
            value = evaluator.value(keyword.value, where)
            Options().with_({keyword.arg: value}, where="")
        except Unknown:
            continue
        except PromptUsageError as error:
            yield at("prompt-option", str(error).removeprefix(": "), keyword.value)


def why_no_option(name: str) -> str | None:
    """Why there is no option of a name, and what to write instead; `None` if there is one."""
    if name in CallOptions.__annotations__ or name in _OF_THE_DECORATOR:
        return None
    try:
        Options().with_({name: None}, where="")
    except PromptUsageError as error:
        return str(error).removeprefix(": ")
    return None


def known_options(call: ast.Call | None, evaluator: Evaluator, where: Where) -> Options:
    """The options whose values can be known, apart from those that are wrong by themselves."""
    options = Options()
    for keyword in call.keywords if call is not None else ():
        try:
            value = evaluator.value(keyword.value, where)
            options = options.with_({keyword.arg or "": value}, where="")
        except (Unknown, PromptUsageError):
            continue
    return options
