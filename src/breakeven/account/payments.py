"""What customers paid, as revenue: recognised over service days, or as prepaid API usage is consumed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute

from breakeven.account.facts import Buckets, Converter
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate

# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute

REVENUE_OF = {
    "subscription": "subscription_revenue",
    "gift": "gift_revenue",
    "api_invoice": "api_revenue",
    "refund": "refunds",
    "chargeback": "refunds",
}
_GIVEN_BACK = frozenset({"refund", "chargeback"})


@dataclass(frozen=True)
class Recognised:
    """A part of some payments that falls in a bucket, in the statement's currency."""

    bucket: int
    measure: str
    key: tuple[Any, ...]
    amount: Fraction | NoRate


def recognised(
    rollup: pa.Table, buckets: Buckets, converter: Converter, *dimensions: str
) -> list[Recognised]:
    """Revenue by bucket and dimensions. Top-ups are not here: they are earned by usage (`earned_topups`).

    Money of a payment is converted at the rate of the day it was paid: what is deferred is a promise of
    service, not a foreign balance (IAS 21.16, non-monetary).
    """
    found: list[Recognised] = []
    for row in _grouped(rollup, "day", "kind", "currency", "first_day", "end_day", *dimensions):
        measure = REVENUE_OF.get(row["kind"])
        if measure is None:
            continue
        net = Fraction(row["amount_sum"]) - Fraction(row["tax_sum"] or 0)
        key = tuple(row[name] for name in dimensions)
        amount = converter.on_day(net, row["currency"], row["day"])
        if row["kind"] in _GIVEN_BACK:
            parts = [(buckets.of(row["day"]), Fraction(-1))]
        else:
            term = Period(row["first_day"], row["end_day"])
            parts = [(bucket, Fraction(days, term.day_count)) for bucket, days in buckets.overlaps(term)]
        for bucket, share in parts:
            if bucket is not None:
                value = amount if isinstance(amount, NoRate) else amount * share
                found.append(Recognised(bucket, measure, key, value))
    return found


def fees_and_cash(
    rollup: pa.Table, buckets: Buckets, converter: Converter, *dimensions: str
) -> list[Recognised]:
    """Fees, and cash from customers, on the day of the payment: measures `payment_fees` and `cash_in`."""
    found: list[Recognised] = []
    for row in _grouped(rollup, "day", "kind", "currency", *dimensions):
        bucket = buckets.of(row["day"])
        if bucket is None:
            continue
        key = tuple(row[name] for name in dimensions)
        fee = Fraction(row["fee_sum"] or 0)
        sign = -1 if row["kind"] in _GIVEN_BACK else 1
        cash = sign * Fraction(row["amount_sum"]) - fee
        for measure, amount in (("payment_fees", fee), ("cash_in", cash)):
            found.append(
                Recognised(bucket, measure, key, converter.on_day(amount, row["currency"], row["day"]))
            )
    return found


def fees_are_known(rollup: pa.Table, period: Period) -> bool:
    """Whether the payments of a period say their fees: a bill for them then reconciles and adds nothing."""
    if rollup.num_rows == 0:
        return False
    known = rollup.filter(pc.greater(rollup["payments"], rollup["fee_unknown"]))
    return any(day in period for day in known["day"].unique().to_pylist())


def earned_topups(
    topups: pa.Table, used: Iterable[tuple[date, str, Fraction | NoRate]], converter: Converter
) -> dict[date, Fraction | NoRate]:
    """Prepaid API money as it is earned, by month, over all accounts.

    `used` is (month, account, value of its API usage at our list price, in the statement's currency). Per
    account and month, earned = the lesser of that value and the balance (what was brought forward plus the
    month's top-ups): usage beyond a balance earns nothing until it is paid for. From the first month that
    lacks an exchange rate on, balances are unknown, and so is what was earned.
    """
    paid: dict[tuple[str, date], Fraction] = {}
    unknown: dict[date, NoRate] = {}
    for row in _grouped(topups, "day", "account_id", "currency"):
        net = Fraction(row["amount_sum"]) - Fraction(row["tax_sum"] or 0)
        month = row["day"].replace(day=1)
        amount = converter.on_day(net, row["currency"], row["day"])
        if isinstance(amount, NoRate):
            unknown[month] = amount
        else:
            key = (row["account_id"] or "", month)
            paid[key] = paid.get(key, Fraction(0)) + amount
    value: dict[tuple[str, date], Fraction] = {}
    payers = {account for account, _ in paid}
    for month, account, amount in used:
        if not isinstance(amount, NoRate):
            value[account, month] = amount
        elif account in payers:
            unknown[month] = amount
    earned = _earned(paid, value)
    for month in sorted(unknown, reverse=True):
        earned |= {later: unknown[month] for later in {month, *earned} if later >= month}
    return earned


def _earned(
    paid: dict[tuple[str, date], Fraction], value: dict[tuple[str, date], Fraction]
) -> dict[date, Fraction | NoRate]:
    balances: dict[str, Fraction] = {}
    earned: dict[date, Fraction] = {}
    for account, month in sorted(paid.keys() | value.keys(), key=lambda key: (key[1], key[0])):
        available = balances.get(account, Fraction(0)) + paid.get((account, month), Fraction(0))
        taken = min(available, value.get((account, month), Fraction(0)))
        balances[account] = available - taken
        earned[month] = earned.get(month, Fraction(0)) + taken
    return dict(earned)


def _grouped(rollup: pa.Table, *keys: str) -> list[dict[str, Any]]:
    if rollup.num_rows == 0:
        return []
    sums = [(name, "sum") for name in ("amount", "fee", "tax") if name in rollup.column_names]
    return rollup.group_by(list(keys), use_threads=False).aggregate(sums).to_pylist()
