"""Requests of a sample as they were sent and ended, and the figures of all rows that follow from them."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeAlias

from typefold.evaluation.cost import CallForecast, LimitForecast, exact
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.speed import Span
from typefold.execution.seeding import Place, here
from typefold.execution.tracing import Observer
from typefold.options import Submitter
from typefold.runtime import FinishReason, Outcome, PromptError, Request, Truncated
from typefold.runtime.journal.records import size_of
from typefold.runtime.scheduling.pending import AnswerFuture, Limits

_QUANTILES = (0.5, 0.9, 0.99)  # of the lengths of answers, for which other limits are shown
_FAR = 4  # times the longest of a sample: as long as none of all rows is taken to be
_ROUND = 8  # tokens to which they are rounded up


@dataclass(eq=False)
class Observed:
    """A request of a sample's row."""

    runtime: Submitter
    request: Request
    row: int
    sent: float
    future: Future[Outcome]
    ended: float = field(default=math.nan, init=False)

    @cached_property
    def _end(self) -> tuple[Limits, Outcome] | None:
        """The end that the engine, now or in an earlier run, gave it; `None` where it never got there."""
        if isinstance(self.future, AnswerFuture):
            return self.future.finished
        try:
            return Limits(0, None), self.future.result()
        except Truncated as error:  # of a journal, which says no more
            ends = Outcome(
                text=error.text, finish_reason=FinishReason.LENGTH, prompt_tokens=0, output_tokens=error.max_tokens
            )
            return Limits(error.max_tokens, error.needed, error.room), ends
        except (PromptError, CancelledError):
            return None

    @property
    def prompt_tokens(self) -> int:
        return 0 if self._end is None else self._end[1].prompt_tokens

    @property
    def output_tokens(self) -> int:
        return 0 if self._end is None else self._end[1].output_tokens

    @property
    def most_tokens(self) -> float:
        """The most tokens that its answer could have."""
        return (self._end and self._end[0].asked) or math.inf

    @property
    def is_answered(self) -> bool:
        return self._end is not None

    @property
    def is_cut(self) -> bool:
        """Whether the answer was cut at the limit of its tokens."""
        if self._end is None or self.request.probe:
            return False
        is_cut = self._end[1].finish_reason is FinishReason.LENGTH
        return is_cut and (self.request.constraint.kind == "text" or isinstance(_error(self.future), Truncated))

    @property
    def span(self) -> Span | None:
        """Its time in the engine; `None` where an engine did not answer it just now."""
        if self._end is None or not isinstance(self.future, AnswerFuture):
            return None
        return Span(self.row, self.sent, self.ended, self.output_tokens)

    @property
    def journal_bytes(self) -> int:
        return 0 if self._end is None else size_of(self.request, *self._end)


def _error(future: Future[Outcome]) -> BaseException | None:
    return None if future.cancelled() else future.exception()


_Figure: TypeAlias = Callable[[Observed], float]


class Watcher(Observer):
    """Collects the requests that rows send, which are asked at a place of the program."""

    def __init__(self, place: Place, now: Callable[[], float] = time.monotonic) -> None:
        self.requests: list[Observed] = []
        self._place = place
        self._now = now

    def sent(self, runtime: Submitter, requests: Sequence[Request], futures: Sequence[Future[Outcome]]) -> None:
        row, sent = self._place.row_of(here.get()), self._now()
        for request, future in zip(requests, futures, strict=True):
            index = request.row if row is None else row
            if index is None:  # of the program itself
                continue
            observed = Observed(runtime, request, index, sent, future)
            self.requests.append(observed)
            future.add_done_callback(partial(self._end, observed))

    def _end(self, observed: Observed, _: Future[Outcome]) -> None:
        observed.ended = self._now()


