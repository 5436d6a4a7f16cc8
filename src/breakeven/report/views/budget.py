"""The budget: where a month's or quarter's money should go, what that gains over today's split, and proof."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.metrics import Amount, Missing
from breakeven.errors import UsageError
from breakeven.growth.budget.best_plan import plan_budget
from breakeven.growth.budget.books_offers import Plannable, books_offers, with_load
from breakeven.growth.budget.capacity import CapacityUnit, peak_load
from breakeven.growth.budget.gain import Gain, gain_of
from breakeven.growth.budget.plan import Objective, Plan, PlanLine
from breakeven.growth.budget.question import Limits, Question
from breakeven.growth.interval import LEVEL, Interval
from breakeven.money import EXACT
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.budget_words import BINDS, LIMITS, MEASURES, OBJECTIVES, VERDICTS, YES_NO
from breakeven.report.views.parts import envelope, shown

TOTAL = "(total)"
SEED = 20240902
NEEDS = ("ad_spend", "acquisitions", "activity", "usage", "payments")
_DIGITS = 6


@dataclass(frozen=True)
class Wanted:
    """What a budget is asked for, in the account's currency and for the whole period of `months`."""

    objective: Objective = "value"
    months: int = 1
    total: Decimal | None = None
    spend_all: bool = False
    at_least: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    at_most: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    cash_floor: Decimal | None = None
    capacity: Decimal | None = None
    capacity_unit: CapacityUnit = "users"
    explore: bool = False
    seed: int = SEED
    horizon_months: int = 12


def books_budget_view(account: Account, wanted: Wanted) -> View:
    """The budget of the books. Raises `UsageError` for bounds on channels that the books do not have."""
    offered = books_offers(
        account,
        needs_value=wanted.objective != "users",
        horizon_months=wanted.horizon_months,
        seed=wanted.seed,
    )
    known = {offer.name for offer in offered.offers}
    for channel in (*wanted.at_least, *wanted.at_most):
        if channel not in known:
            raise UsageError(
                f"there is no channel {channel!r} with a response curve",
                remedy=f"use one of {', '.join(sorted(known)) or 'none'}",
            )
    if wanted.capacity is not None and wanted.capacity_unit != "users":
        load = peak_load(account, wanted.capacity_unit, wanted.months)
        if isinstance(load, Missing):
            raise UsageError(
                f"the books do not say how many {wanted.capacity_unit} a new user asks for",
                remedy="give --capacity-users instead",
            )
        offered = with_load(offered, load)
    return budget_view(account, offered, wanted)


def budget_view(account: Account, plannable: Plannable, wanted: Wanted) -> View:
    """The plan, what it gains and how sure that is, what binds; or why there is none."""
    months = float(wanted.months)
    outside = sum(spend for spend, _ in plannable.outside.values()) * months
    today = plannable.spend_today * months
    total = float(wanted.total) if wanted.total is not None else today
    cash = None if isinstance(plannable.cash, Missing) else float(plannable.cash)
    limits = Limits(
        total=total - outside,
        spend_all=wanted.spend_all,
        at_least={name: float(amount) for name, amount in wanted.at_least.items()},
        at_most={name: float(amount) for name, amount in wanted.at_most.items()},
        cash=None if cash is None else cash - outside,
        cash_floor=None if wanted.cash_floor is None else float(wanted.cash_floor),
        capacity=None if wanted.capacity is None else float(wanted.capacity),
    )
    found: Plan | Missing
    if wanted.cash_floor is not None and isinstance(plannable.cash, Missing):
        found = Missing(
            f"a cash floor needs the cash, and it is not known: {plannable.cash.en}",
            f"现金底线需要现金余额，而余额未知：{plannable.cash.zh}",
        )
    else:
        found = plan_budget(plannable.offers, wanted.objective, limits, months=months, explore=wanted.explore)
    title, head = Label("Budget", "预算"), envelope(account, needs=NEEDS)
    facts: dict[str, Value] = {
        "objective": wanted.objective, "months": wanted.months, "horizon_months": wanted.horizon_months,
        "seed": wanted.seed, "today_is": plannable.month,
    }  # fmt: skip
    if isinstance(found, Missing):
        facts["verdict"] = "no_plan"
        head = replace(head, warnings=(*head.warnings, *_outside_warnings(plannable)))
        return View("budget", title, head, (_why_table("no_plan", (found,)),), facts=facts)
    question = Question(plannable.offers, limits, months, explore=wanted.explore)
    gain = gain_of(found, question, seed=wanted.seed)
    facts["verdict"] = gain.verdict
    tables = (
        plan_table(account.currency, found, plannable, months),
        summary_table(account.currency, found, gain, wanted),
        _why_table(gain.verdict, gain.reasons),
        limits_table(account.currency, found, plannable, wanted, outside),
    )
    warnings = (*head.warnings, *_warnings(found, plannable, gain))
    return View("budget", title, replace(head, warnings=warnings), tables, facts=facts)


