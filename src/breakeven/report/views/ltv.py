"""What a user is worth after what serving costs: measured part, modelled part, how sure, and against what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from breakeven.account.account import Account
from breakeven.account.acquisition import by_channel
from breakeven.account.metrics import Missing
from breakeven.account.payback import cohorts
from breakeven.growth.interval import LEVEL
from breakeven.growth.lifetime_value.books_value import HORIZON_MONTHS, By, Values, values_of
from breakeven.growth.lifetime_value.forecasts_kept import value_forecasts
from breakeven.growth.lifetime_value.prospects import DISCOUNT_RATE, DRAWS, SEED
from breakeven.growth.lifetime_value.triangle import UNATTRIBUTED
from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath
from breakeven.growth.lifetime_value.value import Value as UserValue
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.kept import keep, today
from breakeven.report.views.parts import envelope, shown
from breakeven.report.views.survivors import survivor_table
from breakeven.report.views.value_cells import SEGMENTS, basis_column, basis_of, figure, named, naming

LINE_WORDS = {
    "revenue": Label("Revenue", "收入"),
    "refunds": Label("Refunds", "退款"),
    "fees": Label("Payment fees", "支付手续费"),
    "serving_paying": Label("Serving, paid use", "推理成本（付费使用）"),
    "serving_free": Label("Serving, free use", "推理成本（免费使用）"),
    "contribution": Label("Contribution", "贡献"),
}
NEEDS = ("acquisitions", "activity", "usage", "payments")


def ltv_view(
    account: Account,
    *,
    by: By = "all",
    only: tuple[str, ...] = (),
    months: tuple[str, ...] = (),
    horizon_months: int = HORIZON_MONTHS,
    discount_rate: Decimal = Decimal(str(DISCOUNT_RATE)),
    unit_cost_path: UnitCostPath | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> View:
    """The contribution LTV of acquired users, its lines, a user won next, and what those who stay use."""
    account.facts  # noqa: B018
    percent = f"{(discount_rate * 100).normalize():f}%"
    title = Label(
        f"{horizon_months}-month contribution LTV, discounted {percent}/year, {LEVEL:.0%} interval",
        f"{horizon_months} 个月贡献 LTV，年折现率 {percent}，{LEVEL:.0%} 区间",
    )
    found = values_of(
        account, by, horizon_months=horizon_months, discount_rate=float(discount_rate),
        unit_cost_path=unit_cost_path, draws=draws, seed=seed,
    )  # fmt: skip
    head = envelope(account, needs=(*NEEDS, "ad_spend"))
    if isinstance(found, Missing):
        warning = Warning("no_value", Label(found.en, found.zh))
        return View("ltv", title, replace(head, warnings=(*head.warnings, warning)), ())
    kept = keep(account, value_forecasts(account, found, today()))
    rows = chosen_rows(found, only, months)
    total = found.total if not only and not months and by != "all" else None
    shown_rows = [*rows, *([total] if total else [])]
    tables = [
        value_table(shown_rows, by, account.currency, title, has_total=total is not None),
        line_table(shown_rows, by, account.currency, has_total=total is not None),
    ]
    following = [one for name, one in found.next_users.items() if not only or name in only]
    if following:
        tables.append(next_table(following, found, account.currency))
    tables += [*survivor_tables(account, only), unit_cost_table(found)]
    said = (*remarks(found, shown_rows), *idle_spend(account), *([kept] if kept else []))
    warnings = (*head.warnings, *said)
    return View("ltv", title, replace(head, warnings=warnings), tuple(tables))


def chosen_rows(found: Values, only: tuple[str, ...], months: tuple[str, ...]) -> list[UserValue]:
    """Rows of some channels or some cohorts only, when named; a row of all of them is neither."""
    return [
        row
        for row in found.rows
        if (not only or row.segment in only) and (not months or row.cohort in months)
    ]


def value_table(values: list[UserValue], by: str, currency: str, title: Label, *, has_total: bool) -> Table:
    """Value per acquired user with its interval, what is measured of it, and the cost of winning the user."""
    per_user = f"{currency}/user"
    rows = tuple(
        named(one, by)
        | {
            "users": figure(one.users, "users"),
            "months": one.measured_months,
            "value": figure(one.contribution.value, per_user) if one.contribution else None,
            "low": figure(one.contribution.low, per_user) if one.contribution else None,
            "high": figure(one.contribution.high, per_user) if one.contribution else None,
            "measured": figure(one.measured["contribution"], per_user) if one.measured_months else None,
            "cac": figure(one.spend, per_user),
            "ltv_to_cac": figure(one.returns, "multiple"),
            "basis": basis_of(one).en,
        }
        for one in values
    )
    return Table(
        "value",
        title,
        (
            *naming(by),
            Column("users", Label("Users", "人数"), "users"),
            Column("months", Label("Months measured", "已实现月数"), "months"),
            Column("value", Label("Value", "价值"), per_user),
            Column("low", Label("low", "下限"), per_user),
            Column("high", Label("high", "上限"), per_user),
            Column("measured", Label("of which measured", "其中已实现"), per_user),
            Column("cac", Label("CAC", "获客成本"), per_user),
            Column("ltv_to_cac", Label("LTV/CAC", "LTV/获客成本"), "multiple"),
            basis_column(values),
        ),
        rows,
        note=Label(
            "Per acquired user: revenue less refunds, payment fees and serving cost, month of acquisition "
            "included. CAC: all spend on the users' channel and month over all users won; of all users, all "
            "acquisition spend, that of channels that brought nobody included.",
            "按每个获得用户计：收入减退款、支付手续费与推理成本，含获得当月。"
            "获客成本：该渠道当月全部支出除以获得的全部用户；全部用户一行为全部获客支出，"
            "包括没有带来用户的渠道。",
        ),
        emphasis=frozenset({len(rows) - 1}) if has_total else frozenset(),
    )


def line_table(values: list[UserValue], by: str, currency: str, *, has_total: bool) -> Table:
    """The lines of the value; costs as positive amounts. What is refused shows its measured part."""
    per_user = f"{currency}/user"

    def amount(one: UserValue, name: str) -> float | None:
        if one.refusal is None:
            return one.lines[name].value
        return one.measured[name] if one.measured_months else None

    rows = tuple(
        named(one, by)
        | {name: figure(amount(one, name), per_user) for name in LINE_WORDS}
        | {"basis": basis_of(one).en}
        for one in values
    )
    return Table(
        "lines",
        Label("What the value is made of, discounted", "价值的构成（已折现）"),
        (
            *naming(by),
            *(Column(name, words, per_user) for name, words in LINE_WORDS.items()),
            basis_column(values),
        ),
        rows,
        note=Label(
            "Free use: on days without a paid service. Rows without a forecast show what is measured.",
            "免费使用：没有付费服务的日子里的使用。不作预测的行只列已实现部分。",
        ),
        emphasis=frozenset({len(rows) - 1}) if has_total else frozenset(),
    )


def next_table(values: list[UserValue], found: Values, currency: str) -> Table:
    """What a user won next month is worth, at today's unit cost and its path, against the latest CAC."""
    per_user = f"{currency}/user"
    rows: list[dict[str, Value]] = []
    for one in values:
        middle = one.contribution
        triangle = found.prospects.triangles[one.segment]
        users, spend = triangle.users[:-1], triangle.spend[:-1]
        latest = float(spend[-1] / users[-1]) if len(users) and users[-1] else np.nan
        rows.append(
            {
                "channel": one.segment,
                "value": figure(middle.value, per_user) if middle else None,
                "low": figure(middle.low, per_user) if middle else None,
                "high": figure(middle.high, per_user) if middle else None,
                **{
                    name: figure(one.lines[name].value, per_user)
                    for name in LINE_WORDS
                    if name != "contribution"
                },
                "cac_latest": figure(latest, per_user),
                "ltv_to_cac": figure(middle.value / latest if middle and latest > 0 else None, "multiple"),
            }
        )
    return Table(
        "next_user",
        Label("A user won next month (modelled)", "下月获得的用户（预测）"),
        (
            naming("channel")[0],
            Column("value", Label("Value", "价值"), per_user),
            Column("low", Label("low", "下限"), per_user),
            Column("high", Label("high", "上限"), per_user),
            *(Column(name, words, per_user) for name, words in LINE_WORDS.items() if name != "contribution"),
            Column("cac_latest", Label("Latest CAC", "最近获客成本"), per_user),
            Column("ltv_to_cac", Label("LTV/CAC", "LTV/获客成本"), "multiple"),
        ),
        tuple(rows),
        note=Label(
            "Past cohorts paid the unit costs of their time; this one pays today's, along the path below.",
            "以往同期群承担的是当时的单位成本；此处按当前单位成本及下方路径计算。",
        ),
    )


