"""Findings: mistakes in prompts, each with its place and the code that silences it.

One table of codes serves every tool. Comments that silence a finding are those of mypy, so that one comment serves both:
`# type: ignore` silences all on its line, `# type: ignore[prompt-unused]` one check. On the line of the `def` it holds for
findings about the function as a whole, its signature and its docstring.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typefold.checks.docstrings import Place

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Code:
    """A check: with an error a program can't work, with a warning it is only likely to be wrong, and a note is no mistake."""

    name: str
    title: str
    severity: Severity = "error"


CODES = {
    code.name: code
    for code in (
        Code("prompt-template", "a docstring that is no valid Jinja2 template"),
        Code("prompt-name", "a template with a name that is no parameter"),
        Code("prompt-attribute", "a template that reads what a parameter's type lacks"),
        Code("prompt-operator", "a template with an operator or a call that its values don't have"),
        Code("prompt-filter", "a template with a filter or a test that does not exist, or not for these values"),
        Code("prompt-braces", "braces around a parameter where nothing fills them in"),
        Code("prompt-constant", "a template that uses none of the parameters"),
        Code("prompt-unused", "a parameter that the prompt never uses", "warning"),
        Code("prompt-return", "a return type, or an `output_type`, that no constraint can be made from"),
        Code("prompt-union", "a text that several members of a union share, and the one that it is read as", "note"),
        Code("prompt-option", "an option that does not exist or can't have this value"),
        Code("prompt-ask", "ask() where it can't work, or a body that returns something else"),
        Code("prompt-example", "an example that does not fit the prompt function"),
        Code("prompt-unread", "a file that can't be read here, so that nothing of it is checked"),
    )
}


_IGNORE = re.compile(r"#\s*type:\s*ignore\s*(?:\[(?P<codes>[^\]]*)\])?")


@dataclass(frozen=True)
class Finding:
    """One mistake; a comment silences it on its own line and on those in `silenced_on`."""

    code: str
    message: str
    start: Place
    end: Place
    silenced_on: range = range(0)

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity if self.code in CODES else "error"

    def is_silenced(self, lines: Sequence[str]) -> bool:
        comments = (_IGNORE.search(lines[line - 1]) for line in (self.start.line, *self.silenced_on))
        return any(
            comment["codes"] is None or self.code in re.split(r"[\s,]+", comment["codes"].strip())
            for comment in comments
            if comment is not None
        )


def at(code: str, message: str, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> Finding:
    """Make a finding at a node of the source."""
    start = Place(node.lineno, node.col_offset)
    return Finding(code, message, start, Place(node.end_lineno or start.line, node.end_col_offset or start.column))
