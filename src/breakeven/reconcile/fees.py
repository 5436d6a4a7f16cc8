"""Payment fees: what payments say was kept, by the source that says so, against the channels' fee bills."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.ledger_rows import Bill
from breakeven.account.usage import with_bucket
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate
from breakeven.reconcile.billed import Part, parts_of, second_bills, together
from breakeven.reconcile.draft import Draft, draft_of, settle
from breakeven.reconcile.repeated import billed_again

CATEGORY = "payment_fee"
ZERO = Fraction(0)


def fees(account: Account) -> list[Draft]:
    """Fees by bucket; by source of the payments where a bill's vendor bears its name, else all together."""
    rows = account.rollups["payments_by_source"]
    kept: dict[int, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    if rows.num_rows:
        keys = ["bucket", "source", "day", "currency"]
        grouped = with_bucket(rows, account.buckets).group_by(keys, use_threads=False)
        for row in grouped.aggregate([("fee", "sum")]).to_pylist():
            if row["fee_sum"] is not None:
                amount = account.converter.on_day(Fraction(row["fee_sum"]), row["currency"], row["day"])
                kept[row["bucket"]][row["source"]] += ZERO if isinstance(amount, NoRate) else amount

    def used(bill: Bill, period: Period) -> Fraction:  # noqa: ARG001
        days = rows.group_by(["day"]).aggregate([("fee", "sum")]).to_pylist() if rows.num_rows else []
        return sum((Fraction(row["fee_sum"] or 0) for row in days if row["day"] in period), ZERO)

    bills = [bill for bill in account.bills if bill.category == CATEGORY]
    parts = parts_of(account, bills, "payments", used)
    drafts: list[Draft] = []
    for bucket in range(len(account.buckets.periods)):
        mine = [part for part in parts if part.bucket == bucket]
        drafts += _bucket(bucket, kept.get(bucket, {}), mine)
    return drafts


def _bucket(bucket: int, kept: dict[str, Fraction], parts: list[Part]) -> list[Draft]:
    drafts: list[Draft] = []
    billed: dict[str, list[Part]] = defaultdict(list)
    for vendor in sorted({part.bill.vendor for part in parts}):
        counting, again = second_bills(part for part in parts if part.bill.vendor == vendor)
        billed[vendor if vendor in kept else ""] += counting
        drafts += billed_again(CATEGORY, bucket, vendor, again)
    books: dict[str, Fraction] = defaultdict(Fraction)
    for source, amount in kept.items():
        # Bills that name no source of ours are compared with all sources that have no bill of their own.
        books[source if source in billed else ""] += amount
    for vendor in sorted({*books, *billed}):
        held = books.get(vendor)
        if vendor not in billed:
            drafts.append(Draft(bucket, CATEGORY, vendor, held, None))
            continue
        charges = together(billed[vendor])
        draft = draft_of(bucket, CATEGORY, vendor, held, charges)
        settle(draft, charges.half_units, "unexplained")
        drafts.append(draft)
    return drafts
