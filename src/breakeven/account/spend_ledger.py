"""One ledger of what users cost to win: by channel and kind, month by month, summing to the statement.

Kinds are those of acquisition spend: ads, creator, coupon, referral, agency. By choice `free_use` stands
beside them: what users cost to serve until they first paid. It extends the sum by exactly that line, which
the statement has in its serving cost; the two sums are never mixed, and have two names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.acquisition import (
    NEGATIVE_SPEND,
    ChannelLine,
    Dimension,
    by_channel,
    posted_spend,
)
from breakeven.account.booking import SPEND_KINDS
from breakeven.account.facts import whole
from breakeven.account.free_use import free_use_by
from breakeven.account.metrics import Amount, Missing
from breakeven.money import post_parts
from breakeven.periods import Period

if TYPE_CHECKING:
    from breakeven.account.account import Account

FREE_USE = "free_use"
KINDS = (*SPEND_KINDS, FREE_USE)
NOT_ASKED = Missing("free use was not asked for", "未要求计入免费使用")
NO_TWO_MONTHS = Missing(
    "it takes two neighbouring months that are covered from their first to their last day",
    "需要两个相邻且每一天都有数据的月份",
)


@dataclass(frozen=True)
class Entry:
    """One posting: an amount of one kind for one name (None: no name was recorded) in one bucket."""

    name: str | None
    kind: str
    bucket: int
    amount: Decimal


@dataclass
class SpendLine:
    """One channel (campaign, creator) of the ledger. `channel` has its users; money is by kind and bucket."""

    channel: ChannelLine
    amounts: dict[tuple[str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def name(self) -> str | None:
        """None is what names no channel."""
        return self.channel.name

    @property
    def spend(self) -> Decimal:
        """Its part of the statement's acquisition spend, without free use."""
        return self.channel.spend

    @property
    def free_use(self) -> Decimal:
        """What its users cost to serve until they first paid."""
        return self.of_kind(FREE_USE)

    def of_kind(self, kind: str) -> Decimal:
        """All that was spent in one way."""
        return sum((amount for (other, _), amount in self.amounts.items() if other == kind), Decimal(0))

    def in_bucket(self, bucket: int) -> Decimal:
        """Acquisition spend of one bucket, without free use."""
        return self.channel.spend_by_bucket.get(bucket, Decimal(0))

    @property
    def cac_blended(self) -> Amount:
        """Acquisition spend over all new users."""
        return self.channel.cac_blended

    @property
    def cac_paid(self) -> Amount:
        """Acquisition spend over bought users only."""
        return self.channel.cac_paid

    @property
    def cac_with_free_use(self) -> Amount:
        """Acquisition spend and free use until first payment, over all new users."""
        if self.spend < 0:
            return NEGATIVE_SPEND
        return self.channel.per_user(self.spend + self.free_use, self.channel.new_users)


