"""`Flag` and `IntFlag`, as JSON arrays of member names, `["READ", "WRITE"]`: a combination has no name of its own.

Members come in declaration order, each at most once, so that every combination has one text, and a text has a longest.
Only members of a single bit are named; combinations that have a name (`RW = READ | WRITE`) are written by their parts.
pydantic reads numbers here, which no model gets right, so values are read by us. Bits without a name cannot be written.
"""

from __future__ import annotations

from enum import Enum, Flag
from functools import reduce
from typing import Any

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Expr, Lit, choice, seq
from typefold.compiler.registry import default_registry


@default_registry.hook_factory(
    lambda hint: isinstance(hint, type) and issubclass(hint, Enum) and issubclass(hint, Flag)
)
def flag_codec(hint: type[Flag], context: Context) -> Codec[Flag]:
    """The names of the members that are set."""
    context.allow(hint)
    names = [member.name for member in hint if member.name is not None]
    if not names:
        raise context.refuse(hint, "has no members, so there is nothing to choose")
    known = set(names)

    def to_json(value: Flag) -> list[str]:
        members: list[Any] = list(value)
        parts = [member.name for member in members]
        if value.value != reduce(_union, (member.value for member in members), 0) or not known.issuperset(parts):
            raise ValueError(f"{value!r} has bits without a name, which cannot be written")
        return [name for name in names if name in parts]

    return Codec(
        _subset(hint.__name__, names, context),
        {"type": "array", "items": {"enum": names, "type": "string"}, "uniqueItems": True},
        to_json,
        lambda data: reduce(_union, [hint[name] for name in data], hint(0)),
        lambda value: type(value) is hint,
        native=False,
    )


def _subset(title: str, names: list[str], context: Context) -> Expr:
    """An array of some of the names, in this order; what may follow a name stands in a rule, to grow with the names."""
    alone: Expr = Lit("]")  # what may stand from here on if nothing was written yet
    after: Expr = Lit("]")  # and if something was
    for name in reversed(names):
        text = context.spacing.dump(name)
        alone = choice(seq(text, after), alone)
        after = context.fresh_rule(f"{title}_rest", choice(seq(context.spacing.comma, text, after), after))
    return seq("[", alone)


def _union(one: Any, other: Any) -> Any:
    return one | other
