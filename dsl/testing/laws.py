"""The two laws of an output type, as a check of any type, hook or engine.

Sound: every text that the constraint admits decodes to a value of the type, or fails a named post-check of the output type.
Complete: every value that survives pydantic's own writing and reading is admitted as its text, and comes back as an equal
value of the same type; so does every value that a text decodes to. Of a type that pydantic does not know, every value comes
back, but for one whose text a member of a union shares with another.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# (it compares values of any type)
from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

from typefold.compiler.constraint import Constraint
from typefold.compiler.errors import DecodeError, describe
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import Language
from typefold.compiler.grammar.sampler import sample
from typefold.compiler.output_type import OutputType
from typefold.compiler.post_checks import matching_checks

__all__ = ["LawCounts", "Recogniser", "TextMatcher", "check_laws", "failed_checks", "near_misses", "same"]

T = TypeVar("T")

_MISPRINTS = '"\\{}[](),:. 0123456789-+eEaAzntf/\n\t\x00\x7f\u00e9\u2028\U0001f600'


class TextMatcher(Protocol):
    """The interface of a matcher of whole texts: an engine's backend, or the recogniser."""

    def admits(self, text: str) -> bool:
        """Return whether the text is admitted, and may end there."""
        ...


@dataclass(frozen=True)
class Recogniser:
    """A matcher by the grammar itself; without one (free text) it admits every text."""

    language: Language | None

    @classmethod
    def of(cls, constraint: Constraint) -> Recogniser:
        return cls(constraint.language if constraint.kind != "text" else None)

    def admits(self, text: str) -> bool:
        return self.language is None or recognises(self.language, text)


@dataclass(frozen=True)
class LawCounts:
    """The numbers of values and texts that were tried."""

    values: int = 0  # values that came back from their texts
    lost: int = 0  # values that did not come back, and that pydantic's own writing and reading loses too
    texts: int = 0  # admitted texts that decoded
    failed: int = 0  # admitted texts that failed a named post-check

    def __add__(self, other: LawCounts) -> LawCounts:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return LawCounts(*(one + two for one, two in pairs))


def check_laws(
    output_type: OutputType[T],
    values: Iterable[T] = (),
    *,
    texts: Iterable[str] = (),
    matcher: TextMatcher | None = None,
    samples: int = 20,
    misses: int = 8,
    every: bool = False,
    seed: int = 0,
) -> LawCounts:
    """Check both laws of an output type.

    Args:
        output_type: The output type.
        values: Values of the type, by default none. Each must be admitted and come back.
        texts: More texts, such as an engine's answers, by default none. Each that is admitted must be sound.
        matcher: The matcher of texts; by default the recogniser.
        samples: The number of random texts of the language.
        misses: The number of near misses of each value's text.
        every: Whether values that pydantic alone loses must come back too; by default they need not.
        seed: The seed of random texts and near misses.

    Returns:
        The numbers of values and texts that were tried.

    Raises:
        AssertionError: A law is broken; the message holds the type, the value or the text, and the difference.

    Example:
        >>> from typefold.compiler import output_type
        >>> check_laws(output_type(list[int]), [[], [1, -2]], samples=10, misses=0)
        LawCounts(values=2, lost=0, texts=10, failed=0)
    """
    rng = random.Random(seed)
    by = matcher or Recogniser.of(output_type.constraint)
    survives = _survival(output_type)
    counts = LawCounts()
    tried = list(texts)
    for value in values:
        try:
            text = _check_complete(output_type, value, by)
        except AssertionError:
            if every or survives(value):
                raise
            counts += LawCounts(lost=1)
            continue
        counts += LawCounts(values=1)
        tried += near_misses(text, rng, misses)
    if output_type.constraint.language is not None:
        tried += [sample(output_type.constraint.language, rng, exotic=0.2) for _ in range(samples)]
    for text in tried:
        if by.admits(text):
            counts += _check_sound(output_type, text, by, survives)
    return counts


