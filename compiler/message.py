"""Messages: what a chat model is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Message", "Role"]

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks: `system`, `user` or `assistant`.
        content: What is said, as plain text.
    """

    role: Role
    content: str
