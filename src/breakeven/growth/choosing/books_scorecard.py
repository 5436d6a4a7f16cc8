"""What came of kept forecasts, read from the books as they are now, closed months restated or not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.account.payback import Cohort, cohorts
from breakeven.growth.choosing.books_retention import ActivityTriangle, activity_triangles
from breakeven.growth.choosing.scorecard import Came, Outcome, Pending, Scorecard, score_kept, target_month
from breakeven.growth.lifetime_value.triangle import ALL, UNATTRIBUTED
from breakeven.ledger.forecasts import Forecast, kept_forecasts
from breakeven.periods import Period, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account

NOT_COVERED = Missing("a month it is about is not covered by the books", "所预测的月份中有账簿未覆盖的月份")
NO_COHORT = Missing("the books hold no such cohort any more", "账簿中已没有该同期群")
NO_SINGLE_COHORT = Missing("it is about several cohorts together", "所预测的是多个同期群的合计")
OTHER_CURRENCY = Missing("it is in another currency than asked for", "与所选币种不同")
OTHER_KIND = Missing("nothing in the books answers it", "账簿中没有可对照的数据")
_MONEY = ("activity", "usage", "payments")


class BooksNow:
    """The answers that the books have by now."""

    def __init__(self, account: Account) -> None:
        self.account = account

    @cached_property
    def _everybody(self) -> dict[str, ActivityTriangle]:
        return activity_triangles(self.account)

    @cached_property
    def _by_channel(self) -> dict[str, ActivityTriangle]:
        return activity_triangles(self.account, by_channels=True)

    @cached_property
    def _money(self) -> dict[tuple[str, date], Cohort]:
        split = cohorts(self.account, by_channels=True)
        found = {(one.key.channel or UNATTRIBUTED, one.key.month): one for one in split}
        return found | {(ALL, one.key.month): one for one in cohorts(self.account)}

    @cached_property
    def last_month(self) -> date | None:
        """The last month that money and use are covered for in full."""
        return max(self._covered, default=None)

    @cached_property
    def _covered(self) -> frozenset[date]:
        """Months that money and use are covered for in full."""
        coverage, months = self.account.coverage, self.account.buckets.span.months()
        return frozenset(m for m in months if all(coverage.full(t, Period.month(m)) for t in _MONEY))

    def outcome(self, one: Forecast) -> Outcome:
        """What came of a forecast, when it will be known, or why it never will."""
        if not one.cohort:
            return NO_SINGLE_COHORT
        if one.kind == "retention":
            return self._retention(one)
        if one.kind not in ("ltv", "payback"):
            return OTHER_KIND
        if one.kind == "ltv" and not one.unit.startswith(self.account.currency):
            return OTHER_CURRENCY
        return self._contribution(one)

    def _retention(self, one: Forecast) -> Outcome:
        triangles = self._by_channel if one.segment != ALL else self._everybody
        triangle, target = triangles.get(one.segment), target_month(one)
        known = max((each.last_month for each in self._everybody.values()), default=None)
        if known is None or target > known:
            return Pending(target)
        cohort = date.fromisoformat(f"{one.cohort}-01")
        if triangle is None or cohort not in triangle.months:
            return NO_COHORT
        share = float(triangle.shares[triangle.months.index(cohort), one.age])
        return Came(share) if np.isfinite(share) else NOT_COVERED

    def _contribution(self, one: Forecast) -> Outcome:
        target = target_month(one)
        if self.last_month is None or target > self.last_month:
            return Pending(target)
        first = month = date.fromisoformat(f"{one.cohort}-01")
        while month <= target:
            if month not in self._covered:
                return NOT_COVERED
            month = next_month(month)
        cohort = self._money.get((one.segment, first))
        if cohort is None or not cohort.users:
            return NO_COHORT
        if one.kind == "ltv":
            return Came(float(cohort.cumulative(one.age) / cohort.users))
        if isinstance(cohort.spend, Missing):
            return cohort.spend
        months = cohort.payback_months
        paid_back = (
            isinstance(months, Decimal) and months <= one.age + 1
        )  # the cohort's own month is the first
        return Came(float(months) if paid_back and isinstance(months, Decimal) else None)


def books_scorecard(account: Account) -> Scorecard:
    """Every forecast the books keep, scored. Raises `InputError` where the kept file is damaged."""
    return score_kept(kept_forecasts(account.books.folder), BooksNow(account).outcome)
