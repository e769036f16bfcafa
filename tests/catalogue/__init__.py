"""A catalogue of output types: what `docs/types.md` shows, and what the tests of that page put to proof.

Each module here is a section. Its docstring is the heading and the words below it; an annotated assignment is an entry,
the annotation with a sample value; every other definition is shown above the table, as it stands. Annotation and text are
read from one line, so they cannot differ, and type checkers see that the sample is of the type.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from . import (
    addresses,
    attrs_msgspec,
    bytes_and_paths,
    choices,
    containers,
    generics,
    models,
    moments,
    numbers,
    own,
    pydantic_types,
    records,
    recursive,
    refused,
    text,
    tools,
    unions,
)

__all__ = ["ENTRIES", "REFUSED", "SECTIONS", "Entry", "Refusals", "Section"]

_MODULES = (
    text,
    choices,
    numbers,
    containers,
    records,
    models,
    unions,
    moments,
    bytes_and_paths,
    pydantic_types,
    addresses,
    own,
    tools,
    attrs_msgspec,
    generics,
    recursive,
)


@dataclass(frozen=True)
class Entry:
    """A type of the catalogue.

    Attributes:
        source: The annotation as its author wrote it.
        hint: The annotation.
        sample: A value of the type.
    """

    source: str
    hint: Any
    sample: Any

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Section:
    """Types of one kind.

    Attributes:
        title: The heading.
        words: What is said of them all.
        definitions: The source of the classes and aliases that the entries name.
        entries: The types.
    """

    title: str
    words: str
    definitions: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Refusals:
    """Types that are refused.

    Attributes:
        title: The heading.
        words: What is said of them all.
        definitions: The source of the classes that they name.
        always: What no annotation makes acceptable, each as its author wrote it, and the type itself.
        here: What is refused for its limits, its parts or its place, in the same way.
    """

    title: str
    words: str
    definitions: str
    always: tuple[tuple[str, Any], ...]
    here: tuple[tuple[str, Any], ...]


def _section(module: ModuleType) -> Section:
    source, tree = _read(module)
    return Section(*_words(tree), _definitions(tree, source), tuple(_entries(tree, source, module)))


def _refusals() -> Refusals:
    source, tree = _read(refused)
    always, here = (tuple(_items(tree, source, name)) for name in ("ALWAYS", "HERE"))
    return Refusals(*_words(tree), _definitions(tree, source), always, here)


def _read(module: ModuleType) -> tuple[str, ast.Module]:
    source = inspect.getsource(module)
    return source, ast.parse(source)


def _words(tree: ast.Module) -> tuple[str, str]:
    title, _, words = (ast.get_docstring(tree) or "").partition("\n\n")
    return title.removesuffix("."), words


def _definitions(tree: ast.Module, source: str) -> str:
    """Everything but imports, entries and lists of types, with a line free around classes."""
    lines, text, last = source.splitlines(), "", 0
    for node in tree.body[1:]:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.AnnAssign)) or _name(node) in ("ALWAYS", "HERE"):
            continue
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        text += ("\n" if first == last + 1 else "\n\n") + "\n".join(lines[first - 1 : node.end_lineno])
        last = node.end_lineno or 0
    return text.strip()


def _name(node: ast.stmt) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else None


def _items(tree: ast.Module, source: str, name: str) -> Iterator[tuple[str, Any]]:
    """The items of a tuple, as they are written and as they are."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and _name(node) == name and isinstance(node.value, ast.Tuple):
            for item, hint in zip(node.value.elts, getattr(refused, name), strict=True):
                yield _one_line(ast.get_source_segment(source, item) or ""), hint


def _entries(tree: ast.Module, source: str, module: ModuleType) -> Iterator[Entry]:
    hints = inspect.get_annotations(module)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = ast.get_source_segment(source, node.annotation) or ""
            name = node.target.id
            yield Entry(_one_line(text), hints[name], getattr(module, name))


def _one_line(text: str) -> str:
    """Code that the formatter broke into lines, put together again."""
    joined = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r",? ([\])])", r"\1", re.sub(r"([\[(]) ", r"\1", joined)) if joined != text else text


SECTIONS = tuple(map(_section, _MODULES))
ENTRIES = tuple(entry for section in SECTIONS for entry in section.entries)
REFUSED = _refusals()
