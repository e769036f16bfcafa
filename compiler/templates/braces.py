"""Single braces around a parameter, as in an f-string, in text that is no f-string.

Such braces were most likely meant to be filled in. Braces around anything else (JSON, sets, formulas) are ignored. Where
the parameter is used properly elsewhere, so are possible formulas, paths, samples of code and placeholders of other
languages: `x_{n}`, `/users/{id}`, `${n}`, `{n:3}`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from string import Formatter

_INNERMOST = re.compile(r"\{([^{}\n]{1,200})\}")
_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?|.*%[A-Za-z].*")
_DOUBTFUL_SPEC = re.compile(r"\d+[A-Za-z]?|[A-Za-z]")
_DOUBTFUL_BEFORE = re.compile(
    r"""(?:[$#%@]|\\[A-Za-z]+[_^]?|(?:^|\W)\w[_^]|[\])}][_^]?|/[\w.-]+/|\b[rR]?[fF][rR]?["'][^\n]*)$"""
)


@dataclass(frozen=True, slots=True)
class Braces:
    """Braces around a parameter: its name, the offset of the opening brace, the braces with their content, and what is inside."""

    name: str
    start: int
    text: str
    shown: str


def braces_in(
    text: str, parameters: Collection[str], *, used: Collection[str] = (), before: str = ""
) -> Iterator[Braces]:
    """Find single braces around one of the parameters in a text that is no f-string.

    `used` are the names that are used properly elsewhere; a sample of code may begin in the text `before`.
    """
    for found in _INNERMOST.finditer(text):
        if (meant := _meant(found[1], parameters)) is None:
            continue
        name, shown, doubtful = meant
        doubtful = doubtful or _DOUBTFUL_BEFORE.search(text, max(0, found.start() - 40), found.start()) is not None
        doubtful = doubtful or (before.count("```") + text.count("```", 0, found.start())) % 2 == 1
        if not (doubtful and name in used):
            yield Braces(name, found.start(), found[0], shown)


def no_f_string(found: Braces) -> str:
    """The error for braces around a parameter that the body never uses."""
    return (
        f"the body has {found.text} in a string that is sent as it stands, and never uses the parameter {found.name!r}; write "
        f'an f-string, f"... {found.text} ..."'
    )


def _meant(inner: str, parameters: Collection[str]) -> tuple[str, str, bool] | None:
    """The parameter in braces, the expression to show, and whether the braces may be no f-string's."""
    try:
        ((_, field, spec, conversion),) = Formatter().parse(f"{{{inner}}}")
        field, spec = (field or "").strip().removesuffix("="), spec or ""
        node = ast.parse(field, mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if _SPEC.fullmatch(spec) is None or conversion not in (None, "", "r", "s", "a"):
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and isinstance(node.right, (ast.Name, ast.Call)):
        from jinja2.filters import FILTERS  # jinja2 takes 30 ms to import

        by = node.right.func if isinstance(node.right, ast.Call) else node.right
        if isinstance(by, ast.Name) and by.id in FILTERS:  # a template's, with a brace too few
            node = node.left
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
        return None
    name = next((each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in parameters), None)
    if name is None:
        return None
    return name, name if isinstance(node, ast.Call) else field, _DOUBTFUL_SPEC.fullmatch(spec) is not None
