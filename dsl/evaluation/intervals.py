"""Estimates with their 95% intervals.

A share of rows has Wilson's interval (Wilson 1927, doi:10.1080/01621459.1927.10502953), which holds near 0 and 1 and for few
rows. A mean of scores has the BCa bootstrap's (Efron 1987, doi:10.1080/01621459.1987.10478410) where scipy is installed and the rows
are few enough for their distribution to matter; else the normal one. A quotient of sums, as F1 is one, has the interval of its
linear approximation (the delta method). The difference of two shares of the same rows has the interval of Bonett and Price (2012,
doi:10.3102/1076998611411915), which holds where few rows differ or none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from statistics import NormalDist
from typing import Any

_Z = NormalDist().inv_cdf(0.975)
_FEW = 1000  # rows from which on a mean is as good as normal
_RESAMPLES = 2000


class Estimate(float):
    """A figure measured on some rows, with its 95% interval; compare and calculate with it as with any float.

    Attributes:
        low: The lower end of the interval.
        high: Its upper end.
        rows: The number of rows that it was measured on.

    Example:
        >>> from typefold.evaluation import Estimate
        >>> Estimate.share(45, 50)
        0.90 [0.79, 0.96] of 50 rows
        >>> Estimate.share(45, 50) > 0.8
        True
    """

    __slots__ = ("high", "low", "rows")

    low: float
    high: float
    rows: int

    def __new__(cls, value: float, low: float, high: float, rows: int) -> Estimate:
        self = super().__new__(cls, value)
        self.low, self.high, self.rows = low, high, rows
        return self

    def __reduce__(self) -> tuple[type[Estimate], tuple[float, float, float, int]]:
        return Estimate, (float(self), self.low, self.high, self.rows)

    @classmethod
    def share(cls, count: int, rows: int) -> Estimate:
        """Return the share of rows for which something holds, with Wilson's interval.

        Args:
            count: The number of rows for which it holds.
            rows: The number of rows; with none the share is NaN, between 0 and 1.

        Returns:
            The estimate.
        """
        if not rows:
            return cls(math.nan, 0.0, 1.0, 0)
        share, spread = count / rows, _Z * _Z / rows
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
        return cls(share, 0.0 if not count else middle - half, 1.0 if count == rows else middle + half, rows)

    @classmethod
    def mean(cls, values: Sequence[float]) -> Estimate:
        """Return the mean of values, one a row.

        Args:
            values: The values; with none the mean is NaN.

        Returns:
            The estimate.
        """
        rows = len(values)
        if not rows:
            return cls(math.nan, -math.inf, math.inf, 0)
        mean = math.fsum(values) / rows
        if (bounds := _bootstrapped(values)) is not None:
            return cls(mean, *bounds, rows)
        square = math.fsum((value - mean) ** 2 for value in values)
        half = _Z * math.sqrt(square / (rows - 1) / rows) if rows > 1 else math.inf
        return cls(mean, mean - half, mean + half, rows)

    @classmethod
    def quotient(cls, numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
        """Return the quotient of two sums over the same rows, such as F1: the matches, over what could match.

        Args:
            numerators: The summands of the first sum, one a row.
            denominators: The summands of the second; where they add up to 0 the quotient is NaN, between 0 and 1.

        Returns:
            The estimate.
        """
        total, rows = math.fsum(denominators), len(numerators)
        if not total:
            return cls(math.nan, 0.0, 1.0, rows)
        value = math.fsum(numerators) / total
        square = math.fsum((one - value * other) ** 2 for one, other in zip(numerators, denominators, strict=True))
        half = _Z * math.sqrt(square * rows / max(1, rows - 1)) / total
        return cls(value, max(0.0, value - half), min(1.0, value + half), rows)

    @classmethod
    def paired(cls, gained: int, lost: int, rows: int) -> Estimate:
        """Return the difference of two shares of the same rows, with the interval of Bonett and Price.

        Args:
            gained: The number of rows that are right in the second alone.
            lost: The number of rows that are right in the first alone.
            rows: The number of all rows.

        Returns:
            The estimate.
        """
        if not rows:
            return cls(math.nan, -1.0, 1.0, 0)
        more, less = (gained + 1) / (rows + 2), (lost + 1) / (rows + 2)
        half = _Z * math.sqrt((more + less - (more - less) ** 2) / (rows + 2))
        return cls((gained - lost) / rows, max(-1.0, more - less - half), min(1.0, more - less + half), rows)

    def __repr__(self) -> str:
        return f"{self} of {self.rows:,} row{'' if self.rows == 1 else 's'}"

    def __str__(self) -> str:
        return f"{float(self):.2f} [{self.low:.2f}, {self.high:.2f}]" if self.rows else "unknown"

    def __format__(self, form: str) -> str:
        return float.__format__(self, form) if form else str(self)


def mean_score(scores: Sequence[float]) -> Estimate:
    """Return the mean of scores, with the interval that fits them: of a share where each is right or wrong."""
    if all(score in (0.0, 1.0) for score in scores):
        return Estimate.share(sum(score == 1.0 for score in scores), len(scores))
    return Estimate.mean(scores)


def difference(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Return the mean of the differences of scores of the same rows, with the interval that fits them."""
    changes = [new - old for old, new in zip(before, after, strict=True)]
    if all(score in (0.0, 1.0) for scores in (before, after) for score in scores):
        return Estimate.paired(changes.count(1.0), changes.count(-1.0), len(changes))
    return Estimate.mean(changes)


def _bootstrapped(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the BCa interval of the mean; `None` without scipy, for many rows, and where all values are equal."""
    if not 1 < len(values) <= _FEW or min(values) == max(values):
        return None
    try:
        numpy, stats = import_module("numpy"), import_module("scipy.stats")
    except ImportError:
        return None
    drawn: Any = stats.bootstrap((values,), numpy.mean, n_resamples=_RESAMPLES, rng=numpy.random.default_rng(0))
    low, high = float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
    return None if math.isnan(low) or math.isnan(high) else (low, high)
