"""Money left: unrestricted cash and restricted credit at the end of each bucket, and what moved them.

The books know when customers paid; suppliers are taken to be paid as their bills accrue, and acquisition
spend on its day. Fees that payment channels keep are not paid a second time by their bill. Balances are kept
in their own currencies and shown at the closing rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.acquisition import unreported_ads
from breakeven.account.credit import Draw, draws
from breakeven.account.facts import Buckets, Tally, post_fraction
from breakeven.account.metrics import Amount, Missing
from breakeven.account.payments import fees_are_known
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Balances = dict[str, Fraction]


def measures(account: Account) -> dict[str, list[Amount]]:
    """`cash_out`, `credit_used`, `funding_cash`, `cash` and `restricted_credit` by bucket."""
    drawn = draws(account.bills, account.funds, account.rates)
    out, used, funding = account.tally(), account.tally(), account.tally()
    for bucket, currency, amount, of_credit in _bills_paid(account, drawn, account.buckets):
        month = account.buckets.periods[bucket].first
        (used if of_credit else out).add(bucket, account.converter.over_month(amount, currency, month))
    for row in account.spend_rows():
        out.add(
            row["bucket"],
            account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"]),
        )
    for fund in account.funds:
        bucket = account.buckets.of(fund.day)
        if bucket is not None and not fund.is_restricted:
            funding.add(bucket, account.converter.on_day(Fraction(fund.amount), fund.currency, fund.day))

    def posted(tally: Tally) -> list[Amount]:
        return [tally.posted(bucket, account.currency) for bucket in range(len(account.buckets.periods))]

    periods = account.buckets.periods
    return {
        "cash_out": posted(out),
        "credit_used": posted(used),
        "funding_cash": posted(funding),
        "cash": [_closing(account, _cash_balances(account, drawn, period.end), period) for period in periods],
        "restricted_credit": [
            _closing(account, _credit_balances(account, drawn, period.end), period) for period in periods
        ],
    }


def _bills_paid(
    account: Account, drawn: Sequence[Draw], buckets: Buckets
) -> list[tuple[int, str, Fraction, bool]]:
    """(bucket, currency, amount, whether credit paid it) of all bills that money was paid for."""
    found: list[tuple[int, str, Fraction, bool]] = []
    for bill in account.bills:
        if bill.category == "payment_fee" and fees_are_known(account.rollups["payments"], bill.period):
            continue
        if bill.category != "advertising":
            found += [(bucket, bill.currency, part, False) for bucket, part in bill.accrued(buckets)]
    # What is known as spend is paid as spend.
    for bill, bucket, part in unreported_ads(account, buckets):
        found.append((bucket, bill.currency, part, False))
    for draw in drawn:
        bucket = buckets.of(draw.day)
        if bucket is not None:
            currency = account.bills[draw.bill].currency
            found += [(bucket, currency, -draw.paid, False), (bucket, currency, draw.paid, True)]
    return found


def _cash_balances(account: Account, drawn: Sequence[Draw], end: date) -> Balances:
    """Unrestricted cash by currency at the start of day `end`, from all that ever moved it."""
    balances: Balances = defaultdict(Fraction)
    for fund in account.funds:
        if fund.day < end and not fund.is_restricted:
            balances[fund.currency] += Fraction(fund.amount)
    for _, currency, amount, of_credit in _bills_paid(account, drawn, Buckets((Period(date.min, end),))):
        if not of_credit:
            balances[currency] -= amount
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


def _credit_balances(account: Account, drawn: Sequence[Draw], end: date) -> Balances:
    """Restricted credit left by currency at the start of day `end`: received, not expired, not used."""
    balances: Balances = defaultdict(Fraction)
    for index, fund in enumerate(account.funds):
        is_open = fund.day < end and (fund.expires_on is None or fund.expires_on >= end)
        if fund.is_restricted and is_open:
            used = sum((draw.drawn for draw in drawn if draw.fund == index and draw.day < end), Fraction(0))
            balances[fund.currency] += Fraction(fund.amount) - used
    return balances


def _closing(account: Account, balances: Balances, period: Period) -> Amount:
    if not any(fund.day < period.end for fund in account.funds):
        return Missing("no funding is recorded", "没有融资记录", ("cash",))
    total = Fraction(0)
    for currency, balance in balances.items():
        value = account.converter.on_day(balance, currency, period.end - ONE_DAY)
        if isinstance(value, NoRate):
            return Missing(value.en, value.zh)
        total += value
    return post_fraction(total, account.currency)
