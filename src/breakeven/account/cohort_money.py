"""Money and use by cohort and month, posted so that all cohorts and `(no cohort)` sum to the statement.

What belongs to no cohort is kept, under the key None: use without a user, users whose acquisition nobody
recorded, an idle fleet, bills without usage, prepaid API money, fees that only a bill states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.facts import whole
from breakeven.account.margin import posted_parts
from breakeven.account.metrics import Missing
from breakeven.account.payments import fees_and_cash, recognised
from breakeven.account.retention import CohortKey
from breakeven.account.usage import CLASSES
from breakeven.money import minor_units, post_parts
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

POSTED = ("subscription_revenue", "gift_revenue", "api_revenue", "refunds", "payment_fees")
"""Measures of the statement that payments give."""
TABLES_NEEDED = ("activity", "usage", "payments")


@dataclass
class CohortAge:
    """What a cohort did in one month of its life; money is posted, in the statement's currency.

    `revenue` is net of `refunds` (given back, as a positive number); `contribution` also of fees and serving.
    `free_serving_cost` and `free_tokens` are the part of `serving_cost` and `tokens` (input and output) from
    app and web use on days on which the user had no paid service. `payers` had a paid service in the month.
    `is_partial` says that these are not the figures of a whole month: it is cut short, or one of the tables
    it needs covers only a part of it (`gaps` names them).
    """

    active_users: int = 0
    revenue: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    serving_cost: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    free_serving_cost: Decimal = Decimal(0)
    payers: int = 0
    tokens: int = 0
    free_tokens: int = 0
    is_partial: bool = False
    gaps: tuple[str, ...] = ()

    @property
    def contribution(self) -> Decimal:
        """Revenue less payment fees and serving cost."""
        return self.revenue - self.fees - self.serving_cost


Key = tuple[object, ...]
Cells = dict[tuple[CohortKey | None, int], CohortAge]


def cohort_money(account: Account, *, by_channels: bool = False) -> Cells:
    """Cells by cohort (None: of no cohort) and bucket, also of cohorts older than the account's period.

    In each bucket, cells sum to the statement's revenue, refunds, payment fees, serving cost, cost of free
    use and tokens, to the cent, and to its monthly active users and payers.
    """
    cells: Cells = defaultdict(CohortAge)
    dimensions = ("cohort", "channel") if by_channels else ("cohort",)
    _add_serving(account, cells, dimensions)
    _add_payments(account, cells, dimensions)
    _add_users(account, cells, by_channels=by_channels)
    known = [(is_partial(account, bucket), gaps_of(account, bucket)) for bucket in _buckets(account)]
    for (_, bucket), cell in cells.items():
        cell.is_partial, cell.gaps = known[bucket]
    return dict(cells)


def is_partial(account: Account, bucket: int) -> bool:
    """Whether a bucket is less than its calendar month, or not fully covered by the tables cohorts need."""
    period = account.buckets.periods[bucket]
    return period != Period.month(period.first) or bool(gaps_of(account, bucket))


def gaps_of(account: Account, bucket: int) -> tuple[str, ...]:
    """The tables that cohorts need and that do not cover a bucket's month from its first to its last day."""
    month = Period.month(account.buckets.periods[bucket].first)
    needed = TABLES_NEEDED
    leased = any(bill.category == "gpu" and bill.period.overlap(month) for bill in account.bills)
    if account.books.settings.own_providers and not leased:
        needed = (*needed, "capacity")
    return tuple(table for table in needed if not account.coverage.full(table, month))


def _buckets(account: Account) -> range:
    return range(len(account.buckets.periods))


def _cohort(key: Key) -> CohortKey | None:
    month = key[0] if key else None
    if not isinstance(month, date):
        return None
    channel = key[1] if len(key) > 1 else None
    return CohortKey(month, channel if isinstance(channel, str) else None)


def _add_serving(account: Account, cells: Cells, dimensions: tuple[str, ...]) -> None:
    for bucket, lines in posted_parts(account, *dimensions).items():
        for line in lines:
            cell = cells[_cohort(line.key), bucket]
            cell.serving_cost += line.serving_cost
            cell.tokens += line.tokens
    exact, tokens = _free_use(account, dimensions)
    for bucket, amounts in exact.items():
        keys = sorted(amounts, key=str)
        parts = post_parts([whole(amounts[key]) for key in keys], account.currency)
        found = [cells[key, bucket] for key in keys]
        limits = [cell.serving_cost for cell in found]
        for cell, part in zip(found, _within(parts, limits, account.currency), strict=True):
            cell.free_serving_cost += part
    for place, count in tokens.items():
        cells[place].free_tokens += count


