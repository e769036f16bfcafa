"""The speed of an engine at full width, from the times at which requests were sent and ended.

At full width as many requests are in flight as the engine runs at once, or more. By Little's law (1961, doi:10.1287/opre.9.3.383) rows
then end at the rate of the places in the engine divided by the time for which a row holds one. The time that a request holds its place
is a line through its tokens, fitted to requests that ran at full width throughout. So rows of the tail, which were faster since few ran
beside them, count as they would have at full width.

Only the time between the first answer and the end of full width is looked at: before, the engine reads all its first prompts at once,
and behind it runs empty. Its eighths, which differ by chance, give the interval.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, stdev

from typefold.evaluation.intervals import Estimate

PARTS = 8  # of the time at full width
_T = 2.365  # 97.5% of Student's t with 7 degrees of freedom
_ENDED = 32  # requests at least that end at full width
_SAMPLE = 3  # times the width: rows for the engine to fill up, to be measured, and to empty


@dataclass(slots=True)
class Span:
    """A request of a row, from when it was sent to its end, with the tokens of its answer."""

    row: int
    sent: float
    ended: float
    tokens: int
    entered: float = field(default=0.0, init=False)  # the engine, as far as that is known from outside


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed of an engine."""

    per_second: Estimate  # rows per second; for a sample that did not run at full width at least so many
    is_full: bool  # whether the sample ran at full width for long enough
    elapsed: float  # the seconds that the sample took, from the first request to the last answer
    needed: int  # the rows that a sample needs for the speed at full width

    def seconds(self, rows: int, asked: int) -> Estimate:
        """Return the seconds that all rows take: those of the sample, with its beginning and end, and of the others."""
        if not self.is_full:
            most = self.elapsed * rows / asked
            return Estimate(most, self.elapsed if rows == asked else 0.0, most, asked)
        rate, left = self.per_second, rows - asked
        low = self.elapsed + left / rate.high
        return Estimate(self.elapsed + left / rate, low, self.elapsed + left / max(rate.low, 1e-9), asked)


def speed_of(spans: Sequence[Span], *, width: int, costs_of: Sequence[int]) -> Speed | None:
    """Return the speed in rows per second; `None` where no request was sent to an engine, which runs `width` at once.

    `costs_of` are the numbers of the rows that were run for this, those that sent nothing too.
    """
    if not spans or not costs_of:
        return None
    spans = sorted(spans, key=lambda span: span.sent)
    _enter(spans, width)
    elapsed = max(span.ended for span in spans) - spans[0].sent
    begin, end = _full_width(spans, width)
    begin = min((span.ended for span in spans if span.ended > begin), default=end)
    ended = sum(begin < span.ended <= end for span in spans)
    needed = _SAMPLE * width
    if ended < max(_ENDED, width) or end <= begin:
        rate = len(costs_of) / elapsed if elapsed else math.inf
        needed = max(needed, 2 * len(costs_of))
        return Speed(Estimate(rate, rate, math.inf, len(costs_of)), False, elapsed, needed)
    holds = _line([span for span in spans if span.entered >= begin and span.ended <= end] or spans)
    first = next(span for span in spans if span.ended == begin)
    for span in spans:  # the first of all were read together, which took longer than it does later
        if span.entered < begin:
            span.entered = max(span.entered, begin - _cost(first, holds))
    edges = [begin + (end - begin) * part / PARTS for part in range(PARTS + 1)]
    done = [math.fsum(_done(span, holds, edge) for span in spans) for edge in edges]
    rates = [(later - earlier) * PARTS / (end - begin) for earlier, later in pairwise(done)]
    costs = dict.fromkeys(costs_of, 0.0)
    for span in spans:
        if span.row in costs:
            costs[span.row] += _cost(span, holds)
    by_row = [*costs.values()]
    places, cost = fmean(rates), fmean(by_row)
    spread = (stdev(rates) / places) ** 2 / PARTS
    spread += (stdev(by_row) / cost) ** 2 / len(by_row) if len(by_row) > 1 else 0.0
    rate, half = places / cost, _T * math.sqrt(spread)
    return Speed(Estimate(rate, rate / (1 + half), rate * (1 + half), len(by_row)), True, elapsed, needed)


def _enter(spans: Iterable[Span], width: int) -> None:
    """Find when requests entered the engine: in the order in which they were sent, when they were or a place became free."""
    ends: list[float] = []
    for span in spans:
        span.entered = span.sent if len(ends) < width else max(span.sent, heapq.heappop(ends))
        heapq.heappush(ends, span.ended)


def _full_width(spans: Iterable[Span], width: int) -> tuple[float, float]:
    """Return the longest time in which as many requests as the engine runs at once were in flight."""
    moments = sorted([*((span.sent, 1) for span in spans), *((span.ended, -1) for span in spans)])
    found, under_way, since = (0.0, 0.0), 0, 0.0
    for moment, change in moments:
        if under_way == width and change < 0 and moment - since > found[1] - found[0]:
            found = since, moment
        under_way += change
        if under_way == width and change > 0:
            since = moment
    return found


def _line(spans: Sequence[Span]) -> tuple[float, float]:
    """Return the seconds that a request holds its place, and those a token more, by least squares."""
    tokens, times = [span.tokens for span in spans], [span.ended - span.entered for span in spans]
    middle, mean = fmean(tokens), fmean(times)
    square = math.fsum((each - middle) ** 2 for each in tokens)
    slope = math.fsum((one - middle) * (other - mean) for one, other in zip(tokens, times, strict=True)) / (square or 1)
    slope = min(max(slope, 0.0), mean / middle if middle else 0.0)
    return mean - slope * middle, slope


def _cost(span: Span, holds: tuple[float, float]) -> float:
    return holds[0] + holds[1] * span.tokens


def _done(span: Span, holds: tuple[float, float], moment: float) -> float:
    """Return the part of a request that was done at a moment, in seconds at full width."""
    cost = _cost(span, holds)
    if span.ended <= moment:
        return cost
    return min(cost, max(0.0, moment - span.entered))
