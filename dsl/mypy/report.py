"""Findings as mypy's errors: each under its code, at its place, and silenced on the line of the `def` too."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from mypy.errorcodes import ErrorCode
from mypy.nodes import Context, StrExpr

from typefold.checks.findings import CODES, Finding

__all__ = ["ERROR_CODES", "report", "unfiltered"]

ERROR_CODES = {code.name: ErrorCode(code.name, f"Report {code.title}", "Prompts") for code in CODES.values()}


def report(api: Any, finding: Finding, definition: Context | None, last_line: int = 0) -> None:
    """Report a finding.

    Args:
        api: mypy's checker of the module.
        finding: What is wrong.
        definition: The function that it is about: an ignore on the line of its `def` silences it.
        last_line: So does one on any line from there to this: at the end of a docstring there is room for it.
    """
    place = Context()
    place.line, place.column = finding.start
    place.end_line, place.end_column = finding.end
    span = None
    if definition is not None:
        span = StrExpr("")  # mypy takes the lines of an expression, and the first alone of anything else
        span.line, span.end_line = definition.line, max(definition.line, last_line)
    api.msg.fail(finding.message, place, code=ERROR_CODES[finding.code], origin_context=span)


@contextmanager
def unfiltered(api: Any) -> Generator[None]:
    """Report although mypy is trying out an overload, as it does of every decorator that has some.

    It takes an error within as a sign that the overload does not fit, and goes on to another. What is reported here is
    about the function that is decorated, whichever overload it is; reported twice, it is shown once.
    """
    errors = api.msg.errors
    watchers: list[Any] | None = getattr(errors, "_watchers", None)
    if watchers is None:  # another mypy: an overload is then chosen in spite of the error, or not at all
        yield
        return
    errors._watchers = []
    try:
        yield
    finally:
        errors._watchers = watchers
