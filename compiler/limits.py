"""Limits of `Annotated` and `Field` on a type: bounds, lengths, patterns and validators.

A hook takes the limits that it puts into the language. pydantic checks the others after decoding, as named post-checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import annotated_types
from pydantic import Discriminator, Json, PlainSerializer, SkipValidation, StringConstraints, Tag, WrapSerializer
from pydantic.fields import FieldInfo
from pydantic.functional_validators import AfterValidator, BeforeValidator, PlainValidator, WrapValidator
from pydantic.json_schema import SkipJsonSchema

BOUNDS = ("ge", "gt", "le", "lt")
LENGTHS = ("min_length", "max_length")

KEYWORDS = (
    *BOUNDS,
    "multiple_of",
    *LENGTHS,
    "pattern",
    "max_digits",
    "decimal_places",
    "strip_whitespace",
    "to_lower",
    "to_upper",
    "ascii_only",
    "one_of",
)

# Options that change the value, so that limits which the grammar enforces may fail. A hook that takes one admits only texts
# that it leaves unchanged.
_CHANGING = ("strip_whitespace", "to_lower", "to_upper")

_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)

# Marks of pydantic without a check: on serialization, and on the members of a union.
_UNCHECKED = (Discriminator, PlainSerializer, Tag, WrapSerializer)

SKIPPED: Any = SkipJsonSchema
"""The mark that keeps a type from the model; to type checkers it is `Annotated`."""

_REFUSED: dict[Any, str] = {
    SKIPPED: "is kept from the model by SkipJsonSchema, so no answer can hold it; leave the mark out",
    Json: "is wrapped in Json, which is JSON inside a JSON string; use the type itself",
    SkipValidation: "has SkipValidation, so nothing would turn JSON into its values; leave the mark out",
}

M = TypeVar("M")


class Limits:
    """The limits on one part of a type; `checks` names those that can only run after decoding."""

    def __init__(self, metadata: Iterable[Any] = ()) -> None:
        self._values: dict[str, list[Any]] = {}
        self._taken: set[str] = set()
        self.checks: list[str] = []
        self.implied: list[Any] = []  # marks that come from the configuration around, and stand nowhere
        self._marks: list[Any] = []
        self.add(metadata)

    def add(self, metadata: Iterable[Any]) -> None:
        for item in _flatten(metadata):
            self._read(item)

    def take(self, name: str) -> Any:
        """The limit, the tightest where there are several, or `None`. The caller must enforce it."""
        self._taken.add(name)
        return self.peek(name)

    def peek(self, name: str) -> Any:
        """The limit or `None`. It stays a post-check."""
        values = self._values.get(name)
        if not values:
            return None
        if name in ("ge", "gt", "min_length"):
            return max(values)
        return min(values) if name in ("le", "lt", "max_length", "max_digits", "decimal_places") else values[-1]

    def all(self, name: str) -> list[Any]:
        return list(self._values.get(name, ()))

    def claim(self, kind: type[M]) -> list[M]:
        """The marks of a class with pydantic's own behaviour. The caller must honour them."""
        claimed = [mark for mark in self._marks if isinstance(mark, kind)]
        self._marks = [mark for mark in self._marks if not isinstance(mark, kind)]
        return claimed

    def leave(self, *names: str) -> None:
        """Give back limits that could not be enforced."""
        self._taken -= set(names)

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def left(self) -> Iterator[str]:
        """The post-checks: validators, limits that no hook took, and limits that a validator's value may fail."""
        for name, values in self._values.items():
            if name not in self._taken or self.changing:
                yield from (f"{name}={value!r}" for value in values)
        yield from self.checks
        yield from (f"validator {_class_of(mark).__name__}" for mark in self._marks)

    def held(self) -> Iterator[str]:
        """The limits that the grammar enforces: those that a hook took, where no validator changes the value."""
        for name, values in self._values.items():
            if name in self._taken and not self.changing and name != "one_of":  # a list is the type itself
                yield from (f"{name}={value!r}" for value in values)

    def refusal(self) -> str | None:
        """The reason why no type can be compiled with this metadata, or `None`."""
        return next((_REFUSED[_class_of(mark)] for mark in self._marks if _class_of(mark) in _REFUSED), None)

    @property
    def changing(self) -> bool:
        """Whether the value may differ from the one in the text."""
        return bool(
            self.checks or self._marks or any(name in self._values for name in _CHANGING if name not in self._taken)
        )

    def __bool__(self) -> bool:
        return bool(self._values or self.checks or self._marks)

    def _read(self, item: Any) -> None:
        if isinstance(item, (*_VALIDATORS, annotated_types.Predicate)):
            self.checks.append(f"validator {_name(item.func)}")
        else:
            if hasattr(item, "__get_pydantic_core_schema__") and not hasattr(item, "one_of"):
                if not isinstance(item, _UNCHECKED):
                    self._marks.append(item)
                return
            if isinstance(item, SKIPPED):
                self._marks.append(item)
            for name in KEYWORDS:
                value = getattr(item, name, None)
                if value is not None and value is not False and not isinstance(item, type):
                    self._values.setdefault(name, []).append(value)


def _flatten(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _flatten(item.metadata)
        elif isinstance(item, StringConstraints):
            yield item  # it names its parts as attributes; taken apart it would lose some of them
        # An isinstance of the Protocol of such metadata takes 10 us.
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False):
            yield from _flatten(item)
        else:
            yield item


def _class_of(mark: Any) -> type:
    return mark if isinstance(mark, type) else type(mark)


def _name(func: Any) -> str:
    return str(getattr(func, "__qualname__", None) or repr(func)).replace("<locals>.", "")
