"""When users pay back what they cost to win: a month where the books show it, a band where not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL
from breakeven.growth.lifetime_value.books_value import By, Values, values_of
from breakeven.growth.lifetime_value.forecasts_kept import payback_forecasts
from breakeven.growth.lifetime_value.payback import Payback, month_after, payback_of
from breakeven.growth.lifetime_value.prospects import DRAWS, SEED
from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath
from breakeven.growth.lifetime_value.value import Value as UserValue
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.kept import keep, today
from breakeven.report.views.ltv import NEEDS, chosen_rows, idle_spend, remarks, unit_cost_table
from breakeven.report.views.parts import envelope
from breakeven.report.views.value_cells import MEASURED, MODELLED, figure, named, naming

HORIZON_MONTHS = 24
NEVER = "beyond"
NEVER_LABEL = Label("not within the horizon", "不在期限内")


def payback_view(
    account: Account,
    *,
    by: By = "cohort",
    only: tuple[str, ...] = (),
    months: tuple[str, ...] = (),
    horizon_months: int = HORIZON_MONTHS,
    unit_cost_path: UnitCostPath | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> View:
    """Payback per cohort, per channel, or per cohort of a channel."""
    account.facts  # noqa: B018
    title = Label(
        f"Payback within {horizon_months} months, {LEVEL:.0%} band",
        f"{horizon_months} 个月内的回本，{LEVEL:.0%} 区间",
    )
    found = values_of(
        account, by, horizon_months=horizon_months, unit_cost_path=unit_cost_path, draws=draws, seed=seed
    )
    head = envelope(account, needs=(*NEEDS, "ad_spend"))
    if isinstance(found, Missing):
        warning = Warning("no_value", Label(found.en, found.zh))
        return View("payback", title, replace(head, warnings=(*head.warnings, warning)), ())
    rows = chosen_rows(found, only, months)
    told = [(row, payback_of_row(found, row)) for row in rows]
    foretold = [(row, one) for row, one in told if not isinstance(one, Missing)]
    kept = keep(account, payback_forecasts(found, foretold, today()))
    tables = (payback_table(found, told, by, account.currency, title), unit_cost_table(found))
    said = (*remarks(found, rows), *idle_spend(account), *([kept] if kept else []))
    warnings = (*head.warnings, *said)
    return View("payback", title, replace(head, warnings=warnings), tables)


def payback_of_row(found: Values, row: UserValue) -> Payback | Missing:
    """A row's payback: the account's own where it is measured."""
    booked = found.cohorts.get((row.segment, row.cohort))
    measured = booked.payback_months if booked is not None else None
    return payback_of(row, int(measured) if isinstance(measured, Decimal) else None)


def payback_table(
    found: Values, told: list[tuple[UserValue, Payback | Missing]], by: By, currency: str, title: Label
) -> Table:
    """One row each: what a user cost to win, what came back so far, when the rest does, and how likely."""
    per_user = f"{currency}/user"
    dated = by in ("cohort", "both")
    bounds = {
        "early": Label("early", "最早"),
        "middle": Label("middle", "居中"),
        "late": Label("late", "最晚"),
    }
    words = {MEASURED.en: MEASURED, MODELLED.en: MODELLED}
    words |= {one.en: Label(one.en, one.zh) for _, one in told if isinstance(one, Missing)}
    columns = [
        *naming(by),
        Column("users", Label("Users", "人数"), "users"),
        Column("cac", Label("CAC", "获客成本"), per_user),
        Column("so_far", Label("Came back so far", "已收回"), per_user),
    ]
    if dated:
        columns += [
            Column(name, Label(f"Paid back: {label.en}", f"回本月：{label.zh}"), words={NEVER: NEVER_LABEL})
            for name, label in bounds.items()
        ]
    columns += [
        Column(f"{name}_months", Label(f"Months: {label.en}", f"月数：{label.zh}"), "months")
        for name, label in bounds.items()
    ]
    columns += [
        Column("share", Label("Within the horizon", "期限内回本概率"), "ratio"),
        Column("basis", Label("Basis", "依据"), words=words),
    ]
    return Table(
        "payback",
        title,
        tuple(columns),
        tuple(_row(value, found.came_back(value), payback, by, per_user) for value, payback in told),
        note=Label(
            "Cumulative contribution (not discounted) against what the users cost to win; the month of "
            "acquisition is month 1. A dash under months: not within the horizon. What came back so far is "
            "as in the cohorts, a month under way included.",
            "累计贡献（不折现）与获客支出相比；获得当月为第 1 个月。月数为横线表示不在期限内。"
            "已收回与同期群视图一致，含尚未结束的月份。",
        ),
    )


def _row(
    value: UserValue, so_far: float | None, payback: Payback | Missing, by: By, per_user: str
) -> dict[str, Value]:
    row: dict[str, Value] = named(value, by) | {
        "users": figure(value.users, "users"),
        "cac": figure(value.spend, per_user),
        "so_far": figure(so_far, per_user),
    }
    if isinstance(payback, Missing):
        return row | {"basis": payback.en}
    months = {"early": payback.early, "middle": payback.middle, "late": payback.late}
    if by in ("cohort", "both"):
        first = date.fromisoformat(f"{value.cohort}-01")
        for name, count in months.items():
            month = month_after(first, count)
            row[name] = f"{month:%Y-%m}" if month else NEVER
    row |= {f"{name}_months": figure(count, "months") for name, count in months.items()}
    share = 1.0 if payback.is_measured and payback.middle else payback.share
    return row | {
        "share": figure(share, "ratio"),
        "basis": (MEASURED if payback.is_measured else MODELLED).en,
    }