def _free_use(
    account: Account, dimensions: tuple[str, ...]
) -> tuple[dict[int, dict[CohortKey | None, Fraction]], dict[tuple[CohortKey | None, int], int]]:
    """Exact cost, and tokens, of app and web use on days without a paid service."""
    cost: dict[int, dict[CohortKey | None, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    tokens: dict[tuple[CohortKey | None, int], int] = defaultdict(int)
    for used in account.usage.by(*dimensions, "is_paying", "product"):
        *cohort, is_paying, product = used.key
        if is_paying or product == "api":
            continue
        key = _cohort(tuple(cohort))
        cost[used.bucket][key] += Fraction(0) if isinstance(used.bought, NoRate) else used.bought
        cost[used.bucket][key] += account.fleet_splits[used.bucket].borne_by(used)
        tokens[key, used.bucket] += sum(used.counts[name] for name in CLASSES)
    return cost, tokens


def _within(parts: Sequence[Decimal], limits: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Parts with the same sum, none above its limit where another has room for it.

    A part and its whole are posted apart, so that rounding can put the part a unit above.
    """
    unit = Decimal(1).scaleb(-minor_units(currency))
    moved = list(parts)
    over = [i for i, part in enumerate(moved) if part > limits[i]]
    for i in over:
        for j in range(len(moved)):
            while moved[i] > limits[i] and moved[j] < limits[j]:
                moved[i] -= unit
                moved[j] += unit
    return moved


def _add_payments(account: Account, cells: Cells, dimensions: tuple[str, ...]) -> None:
    """Revenue and fees; what the statement has beyond the payments of cohorts belongs to none."""
    left = {
        (measure, bucket): amount
        for measure in POSTED
        for bucket in _buckets(account)
        if not isinstance(amount := account.facts.get(measure, bucket), Missing)
    }
    for measure, bucket, key, amount in _posted(account, dimensions):
        _book(cells[_cohort(key), bucket], measure, amount)
        if (measure, bucket) in left:
            left[measure, bucket] -= amount
    for (measure, bucket), amount in left.items():
        if amount:
            _book(cells[None, bucket], measure, amount)


def _book(cell: CohortAge, measure: str, amount: Decimal) -> None:
    if measure == "payment_fees":
        cell.fees += amount
    else:
        cell.revenue += amount
        cell.refunds -= amount if measure == "refunds" else Decimal(0)


def _posted(account: Account, dimensions: tuple[str, ...]) -> list[tuple[str, int, Key, Decimal]]:
    """Payments by measure, bucket and cohort: each measure of a bucket is posted, then split."""
    rollup = account.rollups["payments"]
    parts = recognised(rollup, account.buckets, account.converter, *dimensions)
    parts += [
        part
        for part in fees_and_cash(rollup, account.buckets, account.converter, *dimensions)
        if part.measure == "payment_fees"
    ]
    exact: dict[tuple[str, int], dict[Key, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for part in parts:
        if not isinstance(part.amount, NoRate):
            exact[part.measure, part.bucket][part.key] += part.amount
    found: list[tuple[str, int, Key, Decimal]] = []
    for (measure, bucket), amounts in exact.items():
        keys = sorted(amounts, key=str)
        posted = post_parts([whole(amounts[key]) for key in keys], account.currency)
        found += [(measure, bucket, key, amount) for key, amount in zip(keys, posted, strict=True)]
    return found


def _add_users(account: Account, cells: Cells, *, by_channels: bool) -> None:
    buckets: dict[date, int] = {}
    for bucket, period in enumerate(account.buckets.periods):
        buckets.setdefault(period.first.replace(day=1), bucket)
    for rollup in ("active_in_month", "payers"):
        rows = account.rollups[rollup]
        for row in rows.to_pylist() if rows.num_rows else ():
            bucket = buckets.get(row["month"])
            if bucket is None:
                continue
            cell = cells[_cohort((row["cohort"], row["channel"] if by_channels else None)), bucket]
            if rollup == "payers":
                cell.payers += row["users"]
            else:
                cell.active_users += row["users"]
