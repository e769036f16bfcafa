"""JSON formats: spacing, and whether objects have keys. The default was chosen by measurement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

__all__ = ["JsonFormat", "JsonFormatName", "Spacing"]

JsonFormatName: TypeAlias = Literal["spaced", "tight", "compact"]
"""The names of the JSON formats, as options take them."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """The separators between items and after keys.

    Attributes:
        comma: What stands between items.
        colon: What stands behind a key.
        positional: Whether objects with fields are arrays in the order of their fields.
    """

    comma: str
    colon: str
    positional: bool = False

    def dump(self, data: Any) -> str:
        """JSON data as canonical text."""
        return json.dumps(data, ensure_ascii=False, separators=(self.comma, self.colon), allow_nan=False)


class JsonFormat(Enum):
    """The forms in which JSON can be written; closed, since each is proved by the same laws.

    `SPACED` puts a space after commas and colons, as `json.dumps` does; `TIGHT` puts none. `COMPACT` is spaced, and writes
    objects with fields as arrays in the order of their fields: `["Ada", 36]` for `{"name": "Ada", "age": 36}`. Where an
    option takes a format, its name in small letters will do.
    """

    SPACED = Spacing(", ", ": ")
    TIGHT = Spacing(",", ":")
    COMPACT = Spacing(", ", ": ", positional=True)

    @classmethod
    def named(cls, json_format: JsonFormat | JsonFormatName) -> JsonFormat:
        """The format that an option names.

        Raises:
            ValueError: It names none.
        """
        if isinstance(json_format, JsonFormat):
            return json_format
        names = [each.name.lower() for each in cls]
        if json_format not in names:  # a list, which takes what can't be hashed
            raise ValueError(
                f"json_format is one of {', '.join(map(repr, names))} or a typefold.JsonFormat, not {json_format!r}"
            )
        return cls[json_format.upper()]
