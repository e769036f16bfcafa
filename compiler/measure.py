"""How large an annotation may be: arguments of generic types, written out, are as many as they multiply to.

`tuple[x, x]` of `tuple[x, x]`, forty times, is a short program and a type without end: even its hash and its name have no
end. So this is asked before anything else is. Models and the like are looked at by name, once (`context`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from typefold.compiler.context import MAX_DEPTH, MAX_PLACES
from typefold.compiler.errors import UnsupportedType
from typefold.compiler.guards import kind_of

__all__ = ["refuse_endless"]


def refuse_endless(hint: Any, path: str, *, function: str | None = None) -> None:
    """Look through a type's arguments.

    Args:
        hint: The annotation.
        path: What errors call it.
        function: Whose annotation it is.

    Raises:
        UnsupportedType: They are too many, or nested too deeply.

    Example:
        >>> refuse_endless(dict[str, list[int]], "return")
    """
    pending: list[tuple[Any, int]] = [(hint, 0)]
    count = 0
    while pending:
        part, depth = pending.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PLACES:
            deep = f"nested deeper than {MAX_DEPTH} levels"
            many = f"made of more than {MAX_PLACES:,} parts"
            remedy = "name what occurs in it again and again (a model, a dataclass)"
            reason = f"is {deep if depth > MAX_DEPTH else many}; {remedy}"
            raise UnsupportedType(path, get_origin(hint) or kind_of(hint), reason, function=function)
        origin = get_origin(part)
        if origin is not None and origin is not Literal:
            arguments: tuple[Any, ...] = get_args(part)
            parts = arguments[:1] if origin is Annotated else arguments
            pending += [(each, depth + 1) for each in parts]
