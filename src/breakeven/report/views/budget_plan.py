"""The plan by channel: money and users in one table, what a user costs and what money brings in others."""

from __future__ import annotations

from breakeven.growth.budget.books_offers import Plannable
from breakeven.growth.budget.plan import Plan, PlanLine
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.budget_units import modelled, over, return_unit
from breakeven.report.views.budget_words import BINDS, CHANNELS, TOTAL, YES_NO


def extrapolated_share(plan: Plan, outside: float) -> float:
    """Of all that is spent, what lies where no spend was observed."""
    total = float(plan.spend.sum()) + outside
    return sum(line.extrapolated for line in plan.lines) / total if total else 0.0


def plan_rows(currency: str, plan: Plan, plannable: Plannable, months: float) -> tuple[dict[str, Value], ...]:
    """A row a channel, then what has no curve, then the total: all that the plan says of it.

    The tables are made of these rows: each shows what it is about, and JSON has the whole rows of the first.
    """
    lines, outside = plan.lines, {name: spend * months for name, (spend, _) in plannable.outside.items()}
    rows = [_plan_row(currency, plan, line) for line in lines]
    rows += [
        {"channel": name, "today": modelled(spend, currency), "plan": modelled(spend, currency),
         "change": modelled(0.0, currency), "binds": "fixed"}
        for name, spend in outside.items()
    ]  # fmt: skip
    besides = sum(outside.values())
    spent, now = sum(line.spend for line in lines), sum(line.today for line in lines)
    users, users_now = sum(line.users for line in lines), sum(line.users_today for line in lines)
    rows.append(
        {
            "channel": TOTAL,
            "today": modelled(now + besides, currency),
            "plan": modelled(spent + besides, currency),
            "change": modelled(spent - now, currency),
            "users_today": modelled(users_now, "users"),
            "users_plan": modelled(users, "users"),
            "cac_today": over(now, users_now, f"{currency}/user"),
            "cac_plan": over(spent, users, f"{currency}/user"),
            "extrapolated": modelled(extrapolated_share(plan, besides), "ratio"),
        }
    )
    return tuple(rows)


def plan_table(currency: str, rows: tuple[dict[str, Value], ...], month: str) -> Table:
    """Where the money goes: today and the plan, users, what holds a channel, what is extrapolated."""
    columns = (
        Column("channel", Label("Channel", "渠道"), words=CHANNELS),
        Column("today", Label("Today", "现有投放"), currency),
        Column("plan", Label("Plan", "方案"), currency),
        Column("change", Label("Change", "变化"), currency),
        Column("users_today", Label("New users today", "现有新增"), "users"),
        Column("users_plan", Label("New users planned", "方案新增"), "users"),
        Column("binds", Label("Held by", "受限于"), words=BINDS),
        Column("extrapolated", Label("Extrapolated", "外推"), "ratio"),
    )
    note = Label(
        f"Today is {month}, the last whole month, for as long as the plan: its total is the statement's"
        " acquisition spend. Users are modelled by the response curves. Extrapolated: money above the"
        " most, or below the least, that was ever observed.",
        f"“现有”为最近一个完整月份 {month}，按方案时长折算，合计即报表的获客支出。用户数由响应曲线推算。"
        "外推：高于历史最高或低于历史最低投放的部分。",
    )
    title = Label("Plan by channel", "分渠道方案")
    return Table("plan", title, columns, rows, note=note, emphasis=frozenset({len(rows) - 1}))


