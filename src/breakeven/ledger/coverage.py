"""Coverage: which days each table was covered by its sources, so that absent is never taken for zero.

A batch covers what its importer declared (`--covers 2024-03`), else the days from its first to its last row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from breakeven.periods import ONE_DAY, Period


@dataclass(frozen=True)
class Coverage:
    """Covered days per table, as sorted, disjoint periods.

    >>> week = Period(date(2024, 3, 1), date(2024, 3, 8))
    >>> coverage = Coverage({"usage": (week,)}, frozenset({"bills"}))
    >>> coverage.share("usage", Period(date(2024, 3, 1), date(2024, 3, 15)))
    (7, 14)
    >>> coverage.any("payments", week), coverage.any("bills", week)
    (False, True)
    """

    periods: Mapping[str, tuple[Period, ...]]
    not_applicable: frozenset[str] = frozenset()

    def share(self, table: str, period: Period) -> tuple[int, int]:
        """Covered days and all days of a period."""
        if table in self.not_applicable:
            return period.day_count, period.day_count
        overlaps = (known.overlap(period) for known in self.periods.get(table, ()))
        return sum(part.day_count for part in overlaps if part), period.day_count

    def any(self, table: str, period: Period) -> bool:
        """Whether a period is covered at all; partly covered is flagged, uncovered has no value."""
        return self.share(table, period)[0] > 0

    def full(self, table: str, period: Period) -> bool:
        """Whether every day of a period is covered."""
        covered, whole = self.share(table, period)
        return covered == whole

    def span(self) -> Period | None:
        """From the first to the last covered day of any table."""
        known = [period for periods in self.periods.values() for period in periods]
        if not known:
            return None
        return Period(min(period.first for period in known), max(period.end for period in known))


def coverage_of(
    batches: Iterable[tuple[str, Mapping[str, Any]]], *, not_applicable: Iterable[str] = ()
) -> Coverage:
    """Coverage from the facts that batches left in the log."""
    found: dict[str, list[Period]] = {}
    for table, facts in batches:
        first, last = facts.get("covers") or (facts["first_day"], facts["last_day"])
        if first is None or last is None:
            continue
        period = Period(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)
        found.setdefault(table, []).append(period)
    return Coverage({table: _merged(periods) for table, periods in found.items()}, frozenset(not_applicable))


def _merged(periods: list[Period]) -> tuple[Period, ...]:
    merged: list[Period] = []
    for period in sorted(periods):
        if merged and period.first <= merged[-1].end:
            merged[-1] = Period(merged[-1].first, max(merged[-1].end, period.end))
        else:
            merged.append(period)
    return tuple(merged)
