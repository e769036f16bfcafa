"""Right answers by field: shares of models' fields, confusion of labels, errors of numbers, overlap of lists and sets.

Fields are found in the values: one of a model, a dataclass, a named tuple or a dictionary has figures of its own (`address.city`), at
any depth; the items of a list or a set are counted, and a repeated one as often as it stands there. A failed row has none of them right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import NoneType
from typing import Any, cast

from pydantic import BaseModel

from typefold.compiler.guards import class_of, is_dict
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.reliability import Reliability, reliability
from typefold.response_types import Decisions, Scored

_MOST_LABELS = 50  # different values, beyond which a text is no label
_MOST_FIELDS = 256
_LABEL_LENGTH = 80  # characters
_PLAIN = frozenset({str, int, float, bool, NoneType})  # classes of values without parts

FAILED = object()
"""In place of the answer of a row that failed."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Expected labels against the answers.

    Attributes:
        labels: All labels, in the order in which they first stand among the expected ones, then among the answers.
        counts: The number of rows by expected label and answer.
        failed: The number of rows that failed, by expected label.
    """

    labels: tuple[Any, ...]
    counts: Mapping[tuple[Any, Any], int]
    failed: Mapping[Any, int]

    def recall(self, label: object) -> Estimate:
        """Return the share of the rows with this expected label that were answered with it."""
        rows = sum(count for (expected, _), count in self.counts.items() if expected == label)
        return Estimate.share(self.counts.get((label, label), 0), rows + self.failed.get(label, 0))

    def precision(self, label: object) -> Estimate:
        """Return the share of the rows answered with this label for which it is right."""
        rows = sum(count for (_, got), count in self.counts.items() if got == label)
        return Estimate.share(self.counts.get((label, label), 0), rows)

    def most_confused(self, most: int = 5) -> list[tuple[Any, Any, int]]:
        """Return the commonest mistakes: the expected label, the answer, and the number of rows."""
        wrong = [(expected, got, count) for (expected, got), count in self.counts.items() if expected != got]
        return sorted(wrong, key=lambda each: -each[2])[:most]


@dataclass(frozen=True, slots=True)
class NumberErrors:
    """Errors of numbers, of rows that have one: the answer less what was expected.

    Attributes:
        mean_absolute: The mean of their sizes.
        bias: Their mean.
        root_mean_square: The root of the mean of their squares.
    """

    mean_absolute: Estimate
    bias: Estimate
    root_mean_square: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """Items of lists or sets, over all rows together.

    Attributes:
        precision: The share of the items in answers that were expected.
        recall: The share of the expected items that are in answers.
        f1: The harmonic mean of both.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class FieldReport:
    """The answers of one field, or whole ones.

    Attributes:
        accuracy: The share of rows in which it equals the expected value.
        confusion: Labels against labels, where its values are labels: truth values, members of enums, and texts and numbers of
            which there are at most 50 and half as many as rows.
        errors: Errors of numbers, where its values are numbers.
        overlap: Items in common, where its values are lists or sets.
        calibration: Agreement of stated probabilities with right answers, where its answers are `Scored`. Items of lists and
            tuples, and their fields, have it by paths of their own (`lines[].kind`, `pair[0]`), paired by their places.
    """

    accuracy: Estimate
    confusion: Confusion | None = None
    errors: NumberErrors | None = None
    overlap: Overlap | None = None
    calibration: Reliability | None = None


def reports_by_path(rows: Iterable[tuple[Any, Any]]) -> dict[str, FieldReport]:
    """Return the figures of pairs of an expected value and an answer, or `FAILED`, by path; that of whole answers is empty."""
    by_path: dict[str, list[tuple[Any, Any]]] = {}
    for expected, got in rows:
        _collect(by_path, "", expected, got)
    return {path: _report(pairs) for path, pairs in by_path.items()}


def _collect(by_path: dict[str, list[tuple[Any, Any]]], path: str, expected: Any, got: Any) -> None:
    if path not in by_path and len(by_path) > _MOST_FIELDS:
        return
    by_path.setdefault(path, []).append((expected, got))
    asked: Mapping[str, Any] = got.fields if class_of(got) is Decisions else {}
    expected, got = choice_in(expected), choice_in(got)
    answered = {**((None if got is FAILED else parts_of(got)) or {}), **asked}
    for name, part in (parts_of(expected) or {}).items():
        _collect(by_path, f"{path}.{name}" if path else name, part, answered.get(name, FAILED))
    if class_of(got) in (list, tuple):
        for inner, *pair in _stated(path, expected, got):
            if inner in by_path or len(by_path) <= _MOST_FIELDS:
                by_path.setdefault(inner, []).append((pair[0], pair[1]))


