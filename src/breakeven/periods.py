"""Periods: days and months of the books' time zone, and the half-open UTC intervals they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from breakeven.errors import UsageError

ONE_DAY = timedelta(days=1)


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name.

    >>> time_zone("Asia/Shanghai").key
    'Asia/Shanghai'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"unknown time zone {name!r}", remedy="use an IANA name such as Asia/Shanghai"
        ) from None


def month_of(day: date) -> date:
    """The first day of the month a day lies in; months are written as their first day.

    >>> month_of(date(2024, 3, 20))
    datetime.date(2024, 3, 1)
    """
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The first day of the following month.

    >>> next_month(date(2024, 12, 1))
    datetime.date(2025, 1, 1)
    """
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def months_apart(earlier: date, later: date) -> int:
    """Whole calendar months between the months of two days; the age of a cohort.

    >>> months_apart(date(2024, 3, 31), date(2024, 5, 1))
    2
    """
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which a day of that zone begins (days of 23 or 25 hours included).

    >>> day_start(date(2025, 2, 27), time_zone("Asia/Shanghai")).isoformat()
    '2025-02-26T16:00:00+00:00'
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, order=True)
class Period:
    """Days from `first` up to, not including, `end`, in the books' time zone.

    >>> period = Period.parse("2024-03..2024-08")
    >>> period.label, len(list(period.months())), period.day_count
    ('2024-03..2024-08', 6, 184)
    """

    first: date
    end: date

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `2024`, `2024-Q2`, `2024-03`, `2024-03-20`, or two of these joined by `..` (both included)."""
        low, dots, high = text.strip().partition("..")
        first = _parse_one(low, text)
        last = _parse_one(high, text) if dots else first
        if last.end <= first.first:
            raise UsageError(f"period {text!r} ends before it begins")
        return cls(first.first, last.end)

    @classmethod
    def month(cls, month: date) -> Period:
        """The calendar month a day lies in."""
        return cls(month_of(month), next_month(month_of(month)))

    @property
    def day_count(self) -> int:
        """How many days the period holds."""
        return (self.end - self.first).days

    @property
    def label(self) -> str:
        """The shortest text that `parse` reads back to this period."""
        last = self.end - ONE_DAY
        if self.day_count == 1:
            return self.first.isoformat()
        if self.first.day == 1 and self.end.day == 1:
            low, high = f"{self.first:%Y-%m}", f"{last:%Y-%m}"
            return low if low == high else f"{low}..{high}"
        return f"{self.first.isoformat()}..{last.isoformat()}"

    def months(self) -> Iterator[date]:
        """First days of the months the period touches."""
        month = month_of(self.first)
        while month < self.end:
            yield month
            month = next_month(month)

    def days(self) -> Iterator[date]:
        """Each day of the period."""
        for offset in range(self.day_count):
            yield self.first + timedelta(days=offset)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day < self.end

    def overlap(self, other: Period) -> Period | None:
        """The days in both, or None when there are none."""
        first, end = max(self.first, other.first), min(self.end, other.end)
        return Period(first, end) if first < end else None


def _parse_one(text: str, whole: str) -> Period:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            return Period(day, day + ONE_DAY)
        if re.fullmatch(r"\d{4}-\d{2}", text):
            return Period.month(date.fromisoformat(text + "-01"))
        if match := re.fullmatch(r"(\d{4})-Q([1-4])", text):
            first = date(int(match[1]), int(match[2]) * 3 - 2, 1)
            return Period(first, next_month(first.replace(month=first.month + 2)))
        if re.fullmatch(r"\d{4}", text):
            return Period(date(int(text), 1, 1), date(int(text) + 1, 1, 1))
    except ValueError:
        pass
    raise UsageError(
        f"cannot read period {whole!r}", remedy="write 2024-03, 2024-03-20, 2024-Q2 or 2024-03..2024-08"
    )
