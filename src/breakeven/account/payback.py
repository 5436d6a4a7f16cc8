"""Cohorts as money: revenue, serving cost and contribution by age, against what the cohort cost to win.

Measured so far only: a cohort that has not paid back yet says so. What comes is for the growth room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.acquisition import by_channel
from breakeven.account.facts import whole
from breakeven.account.margin import posted_parts
from breakeven.account.metrics import Amount, Missing
from breakeven.account.payments import fees_and_cash, recognised
from breakeven.account.retention import CohortKey, active_triangle, cohort_sizes
from breakeven.money import EXACT, post_parts
from breakeven.periods import months_apart
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

NOT_YET = Missing("not yet, as far as measured", "在已有数据内尚未回本")


@dataclass
class CohortAge:
    """What a cohort did at one age. `revenue` is net of refunds; `contribution` also of fees and serving."""

    active_users: int = 0
    revenue: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    serving_cost: Decimal = Decimal(0)

    @property
    def contribution(self) -> Decimal:
        """Revenue less payment fees and serving cost."""
        return self.revenue - self.fees - self.serving_cost


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
    """Cohorts of the account's buckets, oldest first. Users whose acquisition nobody recorded have none."""
    spend = _spend_by_cohort(account, by_channels=by_channels)
    found = {
        key: Cohort(key, users, spend.get(key, Decimal(0)))
        for key, users in cohort_sizes(account, by_channel=by_channels).items()
        if key.month in account.buckets.span
    }
    for key, ages in active_triangle(account, by_channel=by_channels).items():
        for age, users in ages.items():
            if key in found:
                found[key].ages[age].active_users = users
    dimensions = ("cohort", "channel") if by_channels else ("cohort",)
    for bucket, lines in posted_parts(account, *dimensions).items():
        for line in lines:
            age = _age(account, found, line.key, bucket)
            if age is not None:
                age.serving_cost += line.serving_cost
    for measure, bucket, key, amount in _posted_money(account, dimensions):
        age = _age(account, found, key, bucket)
        if age is not None:
            if measure == "payment_fees":
                age.fees += amount
            else:
                age.revenue += amount
    return [found[key] for key in sorted(found, key=lambda key: (key.month, key.channel or ""))]


def _age(
    account: Account, found: dict[CohortKey, Cohort], key: tuple[object, ...], bucket: int
) -> CohortAge | None:
    month = key[0]
    if not isinstance(month, date):
        return None
    channel = key[1] if len(key) > 1 else None
    cohort = found.get(CohortKey(month, channel if isinstance(channel, str) else None))
    if cohort is None:
        return None
    return cohort.ages[months_apart(month, account.buckets.periods[bucket].first)]


def _posted_money(
    account: Account, dimensions: tuple[str, ...]
) -> list[tuple[str, int, tuple[object, ...], Decimal]]:
    """Revenue and fees by bucket and cohort, posted so that they sum to the statement's lines."""
    rollup = account.rollups["payments"]
    parts = recognised(rollup, account.buckets, account.converter, *dimensions)
    parts += [
        part
        for part in fees_and_cash(rollup, account.buckets, account.converter, *dimensions)
        if part.measure == "payment_fees"
    ]
    exact: dict[tuple[str, int], dict[tuple[object, ...], Fraction]] = defaultdict(
        lambda: defaultdict(Fraction)
    )
    for part in parts:
        if not isinstance(part.amount, NoRate):
            exact[part.measure, part.bucket][part.key] += part.amount
    found: list[tuple[str, int, tuple[object, ...], Decimal]] = []
    for (measure, bucket), amounts in exact.items():
        keys = sorted(amounts, key=str)
        posted = post_parts([whole(amounts[key]) for key in keys], account.currency)
        found += [(measure, bucket, key, amount) for key, amount in zip(keys, posted, strict=True)]
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
