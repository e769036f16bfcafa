"""`isinstance` for containers of which nothing is known, in a form that strict type checkers can follow."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from typing_extensions import TypeIs

__all__ = ["annotated", "class_of", "is_dict", "is_list", "is_tuple"]


def is_dict(value: object) -> TypeIs[dict[Any, Any]]:
    """Whether it is a dictionary."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeIs[list[Any]]:
    """Whether it is a list."""
    return isinstance(value, list)


def is_tuple(value: object) -> TypeIs[tuple[Any, ...]]:
    """Whether it is a tuple."""
    return isinstance(value, tuple)


def class_of(value: object) -> type[Any]:
    """Its class."""
    return type(value)


def annotated(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split an annotation into its type and what `Annotated` says beside it."""
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return kind, tuple(marks)
