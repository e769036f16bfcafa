"""What can be wrong with a type, a template or an answer, before any engine is involved."""

from __future__ import annotations

from typing import Any

__all__ = ["DecodeError", "TemplateError", "UnsupportedType"]


class UnsupportedType(TypeError):
    """An annotation that cannot be compiled into a constraint.

    Attributes:
        path: Where it stands, such as `return.items[0].when`.
        hint: The type at that place.
        reason: Why it cannot be compiled, and what to write instead.
        function: The prompt function whose annotation it is, or `None`.
    """

    def __init__(self, path: str, hint: object, reason: str, *, function: str | None = None) -> None:
        super().__init__(path, hint, reason)
        self.path = path
        self.hint = hint
        self.reason = reason
        self.function = function

    def __str__(self) -> str:
        place = f"{self.function}: {self.path}" if self.function else self.path
        return f"{place}: {describe(self.hint)} {self.reason}"


class TemplateError(ValueError):
    """A prompt's template is wrong: bad syntax, or a name that is no parameter."""


class DecodeError(ValueError):
    """An answer that is in the language but is no value of the type: a named post-check failed.

    Attributes:
        text: The answer.
        check: The name of the post-check, such as `validator` or `unique items`.
        errors: pydantic's error list where there is one, else an empty list.
    """

    def __init__(self, text: str, check: str, detail: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(text, check, detail, errors)
        self.text = text
        self.check = check
        self.detail = detail
        self.errors = errors or []

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


def describe(hint: object) -> str:
    """A type's name as its author would write it."""
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return hint.__qualname__
    return repr(hint).replace("typing.", "")
