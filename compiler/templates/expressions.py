"""Expressions of templates: how they were written, where they begin, and what parts of them are asked for by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from typefold.compiler.templates.value_types import UNKNOWN, Fields, Kind

__all__ = ["attribute_argument", "beginning", "imported_names", "loop_kind", "text_of_expression"]

_INDEXES = ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0")
_ATTRIBUTE_FIRST = {"selectattr", "rejectattr", "groupby"}
_ATTRIBUTE_NAMED = {"map", "sort", "unique", "min", "max", "sum", "join"}


def imported_names(node: nodes.Node) -> Iterator[str]:
    """The names that an import binds."""
    if isinstance(node, nodes.Import):
        yield node.target
    elif isinstance(node, nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in node.names)


def loop_kind(element: Kind) -> Kind:
    """The kind of `loop` inside of a loop."""
    known: dict[str, Kind] = dict.fromkeys((*_INDEXES, "cycle", "changed"), UNKNOWN)
    return Fields("loop", known | {"previtem": element, "nextitem": element})


def attribute_argument(node: nodes.Filter) -> nodes.Const | None:
    """The name of an attribute that a filter asks of each element."""
    given: list[Any] = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
    if node.name in _ATTRIBUTE_FIRST:
        given += node.args[:1]
    elif node.name not in _ATTRIBUTE_NAMED:
        return None
    found = given[0] if given else None
    return found if isinstance(found, nodes.Const) and isinstance(found.value, str) else None


def beginning(node: nodes.Node) -> int:
    """Where an expression begins: an attribute knows its dot alone."""
    while isinstance(node, (nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter, nodes.Test)):
        if node.node is None:
            break
        node = node.node
    return node.lineno


def text_of_expression(node: nodes.Node | None) -> str:
    """An expression as it was written, about."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{text_of_expression(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Const() as key):
            return f"{text_of_expression(node.node)}[{key.value!r}]"
        case nodes.Call():
            return f"{text_of_expression(node.node)}(...)"
        case nodes.Filter():
            return f"{text_of_expression(node.node)}|{node.name}"
        case _:
            return "..."
