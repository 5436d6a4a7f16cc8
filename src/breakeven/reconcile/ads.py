"""Advertising: what platforms reported as spent, by channel and month, against their invoices.

An invoice's vendor is the channel. Days of the invoice without any spend row of the channel were not logged:
they explain as much as so many days of its usual spend. Rebates are discounts.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.acquisition import INVOICED
from breakeven.account.ledger_rows import Bill
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate
from breakeven.reconcile.billed import Part, parts_of, second_bills, together
from breakeven.reconcile.draft import Draft, draft_of, settle
from breakeven.reconcile.repeated import billed_again

CATEGORY = "advertising"
ZERO = Fraction(0)


def ads(account: Account) -> list[Draft]:
    """Spend by channel against invoices."""
    spent: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
    days: dict[tuple[int, str], set[date]] = defaultdict(set)
    for row in account.spend_rows("channel"):
        if row["kind"] in INVOICED:
            amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
            key = (row["bucket"], row["channel"] or "")
            days[key].add(row["day"])
            spent[key] += ZERO if isinstance(amount, NoRate) else amount
    billed: dict[tuple[int, str], list[Part]] = defaultdict(list)
    by_day = _spend_by_day(account)

    def used(bill: Bill, period: Period) -> Fraction:
        return sum((amount for day, amount in by_day.get(bill.vendor, ()) if day in period), ZERO)

    bills = [bill for bill in account.bills if bill.category == CATEGORY]
    for part in parts_of(account, bills, "ad_spend", used):
        billed[part.bucket, part.bill.vendor].append(part)
    drafts: list[Draft] = []
    for key in sorted(spent.keys() | billed.keys()):
        bucket, channel = key
        if key not in billed:
            drafts.append(Draft(bucket, CATEGORY, channel, spent[key], None))
            continue
        counting, again = second_bills(billed[key])
        drafts.append(_compared(account, key, spent.get(key), days.get(key, set()), counting))
        drafts += billed_again(CATEGORY, bucket, channel, again)
    return drafts


def _spend_by_day(account: Account) -> dict[str, list[tuple[date, Fraction]]]:
    """Invoiced spend of each channel, on all days of the books."""
    days: dict[str, list[tuple[date, Fraction]]] = defaultdict(list)
    rows = account.rollups["ad_spend"]
    if rows.num_rows:
        grouped = rows.group_by(["day", "channel", "kind"], use_threads=False)
        for row in grouped.aggregate([("amount", "sum")]).to_pylist():
            if row["kind"] in INVOICED:
                days[row["channel"] or ""].append((row["day"], Fraction(row["amount_sum"])))
    return days


def _compared(
    account: Account, key: tuple[int, str], spent: Fraction | None, days: set[date], parts: list[Part]
) -> Draft:
    bucket, channel = key
    charges = together(parts)
    draft = draft_of(bucket, CATEGORY, channel, spent, charges)
    period = account.buckets.periods[bucket]
    billed_days = {day for part in parts for day in period.days() if day in part.bill.period}
    silent = billed_days - days
    if spent and silent and draft.left > charges.half_units:
        draft.parts["unlogged"] += min(draft.left, spent / len(days) * len(silent))
        draft.note_en = f"{len(silent)} of {len(billed_days)} invoiced days have no spend rows"
        draft.note_zh = f"发票的 {len(billed_days)} 天中有 {len(silent)} 天没有花费记录"
    settle(draft, charges.half_units, "unexplained")
    return draft
