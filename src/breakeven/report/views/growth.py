"""Channels and cohorts: what users cost to win, who stays, and what they bring."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.acquisition import ChannelLine, Dimension, by_channel
from breakeven.account.metrics import Amount, Missing
from breakeven.account.payback import Cohort, cohorts
from breakeven.money import EXACT
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.parts import column, envelope, label, metric_value, shown, unit

UNATTRIBUTED = "(unattributed)"
_UNATTRIBUTED = Label("unattributed", "未归因")
_WORDS: dict[Dimension, Label] = {
    "channel": Label("Channel", "渠道"),
    "campaign": Label("Campaign", "计划"),
    "creator": Label("Creator", "达人"),
}
GROWTH_LINES = (
    "new_users", "paid_new_users", "paid_share", "cac_blended", "cac_paid", "dau", "wau", "mau", "stickiness",
    "visits_per_visitor", "day1_retention", "day7_retention", "day30_retention",
)  # fmt: skip


def channels_view(account: Account, *, only: tuple[str, ...] = (), dimension: Dimension = "channel") -> View:
    """Spend, users and acquisition cost by channel, and the growth measures by month."""
    account.facts  # noqa: B018
    marginal = (marginal_table(account, dimension, only),) if len(account.buckets.periods) > 1 else ()
    tables = (channel_table(account, dimension, only), *marginal, month_table(account, GROWTH_LINES))
    title = Label(f"{_WORDS[dimension].en}s", f"{_WORDS[dimension].zh}")
    return View("channels", title, envelope(account, needs=("ad_spend", "acquisitions", "activity")), tables)


def channel_table(account: Account, dimension: Dimension = "channel", only: tuple[str, ...] = ()) -> Table:
    """One row per channel; the rows, `unattributed` among them, sum to the statement's spend."""
    currency = account.currency
    lines = [line for line in by_channel(account, dimension) if not only or line.name in only]
    rows = [_channel_row(line, dimension, currency) for line in lines]
    emphasis = frozenset[int]()
    if not only:
        rows.append(
            {
                dimension: "(total)",
                "spend": metric_value(account, "acquisition_spend", None),
                "new_users": metric_value(account, "new_users", None),
                "paid_new_users": metric_value(account, "paid_new_users", None),
                "paid_share": metric_value(account, "paid_share", None),
                "cac_blended": metric_value(account, "cac_blended", None),
                "cac_paid": metric_value(account, "cac_paid", None),
            }
        )
        emphasis = frozenset({len(rows) - 1})
    return Table(
        dimension + "s",
        Label(f"Acquisition by {dimension}", f"按{_WORDS[dimension].zh}的获客"),
        (
            Column(
                dimension,
                _WORDS[dimension],
                words={UNATTRIBUTED: _UNATTRIBUTED, "(total)": Label("Total", "合计")},
            ),
            Column("spend", Label("Spend", "支出"), currency),
            *(
                column(metric, currency)
                for metric in ("new_users", "paid_new_users", "paid_share", "cac_blended", "cac_paid")
            ),
        ),
        tuple(rows),
        emphasis=emphasis,
    )


def _channel_row(line: ChannelLine, dimension: Dimension, currency: str) -> dict[str, Value]:
    share: Amount = (
        EXACT.divide(Decimal(line.paid_new_users), Decimal(line.new_users))
        if line.new_users
        else Missing("", "")
    )
    return {
        dimension: line.name or UNATTRIBUTED,
        "spend": line.spend,
        "new_users": line.new_users,
        "paid_new_users": line.paid_new_users,
        "paid_share": shown(share, "ratio"),
        "cac_blended": shown(line.cac_blended, f"{currency}/user"),
        "cac_paid": shown(line.cac_paid, f"{currency}/user"),
    }


def marginal_table(account: Account, dimension: Dimension = "channel", only: tuple[str, ...] = ()) -> Table:
    """Marginal acquisition cost month on month: what the further users of a channel cost."""
    lines = [
        line for line in by_channel(account, dimension) if line.spend and (not only or line.name in only)
    ]
    periods = account.buckets.periods
    rows = tuple(
        {dimension: line.name or UNATTRIBUTED}
        | {
            period.label: shown(line.marginal_cac(bucket), f"{account.currency}/user")
            for bucket, period in enumerate(periods)
            if bucket
        }
        for line in lines
    )
    columns = [Column(dimension, _WORDS[dimension], words={UNATTRIBUTED: _UNATTRIBUTED})]
    columns += [Column(p.label, Label(p.label, p.label), f"{account.currency}/user") for p in periods[1:]]
    return Table(
        "marginal_cac",
        Label("Marginal CAC on the month before", "边际获客成本（较上月）"),
        tuple(columns),
        rows,
        note=Label(
            "Change in spend over change in bought users; no value where users did not grow or spend fell.",
            "支出的变化除以投放新增的变化；用户没有增加或支出减少的月份无数值。",
        ),
    )


def month_table(account: Account, lines: tuple[str, ...], table_id: str = "by_month") -> Table:
    """Metrics by month."""
    periods = account.buckets.periods
    rows = tuple(
        {"metric": line} | {p.label: metric_value(account, line, b) for b, p in enumerate(periods)}
        for line in lines
    )
    columns = [Column("metric", Label("Metric", "指标"), words={line: label(line) for line in lines})]
    columns += [Column(p.label, Label(p.label, p.label), "count") for p in periods]
    return Table(
        table_id,
        Label("By month", "按月"),
        tuple(columns),
        rows,
        row_units=tuple(unit(line, account.currency) for line in lines),
    )


