"""Restricted credit, day by day: which bills it paid, and what they cost in cash because it did not suffice.

A bill names the credit that pays it (`funded_by`). Each of its days draws on the credit of that name, the one
that expires first; a day before the credit was received, after its last day, or after it is used up is paid
in cash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from breakeven.account.ledger_rows import Bill, Fund
from breakeven.periods import ONE_DAY
from breakeven.pricing.fx import NoRate, Rates


@dataclass(frozen=True)
class Draw:
    """A part of a bill's day that credit paid: in the bill's currency, and in the credit's."""

    day: date
    bill: int
    fund: int
    paid: Fraction
    drawn: Fraction


def draws(bills: list[Bill], funds: list[Fund], rates: Rates) -> list[Draw]:
    """Every draw on restricted credit; `bill` and `fund` are positions in the lists.

    A day without an exchange rate between bill and credit draws nothing: it is paid in cash.
    """
    in_turn = sorted(
        (index for index, fund in enumerate(funds) if fund.is_restricted),
        key=lambda index: (funds[index].expires_on or date.max, funds[index].day, index),
    )
    left = {index: Fraction(funds[index].amount) for index in in_turn}
    funded = {funds[index].name for index in in_turn} - {""}
    days = sorted(
        (day, number)
        for number, bill in enumerate(bills)
        if bill.funded_by in funded
        for day in bill.period.days()
    )
    found: list[Draw] = []
    for day, number in days:
        bill = bills[number]
        due = bill.amount / bill.period.day_count
        for index in in_turn:
            fund = funds[index]
            if fund.name != bill.funded_by or not _is_open(fund, day) or left[index] <= 0 or due <= 0:
                continue
            rate = rates.rate(day, bill.currency, fund.currency)
            if isinstance(rate, NoRate):
                continue
            drawn = min(left[index], due * Fraction(rate.value))
            paid = drawn / Fraction(rate.value)
            left[index] -= drawn
            due -= paid
            found.append(Draw(day, number, index, paid, drawn))
    return found


def _is_open(fund: Fund, day: date) -> bool:
    return fund.day <= day and (fund.expires_on is None or day < fund.expires_on + ONE_DAY)
