"""Opaque types: stand-ins for types of which nothing is known, and the registry that takes them for right."""

from __future__ import annotations

import itertools
from typing import Any, ForwardRef, get_args

from pydantic_core import core_schema

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit
from typefold.compiler.registry import Registry, default_registry

__all__ = ["REGISTRY", "has_opaque", "is_opaque", "opaque"]

REGISTRY = Registry(parent=default_registry)
"""The compiler's hooks, and one for opaque types."""

_MARK = "__typefold_opaque__"
_serial = itertools.count()


def opaque() -> type[Any]:
    """A type of which nothing is known; each is another, and shares no text with any type."""

    def schema(cls: Any, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    return type("Opaque", (), {_MARK: next(_serial), "__get_pydantic_core_schema__": classmethod(schema)})


def is_opaque(hint: object) -> bool:
    """Whether a type is a stand-in."""
    return isinstance(hint, type) and _MARK in vars(hint)


def has_opaque(hint: object) -> bool:
    """Whether a stand-in is the type, or part of its annotation, or a reference that came to nothing."""
    return is_opaque(hint) or isinstance(hint, ForwardRef) or any(has_opaque(part) for part in get_args(hint))


@REGISTRY.hook_factory(is_opaque)
def opaque_codec(hint: Any, context: Context) -> Codec[Any]:
    """A text that no type writes, so that nothing is found to clash with it."""
    text = Lit(f"\x00{getattr(hint, _MARK)}")
    return Codec(text, {"type": "string"}, str, str, lambda value: True, native=False)
