"""Dates, times and durations."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
)

from typefold.compiler import DecodeError, UnsupportedType, output_type
from typefold.compiler.grammar.matcher import Matcher

zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.dates(), min_size=1))
@settings(max_examples=12, deadline=None)
def test_every_date_comes_back(prove: Any, days: list[date]) -> None:
    prove(date, days)


def test_a_date_is_admitted_if_and_only_if_it_is_a_day_of_the_calendar() -> None:
    start = Matcher.start(output_type(date).constraint.language)  # type: ignore[arg-type]
    for year in (0, 1, 4, 100, 400, 1600, 1900, 1999, 2000, 2023, 2024, 2100, 2400, 9996, 9999):
        in_year = start.advance(f'"{year:04}-')
        for month in range(14):
            for day in range(33):
                try:
                    exists = bool(date(year, month, day))
                except ValueError:
                    exists = False
                assert in_year.advance(f'{month:02}-{day:02}"').complete == exists, (year, month, day)


@given(st.dates(), st.dates(), st.dates())
@settings(max_examples=80, deadline=None)
def test_bounds_of_dates_are_exact(admits: Any, one: date, other: date, day: date) -> None:
    low, high = sorted((one, other))
    kind = Annotated[date, Field(ge=low, le=high)]
    assert not output_type(kind).post_checks
    near = [
        date.fromordinal(n)
        for d in (low, high)
        for n in range(max(1, d.toordinal() - 1), min(d.toordinal() + 2, 3652059))
    ]
    for each in (day, *near):
        assert admits(kind, f'"{each}"') == (low <= each <= high)


def test_open_bounds_leave_the_bound_out(admits: Any) -> None:
    kind = Annotated[date, Field(gt=date(2024, 2, 28), lt=date(2024, 3, 1))]
    assert [day for day in ("2024-02-28", "2024-02-29", "2024-03-01") if admits(kind, f'"{day}"')] == ["2024-02-29"]


@given(st.lists(st.times() | st.times(timezones=zones), min_size=1))
@settings(max_examples=12, deadline=None)
def test_every_time_comes_back(prove: Any, times: list[time]) -> None:
    prove(time, times)


@given(st.lists(st.datetimes() | st.datetimes(timezones=zones), min_size=1))
@settings(max_examples=12, deadline=None)
def test_every_datetime_comes_back_naive_or_aware(prove: Any, moments: list[datetime]) -> None:
    prove(datetime, moments, samples=10, misses=3)
    prove(NaiveDatetime, [moment.replace(tzinfo=None) for moment in moments], samples=5, misses=1)
    prove(AwareDatetime, [moment.replace(tzinfo=moment.tzinfo or UTC) for moment in moments], samples=5, misses=1)


def test_a_naive_datetime_has_no_offset_and_an_aware_one_has(admits: Any) -> None:
    for text, naive, aware in [("2024-02-29T12:00:00", True, False), ("2024-02-29T12:00:00Z", False, True)]:
        assert admits(NaiveDatetime, f'"{text}"') is naive
        assert admits(AwareDatetime, f'"{text}"') is aware
        assert admits(datetime, f'"{text}"')


@pytest.mark.parametrize(
    "text",
    ["24:00:00", "23:60:00", "23:59:60", "12:00", "12:00:00.", "12:00:00.1234567", "12:00:00z", "12:00:00+24:00"],
)
def test_a_time_that_is_none_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(time, f'"{text}"')
    assert not admits(datetime, f'"2024-02-29T{text}"')


def test_an_offset_with_seconds_is_not_written() -> None:
    with pytest.raises(ValueError, match="offset with seconds"):
        output_type(time).encode(time(12, tzinfo=timezone(timedelta(seconds=5))))


def test_noon_in_utc_is_written_with_z() -> None:
    moment = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert output_type(datetime).encode(moment) == '"2024-02-29T12:00:00Z"'


def test_bounds_of_datetimes_are_checked_after_but_a_year_far_off_is_not_written(admits: Any) -> None:
    kind = Annotated[datetime, Field(ge=datetime(2024, 1, 1))]
    assert output_type(kind).post_checks == ("return: ge=datetime.datetime(2024, 1, 1, 0, 0)",)
    assert not admits(kind, '"2023-12-01T00:00:00"')
    with pytest.raises(DecodeError):
        output_type(kind).decode('"2023-12-31T00:00:00"')


durations = (
    st.timedeltas()
    | st.timedeltas(timedelta(days=-2), timedelta(days=2))
    | st.integers(-99, 99).map(lambda n: timedelta(hours=n))
)


@given(st.lists(durations, min_size=1))
@settings(max_examples=15, deadline=None)
def test_every_duration_comes_back(prove: Any, values: list[timedelta]) -> None:
    prove(timedelta, values, samples=10, misses=3)


def test_the_edges_of_durations_come_back(prove: Any) -> None:
    tick = timedelta.resolution
    prove(timedelta, [timedelta.max, timedelta.min, timedelta.min + tick, timedelta(0), tick, -tick])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PT36H", timedelta(hours=36)),
        ("PT90M", timedelta(minutes=90)),
        ("P2W", timedelta(weeks=2)),
        ("-PT0.5S", timedelta(seconds=-0.5)),
        (
            "PT999999H999999M99999999.999999S",
            timedelta(hours=999999, minutes=999999, seconds=99999999, microseconds=999999),
        ),
        ("-P999999998DT23H59M59.999999S", timedelta.min + timedelta.resolution),
    ],
)
def test_a_duration_is_read_as_models_write_it(admits: Any, text: str, value: timedelta) -> None:
    assert admits(timedelta, f'"{text}"')
    assert output_type(timedelta).decode(f'"{text}"') == value


@pytest.mark.parametrize(
    "text", ["P", "PT", "P1DT", "P1Y", "P1M", "P1000000000D", "-P999999999DT1S", "PT1.S", "P1W2D", "1D"]
)
def test_a_duration_that_is_none_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(timedelta, f'"{text}"')


def test_a_duration_that_may_not_be_negative_has_no_sign(admits: Any) -> None:
    assert not admits(Annotated[timedelta, Field(ge=timedelta(0))], '"-PT1S"')


@pytest.mark.parametrize(
    ("hint", "check"), [(PastDate, "past"), (FutureDate, "future"), (PastDatetime, "past"), (FutureDatetime, "future")]
)
def test_past_and_future_are_checked_after(prove: Any, hint: Any, check: str) -> None:
    assert output_type(hint).post_checks == (f"return: in the {check}",)
    assert prove(hint, samples=40).failed


def test_a_union_of_dates_and_times_is_told_apart_by_its_text(prove: Any) -> None:
    prove(date | datetime | time | timedelta, [date(2024, 2, 29), datetime(2024, 2, 29), time(1), timedelta(1)])
    prove(date | str, [date(2024, 2, 29), "soon"])


def test_a_bound_that_is_no_date_is_refused_by_path() -> None:
    class Event(BaseModel):
        day: Annotated[date, Field(gt=date.max)]

    with pytest.raises(UnsupportedType, match=r"^return\.day: date has a bound that no date meets"):
        output_type(Event)
    with pytest.raises(UnsupportedType, match="multiple_of, which does not apply"):
        output_type(Annotated[date, Field(multiple_of=2)])
