"""Right answers by field: shares of models' fields, confusion of labels, errors of numbers, overlap of lists and sets.

Fields are found in the values: one of a model, a dataclass, a named tuple or a dictionary has figures of its own (`address.city`), at
any depth; the items of a list or a set are counted, and a repeated one as often as it stands there. A failed row has none of them right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, cast

from pydantic import BaseModel

from typefold.compiler.guards import class_of, is_dict
from typefold.evaluation.intervals import Estimate
from typefold.response_types import Scored

_MOST_LABELS = 50  # different values, beyond which a text is no label
_MOST_FIELDS = 256
_LABEL_LENGTH = 80  # characters

_FAILED = object()  # in place of the answer of a row that failed


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
    """

    accuracy: Estimate
    confusion: Confusion | None = None
    errors: NumberErrors | None = None
    overlap: Overlap | None = None


class FieldTally:
    """Counts of one field, row by row."""

    def __init__(self) -> None:
        self.rows = 0
        self._right = 0
        self._pairs: Counter[tuple[Any, Any]] | None = Counter()
        self._failed: Counter[Any] = Counter()
        self._labels: dict[Any, None] = {}
        self._texts = False
        self._numbers: list[float] | None = []
        self._overlaps: list[tuple[int, int, int]] | None = []  # in common, in the answer, expected

    def add(self, expected: Any, got: Any) -> bool:
        """Count a row; return whether it is right."""
        right = got is not _FAILED and is_equal(expected, got)
        self.rows += 1
        self._right += right
        if self._pairs is not None:
            self._add_labels(expected, got)
        if self._numbers is not None:
            self._add_numbers(expected, got)
        if self._overlaps is not None:
            self._add_items(expected, got)
        return right

    def _add_labels(self, expected: Any, got: Any) -> None:
        assert self._pairs is not None
        for value in (expected, got):
            if value is not _FAILED and not _is_label(value):
                self._pairs = None
                return
            if value is not _FAILED:
                self._labels.setdefault(value, None)
        self._texts = self._texts or not isinstance(expected, bool | Enum | None)
        if len(self._labels) > _MOST_LABELS:
            self._pairs = None
        elif got is _FAILED:
            self._failed[expected] += 1
        else:
            self._pairs[expected, got] += 1

    def _add_numbers(self, expected: Any, got: Any) -> None:
        assert self._numbers is not None
        if not _is_number(expected):
            if expected is not None:
                self._numbers = None
        elif _is_number(got):
            try:
                error = float(got - expected)
            except (TypeError, OverflowError, ArithmeticError):
                error = float(got) - float(expected)
            if math.isfinite(error):
                self._numbers.append(error)

    def _add_items(self, expected: Any, got: Any) -> None:
        assert self._overlaps is not None
        if not _is_items(expected):
            if expected is not None:
                self._overlaps = None
            return
        answered: Collection[Any] = got if _is_items(got) else ()
        self._overlaps.append((_common(expected, answered), len(answered), len(expected)))

    def report(self) -> FieldReport:
        """Return the figures of the rows so far."""
        return FieldReport(
            Estimate.share(self._right, self.rows), self._confusion(), self._number_errors(), self._overlap()
        )

    def _confusion(self) -> Confusion | None:
        if self._pairs is None or not self._labels or (self._texts and 2 * len(self._labels) > self.rows):
            return None
        return Confusion(tuple(self._labels), dict(self._pairs), dict(self._failed))

    def _number_errors(self) -> NumberErrors | None:
        if not self._numbers:
            return None
        square = math.fsum(error * error for error in self._numbers) / len(self._numbers)
        absolute = Estimate.mean([abs(error) for error in self._numbers])
        return NumberErrors(absolute, Estimate.mean(self._numbers), math.sqrt(square))

    def _overlap(self) -> Overlap | None:
        if not self._overlaps:
            return None
        common, answered, expected = zip(*self._overlaps, strict=True)
        twice = [2 * each for each in common]
        both = [one + other for one, other in zip(answered, expected, strict=True)]
        return Overlap(
            Estimate.quotient(common, answered), Estimate.quotient(common, expected), Estimate.quotient(twice, both)
        )


class Tallies:
    """Counts of whole answers and of each of their fields."""

    def __init__(self) -> None:
        self._by_path: dict[str, FieldTally] = {}

    def add(self, expected: Any, result: tuple[Any] | None) -> bool:
        """Count a row, whose answer is `result`'s item, or failed; return whether it is right as a whole."""
        return self._add("", expected, _FAILED if result is None else result[0])

    def _add(self, path: str, expected: Any, got: Any) -> bool:
        tally = self._by_path.get(path)
        if tally is None:
            if len(self._by_path) >= _MOST_FIELDS:
                return False
            tally = self._by_path[path] = FieldTally()
        expected, got = choice_in(expected), choice_in(got)
        parts = parts_of(expected)
        if parts is not None:
            answered = None if got is _FAILED else parts_of(got)
            for name, part in parts.items():
                self._add(f"{path}.{name}" if path else name, part, (answered or {}).get(name, _FAILED))
        return tally.add(expected, got)

    def report(self) -> dict[str, FieldReport]:
        """Return the figures by the path of the field; that of whole answers is empty."""
        return {path: tally.report() for path, tally in self._by_path.items()}


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


def is_equal(expected: object, got: object) -> bool:
    """Return whether two values are equal; NaN equals NaN here, and a `Scored` part is its choice."""
    try:
        if bool(expected == got) or (expected != expected and got != got):
            return True
        found = list[Scored[Any]]()
        return _plain(expected, found) == _plain(got, found) and bool(found)
    except Exception:  # of a class that compares in a way of its own
        return False


def choice_in(value: Any) -> Any:
    """Return the choice of a `Scored`, or the value itself."""
    return value.value if class_of(value) is Scored else value


def _plain(value: Any, found: list[Scored[Any]]) -> Any:
    """Return the parts of a value, with the choice in place of each `Scored`, which is noted."""
    if class_of(value) is Scored:
        found.append(value)
    value = choice_in(value)
    if (parts := parts_of(value)) is not None:
        return class_of(value), {name: _plain(part, found) for name, part in parts.items()}
    return [_plain(part, found) for part in value] if isinstance(value, list | tuple) else value


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
