"""Recurring hours of the day with prices of their own, such as a nightly discount.

A window is read off the wall clock of its time zone: an instant is inside when the clock of that zone shows
a time in [from, to). A window over midnight belongs to the day on which it starts, so `weekdays: [fri]` with
22:00-06:00 runs into Saturday morning. When clocks go back, a wall time that comes twice counts twice; when
they go forward, a skipped wall time does not come at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_SECONDS = 86_400
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOCK_CHANGES_FROM, CLOCK_CHANGES_TO = 2010, 2045
"""The years whose clock changes are known to the grid; usage of language models lies well inside."""


@dataclass(frozen=True)
class Window:
    """Hours that recur daily: `start_second` and `end_second` are local seconds of the day.

    An end at or before the start means the window runs over midnight. `first_day` and `last_day` bound the
    local days on which it starts (both included).
    """

    name: str
    start_second: int
    end_second: int
    zone: ZoneInfo
    weekdays: frozenset[int] | None = None
    first_day: date | None = None
    last_day: date | None = None

    def covers(self, at: datetime) -> bool:
        """Whether the window is open at an instant.

        >>> night = Window("night", 16 * 3600 + 1800, 1800, ZoneInfo("UTC"))
        >>> clock_times = [(16, 29), (16, 30), (0, 29), (0, 30)]
        >>> [night.covers(datetime(2025, 3, 1, *at, tzinfo=UTC)) for at in clock_times]
        [False, True, True, False]
        """
        local = at.astimezone(self.zone)
        second = local.hour * 3600 + local.minute * 60 + local.second
        starts_on = local.date()
        if self.start_second < self.end_second:
            if not self.start_second <= second < self.end_second:
                return False
        elif second < self.end_second:
            starts_on -= timedelta(days=1)
        elif second < self.start_second:
            return False
        if self.weekdays is not None and starts_on.weekday() not in self.weekdays:
            return False
        if self.first_day is not None and starts_on < self.first_day:
            return False
        return self.last_day is None or starts_on <= self.last_day

    def cuts_seconds_utc(self) -> frozenset[int]:
        """UTC seconds of the day at which this window can open or close, on any day of any season.

        Both edges under every offset the zone uses, and the clock changes themselves: a clock that jumps
        over an edge opens the window at the jump.

        >>> day = Window("day", 9 * 3600, 17 * 3600, ZoneInfo("Asia/Shanghai"))
        >>> sorted(day.cuts_seconds_utc())
        [3600, 32400]
        """
        offsets, changes = clock(self.zone)
        edges = (self.start_second, self.end_second)
        return frozenset((edge - offset) % DAY_SECONDS for edge in edges for offset in offsets) | changes


@lru_cache(maxsize=64)
def clock(zone: ZoneInfo) -> tuple[frozenset[int], frozenset[int]]:
    """The UTC offsets of a zone (seconds), and the UTC seconds of the day at which its clocks change."""
    step = timedelta(days=1)
    at = datetime(CLOCK_CHANGES_FROM, 1, 1, tzinfo=UTC)
    end = datetime(CLOCK_CHANGES_TO, 1, 1, tzinfo=UTC)
    before = _offset_seconds(zone, at)
    offsets, changes = {before}, set[int]()
    while at < end:
        after = _offset_seconds(zone, at + step)
        if after != before:
            change = _first_second_of(zone, at, at + step, after)
            changes.add(change.hour * 3600 + change.minute * 60 + change.second)
            offsets.add(after)
        at, before = at + step, after
    return frozenset(offsets), frozenset(changes)


def _first_second_of(zone: ZoneInfo, low: datetime, high: datetime, offset: int) -> datetime:
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if _offset_seconds(zone, middle) == offset:
            high = middle
        else:
            low = middle
    return high


def _offset_seconds(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0
