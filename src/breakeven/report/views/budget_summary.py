"""What a budget's plan achieves against today's split, how sure that is, and the verdict."""

from __future__ import annotations

from breakeven.account.metrics import Missing
from breakeven.growth.budget.gain import Gain
from breakeven.growth.budget.plan import Plan
from breakeven.growth.interval import LEVEL, Interval
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.budget_asked import Wanted
from breakeven.report.views.budget_plan import extrapolated_share
from breakeven.report.views.budget_units import gap_unit, modelled, objective_unit, return_unit
from breakeven.report.views.budget_words import MEASURES, OBJECTIVES, VERDICTS


def summary_table(currency: str, plan: Plan, gain: Gain, wanted: Wanted, outside: float) -> Table:
    """What the plan achieves against today's split, with intervals; the prices; and the certificate."""
    unit, per_yuan = objective_unit(currency, plan.objective), return_unit(currency, plan.objective)
    rows: list[tuple[str, str, Interval | float | None]] = [
        ("plan", unit, gain.plan),
        ("baseline", unit, gain.baseline),
        ("gain", unit, gain.gain),
        ("better", "ratio", gain.better),
        ("spent", currency, float(plan.spend.sum()) + outside),
        ("moved", "ratio", gain.moved),
        ("lambda", per_yuan, plan.multiplier),
        ("last_yuan", per_yuan, plan.price),
        ("residual", "ratio", plan.residual),
        ("gap", gap_unit(currency, plan.objective), plan.gap),
        ("extrapolated", "ratio", extrapolated_share(plan, outside)),
    ]
    if plan.limits.capacity is not None:
        rows.append(
            (
                "load_price",
                f"{gap_unit(currency, plan.objective)}/{wanted.capacity_unit[:-1]}",
                plan.load_price,
            )
        )
    if plan.objective == "payback":
        rows.append(("payback", "months", plan.months))
    found: list[dict[str, Value]] = []
    for key, its_unit, value in rows:
        middle = value.value if isinstance(value, Interval) else value
        row: dict[str, Value] = {"metric": key, "value": modelled(middle, its_unit)}
        if isinstance(value, Interval):
            row |= {"low": modelled(value.low, its_unit), "high": modelled(value.high, its_unit)}
        found.append(row)
    level = f"{LEVEL:.0%}"
    columns = (
        Column("metric", Label("Measure", "指标"), words=MEASURES),
        Column("value", Label("Mean", "均值"), "count"),
        Column("low", Label(f"{level} interval, low", f"{level} 区间下限"), "count"),
        Column("high", Label(f"{level} interval, high", f"{level} 区间上限"), "count"),
    )
    objective = OBJECTIVES[plan.objective]
    note = Label(
        f"Maximised: {objective.en}; a user's value is contribution within {wanted.horizon_months} months. "
        "Modelled; both plans are put to the same draws of curves and values.",
        f"目标：{objective.zh}；用户价值为 {wanted.horizon_months} 个月内的贡献。"
        "均为模型推算；两个方案使用相同的曲线与价值抽样。",
    )
    if outside:
        same = f"{outside:,.2f} {currency}"
        note = Label(
            f"{note.en} Spent has {same} that goes on without a curve: the same in both plans, and"
            " in what neither achieves.",
            f"{note.zh}“投放”含没有曲线、照常支出的 {same}；两个方案相同，均不计入其达成。",
        )
    units = tuple(its_unit for _, its_unit, _ in rows)
    return Table(
        "summary",
        Label("Gain over today's split", "相对现有比例的收益"),
        columns,
        tuple(found),
        note,
        row_units=units,
    )


def why_table(verdict: str, reasons: tuple[Missing, ...]) -> Table:
    """The verdict, and why the plan is no better, or is none."""
    words = {reason.en: Label(reason.en, reason.zh) for reason in reasons}
    said: list[dict[str, Value]] = [{"verdict": verdict, "reason": reason.en} for reason in reasons]
    columns = (
        Column("verdict", Label("Verdict", "结论"), words=VERDICTS),
        Column("reason", Label("Because", "原因"), words=words),
    )
    return Table("verdict", Label("Verdict", "结论"), columns, tuple(said or [{"verdict": verdict}]))