def _stated(path: str, expected: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the `Scored` parts of items, each with its path (`lines[].kind`, `pair[0]`) and what the label has at its place."""
    kind = class_of(got)
    if kind is Scored:
        yield path, expected, got
    elif kind in (list, tuple):
        for place, pair in enumerate(zip(expected, got, strict=False) if class_of(expected) is kind else ()):
            yield from _stated(f"{path}[]" if kind is list else f"{path}[{place}]", *pair)
    elif kind not in _PLAIN:
        others = parts_of(expected) or {}
        for name, part in (parts_of(got) or {}).items():
            if name in others:
                yield from _stated(f"{path}.{name}", others[name], part)


def _report(pairs: Sequence[tuple[Any, Any]]) -> FieldReport:
    right = [got is not FAILED and is_equal(expected, got) for expected, got in pairs]
    stated = ((got.probabilities, choice_in(expected), got.value) for expected, got in pairs if class_of(got) is Scored)
    plain = [(choice_in(expected), choice_in(got)) for expected, got in pairs]
    share = Estimate.share(sum(right), len(right))
    return FieldReport(share, _confusion(plain), _errors(plain), _overlap(plain), reliability(stated))


def _confusion(pairs: Sequence[tuple[Any, Any]]) -> Confusion | None:
    every = [*(expected for expected, _ in pairs), *(got for _, got in pairs if got is not FAILED)]
    if not all(map(_is_label, every)):
        return None
    labels = tuple(dict.fromkeys(every))
    has_texts = any(not isinstance(expected, bool | Enum | None) for expected, _ in pairs)
    if len(labels) > _MOST_LABELS or (has_texts and 2 * len(labels) > len(pairs)):
        return None
    counts = Counter(pairs)
    failed = {expected: counts.pop((expected, got)) for expected, got in list(counts) if got is FAILED}
    return Confusion(labels, dict(counts), failed)


def _errors(pairs: Sequence[tuple[Any, Any]]) -> NumberErrors | None:
    pairs = [pair for pair in pairs if pair[0] is not None]
    if not all(_is_number(expected) for expected, _ in pairs):
        return None
    every = [_difference(got, expected) for expected, got in pairs if _is_number(got)]
    errors = [error for error in every if math.isfinite(error)]
    if not errors:
        return None
    square = math.fsum(error * error for error in errors) / len(errors)
    return NumberErrors(Estimate.mean([abs(error) for error in errors]), Estimate.mean(errors), math.sqrt(square))


def _difference(got: Any, expected: Any) -> float:
    try:
        return float(got - expected)
    except (TypeError, OverflowError, ArithmeticError):  # a Decimal beside a float, an int of 400 digits
        pass
    try:
        return float(got) - float(expected)
    except (OverflowError, ArithmeticError):
        return math.nan


def _overlap(pairs: Sequence[tuple[Any, Any]]) -> Overlap | None:
    pairs = [pair for pair in pairs if pair[0] is not None]
    if not pairs or not all(_is_items(expected) for expected, _ in pairs):
        return None
    given = [(expected, got if _is_items(got) else ()) for expected, got in pairs]
    common = [_common(expected, got) for expected, got in given]
    wanted, found = [len(expected) for expected, _ in given], [len(got) for _, got in given]
    both = [one + other for one, other in zip(wanted, found, strict=True)]
    twice = Estimate.quotient([2 * each for each in common], both)
    return Overlap(Estimate.quotient(common, found), Estimate.quotient(common, wanted), twice)


def choice_in(value: Any) -> Any:
    """Return the choice of a `Scored`, the object of `Decisions`, and any other value as it is."""
    return value.value if class_of(value) in (Scored, Decisions) else value


def parts_of(value: object) -> Mapping[str, Any] | None:
    """Return the fields of a value by name; `None` for one that has none."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields if hasattr(value, name)}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if (names := _names_of(value)) is not None:
        return {name: getattr(value, name) for name in names}
    if is_dict(value):
        return {name: part for name, part in value.items() if isinstance(name, str)} or None
    return None


def _names_of(value: object) -> Sequence[str] | None:
    """Return the names of the fields of a named tuple, and of a class of msgspec or attrs."""
    for attribute in ("_fields", "__struct_fields__", "__attrs_attrs__"):
        declared: Sequence[Any] | None = getattr(type(value), attribute, None)
        if declared:
            return [getattr(each, "name", each) for each in declared]
    return None


def is_equal(expected: Any, got: Any) -> bool:
    """Return whether two values are equal, or all their parts: of `Scored` the choices count, and NaN equals NaN."""
    expected, got = choice_in(expected), choice_in(got)
    try:
        if bool(expected == got) or (expected != expected and got != got):
            return True
    except Exception:  # of a class that compares in a way of its own
        return False
    if type(expected) is not type(got):
        return False
    one: Mapping[Any, Any] | None = parts_of(expected)
    other: Mapping[Any, Any] | None = parts_of(got)
    if one is None and class_of(expected) in (list, tuple):
        one, other = ({place: part for place, part in enumerate(cast("list[Any]", each))} for each in (expected, got))
    if not one or other is None or one.keys() != other.keys():
        return False
    return all(is_equal(part, other[name]) for name, part in one.items())


def _is_label(value: object) -> bool:
    if isinstance(value, str) and not isinstance(value, Enum):
        return len(value) <= _LABEL_LENGTH
    return value is None or isinstance(value, bool | int | Enum)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal | Fraction) and not isinstance(value, bool | Enum)


def _is_items(value: object) -> bool:
    return isinstance(value, list | tuple | AbstractSet) and parts_of(cast("object", value)) is None


def _common(expected: Collection[Any], answered: Collection[Any]) -> int:
    """Return the number of items in common, one that is repeated as often as both have it."""
    try:
        return (Counter(expected) & Counter(answered)).total()
    except TypeError:  # models, mostly, which have no hash
        left, common = [*answered], 0
        for item in expected:
            at = next((index for index, other in enumerate(left) if is_equal(item, other)), None)
            if at is not None:
                del left[at]
                common += 1
        return common
