"""The limits a budget keeps to, how much of each the plan uses, and which of them bind."""

from __future__ import annotations

from decimal import Decimal

from breakeven.account.metrics import Amount, Missing
from breakeven.growth.budget.books_offers import Plannable
from breakeven.growth.budget.plan import Plan
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.budget_asked import Wanted
from breakeven.report.views.budget_units import modelled
from breakeven.report.views.budget_words import CHANNELS, LIMITS, YES_NO
from breakeven.report.views.parts import shown


def limits_table(currency: str, plan: Plan, plannable: Plannable, wanted: Wanted, outside: float) -> Table:
    """Every limit, how much of it the plan uses, and whether it binds."""
    spent = float(plan.spend.sum())
    rows: list[dict[str, Value]] = []
    units: list[str] = []

    def add(limit: str, channel: str, bound: Value, used: Value, *, binds: bool, unit: str) -> None:
        rows.append(
            {
                "limit": limit,
                "channel": channel,
                "bound": bound,
                "used": used,
                "binds": "yes" if binds else "no",
            }
        )
        units.append(unit)

    add(
        "total", "", modelled(plan.limits.total + outside, currency), modelled(spent + outside, currency),
        binds="total" in plan.binds, unit=currency,
    )  # fmt: skip
    if wanted.cash_floor is not None and not isinstance(plannable.cash, Missing):
        left: Amount = plannable.cash - Decimal(repr(round(spent + outside, 9)))
        floor = shown(wanted.cash_floor, currency)
        add("cash_floor", "", floor, shown(left, currency), binds="cash_floor" in plan.binds, unit=currency)
    if wanted.capacity is not None:
        unit = wanted.capacity_unit
        loads = {offer.name: offer.load for offer in plannable.offers}
        used = modelled(sum(line.users * loads[line.channel] for line in plan.lines), unit)
        bound = shown(wanted.capacity, unit)
        add("capacity", "", bound, used, binds="capacity" in plan.binds, unit=unit)
    for line in plan.lines:
        spend = modelled(line.spend, currency)
        for kind, bounds in (("least", wanted.at_least), ("most", wanted.at_most)):
            if line.channel in bounds:
                bound = shown(bounds[line.channel], currency)
                add(kind, line.channel, bound, spend, binds=line.binds == kind, unit=currency)
        if line.kept is not None:
            add("kept", line.channel, modelled(line.today, currency), spend, binds=True, unit=currency)
    for name, (spend_a_month, _) in plannable.outside.items():
        kept = modelled(spend_a_month * wanted.months, currency)
        add("outside", name, kept, kept, binds=True, unit=currency)
    columns = (
        Column("limit", Label("Limit", "限制"), words=LIMITS),
        Column("channel", Label("Channel", "渠道"), words=CHANNELS),
        Column("bound", Label("Bound", "限值"), "count"),
        Column("used", Label("Plan", "方案"), "count"),
        Column("binds", Label("Binds", "是否起作用"), words=YES_NO),
    )
    return Table("limits", Label("Limits", "限制"), columns, tuple(rows), row_units=tuple(units))
