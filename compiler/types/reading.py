"""Reading by pydantic: what a hook's `from_json` is where pydantic already reads the type as its users know it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

__all__ = ["pydantic_reader"]


def pydantic_reader(hint: Any) -> Callable[[Any], Any]:
    """A function from JSON data to a value of the type, by pydantic in JSON mode; it is built on first use."""

    @cache
    def adapter() -> TypeAdapter[Any]:
        return TypeAdapter(hint)

    return lambda data: adapter().validate_json(json.dumps(data))
