"""Errors about a type, a template or an answer, in which no engine is involved."""

from __future__ import annotations

from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from typefold.compiler.guards import is_list
from typefold.compiler.limits import Limits


class UnsupportedType(TypeError):
    """An annotation that cannot be compiled into a constraint.

    Attributes:
        path: The path of the part, such as `return.items[0].when`.
        hint: The type at that path.
        reason: The reason, with a type to write instead.
        function: The prompt function with the annotation, or `None`.
    """

    def __init__(self, path: str, hint: object, reason: str, *, function: str | None = None) -> None:
        super().__init__(path, hint, reason)
        self.path = path
        self.hint = hint
        self.reason = reason
        self.function = function

    def __str__(self) -> str:
        where = f"{self.function}: {self.path}" if self.function else self.path
        return f"{where}: {describe(self.hint)} {self.reason}"


class TemplateError(ValueError):
    """A template with bad syntax, or with a name that is no parameter."""


class DecodeError(ValueError):
    """An answer in the language of the type that failed a post-check.

    Attributes:
        text: The answer.
        check: The entry of `post_checks`, such as `return.age: multiple_of=3`; pydantic's kind of error where none fits.
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
    """A type as source code, such as `list[Annotated[int, ge=0]] | Literal['none'] | None`."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        marks = (_mark(mark) for mark in parts[1:] if mark is not None)
        listed = ", ".join(filter(None, [describe(parts[0]), *marks]))
        return listed if listed == describe(parts[0]) else f"Annotated[{listed}]"
    if kind is Union or kind is UnionType:
        return " | ".join(map(describe, parts))
    if kind is Literal:
        return f"Literal[{', '.join(str(part) if isinstance(part, Enum) else repr(part) for part in parts)}]"
    if isinstance(kind, type) and parts:
        return f"{kind.__qualname__}[{', '.join(map(describe, parts))}]"
    if hint is None or hint is type(None):
        return "None"
    if hint is ...:
        return "..."
    if is_list(hint):  # the parameters of a Callable
        return f"[{', '.join(map(describe, hint))}]"
    if isinstance(hint, (NewType, TypeVar)):
        return hint.__name__
    if kind is None and isinstance(hint, type):
        return hint.__qualname__
    return repr(hint).replace("typing.", "")


def _mark(mark: object) -> str:
    limits = Limits([mark])
    named = [f"{name}={value!r}" for name in limits.names() for value in limits.all(name)]
    if isinstance(mark, FieldInfo) and not limits:
        return ""  # a description is no part of the type
    return repr(mark) if hasattr(mark, "one_of") else ", ".join([*named, *limits.checks]) or repr(mark)
