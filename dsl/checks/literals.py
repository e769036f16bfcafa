r"""Where each character of a string literal stands in the source.

A literal's value is shorter than its source where there are escapes, and longer lines hide in `\` at their end; a string
may also be written as several literals in a row. `places` gives the place of every character of the value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Place", "places"]


class Place(NamedTuple):
    """A place in a file.

    Attributes:
        line: Counted from 1.
        column: In characters, counted from 0.
    """

    line: int
    column: int


_OPENING = re.compile(r"([rRuUbB]{0,2})(\"\"\"|'''|\"|')")
_BETWEEN = re.compile(r"(?:\s|\\\n|#[^\n]*)+")
_ESCAPE = re.compile(
    r"\\(?:(?P<nothing>\n)|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[abfnrtv'\"\\])",
    re.DOTALL,
)


def places(node: ast.Constant, lines: Sequence[str]) -> list[Place]:
    """The place of each character of a string's value, and that of its end.

    Args:
        node: The string in the tree.
        lines: The file's lines, with their ends.

    Returns:
        One place more than the value has characters. Where the source is not understood, all are the place of the node.
    """
    start = Place(node.lineno, _characters(lines[node.lineno - 1], node.col_offset))
    source = "".join(lines[node.lineno - 1 : node.end_lineno])[start.column :]
    found = list(_places(source, start))
    known = isinstance(node.value, str) and len(found) == len(node.value) + 1
    return found if known else [start] * (len(str(node.value)) + 1)


def _places(source: str, start: Place) -> Iterator[Place]:
    """Walk over one or more literals; the last place is that of the last quotation mark."""
    where = _every_place(source, start)
    position, end = 0, start
    while (opening := _OPENING.match(source, position)) is not None:
        raw, quote = "r" in opening[1].lower(), opening[2]
        position = opening.end()
        while not source.startswith(quote, position):
            if position >= len(source):
                return
            escape = _ESCAPE.match(source, position)
            if raw and source[position] == "\\":  # it hides the next character from the end of the literal, no more
                yield where[position]
                yield where[position + 1]
                position += 2
            elif escape is not None and not raw:
                if escape["nothing"] is None:
                    yield where[position]
                position = escape.end()
            else:
                yield where[position]
                position += 1
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


def _characters(line: str, byte_offset: int) -> int:
    """A column in characters, from one in bytes of UTF-8."""
    return len(line.encode()[:byte_offset].decode(errors="replace"))
