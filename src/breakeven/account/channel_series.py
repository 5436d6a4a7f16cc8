"""What each channel cost and brought, week by week or month by month: what a response is read from.

A period counts only where the books know all of it: one that is covered in part has no value, and at either
end it is left out and named. Spend is posted to the minor unit within its period.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from breakeven.account.acquisition import exact_spend
from breakeven.account.facts import Buckets, whole
from breakeven.account.metrics import Missing
from breakeven.account.usage import with_bucket
from breakeven.money import post_parts
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Grain = Literal["week", "month"]
UNATTRIBUTED = "(unattributed)"
"""Spend and users without a channel."""
_WEEK = timedelta(days=7)
_WORDS = {"ad_spend": ("acquisition spend", "获客支出"), "acquisitions": ("acquisitions", "获客记录")}


@dataclass(frozen=True)
class LeftOut:
    """A period at an end of the series that the books know only in part, and why it is not there."""

    period: Period
    why: Missing


@dataclass(frozen=True)
class ChannelSeries:
    """Spend (in the account's currency), new users and bought new users by channel, period by period.

    Each value lies at its period's place; None is where a table does not cover the whole period, or an
    exchange rate is absent. A channel without spend or users in a covered period has zero there. Channels are
    in order of spend, `(unattributed)` last.
    """

    grain: Grain
    currency: str
    periods: tuple[Period, ...]
    channels: tuple[str, ...]
    spend: dict[str, tuple[Decimal | None, ...]]
    new_users: dict[str, tuple[int | None, ...]]
    paid_new_users: dict[str, tuple[int | None, ...]]
    left_out: tuple[LeftOut, ...] = ()


def channel_series(account: Account, grain: Grain = "week") -> ChannelSeries:
    """The account's channels by ISO week (from Monday) or calendar month, in the books' time zone."""
    periods, left_out = _known(account, _cut(account.buckets.span, grain))
    narrowed = replace(account, buckets=Buckets(tuple(periods)))
    spend = _spend(narrowed)
    new, paid = _users(narrowed)
    covered_spend = [account.coverage.full("ad_spend", period) for period in periods]
    covered_users = [account.coverage.full("acquisitions", period) for period in periods]
    order = sorted(
        {channel for channel, _ in (*spend, *new)},
        key=lambda channel: (channel == UNATTRIBUTED, -_total(spend, channel), channel),
    )

    def counts(found: dict[tuple[str, int], int], channel: str) -> tuple[int | None, ...]:
        return tuple(
            found.get((channel, place), 0) if known else None for place, known in enumerate(covered_users)
        )

    zero = post_parts([Decimal(0)], account.currency)[0]
    return ChannelSeries(
        grain,
        account.currency,
        tuple(periods),
        tuple(order),
        {
            channel: tuple(
                spend.get((channel, place), zero) if known else None
                for place, known in enumerate(covered_spend)
            )
            for channel in order
        },
        {channel: counts(new, channel) for channel in order},
        {channel: counts(paid, channel) for channel in order},
        tuple(left_out),
    )


def _cut(span: Period, grain: Grain) -> list[Period]:
    """The weeks or months that a span touches, whole."""
    if grain == "month":
        return [Period.month(month) for month in span.months()]
    first = span.first - ONE_DAY * span.first.weekday()
    found: list[Period] = []
    while first < span.end:
        found.append(Period(first, first + _WEEK))
        first += _WEEK
    return found


def _known(account: Account, periods: list[Period]) -> tuple[list[Period], list[LeftOut]]:
    """From the first to the last period that the account holds and the tables cover whole; and the rest."""
    reasons = [_why_not(account, period) for period in periods]
    whole_ones = [place for place, reason in enumerate(reasons) if reason is None]
    kept = range(whole_ones[0], whole_ones[-1] + 1) if whole_ones else range(0)
    left_out = [
        LeftOut(period, reason)
        for place, (period, reason) in enumerate(zip(periods, reasons, strict=True))
        if place not in kept and reason is not None
    ]
    return [periods[place] for place in kept], left_out


def _why_not(account: Account, period: Period) -> Missing | None:
    name = f"{period.first} .. {period.end - ONE_DAY}"
    if period.overlap(account.buckets.span) != period:
        return Missing(f"only a part of {name} is looked at", f"{name} 只有一部分在所看的期间内")
    short = [table for table in _WORDS if not account.coverage.full(table, period)]
    if not short:
        return None
    en = " and ".join(_WORDS[table][0] for table in short)
    zh = "与".join(_WORDS[table][1] for table in short)
    return Missing(f"{en} cover only a part of {name}", f"{zh}没有覆盖 {name} 的每一天", tuple(short))


def _spend(account: Account) -> dict[tuple[str, int], Decimal | None]:
    """Posted spend by channel and period."""
    posted: dict[tuple[str, int], Decimal | None] = {}
    for place, amounts in exact_spend(account, "channel").items():
        by_channel: dict[str, list[Fraction | NoRate]] = defaultdict(list)
        for (name, _), amount in amounts.items():
            by_channel[name or UNATTRIBUTED].append(amount)
        sums = {name: _sum(parts) for name, parts in sorted(by_channel.items())}
        known = {name: amount for name, amount in sums.items() if amount is not None}
        posted |= {(name, place): None for name in sums.keys() - known.keys()}
        parts = post_parts([whole(amount) for amount in known.values()], account.currency)
        posted |= {(name, place): part for name, part in zip(known, parts, strict=True)}
    return posted


def _sum(parts: Sequence[Fraction | NoRate]) -> Fraction | None:
    total = Fraction(0)
    for part in parts:
        if isinstance(part, NoRate):
            return None
        total += part
    return total


def _users(account: Account) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    """New users, and bought ones, by channel and period."""
    new: dict[tuple[str, int], int] = defaultdict(int)
    paid: dict[tuple[str, int], int] = defaultdict(int)
    rows = account.rollups["acquisitions"]
    if rows.num_rows and account.buckets.periods:
        grouped = with_bucket(rows, account.buckets).group_by(["bucket", "channel", "is_paid"])
        for row in grouped.aggregate([("users", "sum")]).to_pylist():
            key = (row["channel"] or UNATTRIBUTED, row["bucket"])
            new[key] += row["users_sum"]
            paid[key] += row["users_sum"] if row["is_paid"] else 0
    return dict(new), dict(paid)


def _total(spend: dict[tuple[str, int], Decimal | None], channel: str) -> Decimal:
    return sum((amount or Decimal(0) for (name, _), amount in spend.items() if name == channel), Decimal(0))
