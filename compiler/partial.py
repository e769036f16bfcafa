"""The JSON value that a text has come to while it is still being written.

Invariant: along the beginnings of one text the value only grows. Items and fields are added at its end and never taken
back; of what is there, the last string alone may get longer. So a number or a word (`true`) is there once it is whole:
half a number would be another number.
"""

from __future__ import annotations

import re

from pydantic import JsonValue
from pydantic_core import from_json

__all__ = ["json_so_far"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER_AT_END = re.compile(r"-?[0-9][0-9.eE+-]*\Z|-\Z")


def json_so_far(text: str) -> JsonValue:
    """The value of the beginning of a JSON text.

    Raises:
        ValueError: No value has begun, or this is not JSON.

    Example:
        >>> from typefold.compiler.partial import json_so_far
        >>> json_so_far('{"name": "Ada", "age": 3'), json_so_far('{"name": "Ada", "age": 36, "role": "he')
        ({'name': 'Ada'}, {'name': 'Ada', 'age': 36, 'role': 'he'})
    """
    number = _NUMBER_AT_END.search(text)
    if number is not None and '"' not in _STRING.sub("", text):  # outside of strings
        text = text[: number.start()]
    value: JsonValue = from_json(text, allow_partial="trailing-strings")
    return value
