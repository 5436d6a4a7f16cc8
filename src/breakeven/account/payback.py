"""Cohorts as money: revenue, serving cost and contribution by age, against what the cohort cost to win.

Measured so far only: a cohort that has not paid back yet says so. What comes is for the growth room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from breakeven.account.acquisition import by_channel
from breakeven.account.cohort_money import TABLES_NEEDED, CohortAge, cohort_money, gaps_of, is_partial
from breakeven.account.metrics import Amount, Missing
from breakeven.account.retention import CohortKey, cohort_sizes
from breakeven.money import EXACT
from breakeven.periods import months_apart

if TYPE_CHECKING:
    from breakeven.account.account import Account

NOT_YET = Missing("not yet, as far as measured", "在已有数据内尚未回本")


@dataclass
class Cohort:
    """Users acquired in a month (of one channel, when split), and their money by age in months."""

    key: CohortKey
    users: int
    spend: Amount
    ages: dict[int, CohortAge] = field(default_factory=lambda: defaultdict(CohortAge))

    def cumulative(self, age: int) -> Decimal:
        """Contribution up to and including an age."""
        return sum((self.ages[a].contribution for a in sorted(self.ages) if a <= age), Decimal(0))

    @property
    def payback_months(self) -> Amount:
        """The first age at which cumulative contribution covers the spend, counted in months (age 0 is 1)."""
        if isinstance(self.spend, Missing):
            return self.spend
        for age in sorted(self.ages):
            if self.cumulative(age) >= self.spend:
                return Decimal(age + 1)
        return NOT_YET

    @property
    def paid_back_share(self) -> Amount:
        """Cumulative contribution so far over the spend."""
        if isinstance(self.spend, Missing):
            return self.spend
        if not self.spend:
            return Missing("nothing was spent on it", "没有为其支出")
        return EXACT.divide(self.cumulative(max(self.ages, default=0)), self.spend)


def cohorts(account: Account, *, by_channels: bool = False) -> list[Cohort]:
    """Cohorts of the account's months, oldest first. Users whose acquisition nobody recorded have none.

    A cohort has every age that some table says anything of, also when nothing happened then: nobody active in
    a month that is covered is a zero, a month that no table covers is no age.
    Money from before the month of acquisition, of users who were there before anybody recorded it, counts at
    age 0.
    """
    spend, unknown = _spend_by_cohort(account, by_channels=by_channels), _months_without_spend(account)
    months = [period.first.replace(day=1) for period in account.buckets.periods]
    found = {
        key: Cohort(key, users, spend.get(key) or unknown.get(key.month, Decimal(0)))
        for key, users in cohort_sizes(account, by_channel=by_channels).items()
        if key.month in months
    }
    cells = cohort_money(account, by_channels=by_channels)
    covered = [
        any(account.coverage.any(table, period) for table in TABLES_NEEDED)
        for period in account.buckets.periods
    ]
    partial = [(is_partial(account, bucket), gaps_of(account, bucket)) for bucket in range(len(months))]
    for key, cohort in found.items():
        for bucket, month in enumerate(months):
            cell = cells.get((key, bucket))
            if cell is None and covered[bucket] and month >= key.month:
                cell = CohortAge(is_partial=partial[bucket][0], gaps=partial[bucket][1])
            if cell is not None:
                age = months_apart(key.month, month)
                if age < 0:
                    age, cell = 0, replace(cell, active_users=0, payers=0, is_partial=False, gaps=())
                cohort.ages[age] = _joined(cohort.ages[age], cell) if age in cohort.ages else cell
    return [found[key] for key in sorted(found, key=lambda key: (key.month, key.channel or ""))]


def _joined(first: CohortAge, second: CohortAge) -> CohortAge:
    """Two parts of one month, where the account's periods are shorter than months."""
    return CohortAge(
        active_users=first.active_users + second.active_users,
        revenue=first.revenue + second.revenue,
        fees=first.fees + second.fees,
        serving_cost=first.serving_cost + second.serving_cost,
        refunds=first.refunds + second.refunds,
        free_serving_cost=first.free_serving_cost + second.free_serving_cost,
        payers=first.payers + second.payers,
        tokens=first.tokens + second.tokens,
        free_tokens=first.free_tokens + second.free_tokens,
        is_partial=first.is_partial or second.is_partial,
        gaps=tuple(dict.fromkeys(first.gaps + second.gaps)),
    )


def _months_without_spend(account: Account) -> dict[date, Missing]:
    """Months whose acquisition spend has no value: no channel's cohort was won for nothing there."""
    found: dict[date, Missing] = {}
    for bucket, period in enumerate(account.buckets.periods):
        amount = account.live_value("acquisition_spend", bucket)
        if isinstance(amount, Missing):
            found[period.first.replace(day=1)] = amount
    return found


def _spend_by_cohort(account: Account, *, by_channels: bool) -> dict[CohortKey, Amount]:
    """Acquisition spend of the month a cohort was won in (of its channel, when split)."""
    spend: dict[CohortKey, Amount] = {}
    if not by_channels:
        for bucket, period in enumerate(account.buckets.periods):
            spend[CohortKey(period.first.replace(day=1))] = account.live_value("acquisition_spend", bucket)
        return spend
    for line in by_channel(account):
        for bucket, amount in line.spend_by_bucket.items():
            spend[CohortKey(account.buckets.periods[bucket].first.replace(day=1), line.name)] = amount
    return spend
