"""Cohorts as number triangles: users and money by month of acquisition and age, ready to be modelled.

The books' cohorts are exact and stay so; here they become floats, with NaN wherever a month is not measured:
not reached yet, not covered, or covered only in part. Triangles of channels merge into that of all by
addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.account.payback import Cohort
from breakeven.periods import months_apart

Floats = NDArray[np.float64]

ALL = ""
"""The segment of everybody."""
UNATTRIBUTED = "(unattributed)"
"""The segment of users whose channel nobody knows."""
LINES = ("revenue", "refunds", "fees", "serving_paying", "serving_free")
"""Money of a cohort in a month, each as a positive amount; contribution is the first less the others."""
COUNTS = ("active", "payers")


@dataclass(frozen=True)
class Triangle:
    """One segment's cohorts. `users` and `spend` are (cohort,), the rest (cohort, age in months).

    Age 0 is the month of acquisition. NaN is not measured; `spend` is NaN where the books do not know it.
    """

    segment: str
    months: tuple[date, ...]
    users: Floats
    spend: Floats
    active: Floats
    payers: Floats
    revenue: Floats
    refunds: Floats
    fees: Floats
    serving_paying: Floats
    serving_free: Floats

    @classmethod
    def of(cls, cohorts: Iterable[Cohort], segment: str = ALL, ages: int = 0) -> Triangle:
        """From the books' cohorts of one segment, at least so many ages wide; partial months are not
        measured.
        """
        found = sorted(cohorts, key=lambda cohort: cohort.key.month)
        width = max([ages, *(max(cohort.ages, default=-1) + 1 for cohort in found)])
        cells = {name: np.full((len(found), width), np.nan) for name in (*COUNTS, *LINES)}
        for row, cohort in enumerate(found):
            for age, at in cohort.ages.items():
                if not at.is_partial:
                    cells["active"][row, age] = at.active_users
                    cells["payers"][row, age] = at.payers
                    cells["revenue"][row, age] = float(at.revenue + at.refunds)
                    cells["refunds"][row, age] = float(at.refunds)
                    cells["fees"][row, age] = float(at.fees)
                    cells["serving_paying"][row, age] = float(at.serving_cost - at.free_serving_cost)
                    cells["serving_free"][row, age] = float(at.free_serving_cost)
        spend = [np.nan if isinstance(one.spend, Missing) else float(one.spend) for one in found]
        months = tuple(cohort.key.month for cohort in found)
        users = np.array([cohort.users for cohort in found], dtype=float)
        return cls(segment, months, users, np.array(spend, dtype=float), **cells)

    @classmethod
    def merge(cls, parts: Sequence[Triangle], segment: str = ALL) -> Triangle:
        """All users of some segments measured over the same months; a cell is known where every part's is.

        Raises `ValueError` without parts.
        """
        if not parts:
            raise ValueError("nothing to merge")
        months = tuple(sorted({month for part in parts for month in part.months}))
        ages = max(part.ages for part in parts)
        shape = (len(months), ages)
        sums = {name: np.zeros(shape) for name in (*COUNTS, *LINES)}
        users, spend = np.zeros(len(months)), np.zeros(len(months))
        for part in parts:
            rows = [months.index(month) for month in part.months]
            users[rows] += part.users
            spend[rows] += part.spend
            for name, total in sums.items():
                cells: Floats = getattr(part, name)
                wide = np.full((len(rows), ages), np.nan)
                wide[:, : part.ages] = cells
                total[rows] += wide
        return cls(segment, months, users, spend, **sums)

    @property
    def ages(self) -> int:
        """How many ages the oldest cohort reached."""
        return int(self.active.shape[1])

    @property
    def is_measured(self) -> NDArray[np.bool_]:
        """(cohort, age): whether the month is measured in full."""
        return np.isfinite(self.active)

    @property
    def oldest_age(self) -> int:
        """The greatest age that any cohort has measured; -1 when none has."""
        found = np.flatnonzero(self.is_measured.any(axis=0))
        return int(found[-1]) if len(found) else -1

    def line(self, name: str) -> Floats:
        """One of `LINES` or `COUNTS`."""
        found: Floats = getattr(self, name)
        return found

    @property
    def contribution(self) -> Floats:
        """(cohort, age): revenue less refunds, fees and serving."""
        return self.revenue - self.refunds - self.fees - self.serving_paying - self.serving_free

    def rows(self, keep: Sequence[int]) -> Triangle:
        """Some of the cohorts."""
        chosen = list(keep)
        return replace(
            self,
            months=tuple(self.months[row] for row in chosen),
            users=self.users[chosen],
            spend=self.spend[chosen],
            **{name: self.line(name)[chosen] for name in (*COUNTS, *LINES)},
        )

    def known_to(self, ages: Sequence[int]) -> Triangle:
        """The same cohorts, each measured only before an age: what was known earlier."""
        keep = np.arange(self.ages)[None, :] < np.asarray(ages)[:, None]
        cells = {name: np.where(keep, self.line(name), np.nan) for name in (*COUNTS, *LINES)}
        return replace(self, **cells)

    def at_constant_cost(self, index: Sequence[float]) -> Triangle:
        """Serving costs as the same use would cost today: `index[k]` is the unit cost k months after the
        first.

        An unknown index (NaN) makes a cost unknown, but no cost stays no cost.
        """
        step = np.array([months_apart(self.months[0], month) for month in self.months] or [0])
        at = step[: len(self.months), None] + np.arange(self.ages)[None, :]
        level = np.append(np.asarray(index, dtype=float), np.nan)[np.minimum(at, len(index))]

        def deflated(cost: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(cost == 0, 0.0, cost / np.where(level > 0, level, np.nan))

        return replace(
            self,
            serving_paying=deflated(self.serving_paying),
            serving_free=deflated(self.serving_free),
        )
