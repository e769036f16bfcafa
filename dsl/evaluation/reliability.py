"""Trust in stated probabilities: Brier's score, the expected calibration error, and the reliability table.

Brier's score (1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2) is here that of all choices: the sum over them of the squared
difference between the probability and 1 for the right choice, 0 for any other; 0 is best, 2 worst. The expected calibration
error (Naeini et al. 2015) compares, in bins of the probability of the answer that was given, that probability's mean with the share of
right answers, weighted by rows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typefold.evaluation.intervals import Estimate

_BINS = 10
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows whose answer had a probability between two bounds.

    Attributes:
        low: The lower bound, itself in the bin but for 0.
        high: The upper bound.
        confidence: The mean probability of the answers.
        accuracy: The share of them that are right.
    """

    low: float
    high: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Reliability:
    """Agreement of probabilities with right answers.

    Attributes:
        brier: Brier's score, over all choices; 0 is best.
        expected_error: The expected calibration error, in ten bins of equal width.
        bins: The reliability table; bins without rows are left out.
    """

    brier: Estimate
    expected_error: Estimate
    bins: tuple[ReliabilityBin, ...]

    def svg(self, width: int = 360) -> str:
        """Draw the reliability table: the share of right answers by their probability, with intervals.

        Args:
            width: The width and the height, in pixels.

        Returns:
            An SVG document.
        """
        size, edge = float(width), 40.0
        side = size - edge - 12

        def x(value: float) -> float:
            return edge + value * side

        def y(value: float) -> float:
            return 12 + (1 - value) * side

        most = max((each.accuracy.rows for each in self.bins), default=1)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{width}" viewBox="0 0 {width} {width}" '
            'font-family="sans-serif" font-size="11" role="img" aria-label="Reliability of probabilities">',
            f'<rect width="{width}" height="{width}" fill="white"/>',
            f'<rect x="{edge}" y="12" width="{side:.1f}" height="{side:.1f}" fill="none" stroke="#888"/>',
            f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}" stroke="#bbb" stroke-dasharray="4 3"/>',
        ]
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            parts.append(f'<text x="{x(tick):.1f}" y="{size - edge + 28:.1f}" text-anchor="middle">{tick:g}</text>')
            parts.append(f'<text x="{edge - 6:.1f}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for each in self.bins:
            at, share = x(each.confidence), each.accuracy
            radius = 3 + 4 * math.sqrt(share.rows / most)
            parts.append(
                f'<line x1="{at:.1f}" y1="{y(share.low):.1f}" x2="{at:.1f}" y2="{y(share.high):.1f}" stroke="#3b6ea5"/>'
            )
            parts.append(
                f'<circle cx="{at:.1f}" cy="{y(share):.1f}" r="{radius:.1f}" fill="#3b6ea5">'
                f"<title>{each.low:.1f} to {each.high:.1f}: {share!r}, stated {each.confidence:.2f}</title></circle>"
            )
        parts.append(
            f'<text x="{edge + 6:.1f}" y="26">right, by the stated probability'
            f'<tspan x="{edge + 6:.1f}" dy="14">expected error {self.expected_error}</tspan></text>'
        )
        return "\n".join([*parts, "</svg>"])


def reliability(rows: Iterable[tuple[Mapping[Any, float], Any, Any]]) -> Reliability | None:
    """Return how probabilities agree with expected values; `None` where there are no rows.

    A row is the probability of each choice, the expected choice, and the answer: mostly the likeliest choice, but a written one may
    be another.
    """
    confidences: list[float] = []
    right: list[bool] = []
    briers: list[float] = []
    for probabilities, expected, answer in rows:
        confidences.append(probabilities.get(answer, 0.0))
        right.append(answer == expected)
        squares = math.fsum(each * each for each in probabilities.values())
        briers.append(squares + 1 - 2 * probabilities.get(expected, 0.0))
    if not confidences:
        return None
    places = [min(_BINS - 1, int(each * _BINS)) for each in confidences]
    return Reliability(
        Estimate.mean(briers), _expected_error(places, confidences, right), _bins(places, confidences, right)
    )


def _bins(places: Sequence[int], confidences: Sequence[float], right: Sequence[bool]) -> tuple[ReliabilityBin, ...]:
    made: list[ReliabilityBin] = []
    for place in sorted(set(places)):
        inside = [row for row, each in enumerate(places) if each == place]
        mean = math.fsum(confidences[row] for row in inside) / len(inside)
        share = Estimate.share(sum(right[row] for row in inside), len(inside))
        made.append(ReliabilityBin(place / _BINS, (place + 1) / _BINS, mean, share))
    return tuple(made)


def _expected_error(places: Sequence[int], confidences: Sequence[float], right: Sequence[bool]) -> Estimate:
    """Return the error, with the percentiles of a bootstrap of the bins' sums, each of which is normal."""
    rows = len(places)
    sums, squares = [0.0] * _BINS, [0.0] * _BINS
    for place, confidence, is_right in zip(places, confidences, right, strict=True):
        gap = confidence - is_right
        sums[place] += gap
        squares[place] += gap * gap
    value = math.fsum(map(abs, sums)) / rows
    spreads = [math.sqrt(max(0.0, square - total * total / rows)) for total, square in zip(sums, squares, strict=True)]
    draw = random.Random(0)
    drawn = sorted(
        math.fsum(abs(draw.gauss(total, spread)) for total, spread in zip(sums, spreads, strict=True)) / rows
        for _ in range(_RESAMPLES)
    )
    # Noise in every bin adds to the error of a resample: the interval is moved by that much.
    shift = math.fsum(drawn) / _RESAMPLES - value
    low, high = drawn[_RESAMPLES // 40] - shift, drawn[-_RESAMPLES // 40] - shift
    return Estimate(value, max(0.0, min(value, low)), max(value, high), rows)
