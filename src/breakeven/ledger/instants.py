"""Which instants a row may name, and where a zone's clock skips or repeats local times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from breakeven.periods import ONE_DAY, time_zone

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=2)
"""How far in the future a row that tells of the past may lie: clocks differ, and so do days."""

_LAST_CHANGE = datetime(2040, 1, 1, tzinfo=UTC)


@cache
def clock_jumps(zone: str) -> tuple[int, ...]:
    """By how many seconds the clocks of a zone were, and are going to be, changed since 2010.

    >>> clock_jumps("America/New_York"), clock_jumps("Australia/Lord_Howe"), clock_jumps("Asia/Shanghai")
    ((3600,), (1800,), ())
    """
    info = time_zone(zone)
    jumps: set[timedelta] = set()
    moment, before = EARLIEST, EARLIEST.astimezone(info).utcoffset()
    while moment < _LAST_CHANGE:
        moment += ONE_DAY
        offset = moment.astimezone(info).utcoffset()
        if offset is not None and before is not None and offset != before:
            jumps.add(abs(offset - before))
        before = offset
    return tuple(sorted(int(jump.total_seconds()) for jump in jumps))
