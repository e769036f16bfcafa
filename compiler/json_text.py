"""JSON text to data and back with every number as it is written: what moves parts about must not round them."""

from __future__ import annotations

import json
from typing import Any

from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.wire_format import Spacing

__all__ = ["read", "write"]


class _Number(str):
    """The text of a number."""

    __slots__ = ()


def read(text: str) -> Any:
    """The data in a JSON text; numbers stay their texts.

    Raises:
        ValueError: It is no JSON.

    Example:
        >>> from typefold.compiler.wire_format import JsonFormat
        >>> write(read("[1.50, 1e400]")[::-1], JsonFormat.SPACED.value)
        '[1e400, 1.50]'
    """
    return json.loads(text, parse_int=_Number, parse_float=_Number)


def write(data: Any, spacing: Spacing) -> str:
    """The text of data, with the numbers as they were read.

    Raises:
        ValueError: It holds a number that JSON has not.
    """
    if isinstance(data, _Number):
        return str(data)
    if is_list(data):
        return "[" + spacing.comma.join([write(item, spacing) for item in data]) + "]"
    if is_dict(data):
        pairs = [f"{spacing.dump(key)}{spacing.colon}{write(item, spacing)}" for key, item in data.items()]
        return "{" + spacing.comma.join(pairs) + "}"
    return spacing.dump(data)
