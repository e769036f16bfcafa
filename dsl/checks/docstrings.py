"""A docstring as `inspect.getdoc` gives it, with the way back to where each character stands in the file.

Templates are docstrings without their indentation; what is wrong with one is to be reported where its author sees it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from typefold.checks.literals import Place, places

__all__ = ["Docstring", "cleaned", "docstring_of"]


Line: TypeAlias = list[tuple[str, int]]
"""The characters of a line, each with its index in the document."""


@dataclass(frozen=True)
class Docstring:
    """A function's docstring.

    Attributes:
        text: Without indentation, as `inspect.getdoc` gives it.
        places: Where each of its characters stands, and its end; found out when something is wrong there.
    """

    text: str
    _origins: Sequence[int]
    _node: ast.Constant
    _lines: Sequence[str]

    @cached_property
    def places(self) -> Sequence[Place]:
        where = places(self._node, self._lines)
        return [where[origin] for origin in self._origins]

    def place(self, offset: int) -> Place:
        """Where a character of the text stands in the file."""
        return self.places[min(offset, len(self.places) - 1)]


def docstring_of(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> Docstring | None:
    """The docstring, if there is one."""
    first = function.body[0] if function.body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return None
    node = first.value
    if not isinstance(node.value, str):
        return None
    text, origins = cleaned(node.value)
    return Docstring(text, origins, node, lines)


def cleaned(document: str) -> tuple[str, list[int]]:
    """As `inspect.cleandoc`: the text, and for each character (and the end) its index in the document."""
    lines: list[Line] = []
    start = 0
    for written in document.split("\n"):
        lines.append(_expanded(written, start))
        start += len(written) + 1
    margins = [len(line) - len(_text(line).lstrip()) for line in lines[1:] if _text(line).strip()]
    margin = min(margins, default=0)
    lines = [_without_lead(lines[0]), *(line[margin:] if margins else line for line in lines[1:])]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    made: Line = []
    for number, line in enumerate(lines):
        if number:
            made.append(("\n", made[-1][1] + 1 if made else 0))
        made += line
    return _text(made), [origin for _, origin in made] + [made[-1][1] + 1 if made else 0]


def _expanded(line: str, start: int) -> Line:
    """The characters of a line with tabs as spaces, each with its origin."""
    made: Line = []
    for index, char in enumerate(line):
        made += [(" ", start + index)] * (8 - len(made) % 8) if char == "\t" else [(char, start + index)]
    return made


def _without_lead(line: Line) -> Line:
    return line[len(line) - len(_text(line).lstrip()) :]


def _text(line: Line) -> str:
    return "".join(char for char, _ in line)
