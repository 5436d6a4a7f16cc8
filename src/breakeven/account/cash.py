"""Money left: unrestricted cash and restricted credit at the end of each bucket, and what moved them.

The books know when customers paid; suppliers are taken to be paid as their bills accrue, and acquisition
spend on its day. Balances are kept in their own currencies and shown at the closing rate.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.facts import Buckets, Tally, post_fraction
from breakeven.account.metrics import Amount, Missing
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Balances = dict[str, Fraction]


def measures(account: Account) -> dict[str, list[Amount]]:
    """`cash_out`, `credit_used`, `funding_cash`, `cash` and `restricted_credit` by bucket."""
    credit_names = {fund.name for fund in account.funds if fund.is_restricted}
    out, used, funding = account.tally(), account.tally(), account.tally()
    for bill in account.bills:
        for bucket, part in bill.accrued(account.buckets):
            month = account.buckets.periods[bucket].first
            amount = account.converter.over_month(part, bill.currency, month)
            (used if bill.funded_by in credit_names else out).add(bucket, amount)
    for row in account.spend_rows():
        out.add(
            row["bucket"],
            account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"]),
        )
    for fund in account.funds:
        bucket = account.buckets.of(fund.day)
        if bucket is not None and not fund.is_restricted:
            funding.add(bucket, account.converter.on_day(Fraction(fund.amount), fund.currency, fund.day))
    currency = account.currency

    def posted(tally: Tally) -> list[Amount]:
        return [tally.posted(bucket, currency) for bucket in range(len(account.buckets.periods))]

    return {
        "cash_out": posted(out),
        "credit_used": posted(used),
        "funding_cash": posted(funding),
        "cash": [
            _closing(account, cash_balances(account, period.end), period)
            for period in account.buckets.periods
        ],
        "restricted_credit": [
            _closing(account, credit_balances(account, period.end), period)
            for period in account.buckets.periods
        ],
    }


def cash_balances(account: Account, end: date) -> Balances:
    """Unrestricted cash by currency at the start of day `end`, from all that ever moved it."""
    credit_names = {fund.name for fund in account.funds if fund.is_restricted}
    balances: Balances = defaultdict(Fraction)
    for fund in account.funds:
        if fund.day < end and not fund.is_restricted:
            balances[fund.currency] += Fraction(fund.amount)
    before = Buckets((Period(date.min, end),))
    for bill in account.bills:
        if bill.funded_by not in credit_names:
            for _, part in bill.accrued(before):
                balances[bill.currency] -= part
    payments = account.rollups["payments"]
    if payments.num_rows:
        sums = [(name, "sum") for name in ("amount", "fee")]
        for row in payments.group_by(["day", "kind", "currency"]).aggregate(sums).to_pylist():
            if row["day"] < end:
                sign = -1 if row["kind"] in ("refund", "chargeback") else 1
                balances[row["currency"]] += sign * Fraction(row["amount_sum"]) - Fraction(
                    row["fee_sum"] or 0
                )
    spend = account.rollups["ad_spend"]
    if spend.num_rows:
        for row in spend.group_by(["day", "currency"]).aggregate([("amount", "sum")]).to_pylist():
            if row["day"] < end:
                balances[row["currency"]] -= Fraction(row["amount_sum"])
    return balances


def credit_balances(account: Account, end: date) -> Balances:
    """Restricted credit left by currency at the start of day `end`: received, not expired, not used."""
    balances: Balances = defaultdict(Fraction)
    before = Buckets((Period(date.min, end),))
    for fund in account.funds:
        if not fund.is_restricted or fund.day >= end:
            continue
        if fund.expires_on is not None and fund.expires_on < end:
            continue
        left = Fraction(fund.amount)
        for bill in account.bills:
            if bill.funded_by == fund.name:
                for _, part in bill.accrued(before):
                    left -= _in_currency(
                        account,
                        part,
                        bill.currency,
                        fund.currency,
                        min(bill.period.end - ONE_DAY, end - ONE_DAY),
                    )
        balances[fund.currency] += left
    return balances


def _in_currency(account: Account, amount: Fraction, currency: str, wanted: str, day: date) -> Fraction:
    """A bill in the currency of the credit that pays it, at the day's rate."""
    if currency == wanted:
        return amount
    rate = account.rates.rate(day, currency, wanted)
    return Fraction(0) if isinstance(rate, NoRate) else amount * Fraction(rate.value)


def _closing(account: Account, balances: Balances, period: Period) -> Amount:
    total = Fraction(0)
    for currency, balance in balances.items():
        value = account.converter.on_day(balance, currency, period.end - ONE_DAY)
        if isinstance(value, NoRate):
            return Missing(value.en, value.zh)
        total += value
    if not account.funds:
        return Missing("no funding is recorded", "没有融资记录", ("cash",))
    return post_fraction(total, account.currency)
