r"""Docstrings and other string literals, with the place of each character in the source.

Templates are docstrings without their indentation, as `inspect.getdoc` gives them; a mistake in one is reported at its
place in the file. The value of a literal is shorter than its source if there are escapes, longer lines hide in `\` at
their end, and a string may be written as several literals in a row.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias


class Place(NamedTuple):
    """A place in a file: a line, counted from 1, and a column in characters, counted from 0."""

    line: int
    column: int


Line: TypeAlias = list[tuple[str, int]]
"""The characters of a line, each with its index in the document."""


@dataclass(frozen=True)
class Docstring:
    """A function's docstring without indentation; places of its characters are worked out when a mistake is there."""

    text: str
    _node: ast.Constant
    _lines: Sequence[str]

    @cached_property
    def places(self) -> Sequence[Place]:
        found = places(self._node, self._lines)
        return [found[origin] for origin in cleaned(str(self._node.value))[1]]

    def place(self, offset: int) -> Place:
        return self.places[min(offset, len(self.places) - 1)]


def docstring_of(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> Docstring | None:
    """Return the docstring, if there is one."""
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str() as document) as node):
            return Docstring(inspect.cleandoc(document), node, lines)
        case _:
            return None


def cleaned(document: str) -> tuple[str, list[int]]:
    """Clean as `inspect.cleandoc`: return the text, and for each character (and the end) its index in the document."""
    lines, start = list[Line](), 0
    for written in document.split("\n"):
        lines.append(_expanded(written, start))
        start += len(written) + 1
    margin = min((_indent(line) for line in lines[1:] if _text(line).strip()), default=0)
    lines = [lines[0][_indent(lines[0]) :], *(line[margin:] for line in lines[1:])]
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
    made: Line = []
    for index, char in enumerate(line):
        made += [(" ", start + index)] * (8 - len(made) % 8) if char == "\t" else [(char, start + index)]
    return made


def _indent(line: Line) -> int:
    return len(line) - len(_text(line).lstrip())


def _text(line: Line) -> str:
    return "".join(char for char, _ in line)


# --- literals ---------------------------------------------------------------------------------------------------------

_OPENING = re.compile(r"([rRuUbB]{0,2})(\"\"\"|'''|\"|')")
_BETWEEN = re.compile(r"(?:\s|\\\n|#[^\n]*)+")
_RAW = re.compile(r"\\.|.", re.DOTALL)
"""A piece of a raw literal: a backslash hides the next character from the end of the literal, no more."""
_ESCAPED = re.compile(
    r"\\(?:\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[abfnrtv'\"\\])|.", re.DOTALL
)
"""A piece of any other literal."""


def places(node: ast.Constant, lines: Sequence[str]) -> list[Place]:
    """The place of each character of a string, and of its end; the node's for all, if its source is not understood."""
    before = lines[node.lineno - 1].encode()[: node.col_offset]  # the column is in bytes of UTF-8
    start = Place(node.lineno, len(before.decode(errors="replace")))
    source = "".join(lines[node.lineno - 1 : node.end_lineno])[start.column :]
    found = list(_places(source, start))
    known = isinstance(node.value, str) and len(found) == len(node.value) + 1
    return found if known else [start] * (len(str(node.value)) + 1)


def _places(source: str, start: Place) -> Iterator[Place]:
    """Walk over one or more literals; the last place is that of the last quotation mark."""
    where = _every_place(source, start)
    position, end = 0, start
    while (opening := _OPENING.match(source, position)) is not None:
        is_raw, quote = "r" in opening[1].lower(), opening[2]
        pieces, position = _RAW if is_raw else _ESCAPED, opening.end()
        while not source.startswith(quote, position):
            piece = pieces.match(source, position)
            if piece is None:
                return
            length = len(piece[0]) if is_raw else int(piece[0] != "\\\n")
            yield from where[position : position + length]
            position = piece.end()
        end = where[position]
        position += len(quote)
        if (between := _BETWEEN.match(source, position)) is not None:
            position = between.end()
    yield end


def _every_place(source: str, start: Place) -> list[Place]:
    made, (line, column) = [start], start
    for char in source:
        line, column = (line + 1, 0) if char == "\n" else (line, column + 1)
        made.append(Place(line, column))
    return made