def cohorts_view(
    account: Account,
    *,
    by_channels: bool = False,
    only: tuple[str, ...] = (),
    months: tuple[str, ...] = (),
) -> View:
    """The cohort triangle in users, revenue, cost and contribution, and payback so far."""
    account.facts  # noqa: B018
    found = chosen_cohorts(account, by_channels=by_channels, only=only, months=months)
    triangles = (triangle_table(account, found, what) for what in TRIANGLES) if found else ()
    tables = (payback_table(account, found), *triangles)
    needs = ("acquisitions", "activity", "usage", "payments")
    return View("cohorts", Label("Cohorts", "同期群"), envelope(account, needs=needs), tables)


def chosen_cohorts(
    account: Account,
    *,
    by_channels: bool = False,
    only: tuple[str, ...] = (),
    months: tuple[str, ...] = (),
) -> list[Cohort]:
    """Cohorts; of some channels, or some months (`2024-03`) only when named."""
    return [
        cohort
        for cohort in cohorts(account, by_channels=by_channels or bool(only))
        if (not only or cohort.key.channel in only) and (not months or f"{cohort.key.month:%Y-%m}" in months)
    ]


TRIANGLES: dict[str, Label] = {
    "active_users": Label("Active users by month since acquisition", "获得后各月的活跃用户"),
    "retention": Label("Active share by month since acquisition", "获得后各月的活跃比例"),
    "revenue": Label("Revenue by month since acquisition", "获得后各月的收入"),
    "serving_cost": Label("Serving cost by month since acquisition", "获得后各月的推理成本"),
    "contribution": Label("Contribution by month since acquisition", "获得后各月的贡献"),
}


def triangle_cell(cohort: Cohort, what: str, age: int) -> Value:
    """One cell of a triangle; None for an age not reached yet."""
    if age not in cohort.ages:
        return None
    at = cohort.ages[age]
    if what == "active_users":
        return at.active_users
    if what == "retention":
        if not cohort.users:
            return None
        return shown(EXACT.divide(Decimal(at.active_users), Decimal(cohort.users)), "ratio")
    value: Decimal = {
        "revenue": at.revenue,
        "serving_cost": at.serving_cost,
        "contribution": at.contribution,
    }[what]
    return value


def triangle_unit(account: Account, what: str) -> str:
    """The unit of a triangle's cells."""
    return {"active_users": "users", "retention": "ratio"}.get(what, account.currency)


def cohort_name(cohort: Cohort) -> str:
    """`2024-03`, or `2024-03 bilibili` when split by channel."""
    month = f"{cohort.key.month:%Y-%m}"
    return f"{month} {cohort.key.channel}" if cohort.key.channel else month


def oldest_age(found: list[Cohort]) -> int:
    """The greatest age any cohort reached."""
    return max((max(cohort.ages, default=0) for cohort in found), default=0)


def triangle_table(account: Account, found: list[Cohort], what: str) -> Table:
    """A triangle as a table: cohorts down, ages across."""
    ages = range(oldest_age(found) + 1)
    rows = tuple(
        {"cohort": cohort_name(cohort), "users": cohort.users}
        | {f"m{age}": triangle_cell(cohort, what, age) for age in ages}
        for cohort in found
    )
    columns = [
        Column("cohort", Label("Cohort", "同期群")),
        Column("users", Label("Users", "人数"), "users"),
        *(Column(f"m{age}", Label(f"M+{age}", f"第{age}月"), triangle_unit(account, what)) for age in ages),
    ]
    return Table(what, TRIANGLES[what], tuple(columns), rows)


def payback_table(account: Account, found: list[Cohort]) -> Table:
    """What each cohort cost, what it brought so far, and when it paid back."""
    currency = account.currency
    rows: list[dict[str, Value]] = []
    for cohort in found:
        last = max(cohort.ages, default=0)
        cumulative = cohort.cumulative(last)
        per_user: Amount = (
            EXACT.divide(cumulative, Decimal(cohort.users))
            if cohort.users
            else Missing("no users", "没有用户")
        )
        rows.append(
            {
                "cohort": cohort_name(cohort),
                "users": cohort.users,
                "spend": shown(cohort.spend, currency),
                "contribution": cumulative,
                "contribution_per_user": shown(per_user, f"{currency}/user"),
                "paid_back_share": shown(cohort.paid_back_share, "ratio"),
                "payback_months": shown(cohort.payback_months, "months"),
            }
        )
    return Table(
        "payback",
        Label("Payback so far", "回本进度"),
        (
            Column("cohort", Label("Cohort", "同期群")),
            Column("users", Label("Users", "人数"), "users"),
            Column("spend", Label("Acquisition spend", "获客支出"), currency),
            Column("contribution", Label("Contribution so far", "累计贡献"), currency),
            Column("contribution_per_user", Label("Per user", "人均"), f"{currency}/user"),
            Column("paid_back_share", Label("Paid back", "已回本"), "ratio"),
            Column("payback_months", Label("Payback", "回本月数"), "months"),
        ),
        tuple(rows),
        note=Label(
            "Contribution: revenue less payment fees and serving cost of the cohort. "
            "A dash under payback means: not within the months measured.",
            "贡献：该同期群的收入减支付手续费与推理成本。回本月数为横线表示：在已有数据内尚未回本。",
        ),
    )


def ratio(numerator: Fraction | None) -> Value:
    """A share as shown."""
    if numerator is None:
        return None
    return shown(EXACT.divide(Decimal(numerator.numerator), Decimal(numerator.denominator)), "ratio")