def modelled(number: float | None, unit: str) -> Value:
    """A modelled figure at the precision of its unit; per-unit figures keep six significant digits."""
    if number is None or not math.isfinite(number):
        return None
    if "/" not in unit:
        return shown(Decimal(repr(round(number, 9))), unit)
    return EXACT.create_decimal(f"{number:.{_DIGITS}g}")


def plan_table(currency: str, plan: Plan, plannable: Plannable, months: float) -> Table:
    """Channel by channel: today and the plan, users, average and marginal cost, returns, what binds."""
    per_user, per_yuan = f"{currency}/user", _return_unit(currency, plan.objective)
    rows = [_plan_row(currency, per_yuan, line) for line in plan.lines]
    rows += [
        {"channel": name, "today": modelled(spend * months, currency),
         "plan": modelled(spend * months, currency), "change": modelled(0.0, currency), "binds": "fixed"}
        for name, (spend, _) in plannable.outside.items()
    ]  # fmt: skip
    lines = plan.lines
    outside = sum(spend for spend, _ in plannable.outside.values()) * months
    spent, now = sum(line.spend for line in lines), sum(line.today for line in lines)
    users, users_now = sum(line.users for line in lines), sum(line.users_today for line in lines)
    rows.append(
        {
            "channel": TOTAL,
            "today": modelled(now + outside, currency),
            "plan": modelled(spent + outside, currency),
            "change": modelled(spent - now, currency),
            "users_today": modelled(users_now, "users"),
            "users_plan": modelled(users, "users"),
            "cac_today": modelled(now / users_now if users_now else None, per_user),
            "cac_plan": modelled(spent / users if users else None, per_user),
            "extrapolated": modelled(plan.extrapolated_share, "ratio"),
        }
    )
    columns = (
        Column("channel", Label("Channel", "渠道"), words={TOTAL: Label("Total", "合计")}),
        Column("today", Label("Today", "现有投放"), currency),
        Column("plan", Label("Plan", "方案"), currency),
        Column("change", Label("Change", "变化"), currency),
        Column("users_today", Label("New users today", "现有新增"), "users"),
        Column("users_plan", Label("New users planned", "方案新增"), "users"),
        Column("cac_today", Label("Average CAC today", "现有平均获客成本"), per_user),
        Column("cac_plan", Label("Average CAC planned", "方案平均获客成本"), per_user),
        Column("marginal_cac_today", Label("Marginal CAC today", "现有边际获客成本"), per_user),
        Column("marginal_cac_plan", Label("Marginal CAC planned", "方案边际获客成本"), per_user),
        Column("value_per_user", Label("Value of a new user", "新用户价值"), per_user),
        Column("return_today", Label("Last unit brings today", "现有最后一单位的回报"), per_yuan),
        Column("return_plan", Label("Last unit brings in the plan", "方案最后一单位的回报"), per_yuan),
        Column("binds", Label("Held by", "受限于"), words=BINDS),
        Column("extrapolated", Label("On extrapolated curve", "位于外推曲线"), "ratio"),
    )
    if plan.objective == "users":
        columns = tuple(column for column in columns if column.key != "value_per_user")
    note = Label(
        "Users and costs per user are modelled by the response curves. Today is the last whole month, for as "
        "long as the plan. Extrapolated: money above the most, or below the least, that was ever observed.",
        "用户数与单位成本由响应曲线推算。“现有”为最近一个完整月份，按方案时长折算。外推：高于历史最高或低于历史最低投放的部分。",
    )
    title = Label("Plan by channel", "分渠道方案")
    return Table("plan", title, columns, tuple(rows), note=note, emphasis=frozenset({len(rows) - 1}))


def _plan_row(currency: str, per_yuan: str, line: PlanLine) -> dict[str, Value]:
    per_user = f"{currency}/user"

    def over(money: float, users: float) -> Value:
        return modelled(money / users if users > 0 and math.isfinite(users) else None, per_user)

    row: dict[str, Value] = {
        "channel": line.channel,
        "today": modelled(line.today, currency),
        "plan": modelled(line.spend, currency),
        "change": modelled(line.spend - line.today, currency),
        "users_today": modelled(line.users_today, "users"),
        "users_plan": modelled(line.users, "users"),
        "cac_today": over(line.today, line.users_today),
        "cac_plan": over(line.spend, line.users),
        "marginal_cac_today": over(1.0, line.marginal_users_today),
        "marginal_cac_plan": over(1.0, line.marginal_users),
        "value_per_user": modelled(line.worth, per_user),
        "return_today": modelled(line.return_today, per_yuan),
        "return_plan": modelled(line.return_there, per_yuan),
        "binds": line.binds,
        "extrapolated": modelled(line.extrapolated / line.spend if line.spend > 0 else 0.0, "ratio"),
    }
    if per_yuan.startswith("users"):
        del row["value_per_user"]
    return row


