"""Exact money: what each line of the income statement must be, by the posting rules, and the cash that moved.

Amounts are summed in cents as whole numbers and fractions; a line is rounded once, half to even, and totals
are sums of rounded lines.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.clock import DAY_US
from breakeven.sources.synthetic.payments import KINDS, PaymentBatch
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.spend import SpendRow
from breakeven.sources.synthetic.suppliers import Bill, FleetRow, Fund, fleet_cost
from breakeven.sources.synthetic.truth_usage import UsageTruth

REVENUE = ("subscription_revenue", "gift_revenue", "api_revenue", "refunds")
SERVING = ("inference_api_cost", "gpu_cost")
OTHER_COST_OF_REVENUE = ("payment_fees", "bandwidth_cost", "cloud_cost", "content_cost")
SPEND = ("ads_spend", "creator_spend", "coupon_spend", "referral_spend", "agency_spend")
BELOW_CONTRIBUTION = ("payroll_cost", "training_cost", "other_cost")

LEAVES = (*REVENUE, *SERVING, *OTHER_COST_OF_REVENUE, *SPEND, *BELOW_CONTRIBUTION, "usage_at_list_price")

_RECOGNISED_AS = {"subscription": REVENUE[0], "gift": REVENUE[1], "api_invoice": REVENUE[2]}
_MEASURED_CATEGORIES = ("inference_api", "gpu", "payment_fee")


class MoneyTruth:
    """Adds up lines by month of the plan, and cash by month."""

    def __init__(self, plan: CompanyPlan) -> None:
        self._plan = plan
        self._lines: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        self._after_the_span: dict[str, Fraction] = defaultdict(Fraction)
        self._spend: dict[tuple[int, str, str], int] = defaultdict(int)
        self._cash: dict[tuple[int, str], int] = defaultdict(int)
        self._topups: dict[tuple[int, int], int] = defaultdict(int)
        self._bills: list[Bill] = []
        self._funds: list[Fund] = []
        self._prepaid_at_end = Fraction(0)
        self.fleet_cost_by_pool: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        self.fee_cents: dict[int, int] = defaultdict(int)

    def _days_by_month(self, first: int, end: int) -> list[tuple[int, int]]:
        """How many of the days [first, end) lie in each month; month `plan.months` is all after the span."""
        starts = [self._plan.day_index(day) for day in (*self._plan.month_starts, self._plan.period.end)]
        starts.append(end + starts[-1])
        pairs = [(m, min(end, starts[m + 1]) - max(first, starts[m])) for m in range(self._plan.months + 1)]
        return [(month, days) for month, days in pairs if days > 0]

    def _spread(self, line: str, cents: Fraction, first: int, end: int) -> None:
        for month, days in self._days_by_month(first, end):
            part = cents * days / (end - first)
            if month < self._plan.months:
                self._lines[line, month] += part
            else:
                self._after_the_span[line] += part

    def add_payments(self, day: int, batch: PaymentBatch) -> None:
        """Recognise a day's payments over their service days; refunds, fees and cash fall on the day."""
        month = self._plan.month_index(self._plan.days[day])
        net = batch.amount - batch.tax
        for kind, name in enumerate(KINDS):
            mine = batch.kind == kind
            if not mine.any():
                continue
            self._cash[month, name] += int(batch.amount[mine].sum())
            if name in _RECOGNISED_AS:
                self._recognise(_RECOGNISED_AS[name], batch, np.flatnonzero(mine))
            elif name == "api_topup":
                for account, cents in zip(batch.account[mine].tolist(), net[mine].tolist(), strict=True):
                    self._topups[month, account] += cents
            else:
                self._lines["refunds", month] -= int(net[mine].sum())
        fees = int(batch.fee.sum())
        self._lines["payment_fees", month] += fees
        self._cash[month, "fees"] += fees
        self.fee_cents[month] += fees

    def _recognise(self, line: str, batch: PaymentBatch, rows: np.ndarray) -> None:
        first_us = self._plan.day_start_us(self._plan.period.first)
        start = (batch.start_us[rows] - first_us) // DAY_US
        end = np.maximum((batch.end_us[rows] - first_us) // DAY_US, start + 1)
        net = batch.amount[rows] - batch.tax[rows]
        spans, which = np.unique(np.stack([start, end]), axis=1, return_inverse=True)
        cents = np.zeros(spans.shape[1], dtype=np.int64)
        np.add.at(cents, which.ravel(), net)
        for first, last, amount in zip(*spans.tolist(), cents.tolist(), strict=True):
            self._spread(line, Fraction(amount), first, last)

    def add_spend(self, month: int, rows: list[SpendRow]) -> None:
        """Add a month's acquisition spend."""
        for row in rows:
            self._spend[month, row.channel, row.line.kind] += row.cents
            self._lines[f"{row.line.kind}_spend", month] += row.cents
            self._cash[month, "acquisition_spend"] += row.cents

    def add_fleet(self, day: int, rows: list[FleetRow]) -> None:
        """Add a day of the fleet."""
        month = self._plan.month_index(self._plan.days[day])
        for row in rows:
            self.fleet_cost_by_pool[month, row.pool] += fleet_cost([row])
        self._lines["gpu_cost", month] += Fraction(fleet_cost(rows)) * 100

    def add_bills(self, bills: list[Bill]) -> None:
        """Accrue bills evenly over their days, except for what the books measure themselves."""
        self._bills += bills
        for bill in bills:
            if bill.category not in _MEASURED_CATEGORIES:
                first, end = self._plan.day_index(bill.start), self._plan.day_index(bill.end)
                self._spread(f"{bill.category}_cost", Fraction(bill.amount) * 100, first, end)

    def add_funds(self, rows: list[Fund]) -> None:
        """Add cash and credit received."""
        self._funds += rows

    def add_usage(self, usage: UsageTruth) -> None:
        """At the end: what usage was worth and cost, and prepaid API money as it was used up."""
        balances: dict[int, Fraction] = defaultdict(Fraction)
        for month in range(self._plan.months):
            self._lines["usage_at_list_price", month] = usage.at_list_price_cents(month)
            self._lines["inference_api_cost", month] = usage.outside_cost_cents(month)
            for account, value in enumerate(usage.api_value_cents(month)):
                available = balances[account] + self._topups[month, account]
                earned = min(available, value)
                balances[account] = available - earned
                self._lines["api_revenue", month] += earned
        self._prepaid_at_end = sum(balances.values(), Fraction(0))

    def income(self, month: int) -> dict[str, int]:
        """The lines and totals of a month's statement, in cents."""
        line = {name: round(self._lines[name, month]) for name in LEAVES}

        def total(parts: tuple[str, ...]) -> int:
            return sum(line[name] for name in parts)

        line["revenue"] = total(REVENUE)
        line["serving_cost"] = total(SERVING)
        line["cost_of_revenue"] = line["serving_cost"] + total(OTHER_COST_OF_REVENUE)
        line["gross_profit"] = line["revenue"] - line["cost_of_revenue"]
        line["acquisition_spend"] = total(SPEND)
        line["contribution"] = line["gross_profit"] - line["acquisition_spend"]
        line["operating_result"] = line["contribution"] - total(BELOW_CONTRIBUTION)
        return line

    def as_json(self) -> dict[str, Any]:
        """Money under the names of `truth.json`, as decimal strings."""
        labels = [f"{month:%Y-%m}" for month in self._plan.month_starts]
        cash_kinds = (*KINDS, "fees", "acquisition_spend")
        return {
            "income": [
                {"period": label, "metric": name, "value": money(cents), "unit": company.CURRENCY}
                for month, label in enumerate(labels)
                for name, cents in self.income(month).items()
            ],
            "after_the_span": {name: money(round(cents)) for name, cents in self._after_the_span.items()},
            "prepaid_api_balance": money(round(self._prepaid_at_end)),
            "spend": [
                {"period": labels[month], "channel": channel, "kind": kind, "value": money(cents)}
                for (month, channel, kind), cents in sorted(self._spend.items())
            ],
            "cash": [
                {
                    "period": label,
                    "currency": company.CURRENCY,
                    **{name: money(self._cash[month, name]) for name in cash_kinds},
                }
                for month, label in enumerate(labels)
            ],
            "bills": [
                {
                    "vendor": bill.vendor,
                    "category": bill.category,
                    "period_start": bill.start.isoformat(),
                    "period_end": bill.end.isoformat(),
                    "amount": str(bill.amount),
                    "funded_by": bill.funded_by,
                }
                for bill in self._bills
            ],
            "funding": [
                {
                    "day": fund.day.isoformat(),
                    "kind": fund.kind,
                    "name": fund.name,
                    "amount": str(fund.amount),
                    "currency": fund.currency,
                    "restricted_to": fund.restricted_to,
                }
                for fund in self._funds
            ],
        }


def money(cents: int) -> str:
    """Cents as a decimal string.

    >>> money(-5), money(123456)
    ('-0.05', '1234.56')
    """
    sign, whole = "-" if cents < 0 else "", abs(cents)
    return f"{sign}{whole // 100}.{whole % 100:02d}"