def survivor_tables(account: Account, only: tuple[str, ...]) -> list[Table]:
    """How much survivors cost against an average user, measured: of all who are active, and of payers."""
    split = cohorts(account, by_channels=bool(only))
    found = [one for one in split if not only or one.key.channel in only]
    return [survivor_table(account, found), survivor_table(account, found, payers_only=True)]


def unit_cost_table(found: Values) -> Table:
    """What the same use cost in each month, and what it is assumed to cost from then on."""
    kinds = {"measured": Label("measured", "已实现"), "assumed": Label("assumed", "假设")}
    rows: list[dict[str, Value]] = [
        {
            "month": f"{month:%Y-%m}",
            "factor": None if isinstance(level, Missing) else shown(level, "ratio"),
            "kind": "measured",
        }
        for month, level in sorted(found.prospects.index.items())
    ]
    rows += [
        {"month": f"{month:%Y-%m}", "factor": shown(factor, "ratio"), "kind": "assumed"}
        for month, factor in found.prospects.path.steps
    ]
    return Table(
        "unit_cost",
        Label("Unit cost of the same use", "同等使用的单位成本"),
        (
            Column("month", Label("Month", "月份")),
            Column("factor", Label("Against today", "相对当前"), "ratio"),
            Column("kind", Label("Kind", "性质"), words=kinds),
        ),
        tuple(rows),
        note=Label(
            "Forecasts use today's unit cost, from an assumed month on times its factor.",
            "预测采用当前单位成本；自假设月份起乘以其系数。",
        ),
    )


