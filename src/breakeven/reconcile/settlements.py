"""Payments: gross, fees and refunds of a processor, its payouts, and what the bank received of them.

Two comparisons a month, each in the currency of the money and without any exchange:

- `payout`: payments less refunds, chargebacks and fees, against what the processor paid out. What it still
  holds, or pays out of earlier months, is timing; more than it can ever have held is unexplained.
- `bank`: payouts against receipts, matched by their reference. Paid out in one month and received in the
  next is timing; a payout that never arrived, or arrived as another amount, is unexplained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.ledger_rows import rows_of
from breakeven.money import post
from breakeven.periods import Period, time_zone
from breakeven.reconcile.line import CAUSES, Cause, Line, RowKey

PAYOUT, BANK = "payout", "bank"
CATEGORIES = (PAYOUT, BANK)
ZERO = Decimal(0)
_GIVEN_BACK = ("refund", "chargeback")


@dataclass(frozen=True)
class Moved:
    """A payout, a receipt of the bank or an adjustment, on a day of the books' zone."""

    day: date
    kind: str
    amount: Decimal
    reference: str
    row: RowKey


@dataclass(frozen=True)
class Flow:
    """A processor's month in one currency: what customers paid and got back, and what was kept."""

    gross: Decimal = ZERO
    refunds: Decimal = ZERO
    chargebacks: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """What the processor owes for the month."""
        return self.gross - self.refunds - self.chargebacks - self.fees


Till = tuple[str, str]
"""Where one processor keeps one currency: (processor, currency)."""


def settlement_lines(account: Account) -> list[Line]:
    """Both comparisons for every processor of which settlements are known."""
    moved = _moved(account)
    flows = flows_of(account)
    lines: list[Line] = []
    for key in sorted(moved):
        lines += _payout_lines(account, key, flows.get(key, {}), moved[key])
        lines += _bank_lines(account, key, moved[key])
    return sorted(lines, key=lambda line: line.bucket)