def _return_unit(currency: str, objective: Objective) -> str:
    return f"users/{currency}" if objective == "users" else f"{currency}/{currency}"


def _objective_unit(currency: str, objective: Objective) -> str:
    return {"value": currency, "users": "users", "payback": "months"}[objective]


def summary_table(currency: str, plan: Plan, gain: Gain, wanted: Wanted) -> Table:
    """What the plan achieves against today's split, with intervals; the prices; and the certificate."""
    unit, per_yuan = _objective_unit(currency, plan.objective), _return_unit(currency, plan.objective)
    rows: list[tuple[str, str, Interval | float | None]] = [
        ("plan", unit, gain.plan),
        ("baseline", unit, gain.baseline),
        ("gain", unit, gain.gain),
        ("better", "ratio", gain.better),
        ("spent", currency, float(plan.spend.sum())),
        ("moved", "ratio", gain.moved),
        ("lambda", per_yuan, plan.multiplier),
        ("last_yuan", per_yuan, plan.price),
        ("residual", "ratio", plan.residual),
        ("gap", _gap_unit(currency, plan), plan.gap),
        ("extrapolated", "ratio", plan.extrapolated_share),
    ]
    if plan.limits.capacity is not None:
        rows.append(
            ("load_price", f"{_gap_unit(currency, plan)}/{wanted.capacity_unit[:-1]}", plan.load_price)
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
    units = tuple(its_unit for _, its_unit, _ in rows)
    return Table(
        "summary",
        Label("Gain over today's split", "相对现有比例的收益"),
        columns,
        tuple(found),
        note,
        row_units=units,
    )


def _gap_unit(currency: str, plan: Plan) -> str:
    return "users" if plan.objective == "users" else currency


def _why_table(verdict: str, reasons: tuple[Missing, ...]) -> Table:
    """The verdict, and why the plan is no better, or is none."""
    words = {reason.en: Label(reason.en, reason.zh) for reason in reasons}
    said: list[dict[str, Value]] = [{"verdict": verdict, "reason": reason.en} for reason in reasons]
    columns = (
        Column("verdict", Label("Verdict", "结论"), words=VERDICTS),
        Column("reason", Label("Because", "原因"), words=words),
    )
    return Table("verdict", Label("Verdict", "结论"), columns, tuple(said or [{"verdict": verdict}]))


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
        Column("channel", Label("Channel", "渠道")),
        Column("bound", Label("Bound", "限值"), "count"),
        Column("used", Label("Plan", "方案"), "count"),
        Column("binds", Label("Binds", "是否起作用"), words=YES_NO),
    )
    return Table("limits", Label("Limits", "限制"), columns, tuple(rows), row_units=tuple(units))


def _warnings(plan: Plan, plannable: Plannable, gain: Gain) -> list[Warning]:
    found = [
        Warning(
            "kept",
            Label(
                f"{line.channel} keeps today's spend: {line.kept.en}",
                f"{line.channel} 维持现有投放：{line.kept.zh}",
            ),
        )
        for line in plan.lines
        if line.kept is not None
    ]
    found += _outside_warnings(plannable)
    if plan.extrapolated_share > 0:
        share = f"{plan.extrapolated_share:.0%}"
        found.append(
            Warning(
                "extrapolated",
                Label(
                    f"{share} of the planned money lies on curves beyond any spend observed",
                    f"方案中 {share} 的预算位于从未观察过的投放水平",
                ),
            )
        )
    if gain.months_censored:
        found.append(
            Warning(
                "beyond_horizon",
                Label(
                    "in some draws spend is not brought back within the horizon; they count as the horizon",
                    "部分抽样在期限内未回本，按期限计入",
                ),
            )
        )
    return found


def _outside_warnings(plannable: Plannable) -> list[Warning]:
    """Channels without a curve, each with the reason."""
    return [
        Warning("kept", Label(f"{name} keeps today's spend: {why.en}", f"{name} 维持现有投放：{why.zh}"))
        for name, (_, why) in plannable.outside.items()
    ]