def failed_checks(output_type: OutputType[Any], error: DecodeError) -> tuple[str, ...]:
    """Return the names of post-checks that an answer may have failed; none where the constraint should not admit it."""
    checks = (*output_type.post_checks, *output_type.reader_limits)
    return tuple(matching_checks(checks, error.errors) if error.errors else {error.check}.intersection(checks))


def near_misses(text: str, rng: random.Random, count: int) -> Iterator[str]:
    """Yield texts that differ from `text` by a slip: a character more, less, other or twice, an end cut off or doubled."""
    for _ in range(count):
        at, char = rng.randrange(len(text) + 1), rng.choice(_MISPRINTS)
        yield rng.choice(
            [
                text[:at] + char + text[at:],
                text[:at] + char + text[at + 1 :],
                text[:at] + text[at + 1 :],
                text[:at] + text[at : at + 1] + text[at:],
                text[:at],
                text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
                text + char,
                text.replace(", ", ",", 1),
            ]
        )


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of equal types all the way down; zeros have signs here.

    Example:
        >>> same([1], [1]), same([1], [1.0]), same([1], [True])
        (True, False, False)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(item, twin) for twin in other if twin == item) for item in one)
    if isinstance(one, dict):
        pairs = [(key, next((twin for twin in other if twin == key), None)) for key in one]
        return len(one) == len(other) and all(same(key, twin) and same(one[key], other[twin]) for key, twin in pairs)
    if isinstance(one, BaseModel) or dataclasses.is_dataclass(one):
        return bool(one == other) and same(_fields(one), _fields(other))
    return bool(one == other)


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return dict(iter(value))  # not dict(value): a field may be named `keys`
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.compare}


def _survival(output_type: OutputType[T]) -> Callable[[T], bool]:
    """Return whether pydantic alone reads a value back from its JSON.

    Of a type that it does not know every value counts, but for one of a union that is written as another value is.
    """

    def is_alone(value: T) -> bool:
        if not output_type.unions:
            return True
        try:
            text = output_type.encode(value)
            back = output_type.decode(text)
            return same(back, value) or output_type.encode(back) != text
        except ValueError:
            return True

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(output_type.hint)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return is_alone

    def survives(value: T) -> bool:
        try:
            back = adapter.validate_json(adapter.dump_json(value, by_alias=True, warnings=False))
        except ValueError:  # pydantic can't write it, or not read it again
            return False
        return same(back, value)

    return survives


def _check_complete(output_type: OutputType[T], value: T, matcher: TextMatcher) -> str:
    name = describe(output_type.hint)
    try:
        text = output_type.encode(value)
    except ValueError as error:
        raise AssertionError(f"{name}: {value!r} is a value, and can't be encoded: {error}") from error
    if not matcher.admits(text):
        raise AssertionError(f"{name}: {value!r} is written {text!r}, which is not admitted")
    try:
        back = output_type.decode(text)
    except DecodeError as error:
        raise AssertionError(f"{name}: {value!r} is written {text!r}, which does not decode: {error}") from error
    if not same(back, value) and not (output_type.unasked and output_type.encode(back) == text):
        raise AssertionError(f"{name}: {value!r} is written {text!r}, and comes back as {back!r}")
    return text


def _check_sound(
    output_type: OutputType[T], text: str, matcher: TextMatcher, survives: Callable[[T], bool]
) -> LawCounts:
    name = describe(output_type.hint)
    try:
        value = output_type.decode(text)
    except DecodeError as error:
        if not failed_checks(output_type, error):
            checks = ", ".join(output_type.post_checks) or "none"
            raise AssertionError(
                f"{name}: {text!r} is admitted, and fails no named post-check ({checks}): {error}"
            ) from error
        return LawCounts(failed=1)
    if not output_type.codec.accepts(value):
        raise AssertionError(f"{name}: {text!r} is admitted, and decodes to {value!r}, which is no value of the type")
    if survives(value):
        _check_complete(output_type, value, matcher)
    return LawCounts(texts=1)