def flows_of(account: Account) -> dict[Till, dict[date, Flow]]:
    """Each processor's payments by day, per currency: all days the books have."""
    rows = account.rollups["payments_by_source"]
    found: dict[Till, dict[date, Flow]] = defaultdict(dict)
    if not rows.num_rows:
        return found
    sums: dict[tuple[Till, date], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    grouped = rows.group_by(["day", "source", "kind", "currency"], use_threads=False)
    for row in grouped.aggregate([("amount", "sum"), ("fee", "sum")]).to_pylist():
        one = sums[(row["source"], row["currency"]), row["day"]]
        given = {"refund": "refunds", "chargeback": "chargebacks"}
        one[given.get(row["kind"], "gross")] += row["amount_sum"]
        one["fees"] += row["fee_sum"] or ZERO
    for (key, day), one in sums.items():
        found[key][day] = Flow(**one)
    return found


def within(flows: dict[date, Flow], period: Period) -> Flow:
    """The days of a period as one."""
    mine = [flow for day, flow in flows.items() if day in period]
    return Flow(*(sum((getattr(flow, name) for flow in mine), ZERO) for name in Flow.__dataclass_fields__))


def _moved(account: Account) -> dict[Till, list[Moved]]:
    zone = time_zone(account.books.settings.time_zone)
    found: dict[Till, list[Moved]] = defaultdict(list)
    for row in rows_of(account.books, "settlements"):
        day = row["at"].astimezone(UTC).astimezone(zone).date()
        found[row["processor"], row["currency"]].append(
            Moved(day, row["kind"], row["amount"], row["reference"] or "", (row["source"], row["source_id"]))
        )
    return {key: sorted(rows, key=lambda row: (row.day, row.row)) for key, rows in found.items()}


def _in(rows: Iterable[Moved], period: Period) -> list[Moved]:
    return [row for row in rows if row.day in period]


def _sum(rows: Iterable[Moved]) -> Decimal:
    return sum((row.amount for row in rows), ZERO)


def _payout_lines(account: Account, key: Till, flows: dict[date, Flow], moved: list[Moved]) -> list[Line]:
    """What the processor owes against what it paid out; its balance runs from the first day known.

    Where only the bank's receipts are known, they stand for the payouts.
    """
    kind = "payout" if any(row.kind == "payout" for row in moved) else "bank_receipt"
    payouts = [row for row in moved if row.kind == kind]
    adjustments = [row for row in moved if row.kind == "adjustment"]
    lines: list[Line] = []
    for bucket, period in enumerate(account.buckets.periods):
        flow = within(flows, period)
        paid, adjusted = _in(payouts, period), _in(adjustments, period)
        if not (paid or adjusted or flow != Flow()):
            continue
        until = Period(date.min, period.end)
        balance = within(flows, until).net + _sum(_in(adjustments, until)) - _sum(_in(payouts, until))
        left = _sum(paid) - flow.net - _sum(adjusted)
        # Nobody pays out more than was ever kept: so much of a month's surplus has no source in the books.
        unexplained = min(max(-balance, ZERO), max(left, ZERO))
        parts: dict[Cause, Decimal] = {
            "fee": _sum(adjusted), "late": left - unexplained, "unexplained": unexplained,
        }  # fmt: skip
        shown = f"{post(balance, key[1]):,f} {key[1]}"
        line = _line(account, PAYOUT, key, bucket, flow.net, _sum(paid), parts, [*paid, *adjusted])
        lines.append(
            replace(
                line,
                figures={name: post(value, key[1]) for name, value in vars(flow).items()},
                note_en=f"balance left with the processor: {shown}",
                note_zh=f"留在渠道的余额：{shown}",
            )
        )
    return lines


def _bank_lines(account: Account, key: Till, moved: list[Moved]) -> list[Line]:
    """Payouts against receipts. One without a receipt is on its way as long as no later receipt is known."""
    receipts = [row for row in moved if row.kind == "bank_receipt"]
    payouts = [row for row in moved if row.kind == "payout"]
    if not receipts or not payouts:
        return []
    pairs, alone = _matched(payouts, receipts)
    lines: list[Line] = []
    for bucket, period in enumerate(account.buckets.periods):
        sent, got = _in(payouts, period), _in(receipts, period)
        if not (sent or got):
            continue
        parts: dict[Cause, Decimal] = defaultdict(Decimal)
        odd: list[str] = []
        for paid, arrived in pairs:
            # A payout counts in the month it was sent, its receipt in the month it arrived. What arrived as
            # another amount shows in the month of the last receipt.
            wrong = (_sum(arrived) - _sum(paid)) * (arrived[-1].day in period)
            parts["unexplained"] += wrong
            parts["late"] += _sum(_in(arrived, period)) - _sum(_in(paid, period)) - wrong
            if wrong:
                odd.append(arrived[-1].reference)
        for row in _in(alone, period):
            travels = row.kind == "payout" and row.day > receipts[-1].day
            parts["late" if travels else "unexplained"] += -row.amount if row.kind == "payout" else row.amount
            odd.append(row.reference)
        named = ", ".join(dict.fromkeys(name for name in odd if name))
        line = _line(account, BANK, key, bucket, _sum(sent), _sum(got), parts, [*sent, *got])
        if named:
            line = replace(line, note_en=f"not settled: {named}", note_zh=f"未对上：{named}")
        lines.append(line)
    return lines


def _matched(
    payouts: list[Moved], receipts: list[Moved]
) -> tuple[list[tuple[list[Moved], list[Moved]]], list[Moved]]:
    """Payouts with their receipts, and what has none: by reference; without one, by amount and order."""
    by_reference: dict[str, tuple[list[Moved], list[Moved]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((payouts, receipts)):
        for row in rows:
            if row.reference:
                by_reference[row.reference][side].append(row)
    pairs = [pair for pair in by_reference.values() if all(pair)]
    alone = [row for pair in by_reference.values() if not all(pair) for side in pair for row in side]
    nameless = [row for row in receipts if not row.reference]
    for paid in (row for row in payouts if not row.reference):
        got = next((row for row in nameless if row.amount == paid.amount and row.day >= paid.day), None)
        if got is None:
            alone.append(paid)
        else:
            nameless.remove(got)
            pairs.append(([paid], [got]))
    return pairs, alone + nameless


def _line(
    account: Account, category: str, key: Till, bucket: int, books: Decimal, bill: Decimal,
    parts: dict[Cause, Decimal], rows: list[Moved],
) -> Line:  # fmt: skip
    processor, currency = key
    held, owed = post(books, currency), post(bill, currency)
    shown: dict[Cause, Decimal] = {
        cause: post(amount, currency) for cause in CAUSES if (amount := parts.get(cause, ZERO))
    }
    if moved := owed - held - sum(shown.values(), ZERO):
        shown["rounding"] = moved
    label = account.buckets.periods[bucket].label
    return Line(
        bucket, category, processor, held, owed, f"{label}/{category}/{processor}/{currency}",
        parts=shown, currency=currency, bill_rows=tuple(row.row for row in rows),
    )  # fmt: skip