def idle_spend(account: Account) -> list[Warning]:
    """Spend of channels in months in which nobody came through them: it is in no channel's CAC."""
    idle = {
        line.name or UNATTRIBUTED: amount
        for line in by_channel(account)
        if (
            amount := sum(
                spend for month, spend in line.spend_by_bucket.items() if not line.new_by_bucket[month]
            )
        )
    }
    if not idle:
        return []
    amounts = {name: f"{amount:,.2f} {account.currency}" for name, amount in idle.items()}
    words = {name: SEGMENTS.get(name, Label(name, name)) for name in idle}
    en = ", ".join(f"{words[name].en} {amount}" for name, amount in amounts.items())
    zh = "、".join(f"{words[name].zh} {amount}" for name, amount in amounts.items())
    return [
        Warning(
            "spend_without_users",
            Label(
                f"spend in months that brought the channel no users, in the CAC of all users and of no "
                f"channel: {en}",
                f"渠道当月没有带来用户的支出，计入全部用户的获客成本，不计入任何渠道：{zh}",
            ),
        )
    ]


def remarks(found: Values, rows: list[UserValue]) -> list[Warning]:
    """What a reader must know: refunds booked above revenue, what is beyond experience, what was assumed."""
    said: list[Warning] = []
    if any(row.is_negative_revenue for row in rows):
        said.append(
            Warning(
                "refunds_above_revenue",
                Label(
                    "in some rows more refunds than revenue are booked so far: a refund is booked at once, "
                    "revenue over the service it pays for; it does not say that more was refunded than paid",
                    "有的行至今入账的退款多于收入：退款当时全额入账，收入则按其所付的服务期分摊；"
                    "这不表示退款超过付款",
                ),
            )
        )
    prospects = found.prospects
    oldest = max((part.oldest_age for part in prospects.segments.values()), default=-1)
    if prospects.refusal is None and prospects.horizon_months > oldest + 1:
        said.append(
            Warning(
                "extrapolated",
                Label(
                    f"no cohort is older than {oldest + 1} months: what comes after is extrapolated",
                    f"没有同期群超过 {oldest + 1} 个月：其后的部分为外推",
                ),
            )
        )
    if prospects.path.steps:
        steps = ", ".join(f"{month:%Y-%m}={factor}" for month, factor in prospects.path.steps)
        said.append(
            Warning("assumed_unit_cost", Label(f"assumed unit cost: {steps}", f"假设的单位成本：{steps}"))
        )
    return said
