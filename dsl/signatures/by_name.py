"""Parameters that are given by name, and the columns of a row that go to them.

A function of one parameter whose type has fields takes a whole row, where no column has the parameter's name. Left out: values, which
`tables.named_rows` and `programs.record_arguments` read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from types import NoneType
from typing import Any

from pydantic import ValidationError
from typing_extensions import is_typeddict

from typefold.errors import PromptUsageError
from typefold.signatures.parameters import union_members

__all__ = ["Parameter", "misnamed", "parameters_of", "whole_of", "words_of"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: Its name.
        hint: Its type; `Any` where it has none.
        required: Whether it has no default.
        default: The default, where it has one.
    """

    name: str
    hint: Any
    required: bool
    default: Any = None


def whole_of(parameters: Sequence[Parameter], columns: Sequence[object]) -> Parameter | None:
    """The parameter that takes whole records, if there is one: the only one, of a type with fields, and no column's name.

    Args:
        parameters: The parameters that have no argument yet.
        columns: The names of the columns.
    """
    if len(parameters) != 1 or parameters[0].name in columns:
        return None
    return parameters[0] if _has_fields(parameters[0].hint) else None


def _has_fields(hint: Any) -> bool:
    kinds = [part for part in union_members(hint) if part is not NoneType]
    return len(kinds) == 1 and (is_typeddict(kinds[0]) or is_dataclass(kinds[0]) or hasattr(kinds[0], "model_fields"))


def misnamed(parameters: Sequence[Parameter], columns: Sequence[object]) -> str | None:
    """Name a column that differs from a parameter's name in case or surrounding spaces alone, where no column has that name.

    Otherwise a parameter with a default would take it in every row, without a word.

    Args:
        parameters: The parameters that have no argument yet.
        columns: The names of the columns.
    """
    names = {each.name for each in parameters}
    near = {_folded(column): column for column in columns if isinstance(column, str) and column not in names}
    for name in sorted(names.difference(columns)):
        if (column := near.get(_folded(name))) is not None:
            return f"the column {column!r} is not {name!r}; rename it"
    return None


def _folded(name: str) -> str:
    return name.replace("\ufeff", "").strip().casefold()


def parameters_of(
    function: Callable[..., object], name: str, hint_of: Callable[[str], Any], *, skipped: int = 0
) -> tuple[Parameter, ...]:
    """The parameters that are given by name, without `*args` and `**kwargs`.

    Args:
        function: The function.
        name: Its name in messages.
        hint_of: Evaluates the annotation of a parameter.
        skipped: The number of its first parameters that have their arguments already.

    Raises:
        PromptUsageError: One can't be given by name.
    """
    found = list[Parameter]()
    for each in list(inspect.signature(function).parameters.values())[skipped:]:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if each.kind is each.POSITIONAL_ONLY:
            raise PromptUsageError(f"{name}: {each.name} takes no argument by name; write the parameter before no `/`")
        required = each.default is each.empty
        found.append(Parameter(each.name, hint_of(each.name), required, None if required else each.default))
    return tuple(found)


def words_of(error: ValidationError) -> str:
    """The mistakes that pydantic finds, each with its place."""
    found = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"]
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
