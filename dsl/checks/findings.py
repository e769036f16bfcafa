"""Findings: what is wrong, where, and under which code it can be silenced. One table of codes serves every tool."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typefold.checks.literals import Place

__all__ = ["CODES", "Code", "Finding", "Severity", "at"]

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True)
class Code:
    """A check.

    Attributes:
        name: What silences it: `# type: ignore[name]`.
        title: What it finds, in a few words.
        severity: Whether a program with it can't work, or is only likely to be wrong.
    """

    name: str
    title: str
    severity: Severity = "error"


CODES = {
    code.name: code
    for code in (
        Code("prompt-template", "a docstring that is no valid Jinja2 template"),
        Code("prompt-name", "a template with a name that is no parameter"),
        Code("prompt-attribute", "a template that reads what a parameter's type lacks"),
        Code("prompt-filter", "a template with a filter or a test that does not exist"),
        Code("prompt-braces", "braces around a parameter where nothing fills them in"),
        Code("prompt-constant", "a template that uses none of the parameters"),
        Code("prompt-unused", "a parameter that the prompt never uses", "warning"),
        Code("prompt-return", "a return type, or an `output_type`, that no constraint can be made from"),
        Code("prompt-option", "an option that does not exist or can't have this value"),
        Code("prompt-ask", "ask() where it can't work, or a body that returns something else"),
        Code("prompt-example", "an example that does not fit the prompt function"),
    )
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: The name of the check.
        message: What is wrong and what to write instead.
        start: Where it begins.
        end: Where it ends.
    """

    code: str
    message: str
    start: Place
    end: Place

    @property
    def severity(self) -> Severity:
        """That of its code."""
        return CODES[self.code].severity if self.code in CODES else "error"


def at(code: str, message: str, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> Finding:
    """A finding that is a node of the source."""
    start = Place(node.lineno, node.col_offset)
    return Finding(code, message, start, Place(node.end_lineno or start.line, node.end_col_offset or start.column))