def costs_table(currency: str, rows: tuple[dict[str, Value], ...]) -> Table:
    """What a user costs, on average and at the last unit of money, today and in the plan."""
    per_user = f"{currency}/user"
    columns = (
        Column("channel", Label("Channel", "渠道"), words=CHANNELS),
        Column("cac_today", Label("CAC today", "现有获客成本"), per_user),
        Column("cac_plan", Label("CAC planned", "方案获客成本"), per_user),
        Column("marginal_cac_today", Label("Marginal today", "现有边际成本"), per_user),
        Column("marginal_cac_plan", Label("Marginal planned", "方案边际成本"), per_user),
        Column("identified", Label("Identified", "可识别"), words=YES_NO),
    )
    note = Label(
        "Modelled. No marginal CAC where the data do not identify the curve, unless exploring: then it rests"
        " on the prior. The total is over channels with a curve.",
        "均为模型推算。数据无法识别曲线的渠道没有边际获客成本；选择探索时则给出，但仅依据先验。"
        "合计只含有曲线的渠道。",
    )
    return _of_rows("costs", Label("What a new user costs", "新用户的成本"), columns, rows, note)


def returns_table(currency: str, plan: Plan, rows: tuple[dict[str, Value], ...]) -> Table:
    """What a user is worth, and what the last unit of money brings today and in the plan."""
    per_yuan = return_unit(currency, plan.objective)
    columns = (
        Column("channel", Label("Channel", "渠道"), words=CHANNELS),
        Column("value_per_user", Label("Value of a new user", "新用户价值"), f"{currency}/user"),
        Column("return_today", Label("Last unit brings today", "现有末单位回报"), per_yuan),
        Column("return_plan", Label("Last unit in the plan", "方案末单位回报"), per_yuan),
        Column("identified", Label("Identified", "可识别"), words=YES_NO),
    )
    if plan.objective == "users":
        columns = tuple(column for column in columns if column.key != "value_per_user")
    note = Label(
        "What one more unit of money brings, before it is paid back itself. No value where the curve is not"
        " identified, unless exploring, or where the value of users is not known.",
        "再投一单位带来的回报，未扣除该单位本身。曲线无法识别（且未选择探索）或用户价值未知时没有数值。",
    )
    return _of_rows(
        "returns", Label("What money brings", "投放的回报"), columns, rows[:-1], note, total=False
    )


def _of_rows(
    name: str,
    title: Label,
    columns: tuple[Column, ...],
    rows: tuple[dict[str, Value], ...],
    note: Label,
    *,
    total: bool = True,
) -> Table:
    """These columns of the rows that have a curve; with `total` the last of them is the total."""
    found = tuple(
        {column.key: row.get(column.key) for column in columns} for row in rows if "cac_today" in row
    )
    return Table(
        name, title, columns, found, note=note, emphasis=frozenset({len(found) - 1} if total else ())
    )


def _plan_row(currency: str, plan: Plan, line: PlanLine) -> dict[str, Value]:
    per_user, per_yuan = f"{currency}/user", return_unit(currency, plan.objective)
    has_return = line.has_margin and (line.is_valued or plan.objective == "users")
    spend = modelled(line.spend, currency)
    row: dict[str, Value] = {
        "channel": line.channel,
        "today": modelled(line.today, currency),
        "plan": spend,
        "change": modelled(line.spend - line.today, currency),
        "users_today": modelled(line.users_today, "users"),
        "users_plan": modelled(line.users, "users"),
        "cac_today": over(line.today, line.users_today, per_user),
        "cac_plan": over(line.spend, line.users, per_user) if spend else None,
        "marginal_cac_today": over(1.0, line.marginal_users_today, per_user) if line.has_margin else None,
        "marginal_cac_plan": over(1.0, line.marginal_users, per_user) if line.has_margin else None,
        "value_per_user": modelled(line.worth, per_user) if line.is_valued else None,
        "return_today": modelled(line.return_today, per_yuan) if has_return else None,
        "return_plan": modelled(line.return_there, per_yuan) if has_return else None,
        "binds": line.binds,
        "identified": "yes" if line.doubt is None else "no",
        "extrapolated": modelled(line.extrapolated / line.spend if spend else 0.0, "ratio"),
    }
    if plan.objective == "users":
        del row["value_per_user"]
    return row
