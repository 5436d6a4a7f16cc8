"""Exact counts of users: new, active by day, week and month, coming back, by cohort, paying."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic.acquisitions import CHANNEL_NAMES
from breakeven.sources.synthetic.activity import ActiveDay
from breakeven.sources.synthetic.payments import KINDS, PaymentBatch
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import ORGANIC, Population

RETENTION_DAYS = (1, 7, 30)


class UserTruth:
    """Counts as the days go by; `seen_*` are one flag per user, cleared when a month or week begins."""

    def __init__(self, plan: CompanyPlan, people: Population) -> None:
        self._plan, self._people = plan, people
        self._month_of_day = np.array([plan.month_index(day) for day in plan.days])
        self._seen_month = np.zeros(people.size, dtype=np.bool_)
        self._seen_week = np.zeros(people.size, dtype=np.bool_)
        self.dau: dict[date, int] = {}
        self.wau: dict[date, int] = {}
        self.mau: dict[int, int] = {}
        self.visits: dict[int, int] = defaultdict(int)
        self._returned = {n: np.zeros(len(plan.days), dtype=np.int64) for n in RETENTION_DAYS}
        self._triangle: dict[tuple[int, int], int] = {}
        self._payers: dict[int, list[NDArray[np.int64]]] = defaultdict(list)

    def add_active(self, day: int, active: ActiveDay) -> None:
        """Count a day's users; days must come in order."""
        date = self._plan.days[day]
        month = self._plan.month_index(date)
        if date.weekday() == 0:
            self._seen_week[:] = False
        if date.day == 1:
            self._seen_month[:] = False
        self._seen_week[active.users] = True
        self._seen_month[active.users] = True
        self.dau[date] = len(active.users)
        self.visits[month] += int(active.sessions.sum())
        for n, returned in self._returned.items():
            if day >= n:
                low, high = np.searchsorted(active.users, self._people.first_of_day[day - n : day - n + 2])
                returned[day - n] = high - low
        if date.weekday() == 6 or day + 1 == len(self._plan.days):
            self.wau[date - timedelta(days=date.weekday())] = int(self._seen_week.sum())
        if day + 1 == len(self._plan.days) or self._plan.days[day + 1].day == 1:
            self._close_month(month)

    def _close_month(self, month: int) -> None:
        cohorts = self._month_of_day[self._people.acquired_day[np.flatnonzero(self._seen_month)]]
        counts = np.bincount(cohorts, minlength=month + 1)
        self.mau[month] = int(counts.sum())
        for cohort, users in enumerate(counts):
            self._triangle[cohort, month - cohort] = int(users)

    def add_payments(self, day: int, batch: PaymentBatch) -> None:
        """Remember who bought a subscription or a gift."""
        bought = (batch.kind == KINDS.index("subscription")) | (batch.kind == KINDS.index("gift"))
        self._payers[self._plan.month_index(self._plan.days[day])].append(batch.user[bought])

    def as_json(self) -> dict[str, Any]:
        """The counts under the names of `truth.json`."""
        plan, months = self._plan, [f"{month:%Y-%m}" for month in self._plan.month_starts]
        new = np.zeros((plan.months, len(CHANNEL_NAMES)), dtype=np.int64)
        np.add.at(new, (self._month_of_day[self._people.acquired_day], self._people.channel), 1)
        growth = [
            {
                "period": label,
                "new_users": int(new[index].sum()),
                "paid_new_users": int(new[index, :ORGANIC].sum()),
                "mau": self.mau[index],
                "visits": self.visits[index],
                "payers": len(np.unique(np.concatenate(self._payers[index]))) if self._payers[index] else 0,
            }
            for index, label in enumerate(months)
        ]
        return {
            "growth": growth,
            "new_users_by_channel": [
                {"period": label, "channel": name, "users": int(new[index, column])}
                for index, label in enumerate(months)
                for column, name in enumerate(CHANNEL_NAMES)
            ],
            "dau": {day.isoformat(): users for day, users in self.dau.items()},
            "wau": {monday.isoformat(): users for monday, users in self.wau.items()},
            "retention": self._retention(),
            "cohorts": [
                {"cohort": months[cohort], "age": age, "active_users": users}
                for (cohort, age), users in sorted(self._triangle.items())
            ],
        }

    def _retention(self) -> list[dict[str, Any]]:
        """Per day of acquisition: users, and how many were active just N days later; null beyond the span."""
        acquired = np.diff(self._people.first_of_day)
        return [
            {
                "day": date.isoformat(),
                "acquired": int(acquired[day]),
                **{
                    f"day_{n}": int(self._returned[n][day]) if day + n < len(self._plan.days) else None
                    for n in RETENTION_DAYS
                },
            }
            for day, date in enumerate(self._plan.days)
        ]
