"""Where a program registers wire forms of its own: the classes that it names, as far as a source tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from typefold.checks.source import Source

__all__ = ["ANY_CLASS", "may_register", "registered_in"]

ANY_CLASS = "*"
"""Stands for every class, where registration is by a predicate."""

_REGISTERS = re.compile(r"\.hook(?:_factory)?\(")


def may_register(text: str) -> bool:
    """Whether a file's text looks like it."""
    return "typefold" in text and _REGISTERS.search(text) is not None


def registered_in(source: Source) -> Iterator[str]:
    """The names of the classes for which a file registers hooks."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "hook_factory":
                yield ANY_CLASS
            elif node.func.attr == "hook":
                yield from map(_last_name, node.args)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ANY_CLASS
