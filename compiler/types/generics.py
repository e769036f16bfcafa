"""Type variables: what a generic class's parameters stand for, in its own fields and in those that it inherits."""

from __future__ import annotations

from typing import Any, Generic, get_args, get_origin

__all__ = ["inherits_arguments", "parameters_of", "substituted"]


def parameters_of(hint: Any) -> dict[Any, Any]:
    """The type that each type variable of a class stands for, in `Box[int]` and in `class IntBox(Box[int])`."""
    cls = get_origin(hint) or hint
    known: dict[Any, Any] = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    for base in getattr(cls, "__orig_bases__", ()):
        if get_origin(base) not in (None, Generic):
            known = {name: substituted(kind, known) for name, kind in parameters_of(base).items()} | known
    return known


def inherits_arguments(hint: Any) -> bool:
    """Whether a base of the class gives type variables a meaning; pydantic forgets it, and would read any value."""
    cls = get_origin(hint) or hint
    bases = [base for base in getattr(cls, "__orig_bases__", ()) if get_origin(base) not in (None, Generic)]
    return any(get_args(base) or inherits_arguments(base) for base in bases)


def substituted(hint: Any, known: dict[Any, Any]) -> Any:
    """The type with the known type variables in it replaced."""
    if not known or isinstance(hint, (str, type(None))):
        return hint
    try:
        if hint in known:
            return known[hint]
    except TypeError:  # unhashable, as an annotation with a list in it is
        return hint
    inside = getattr(hint, "__parameters__", ()) if get_origin(hint) is not None else ()
    return hint[tuple(known.get(name, name) for name in inside)] if inside else hint
