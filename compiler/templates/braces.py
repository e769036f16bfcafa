"""Single braces around a parameter: what is read by an f-string or by `str.format`, where nothing reads it so.

A text with `{name}` in it was most likely meant to be filled in. Braces around anything else (JSON, sets, formulas) are
left alone, and what may be a formula, a path, a sample of code or a placeholder of another language (`x_{n}`, `/users/{id}`,
`${n}`, `{n:3}`) is where the parameter is used properly elsewhere.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from string import Formatter

__all__ = ["Braces", "braces_in", "no_f_string"]

_INNERMOST = re.compile(r"\{([^{}\n]{1,200})\}")
_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?|.*%[A-Za-z].*")
_DOUBTFUL_SPEC = re.compile(r"\d+[A-Za-z]?|[A-Za-z]")
_DOUBTFUL_BEFORE = re.compile(
    r"""(?:[$#%@]|\\[A-Za-z]+[_^]?|(?:^|\W)\w[_^]|[\])}][_^]?|/[\w.-]+/|\b[rR]?[fF][rR]?["'][^\n]*)$"""
)


@dataclass(frozen=True, slots=True)
class Braces:
    """Braces around a parameter.

    Attributes:
        name: The parameter.
        start: The character at which the opening brace stands.
        text: The braces with what is in them.
        shown: The expression that was to be shown, as far as a template has the same words for it.
    """

    name: str
    start: int
    text: str
    shown: str


def braces_in(
    text: str, parameters: Collection[str], *, used: Collection[str] = (), before: str = ""
) -> Iterator[Braces]:
    """Where a text has single braces around a parameter.

    Args:
        text: A text that nothing reads as an f-string.
        parameters: The names to look for.
        used: The names among them that are filled in properly somewhere.
        before: The text before it, in which a sample of code may begin.

    Example:
        >>> [each.text for each in braces_in('Rate {text!r} as {"score": 1}, not {sic}.', ["text", "score"])]
        ['{text!r}']
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
    """Say why a text in a body is wrong that has braces around a parameter which the body never uses."""
    return (
        f"the body has {found.text} in a string that is sent as it stands, and never uses the parameter {found.name!r}; write "
        f'an f-string, f"... {found.text} ..."'
    )


def _meant(inner: str, parameters: Collection[str]) -> tuple[str, str, bool] | None:
    """The parameter that an f-string would show, what of it, and whether it may be something else."""
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
