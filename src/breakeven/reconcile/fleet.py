"""The own fleet: leases and cloud bills against what capacity recorded, and against what its use was charged.

Capacity does not say whose GPUs they are, so all lessors are compared together; by type of GPU where bills
name it as their model. What a company owns is billed by nobody. Causes: hours that were billed and not
recorded (or the other way round), the price of a GPU-hour, and whatever else a bill adds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.facts import post_fraction, whole
from breakeven.account.ledger_rows import GPU_HOURS, Bill
from breakeven.account.margin import posted_parts
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate
from breakeven.reconcile.billed import Charges, Part, add_usage, parts_of, second_bills, spread
from breakeven.reconcile.draft import Draft, draft_of, settle
from breakeven.reconcile.line import Line
from breakeven.reconcile.repeated import billed_again

CATEGORY, ALLOCATED = "gpu", "gpu_allocation"
OWNED = "owned"
ZERO = Fraction(0)


@dataclass
class Hours:
    """GPU-hours and what they cost, in the statement's currency."""

    hours: Fraction = ZERO
    cost: Fraction = ZERO


def fleet(account: Account) -> list[Draft]:
    """The fleet against its bills, bucket by bucket."""
    recorded: dict[int, dict[tuple[str, bool], Hours]] = defaultdict(lambda: defaultdict(Hours))
    for row in account.fleet:
        bucket = account.buckets.of(row.day)
        if bucket is None:
            continue
        amount = account.converter.over_month(row.cost, row.currency, account.buckets.periods[bucket].first)
        if not isinstance(amount, NoRate):
            held = recorded[bucket][row.gpu, row.commitment == OWNED]
            held.hours += row.gpu_hours
            held.cost += amount

    def used(bill: Bill, period: Period) -> Fraction:  # noqa: ARG001
        return sum((row.gpu_hours for row in account.fleet if row.day in period), ZERO)

    bills = [bill for bill in account.bills if bill.category == CATEGORY]
    parts = parts_of(account, bills, "capacity", used)
    drafts: list[Draft] = []
    for bucket in range(len(account.buckets.periods)):
        mine = [part for part in parts if part.bucket == bucket]
        drafts += _bucket(bucket, recorded.get(bucket, {}), mine)
    return drafts


def _bucket(bucket: int, recorded: dict[tuple[str, bool], Hours], parts: list[Part]) -> list[Draft]:
    by_vendor: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        by_vendor[part.bill.vendor].append(part)
    counting: list[Part] = []
    drafts: list[Draft] = []
    for vendor, mine in sorted(by_vendor.items()):
        once, again = second_bills(mine)
        counting += once
        drafts += billed_again(CATEGORY, bucket, vendor, again)
    # A bill that names other things than the types recorded (instances, sites) is compared as a whole.
    gpus = {gpu for gpu, _ in recorded} | {""}
    by_gpu = all(part.bill.model in gpus for part in counting)
    charges: dict[tuple[str, str], Charges] = {}
    for part in counting:
        if part.bill.charge == "usage":
            key = (part.bill.model if by_gpu else "", "")
            add_usage(charges.setdefault(key, Charges()), part, gpu_hours)
    billed = {gpu for gpu, _ in charges}
    for part in counting:
        if part.bill.charge != "usage":
            spread(charges, part, part.bill.model if by_gpu else "")
    books: dict[str, Hours] = defaultdict(Hours)
    owned: dict[str, Hours] = defaultdict(Hours)
    for (gpu, is_owned), hours in recorded.items():
        into = owned if is_owned else books
        key = gpu if gpu in billed or (billed and "" not in billed) else ""
        into[key].hours += hours.hours
        into[key].cost += hours.cost
    for gpu in sorted({*books, *(gpu for gpu, _ in charges)}):
        drafts.append(_compared(bucket, gpu, books.get(gpu), charges.get((gpu, "")), is_billed=bool(parts)))
    for gpu, hours in sorted(owned.items()):
        drafts.append(Draft(bucket, CATEGORY, OWNED, hours.cost, None, gpu))
    return drafts


def gpu_hours(quantity: Fraction | None, unit: str) -> Fraction | None:
    """A billed quantity in GPU-hours; None where it counts something else.

    >>> gpu_hours(Fraction(24), "GPU-hours"), gpu_hours(Fraction(1), "month")
    (Fraction(24, 1), None)
    """
    return quantity if unit.strip().lower() in GPU_HOURS else None


def _compared(
    bucket: int, gpu: str, books: Hours | None, charges: Charges | None, *, is_billed: bool
) -> Draft:
    if charges is None and not is_billed:
        return Draft(bucket, CATEGORY, "", books.cost if books else None, None, gpu)
    charges = charges or Charges()
    quantity = charges.quantity if charges.usage_lines else None
    draft = draft_of(bucket, CATEGORY, "", books.cost if books else None, charges, gpu)
    draft.bill_quantity = quantity
    if quantity is not None and books is not None and books.hours:
        more = quantity - books.hours
        draft.parts["unlogged" if more > 0 else "duplicate"] += more * books.cost / books.hours
        draft.note_en = f"{_hours(quantity)} GPU-hours billed, {_hours(books.hours)} recorded"
        draft.note_zh = f"账单 {_hours(quantity)} GPU 小时，记录 {_hours(books.hours)} 小时"
    settle(draft, charges.half_units, "unexplained" if quantity is None else "price")
    return draft


def _hours(value: Fraction) -> str:
    return f"{whole(value):,.1f}".removesuffix(".0")


def allocation(account: Account, periods: list[str]) -> list[Line]:
    """What models were charged for the fleet, idle time included, beside what it cost: no difference."""
    lines: list[Line] = []
    parts = posted_parts(account, "provider", "model")
    for bucket, period in enumerate(periods):
        cost = account.fleet_cost.exact(bucket)
        if isinstance(cost, Fraction) and cost:
            stated = post_fraction(cost, account.currency)
            charged = sum((line.fleet for line in parts[bucket]), start=stated * 0)
            lines.append(
                Line(
                    bucket, ALLOCATED, "", stated, charged, f"{period}/{ALLOCATED}",
                    parts={"unexplained": charged - stated} if charged != stated else {},
                    currency=account.currency,
                )
            )  # fmt: skip
    return lines
