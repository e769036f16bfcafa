"""The cost of a job: a `Forecast` as data, and its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from typefold.evaluation.intervals import Estimate
from typefold.evaluation.tables import Table, as_html, as_rich, as_text, figures_as_json, text_of

if TYPE_CHECKING:
    from rich.console import RenderableType

_Form: TypeAlias = Callable[[float], str]
_UNITS = ("B", "kB", "MB", "GB", "TB")
_SHOWN = 5  # rows of a table that do not fit


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row that can't be run.

    Attributes:
        row: Its index among the rows, from 0.
        error: The name of the error that it would end with: `PromptTooLong`, `BadInput`, ...
        reason: The error's text, without function and row.
    """

    row: int
    error: str
    reason: str


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """The forecast for another `max_tokens`.

    Attributes:
        max_tokens: The limit.
        cut: The share of answers that it would cut. A text that is cut is a value, any other answer is a failure.
        output_tokens: The tokens of all answers.
    """

    max_tokens: int
    cut: Estimate
    output_tokens: Estimate


@dataclass(frozen=True, slots=True)
class CallForecast:
    """The calls of one prompt function.

    Attributes:
        function: Its name.
        per_row: The requests a row, those for reasoning and retries too.
        prompt_tokens: The tokens of all prompts.
        output_tokens: The tokens of all answers; without a sample NaN, between the bounds that the type has.
        cut: The share of answers that were cut at their limit.
        limits: The forecast for other limits.
    """

    function: str
    per_row: Estimate
    prompt_tokens: Estimate
    output_tokens: Estimate
    cut: Estimate
    limits: tuple[LimitForecast, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The cost of a function over many rows. Totals are of all rows; each has its 95% interval.

    Attributes:
        function: The name of the function.
        rows: The number of rows.
        asked: The indices of the rows that were run.
        model: The model's name or path.
        calls: The calls by prompt function.
        prompt_tokens: The tokens of all prompts.
        output_tokens: The tokens of all answers; without a sample NaN, between the bounds that the types have.
        rows_per_second: The speed on this engine; `None` where nothing was asked of it.
        seconds: The time that all rows take; `None` where nothing was asked of an engine.
        is_full_width: Whether as many requests were in flight as the engine runs at once, for long enough. Else the speed is
            a lower bound, and the time an upper one.
        needed: The rows that a sample needs for the speed at full width; 0 where that is not known.
        journal_bytes: The size of a journal of all rows.
        output_bytes: The size of all results as JSON lines.
        misfits: The rows that can't be run, with the reasons.
        checked: The number of rows that were looked at for that: all, or those of the sample.
        failures: The shares of rows that fail, by the name of the error, those that can't be run too.

    Example:
        >>> from typefold import Runtime, ask, forecast, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt(max_tokens=20, describe_format=False)
        ... def name(thing: str) -> str:
        ...     return ask(f"Name {thing}.")
        >>> with Runtime(ScriptedEngine(answers=lambda request: "Rex")):
        ...     found = forecast(name, ["a dog", "a cat", "a fox"])
        >>> found.rows, float(found.output_tokens), found.misfits
        (3, 12.0, ())
    """

    function: str
    rows: int
    asked: tuple[int, ...] = field(repr=False)
    model: str
    calls: tuple[CallForecast, ...]
    prompt_tokens: Estimate
    output_tokens: Estimate
    rows_per_second: Estimate | None
    seconds: Estimate | None
    is_full_width: bool
    needed: int
    journal_bytes: Estimate
    output_bytes: Estimate
    misfits: tuple[Misfit, ...] = field(repr=False)
    checked: int
    failures: Mapping[str, Estimate]

    @property
    def hours(self) -> Estimate | None:
        """The time that all rows take, in hours."""
        if (seconds := self.seconds) is None:
            return None
        return Estimate(seconds / 3600, seconds.low / 3600, seconds.high / 3600, seconds.rows)

    def to_json(self) -> str:
        """Return the forecast as a JSON object.

        Returns:
            JSON, indented; an estimate is an object of `value`, `low`, `high` and `rows`, infinite and unknown numbers `null`.
        """
        figures = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return figures_as_json({**figures, "asked": len(self.asked)})

    def __str__(self) -> str:
        return as_text(self.tables)

    def __rich__(self) -> RenderableType:
        return as_rich(self.tables)

    def _repr_html_(self) -> str:
        return as_html(self.tables)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The tables that `str()`, rich and notebooks show."""
        return tuple(self._tables())

    def _tables(self) -> Iterator[Table]:
        asked = f"from {len(self.asked):,} that were asked" if self.asked else "none asked"
        yield Table(
            f"{self.function}: {self.rows:,} rows, {asked}", ("", "all rows", "95% interval", ""), [*self._totals()]
        )
        if len(self.calls) > 1:
            yield Table(
                "calls",
                ("function", "a row", "prompt tokens", "output tokens", "cut"),
                [
                    (each.function, f"{each.per_row:.2f}", f"{each.prompt_tokens:,.0f}", f"{each.output_tokens:,.0f}", _percent(each.cut))
                    for each in self.calls
                ],
            )  # fmt: skip
        for each in self.calls:
            if each.limits:
                title = "with another max_tokens" + (f" of {each.function}" if len(self.calls) > 1 else "")
                rows = [
                    (
                        f"{one.max_tokens:,}",
                        _percent(one.cut),
                        _interval(one.cut, _percent),
                        f"{one.output_tokens:,.0f}",
                    )
                    for one in each.limits
                ]
                yield Table(title, ("max_tokens", "cut", "95% interval", "output tokens"), rows)
        if self.misfits:
            shown = [(f"{one.row:,}", one.error, text_of(one.reason)) for one in self.misfits[:_SHOWN]]
            of = f"of {self.checked:,} looked at"
            count = "1 row" if len(self.misfits) == 1 else f"{len(self.misfits):,} rows"
            yield Table(f"{count} can't be run, {of}", ("row", "error", "reason"), shown)

    def _totals(self) -> Iterator[tuple[str, ...]]:
        yield "prompt tokens", *_shown(self.prompt_tokens, _whole)
        yield "output tokens", *_shown(self.output_tokens, _whole)
        if self.rows_per_second is not None and self.seconds is not None:
            few = (
                "the rows are too few"
                if self.needed >= self.rows
                else f"the sample was too small (ask {self.needed:,} rows)"
            )
            more = "" if self.is_full_width else f"at least: {few} to fill the engine"
            yield "rows a second", *_shown(self.rows_per_second, _rate)[:2], more
            more = "" if self.is_full_width else "at most"
            yield "time", *_shown(self.seconds, _duration)[:2], more
        if self.asked:
            yield "journal", *_shown(self.journal_bytes, _bytes)
            yield "output", *_shown(self.output_bytes, _bytes)
            yield "cut at the limit", *_shown(self._cut, _percent)
        for name, share in self.failures.items():
            yield f"fails: {name}", *_shown(share, _percent)

    @property
    def _cut(self) -> Estimate:
        answers = sum(each.cut.rows for each in self.calls)
        return Estimate.share(round(sum(each.cut * each.cut.rows for each in self.calls if each.cut.rows)), answers)


def exact(number: float, rows: int) -> Estimate:
    """Return a number that was counted."""
    return Estimate(number, number, number, rows)


def _shown(estimate: Estimate, form: _Form) -> tuple[str, str, str]:
    if estimate.low == estimate.high:
        return form(float(estimate)), "exactly", ""
    if math.isnan(estimate):
        return "", _interval(estimate, form), "by the types"
    return form(float(estimate)), _interval(estimate, form), ""


def _interval(estimate: Estimate, form: _Form) -> str:
    return (
        f"{form(estimate.low)} to {form(estimate.high)}"
        if math.isfinite(estimate.high)
        else f"{form(estimate.low)} or more"
    )


def _whole(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "unknown"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%" if math.isfinite(share) else "unknown"


def _bytes(size: float) -> str:
    if not math.isfinite(size):
        return "unknown"
    thousands = min(len(_UNITS) - 1, int(math.log(max(1.0, size), 1000)))
    return f"{size / 1000**thousands:,.3g} {_UNITS[thousands]}"


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 100:
        return f"{seconds:,.3g} s"
    return f"{seconds / 60:,.3g} min" if seconds < 6000 else f"{seconds / 3600:,.3g} h"
