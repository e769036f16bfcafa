"""JSON as text: the formats in which answers are written, and readers for text that is partial or must stay exact.

A format is a spacing, and whether objects have keys. One is the default, chosen by measurement.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Literal, TypeAlias

from pydantic import JsonValue
from pydantic_core import from_json

from typefold.compiler.guards import is_dict, is_list

JsonFormatName: TypeAlias = Literal["spaced", "tight", "compact"]
"""The names of the JSON formats, as options take them."""


class JsonFormat(Enum):
    """The format of JSON in answers. Options take a format or its name.

    `SPACED` has a space after commas and colons, as `json.dumps` has; `TIGHT` has none. `COMPACT` is spaced, and writes
    objects with fields as arrays in the order of their fields: `["Ada", 36]` for `{"name": "Ada", "age": 36}`.

    Attributes:
        comma: The separator between items.
        colon: The separator after a key.
        positional: Whether objects with fields are arrays.
    """

    SPACED = "spaced"
    TIGHT = "tight"
    COMPACT = "compact"

    def __init__(self, name: str) -> None:
        self.comma, self.colon = (",", ":") if name == "tight" else (", ", ": ")
        self.positional = name == "compact"

    @classmethod
    def named(cls, json_format: JsonFormat | JsonFormatName) -> JsonFormat:
        """Return the format that `json_format` names, or is.

        Raises:
            ValueError: There is no such format.
        """
        if isinstance(json_format, JsonFormat):
            return json_format
        try:
            return cls(json_format)
        except ValueError:
            names = ", ".join(repr(each.value) for each in cls)
            raise ValueError(f"json_format is one of {names} or a typefold.JsonFormat, not {json_format!r}") from None

    def dump(self, data: Any, *, finite: bool = False) -> str:
        """Return JSON `data` as canonical text. Codecs say whether it may hold infinities, or `finite` does."""
        return json.dumps(data, ensure_ascii=False, separators=(self.comma, self.colon), allow_nan=not finite)


class Exact(str):
    """The JSON text of a value that is written as it stands: of a number, or of a marked part."""


def read_exact(text: str) -> Any:
    """Read JSON, with each number as its text, so that nothing is rounded. Raises ValueError if it is no JSON."""
    return json.loads(text, parse_int=Exact, parse_float=Exact)


def write_exact(data: Any, json_format: JsonFormat) -> str:
    """Write data of `read_exact`, with each number as it was read."""
    if isinstance(data, Exact):
        return str(data)
    if is_list(data):
        return "[" + json_format.comma.join([write_exact(item, json_format) for item in data]) + "]"
    if is_dict(data):
        pairs = [
            f"{json_format.dump(key)}{json_format.colon}{write_exact(item, json_format)}" for key, item in data.items()
        ]
        return "{" + json_format.comma.join(pairs) + "}"
    return json_format.dump(data)


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER_AT_END = re.compile(r"-?[0-9][0-9.eE+-]*\Z|-\Z")


def partial_json(text: str, *, strings: bool = True) -> JsonValue:
    """The value of the beginning of a JSON text. Raises ValueError where no value has begun, or it is no JSON.

    Along the beginnings of one text the value only grows: items and fields are added at its end, and only the last string
    may get longer, or without `strings` comes whole too. A number or a word (`true`) is included once it is whole, since
    half a number is another number.
    """
    number = _NUMBER_AT_END.search(text)
    if number is not None and '"' not in _STRING.sub("", text):  # outside of strings
        text = text[: number.start()]
    value: JsonValue = from_json(text, allow_partial="trailing-strings" if strings else True)
    return value
