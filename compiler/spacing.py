"""The spacing of JSON on the wire: what stands after a comma and after a colon. One is the default, chosen by measurement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Spacing", "WireFormat"]


@dataclass(frozen=True, slots=True)
class Spacing:
    """The separators between items and after keys."""

    comma: str
    colon: str

    def dump(self, data: Any) -> str:
        """JSON data as canonical text."""
        return json.dumps(data, ensure_ascii=False, separators=(self.comma, self.colon), allow_nan=False)


class WireFormat(Enum):
    """The forms in which JSON can be written; closed, since each is proved by the same laws.

    `SPACED` puts a space after commas and colons, as `json.dumps` does; `TIGHT` puts none.
    """

    SPACED = Spacing(", ", ": ")
    TIGHT = Spacing(",", ":")
