"""What it costs to win a user, by channel, campaign or creator; the rows sum to acquisition spend.

Spend and users without a channel meet in one `unattributed` row: they are part of the expense too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from breakeven.account.facts import Buckets, whole
from breakeven.account.ledger_rows import Bill
from breakeven.account.metrics import Amount, Missing
from breakeven.account.usage import with_bucket
from breakeven.money import EXACT, apportion, post_parts
from breakeven.periods import Period, month_of
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Dimension = Literal["channel", "campaign", "creator"]
NO_USERS = Missing("no such users", "没有这样的用户")
NO_GROWTH = Missing("users did not grow on the month before", "用户数没有比上月增加")
NO_MORE_SPEND = Missing("spend fell while users grew", "用户增加而支出减少")
NEGATIVE_SPEND = Missing("rebates exceed spend", "返点超过支出")


INVOICED = ("ads", "creator", "agency")
"""Kinds of spend that somebody invoices; coupons and referral rewards are our own."""


@dataclass
class ChannelLine:
    """One channel over the account's buckets, and bucket by bucket."""

    name: str | None
    spend: Decimal = Decimal(0)
    new_users: int = 0
    paid_new_users: int = 0
    spend_by_bucket: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    paid_by_bucket: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    new_by_bucket: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def cac_blended(self) -> Amount:
        """Spend over all new users of the channel; no value where rebates exceed spend."""
        return self.per_user(self.spend, self.new_users)

    @property
    def cac_paid(self) -> Amount:
        """Spend over the bought users of the channel; no value where rebates exceed spend."""
        return self.per_user(self.spend, self.paid_new_users)

    @staticmethod
    def per_user(spend: Decimal, users: int) -> Amount:
        """A cost per user. Users are never won for less than nothing: a negative sum is no price."""
        if spend < 0:
            return NEGATIVE_SPEND
        return EXACT.divide(spend, users) if users else NO_USERS

    def marginal_cac(self, bucket: int) -> Amount:
        """What each further bought user cost on the bucket before: change in spend over change in users.

        No value when users did not grow, or spend fell: more for less, and less for more, is not a price.
        Neither is a change from or to a month whose rebates exceed its spend.
        """
        if bucket == 0:
            return NO_GROWTH
        if min(self.spend_by_bucket[bucket - 1], self.spend_by_bucket[bucket]) < 0:
            return NEGATIVE_SPEND
        users = self.paid_by_bucket[bucket] - self.paid_by_bucket[bucket - 1]
        spend = self.spend_by_bucket[bucket] - self.spend_by_bucket[bucket - 1]
        if spend < 0:
            return NO_MORE_SPEND if users > 0 else NO_GROWTH
        return EXACT.divide(spend, users) if users > 0 else NO_GROWTH


def by_channel(account: Account, dimension: Dimension = "channel") -> list[ChannelLine]:
    """Channels by spend, largest first, the unattributed row last. Their spend sums to the statement's."""
    lines: dict[str | None, ChannelLine] = {}
    for (name, _, bucket), amount in posted_spend(account, dimension).items():
        line = lines.setdefault(name, ChannelLine(name))
        line.spend += amount
        line.spend_by_bucket[bucket] += amount
    rows = account.rollups["acquisitions"]
    if rows.num_rows:
        grouped = with_bucket(rows, account.buckets).group_by(["bucket", dimension, "is_paid"])
        for row in grouped.aggregate([("users", "sum")]).to_pylist():
            line = lines.setdefault(row[dimension], ChannelLine(row[dimension]))
            line.new_users += row["users_sum"]
            line.new_by_bucket[row["bucket"]] += row["users_sum"]
            if row["is_paid"]:
                line.paid_new_users += row["users_sum"]
                line.paid_by_bucket[row["bucket"]] += row["users_sum"]
    return sorted(
        lines.values(), key=lambda line: (line.name is None, -line.spend, -line.new_users, line.name or "")
    )