def total(values: Sequence[float], rows: int, most: float = math.inf) -> Estimate:
    """Return the total over all rows, from the values of a sample of them, of which none is above `most`.

    A sample may have missed a few rows that are far longer than all others, so the upper end is that of a sample with one more
    row: as long as it can be, or four times the longest.
    """
    asked, found = len(values), math.fsum(values)
    if asked == rows:
        return exact(found, rows)
    mean = Estimate.mean(values)
    high = Estimate.mean([*values, min(most, _FAR * max(values, default=0.0))]).high
    left = math.sqrt(1 - asked / rows)  # of the spread: the sample's own rows are known
    low, high = mean - (mean - mean.low) * left, mean + (max(high, mean.high) - mean) * left
    return Estimate(mean * rows, max(found, low * rows), high * rows, asked)


def summed(
    requests: Iterable[Observed], indices: Sequence[int], rows: int, of: _Figure, most_of: _Figure | None = None
) -> Estimate:
    """Return the total of a figure of requests over all rows; without the most that it can be, that is the sample's."""
    by_row, most = defaultdict[int, float](float), defaultdict[int, float](float)
    for each in requests:
        by_row[each.row] += of(each)
        most[each.row] += (most_of or of)(each)
    return total([by_row[index] for index in indices], rows, max(most.values(), default=0.0))


def answers(requests: Iterable[Observed], indices: Sequence[int], rows: int, limit: float = math.inf) -> Estimate:
    """Return the tokens of the answers of all rows, under another limit too."""
    return summed(
        requests,
        indices,
        rows,
        lambda each: min(each.output_tokens, limit),
        lambda each: limit if each.is_cut else min(each.most_tokens, limit),
    )


def calls_of(
    requests: Iterable[Observed], indices: Sequence[int], rows: int, limits: Sequence[int]
) -> tuple[CallForecast, ...]:
    """Return the forecast of each prompt function that a sample called, in the order of the first calls."""
    by_name = defaultdict[str, list[Observed]](list)
    for each in requests:
        if each.is_answered:
            by_name[each.request.function].append(each)
    return tuple(_calls(name, asked, indices, rows, limits) for name, asked in by_name.items())


def _calls(
    name: str, asked: Sequence[Observed], indices: Sequence[int], rows: int, limits: Sequence[int]
) -> CallForecast:
    lengths = [each.output_tokens for each in asked]
    cut = [each for each in asked if each.is_cut]
    wanted = limits or (_suggested(lengths, bool(cut)) if cut or len({*lengths}) > 1 else ())
    per_row = summed(asked, indices, rows, lambda _: 1)
    return CallForecast(
        name,
        Estimate(per_row / rows, per_row.low / rows, per_row.high / rows, per_row.rows),
        summed(asked, indices, rows, lambda each: each.prompt_tokens),
        answers(asked, indices, rows),
        Estimate.share(len(cut), len(asked)),
        tuple(_limited(limit, asked, indices, rows) for limit in sorted({*wanted})),
    )


def _suggested(lengths: Sequence[int], any_cut: bool) -> list[int]:
    ranked = sorted(lengths)
    found = [ranked[math.ceil(share * len(ranked)) - 1] for share in _QUANTILES]
    rounded = [min(-(-each // _ROUND) * _ROUND, ranked[-1]) for each in found]
    return [*rounded, ranked[-1], *([2 * ranked[-1]] if any_cut else [])]


def _limited(limit: int, asked: Sequence[Observed], indices: Sequence[int], rows: int) -> LimitForecast:
    over = sum(each.output_tokens > limit or (each.is_cut and each.output_tokens == limit) for each in asked)
    unknown = sum(each.is_cut and each.output_tokens < limit for each in asked)  # they may end before, or not
    share, most = Estimate.share(over, len(asked)), Estimate.share(over + unknown, len(asked))
    tokens = answers(asked, indices, rows, limit)
    most_tokens = summed(asked, indices, rows, lambda each: limit if each.is_cut else min(each.output_tokens, limit))
    return LimitForecast(
        limit,
        Estimate(most, share.low, most.high, len(asked)),
        Estimate(tokens, tokens.low, max(tokens.high, most_tokens.high), tokens.rows),
    )
