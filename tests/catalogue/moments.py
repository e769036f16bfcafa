"""Dates and times.

ISO 8601 in a JSON string. Only real days can be written: leap years are in the grammar.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, FutureDate, FutureDatetime, NaiveDatetime, PastDate, PastDatetime

day: date = date(2024, 2, 29)
this_century: Annotated[date, Field(ge=date(2001, 1, 1), le=date(2100, 12, 31))] = date(2024, 2, 29)
past: PastDate = date(1815, 12, 10)
future: FutureDate = date(2999, 12, 31)
clock: time = time(12, 30)
moment: datetime = datetime(2024, 2, 29, 12, 30)
since: Annotated[datetime, Field(ge=datetime(2024, 1, 1))] = datetime(2024, 2, 29, 12, 30)
naive: NaiveDatetime = datetime(2024, 2, 29, 12, 30)
aware: AwareDatetime = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
past_moment: PastDatetime = datetime(1969, 7, 20, 20, 17, tzinfo=UTC)
future_moment: FutureDatetime = datetime(2999, 12, 31, 23, 59, tzinfo=UTC)
duration: timedelta = timedelta(days=1, hours=2, minutes=30)
not_negative: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(minutes=90)
