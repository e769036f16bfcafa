"""Dates, times and durations, as ISO 8601 strings that pydantic reads.

- A `date` is `2024-02-29`. Every admitted text is a day of the years 0001 to 9999: leap years are regular, and so are
  the bounds of a date.
- A `time` is `12:30:00`, with one to six digits of a second behind a point, or none, and `Z` or an offset such as
  `+05:30`, or neither. A `datetime` is a date, `T` and a time, so it may be naive or aware; pydantic's `NaiveDatetime`
  and `AwareDatetime` admit one kind.
- A `timedelta` is `P1DT2H30M1.5S`, negative with a sign in front. The largest unit may exceed its usual range, as in
  `PT36H` or `PT90M`, since models write so; weeks stand alone (`P2W`). Years and months have no fixed length, and are out.

`encode` writes one text for a value: `isoformat` with `Z` for an offset of zero, and a duration in days, hours below 24
and so on. An offset with seconds cannot be written. Post-checks: bounds on times, datetimes and durations, and whether a
moment is in the past or the future.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any

from pydantic import AwareDatetime, FutureDate, FutureDatetime, NaiveDatetime, PastDate, PastDatetime

from typefold.compiler.codec import Codec, identity, text_codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import NEVER, CharClass, Expr, char_class, choice, optional, repeat, seq
from typefold.compiler.grammar.numeric import between, integers
from typefold.compiler.limits import BOUNDS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.scalars import inclusive_bounds

_LONG_MONTHS, _SHORT_MONTHS = (1, 3, 5, 7, 8, 10, 12), (4, 6, 9, 11)
_FRACTION = seq(".", repeat(char_class((0x30, 0x39)), 1, 6))
_DAY = timedelta(days=1)
_FAR = timedelta(days=2)  # two moments in the right order may be dated this far the other way, by their offsets


@default_registry.hook(date, PastDate, FutureDate)
def date_codec(hint: Any, context: Context) -> Codec[date]:
    """`YYYY-MM-DD`; bounds are in the grammar."""
    context.allow(hint, *BOUNDS)
    try:
        low, high = inclusive_bounds(context.limits, identity, lambda day: day + _DAY, lambda day: day - _DAY)
        low, high = max(low or date.min, date.min), min(high or date.max, date.max)
    except (OverflowError, TypeError):
        raise context.refuse(hint, "has a bound that no date meets; bound it with dates") from None
    if low > high:
        raise context.refuse(hint, f"has bounds that no date meets (from {low} to {high})")
    _note_moment(hint, context)
    return text_codec(hint, seq('"', _dates(low, high), '"'), "date", date, write=date.isoformat)


@default_registry.hook(time)
def time_codec(hint: type[time], context: Context) -> Codec[time]:
    """`HH:MM:SS`, with a fraction and an offset, or without."""
    context.allow(hint, *BOUNDS)
    text = seq('"', _clock(), optional(_offset()), '"')
    return text_codec(hint, text, "time", time, write=_isoformat)


@default_registry.hook(datetime, NaiveDatetime, AwareDatetime, PastDatetime, FutureDatetime)
def datetime_codec(hint: Any, context: Context) -> Codec[datetime]:
    """`YYYY-MM-DDTHH:MM:SS`, with a fraction and an offset, or without."""
    context.allow(hint, *BOUNDS)
    _note_moment(hint, context)
    low, high = date.min, date.max
    for name in BOUNDS:  # the bound itself is a post-check; the grammar leaves out years far off
        bound = context.limits.peek(name)
        if isinstance(bound, datetime) and name in ("ge", "gt"):
            low = max(low, max(bound.date(), date.min + _FAR) - _FAR)
        elif isinstance(bound, datetime):
            high = min(high, min(bound.date(), date.max - _FAR) + _FAR)
    if low > high:
        raise context.refuse(hint, "has bounds that no datetime meets")
    kinds: dict[Any, Expr] = {NaiveDatetime: seq(), AwareDatetime: _offset()}
    text = seq('"', _dates(low, high), "T", _clock(), kinds.get(hint, optional(_offset())), '"')
    if hint in kinds:
        context.limits.note("without UTC offset" if hint is NaiveDatetime else "with UTC offset")

    def accepts(value: Any) -> bool:
        wanted = {NaiveDatetime: False, AwareDatetime: True}.get(hint)
        return type(value) is datetime and wanted in (None, value.utcoffset() is not None)

    return replace(text_codec(hint, text, "date-time", datetime, write=_isoformat), accepts=accepts)


@default_registry.hook(timedelta)
def timedelta_codec(hint: type[timedelta], context: Context) -> Codec[timedelta]:
    """An ISO 8601 duration without years and months; bounds other than the sign are post-checks."""
    context.allow(hint, *BOUNDS)
    options: list[Expr] = []
    for sign in ("", "-"):
        lowest = [bound for bound in map(context.limits.peek, ("ge", "gt")) if isinstance(bound, timedelta)]
        if sign and lowest and max(lowest) >= timedelta(0):
            continue
        options.append(seq(sign, "P", _duration(negative=bool(sign))))
    return text_codec(hint, seq('"', choice(*options), '"'), "duration", timedelta, write=_write_duration)


def _note_moment(hint: Any, context: Context) -> None:
    if hint in (PastDate, PastDatetime):
        context.check("in the past")
    elif hint in (FutureDate, FutureDatetime):
        context.check("in the future")


def _isoformat(value: datetime | time) -> str:
    offset = value.utcoffset()
    if offset is None:
        return value.isoformat()
    if offset % timedelta(minutes=1):
        raise ValueError(f"{value!r} has an offset with seconds, which ISO 8601 cannot write")
    naive = value.replace(tzinfo=None).isoformat()
    sign, minutes = "-" if offset < timedelta(0) else "+", abs(offset) // timedelta(minutes=1)
    return naive + ("Z" if not minutes else f"{sign}{minutes // 60:02}:{minutes % 60:02}")


def _write_duration(value: timedelta) -> str:
    sign, rest = ("-", -value) if value < timedelta(0) and value != timedelta.min else ("", value)
    if value == timedelta.min:  # Python cannot hold its opposite
        return f"-P{-value.days}D"
    minutes, seconds = divmod(rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest.microseconds:06}".rstrip("0") if rest.microseconds else ""
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    parts.append(f"{seconds}{fraction}S" if seconds or fraction else "")
    clock = "".join(parts)
    days = f"{rest.days}D" if rest.days else ""
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"


@cache
def _digits(bits: int) -> CharClass:
    """The class of the digits that the bits of a number name. A date has many, and few differ."""
    return char_class("".join(str(digit) for digit in range(10) if bits >> digit & 1))


def _two_digits(numbers: Iterable[int]) -> Expr:
    """These numbers below 100 in two digits each."""
    by_tens: dict[int, int] = {}
    for number in set(numbers):
        by_tens[number // 10] = by_tens.get(number // 10, 0) | 1 << number % 10
    by_units: dict[int, int] = {}
    for tens, units in sorted(by_tens.items()):
        by_units[units] = by_units.get(units, 0) | 1 << tens
    return choice(*(seq(_digits(tens), _digits(units)) for units, tens in by_units.items()))


@lru_cache(maxsize=256)
def _dates(low: date, high: date) -> Expr:
    if low.year == high.year:
        return seq(f"{low.year:04}-", _days(isleap(low.year), (low.month, low.day), (high.month, high.day)))
    options: list[Expr] = []
    first, last = low.year, high.year
    if (low.month, low.day) != (1, 1):
        options.append(seq(f"{first:04}-", _days(isleap(first), (low.month, low.day), (12, 31))))
        first += 1
    if (high.month, high.day) != (12, 31):
        options.append(seq(f"{last:04}-", _days(isleap(last), (1, 1), (high.month, high.day))))
        last -= 1
    if first <= last:
        options.append(seq(between(f"{first:04}", f"{last:04}"), "-", _days(False, (1, 1), (12, 31))))
        options.append(seq(_leap_years(first, last), "-02-29"))
    return choice(*(option for option in options if option != NEVER))


def _leap_years(first: int, last: int) -> Expr:
    """The leap years from `first` to `last`, by century; centuries with the same leap years share one expression."""
    if (first, last) == (MINYEAR, MAXYEAR):
        fourth = range(4, 100, 4)
        return choice(seq(_two_digits(range(100)), _two_digits(fourth)), seq(_two_digits(fourth), "00"))
    centuries: dict[int, list[int]] = {}
    for year in filter(isleap, range(first, last + 1)):
        centuries.setdefault(year // 100, []).append(year % 100)
    alike: dict[tuple[int, ...], list[int]] = {}
    for century, years in centuries.items():
        alike.setdefault(tuple(years), []).append(century)
    return choice(*(seq(_two_digits(group), _two_digits(years)) for years, group in alike.items()))


def _days(leap: bool, low: tuple[int, int], high: tuple[int, int]) -> Expr:
    """`MM-DD` from one day of a year to another; months of one length share one expression."""
    alike: dict[tuple[int, int], list[int]] = {}
    for month in range(low[0], high[0] + 1):
        length = 31 if month in _LONG_MONTHS else 30 if month in _SHORT_MONTHS else 29 if leap else 28
        days = (low[1] if month == low[0] else 1, high[1] if month == high[0] else length)
        alike.setdefault((days[0], min(days[1], length)), []).append(month)
    options = ((months, range(first, last + 1)) for (first, last), months in alike.items() if first <= last)
    return choice(*(seq(_two_digits(months), "-", _two_digits(days)) for months, days in options))


def _clock() -> Expr:
    sixty = _two_digits(range(60))
    return seq(_two_digits(range(24)), ":", sixty, ":", sixty, optional(_FRACTION))


def _offset() -> Expr:
    return choice("Z", seq(char_class("+-"), _two_digits(range(24)), ":", _two_digits(range(60))))


def _duration(*, negative: bool) -> Expr:
    """A duration without its `P`. Python holds 999,999,999 days, below zero not a second more; no admitted sum exceeds it."""

    def clock(hours: int, minutes: int, seconds: int) -> Expr:
        second = seq(integers(0, seconds), optional(_FRACTION), "S")
        minute = seq(integers(0, minutes), "M")
        return seq(
            "T",
            choice(
                seq(integers(0, hours), "H", optional(minute), optional(second)), seq(minute, optional(second)), second
            ),
        )

    exact, loose = clock(23, 59, 59), clock(10**6 - 1, 10**6 - 1, 10**8 - 1)  # pydantic reads less than 2**32 seconds
    large: list[Expr] = [seq(integers(10**8, 999_999_998), "D", optional(exact))]
    large.append(seq("999999999D", optional(exact) if not negative else seq()))
    return choice(seq(integers(0, 10**8 - 1), "D", optional(loose)), *large, loose, seq(integers(0, 10**8 - 1), "W"))