def posted_spend(account: Account, dimension: Dimension) -> dict[tuple[str | None, str, int], Decimal]:
    """Posted spend by name, kind and bucket: the statement's line of each kind, split by the exact amounts.

    A bucket whose acquisition spend has no value has no parts either.
    """
    posted: dict[tuple[str | None, str, int], Decimal] = {}
    for bucket, amounts in exact_spend(account, dimension).items():
        if isinstance(account.live_value("acquisition_spend", bucket), Missing):
            continue
        for kind in sorted({kind for _, kind in amounts}):
            total = account.live_value(f"{kind}_spend", bucket)
            mine = {name: amount for (name, other), amount in amounts.items() if other == kind and amount}
            if isinstance(total, Missing) or not mine:
                continue
            names = sorted(mine, key=lambda name: (name is None, name or ""))
            exact = [mine[name] for name in names]
            known = [whole(amount) for amount in exact if not isinstance(amount, NoRate)]
            for name, part in zip(names, _split(total, known, account.currency), strict=True):
                posted[name, kind, bucket] = part
    return posted


def exact_spend(
    account: Account, dimension: Dimension
) -> dict[int, dict[tuple[str | None, str], Fraction | NoRate]]:
    """Exact spend by bucket, name and kind; no value where an exchange rate is absent."""
    exact: dict[int, dict[tuple[str | None, str], Fraction | NoRate]] = defaultdict(dict)

    def add(bucket: int, name: str | None, kind: str, amount: Fraction | NoRate) -> None:
        before = exact[bucket].get((name, kind), Fraction(0))
        if not isinstance(before, NoRate):
            exact[bucket][name, kind] = amount if isinstance(amount, NoRate) else before + amount

    for row in account.spend_rows(dimension):
        amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
        add(row["bucket"], row[dimension], row["kind"], amount)
    for bill, bucket, part in unreported_ads(account, account.buckets):
        month = account.buckets.periods[bucket].first
        amount = account.converter.over_month(part, bill.currency, month)
        add(bucket, bill.vendor if dimension == "channel" else None, "ads", amount)
    return exact


def _split(total: Decimal, amounts: list[Decimal], currency: str) -> list[Decimal]:
    """A posted total by exact amounts. A rebate can make one negative: the largest then takes the rest."""
    if min(amounts) >= 0:
        return apportion(total, amounts, currency)
    parts = post_parts(amounts, currency)
    parts[amounts.index(max(amounts))] += total - sum(parts, Decimal(0))
    return parts


def unreported_ads(account: Account, buckets: Buckets) -> list[tuple[Bill, int, Fraction]]:
    """(advertising bill, bucket, its part there) for vendors and months without any spend of that channel.

    Where the books know what a channel spent, its invoice only reconciles: it is never booked beside it.
    A rebate alone (negative spend) does not tell what was spent, so invoices still count beside it; credits
    on invoices then do not, as they are what the rebate tells.
    """
    bills = [bill for bill in account.bills if bill.category == "advertising"]
    rows = account.rollups["ad_spend"]
    reported: set[tuple[str, date]] = set()
    rebated: set[tuple[str, date]] = set()
    if bills and rows.num_rows:
        grouped = rows.group_by(["channel", "day", "kind"]).aggregate([("amount", "max")])
        for row in grouped.to_pylist():
            if row["kind"] in INVOICED:
                told = reported if row["amount_max"] >= 0 else rebated
                told.add((row["channel"] or "", month_of(row["day"])))
    found: list[tuple[Bill, int, Fraction]] = []
    for bill in bills:
        for month in bill.period.months():
            span = Period.month(month).overlap(bill.period)
            known = reported | rebated if bill.amount < 0 else reported
            if span and (bill.vendor, month) not in known:
                found += [
                    (bill, bucket, bill.amount * days / bill.period.day_count)
                    for bucket, days in buckets.overlaps(span)
                ]
    return found
