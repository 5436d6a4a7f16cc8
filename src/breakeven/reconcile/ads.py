"""Advertising: what platforms reported as spent, by channel and month, against their invoices.

An invoice's vendor is the channel. Days of the invoice without any spend row of the channel were not logged:
they explain as much as so many days of its usual spend. Rebates on invoices are discounts; one that the books
have too, as negative spend, is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
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


@dataclass
class _Spent:
    """What the books have of one channel and bucket: spend with its days, and rebates (as negative spend)."""

    gross: Fraction = ZERO
    rebates: Fraction = ZERO
    days: set[date] = field(default_factory=set[date])

    @property
    def net(self) -> Fraction:
        return self.gross + self.rebates


def ads(account: Account) -> list[Draft]:
    """Spend by channel against invoices."""
    spent: dict[tuple[int, str], _Spent] = defaultdict(_Spent)
    for row in account.spend_rows("channel", "campaign", "creator"):
        if row["kind"] in INVOICED:
            amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
            mine = spent[row["bucket"], row["channel"] or ""]
            known = ZERO if isinstance(amount, NoRate) else amount
            if row["amount_sum"] < 0:
                mine.rebates += known
            else:
                mine.gross += known
                mine.days.add(row["day"])
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
            drafts.append(Draft(bucket, CATEGORY, channel, spent[key].net, None))
            continue
        counting, again = second_bills(billed[key])
        drafts.append(_compared(account, key, spent.get(key), counting))
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


def _compared(account: Account, key: tuple[int, str], spent: _Spent | None, parts: list[Part]) -> Draft:
    bucket, channel = key
    charges = together(parts)
    draft = draft_of(bucket, CATEGORY, channel, None if spent is None else spent.net, charges)
    if spent is None:
        settle(draft, charges.half_units, "unexplained")
        return draft
    _take_booked_rebates(draft, spent, charges.half_units)
    period = account.buckets.periods[bucket]
    billed_days = {day for part in parts for day in period.days() if day in part.bill.period}
    silent = billed_days - spent.days
    if silent and draft.left > charges.half_units and (spent.gross or not spent.days):
        # Beside a rebate alone there is no usual spend: as without books, all that was charged is unlogged.
        usual = spent.gross / len(spent.days) * len(silent) if spent.days else max(charges.usage, ZERO)
        draft.parts["unlogged"] += min(draft.left, usual)
        draft.note_en = f"{len(silent)} of {len(billed_days)} invoiced days have no spend rows"
        draft.note_zh = f"发票的 {len(billed_days)} 天中有 {len(silent)} 天没有花费记录"
    settle(draft, charges.half_units, "unexplained")
    return draft


def _take_booked_rebates(draft: Draft, spent: _Spent, half_units: Fraction) -> None:
    """A discount that the books have too explains nothing more.

    A rebate in one row with the spend of its day and campaign cannot be seen; it is known by what is left
    over, where that is the discount itself.
    """
    discount = draft.parts["discount"]
    if discount >= 0:
        return
    if spent.rebates:
        draft.parts["discount"] -= max(discount, spent.rebates)
    elif abs(draft.left + discount) <= half_units:
        draft.parts["discount"] = ZERO