@dataclass(frozen=True)
class SpendLedger:
    """All postings, and the sums they make.

    `expense` is the statement's acquisition spend (marketing expense) by bucket, `free_use` the line that
    `with_free_use` adds to it. `since_closing` is what the statement of closed months says beyond the
    postings, which are always made of the ledger as it is now.
    """

    dimension: Dimension
    lines: tuple[SpendLine, ...]
    entries: tuple[Entry, ...]
    expense: tuple[Amount, ...]
    free_use: tuple[Amount, ...]
    since_closing: tuple[Decimal, ...]

    @property
    def total(self) -> Amount:
        """Marketing expense over all buckets, as the statement has it."""
        return _sum(self.expense)

    @property
    def total_free_use(self) -> Amount:
        """Free use until first payment over all buckets."""
        return _sum(self.free_use)

    @property
    def total_with_free_use(self) -> Amount:
        """Marketing expense including free use until first payment."""
        return _sum((self.total, self.total_free_use))

    def with_free_use(self, bucket: int) -> Amount:
        """The same of one bucket."""
        return _sum((self.expense[bucket], self.free_use[bucket]))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that anything was posted under, in the order of the statement."""
        used = {entry.kind for entry in self.entries}
        return tuple(kind for kind in KINDS if kind in used)

    @property
    def without_users(self) -> tuple[SpendLine, ...]:
        """Lines that cost money and brought nobody: they have no cost per user."""
        return tuple(line for line in self.lines if line.spend > 0 and not line.channel.new_users)

    @property
    def over_rebated(self) -> tuple[SpendLine, ...]:
        """Lines whose rebates exceed their spend: they have no cost per user either."""
        return tuple(line for line in self.lines if line.spend < 0)


def spend_ledger(
    account: Account, dimension: Dimension = "channel", *, free_use: bool = False
) -> SpendLedger:
    """The account's spend by name and kind. Lines are by spend, largest first, the unnamed one last.

    The postings of a bucket and `since_closing` sum to the statement's acquisition spend to the cent; with
    `free_use` those of kind `free_use` sum to a line of their own. A bucket whose acquisition spend has no
    value (nothing covers it, an exchange rate is absent) has no postings.
    """
    found = {line.name: SpendLine(line) for line in by_channel(account, dimension)}
    entries = [
        Entry(name, kind, bucket, amount)
        for (name, kind, bucket), amount in posted_spend(account, dimension).items()
        if amount
    ]
    size = len(account.buckets.periods)
    free: list[Amount] = [NOT_ASKED] * size
    if free_use:
        free, posted = _free_use(account, dimension)
        entries += posted
    for entry in entries:
        line = found.setdefault(entry.name, SpendLine(ChannelLine(entry.name)))
        line.amounts[entry.kind, entry.bucket] += entry.amount
    expense = tuple(account.value("acquisition_spend", bucket) for bucket in range(size))
    lines = sorted(
        found.values(),
        key=lambda line: (line.name is None, -line.spend, -line.channel.new_users, line.name or ""),
    )
    return SpendLedger(
        dimension,
        tuple(lines),
        tuple(sorted(entries, key=_place)),
        expense,
        tuple(free),
        tuple(_since_closing(expense[bucket], bucket, entries) for bucket in range(size)),
    )


def marginal_cac(account: Account, line: SpendLine) -> Amount:
    """What each further bought user cost from the last but one whole month to the last; `whole_months`."""
    months = whole_months(account)
    return line.channel.marginal_cac(months[1]) if months else NO_TWO_MONTHS


def whole_months(account: Account) -> tuple[int, int] | None:
    """The last two neighbouring buckets that spend and acquisitions cover from first to last day."""

    def is_whole(bucket: int) -> bool:
        period = account.buckets.periods[bucket]
        covered = all(account.coverage.full(table, period) for table in ("ad_spend", "acquisitions"))
        return covered and period == Period.month(period.first)

    for later in range(len(account.buckets.periods) - 1, 0, -1):
        if is_whole(later) and is_whole(later - 1):
            return later - 1, later
    return None


def _place(entry: Entry) -> tuple[int, bool, str, int]:
    return entry.bucket, entry.name is None, entry.name or "", KINDS.index(entry.kind)


def _free_use(account: Account, dimension: Dimension) -> tuple[list[Amount], list[Entry]]:
    """The posted line of each bucket, and its parts; no value where all free use together has none."""
    exact: dict[int, dict[str | None, Fraction]] = defaultdict(dict)
    for (name, bucket), amount in free_use_by(account, dimension).items():
        exact[bucket][name] = amount
    line: list[Amount] = []
    entries: list[Entry] = []
    for bucket in range(len(account.buckets.periods)):
        stated = [account.live_value(metric, bucket) for metric in ("free_use_cost", "serving_cost")]
        unknown = [value for value in stated if isinstance(value, Missing)]
        if unknown:
            line.append(unknown[0])
            continue
        names = sorted(exact[bucket], key=lambda name: (name is None, name or ""))
        parts = post_parts([whole(exact[bucket][name]) for name in names], account.currency)
        line.append(sum(parts, Decimal(0)))
        entries += [
            Entry(name, FREE_USE, bucket, part) for name, part in zip(names, parts, strict=True) if part
        ]
    return line, entries


def _since_closing(expense: Amount, bucket: int, entries: list[Entry]) -> Decimal:
    if isinstance(expense, Missing):
        return Decimal(0)
    mine = (entry.amount for entry in entries if entry.bucket == bucket and entry.kind != FREE_USE)
    return expense - sum(mine, Decimal(0))


def _sum(amounts: tuple[Amount, ...]) -> Amount:
    """A sum has a value only when every part has one."""
    total = Decimal(0)
    for amount in amounts:
        if isinstance(amount, Missing):
            return amount
        total += amount
    return total
