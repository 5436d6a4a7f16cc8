"""Days on which a file says nothing though there was traffic: an export that came back empty is no quiet day.

A day of the file's span, or of the coverage declared for it, is named when none of its rows lies on it, the
books hold none of the same sources either, and one of two things speaks for traffic: other rows of that day
(users who were there, requests, another source of the same table), or the file itself, when nearly every
other day of it has rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.store import StoredFile
from breakeven.ledger.tables import LedgerTable

TELLING = {"usage": ("activity", "usage"), "activity": ("usage", "activity")}
"""Tables whose rows speak for traffic in a table. Payments and new users come on some days only."""

_DAILY = ("usage", "activity", "ad_spend")
_LEAST_DAYS = 5
_MOST_DAYS = 4000
_NEARLY_ALL = (3, 4)


def silent_days(
    engine: DuckDBEngine,
    table: LedgerTable,
    first: date,
    last: date,
    files: Sequence[StoredFile],
    traffic: Callable[[], set[date]],
) -> tuple[date, ...]:
    """The days from `first` to `last` on which a landed file is silent though it should not be.

    `files` are those of its table before it came; `traffic` gives the days on which other rows speak for it.
    """
    span = (last - first).days + 1
    if table.name not in _DAILY or span > _MOST_DAYS:
        return ()
    told = {day for (day,) in engine.rows("SELECT DISTINCT first_day FROM keys WHERE key IS NOT NULL")}
    [(least, most)] = engine.rows("SELECT min(source), max(source) FROM incoming WHERE _problem IS NULL")
    if least is not None:
        ours = (file for file in files if file.partition and file.may_hold(least, most))
        told |= {date.fromisoformat(file.partition or "") for file in ours}
    days = [first + timedelta(days=n) for n in range(span)]
    silent = [day for day in days if day not in told]
    if not silent:
        return ()
    share, whole = _NEARLY_ALL
    if span >= _LEAST_DAYS and (span - len(silent)) * whole >= span * share:
        return tuple(silent)
    spoken_for = traffic()
    return tuple(day for day in silent if day in spoken_for)
