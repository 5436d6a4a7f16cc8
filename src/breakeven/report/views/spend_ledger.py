"""Growth: what users cost to win, by channel and kind of spend, and three costs per user kept apart."""

from __future__ import annotations

from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.acquisition import NEGATIVE_SPEND, Dimension
from breakeven.account.metrics import ZERO_DENOMINATOR, Amount, Missing
from breakeven.account.spend_ledger import (
    FREE_USE,
    SpendLedger,
    SpendLine,
    marginal_cac,
    spend_ledger,
    whole_months,
)
from breakeven.money import EXACT
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.growth import UNATTRIBUTED, marginal_table
from breakeven.report.views.parts import column, envelope, label, metric_value, shown, unit

TOTAL = "(total)"
SINCE_CLOSING = "(since closing)"
WORDS: dict[Dimension, Label] = {
    "channel": Label("Channel", "渠道"),
    "campaign": Label("Campaign", "计划"),
    "creator": Label("Creator", "达人"),
}
_ROW_WORDS = {
    UNATTRIBUTED: Label("unattributed", "未归因"),
    TOTAL: Label("Total", "合计"),
    SINCE_CLOSING: Label("changed since closing", "结账后的变化"),
}
FREE_USE_WORDS = Label("Free use until first payment", "首次付费前的免费使用")
EXTENDED = Label("Marketing expense incl. free use until first payment", "营销支出（含首次付费前的免费使用）")
CAC_EXTENDED = Label("Blended CAC incl. free use", "综合获客成本（含免费使用）")
COSTS = ("cac_blended", "cac_paid")
BY_MONTH = ("acquisition_spend", "new_users", "paid_new_users", "paid_share", "cac_blended", "cac_paid")


def growth_view(
    account: Account,
    *,
    dimension: Dimension = "channel",
    only: tuple[str, ...] = (),
    split_kinds: bool = True,
    free_use: bool = False,
) -> View:
    """The spend ledger: by name and kind, cost per user, by month. `only` keeps some names, no totals."""
    account.facts  # noqa: B018
    ledger = spend_ledger(account, dimension, free_use=free_use)
    tables = [
        spend_table(account, ledger, only, split_kinds=split_kinds, free_use=free_use),
        cac_table(account, ledger, only, free_use=free_use),
        month_spend_table(account, ledger, only),
    ]
    if len(account.buckets.periods) > 1:
        tables.append(marginal_table(account, dimension, only))
    if not only:
        tables.append(by_month_table(account, ledger, free_use=free_use))
    needs = ("ad_spend", "acquisitions", *(("usage", "payments") if free_use else ()))
    return View("growth", Label("Growth", "增长"), envelope(account, needs=needs), tuple(tables))


def _chosen(ledger: SpendLedger, only: tuple[str, ...]) -> list[SpendLine]:
    return [line for line in ledger.lines if not only or line.name in only]


def _name_column(ledger: SpendLedger) -> Column:
    return Column(ledger.dimension, WORDS[ledger.dimension], words=_ROW_WORDS)


def spend_table(
    account: Account, ledger: SpendLedger, only: tuple[str, ...] = (), *, split_kinds: bool, free_use: bool
) -> Table:
    """Spend by name, a column for each kind; the rows sum to the statement's lines."""
    currency, dimension = account.currency, ledger.dimension
    kinds = [kind for kind in ledger.kinds if kind != FREE_USE] if split_kinds else []
    lines = [line for line in _chosen(ledger, only) if any(line.amounts.values())]
    rows = [_spend_row(ledger, line, kinds, currency, free_use=free_use) for line in lines]
    emphasis = frozenset[int]()
    if not only:
        if changed := sum(ledger.since_closing, Decimal(0)):
            rows.append({dimension: SINCE_CLOSING, "spend": changed})
        total: dict[str, Value] = {dimension: TOTAL}
        total |= {f"{kind}_spend": metric_value(account, f"{kind}_spend", None) for kind in kinds}
        total |= {"spend": metric_value(account, "acquisition_spend", None)}
        total["share"] = Decimal(1) if _is_positive(ledger.total) else None
        if free_use:
            total["free_use"] = shown(ledger.total_free_use, currency)
            total["spend_with_free_use"] = shown(ledger.total_with_free_use, currency)
        rows.append(total)
        emphasis = frozenset({len(rows) - 1})
    columns = [_name_column(ledger)]
    columns += [column(f"{kind}_spend", currency) for kind in kinds]
    columns += [
        Column("spend", label("acquisition_spend"), currency),
        Column("share", Label("Share", "占比"), "ratio"),
    ]
    if free_use:
        columns += [
            Column("free_use", FREE_USE_WORDS, currency),
            Column("spend_with_free_use", EXTENDED, currency),
        ]
    words = WORDS[dimension]
    what = Label(f"Spend by {words.en.lower()}", f"按{words.zh}的支出")
    if kinds:
        what = Label(f"{what.en} and kind", f"按{words.zh}与类别的支出")
    return Table(
        "spend", what, tuple(columns), tuple(rows), note=_spend_note(free_use=free_use), emphasis=emphasis
    )


def _spend_row(
    ledger: SpendLedger, line: SpendLine, kinds: list[str], currency: str, *, free_use: bool
) -> dict[str, Value]:
    row: dict[str, Value] = {ledger.dimension: line.name or UNATTRIBUTED}
    row |= {f"{kind}_spend": shown(line.of_kind(kind), currency) for kind in kinds}
    row["spend"] = shown(line.spend, currency)
    row["share"] = shown(_share(line.spend, ledger.total), "ratio")
    if free_use:
        row["free_use"] = shown(line.free_use, currency)
        row["spend_with_free_use"] = shown(line.spend + line.free_use, currency)
    return row


def _is_positive(amount: Amount) -> bool:
    return isinstance(amount, Decimal) and amount > 0


def _share(part: Decimal, total: Amount) -> Amount:
    if isinstance(total, Missing):
        return total
    return EXACT.divide(part, total) if total > 0 else ZERO_DENOMINATOR


def _spend_note(*, free_use: bool) -> Label:
    if not free_use:
        return Label(
            "The rows sum to the statement's acquisition spend (marketing expense). "
            "Unattributed: spend that names none.",
            "各行之和等于损益表的获客支出（营销支出）。未归因：没有写明归属的支出。",
        )
    return Label(
        "The rows sum to the statement's acquisition spend. Free use until first payment is no part of it: "
        "the statement has it in serving cost. It is what users cost to serve in these months before they "
        "first paid, or at all if they never did.",
        "各行之和等于损益表的获客支出。首次付费前的免费使用不在其中，损益表将其计入推理服务成本；"
        "它是用户在这些月份里、首次付费之前（从未付费者则为全部）的推理成本。",
    )


def cac_table(account: Account, ledger: SpendLedger, only: tuple[str, ...] = (), *, free_use: bool) -> Table:
    """Three costs per user, each in its own column: blended, paid, marginal."""
    currency, dimension = account.currency, ledger.dimension
    per_user = f"{currency}/user"
    rows: list[dict[str, Value]] = []
    for line in _chosen(ledger, only):
        users = line.channel
        row: dict[str, Value] = {
            dimension: line.name or UNATTRIBUTED,
            "spend": shown(line.spend, currency),
            "new_users": users.new_users,
            "paid_new_users": users.paid_new_users,
            "cac_blended": shown(line.cac_blended, per_user),
            "cac_paid": shown(line.cac_paid, per_user),
            "cac_marginal": shown(marginal_cac(account, line), per_user),
        }
        if free_use:
            row["cac_blended_with_free_use"] = shown(line.cac_with_free_use, per_user)
        rows.append(row)
    emphasis = frozenset[int]()
    if not only:
        rows.append(_cac_total(account, ledger, free_use=free_use))
        emphasis = frozenset({len(rows) - 1})
    columns = [
        _name_column(ledger),
        Column("spend", label("acquisition_spend"), currency),
        *(column(metric, currency) for metric in ("new_users", "paid_new_users", "cac_blended", "cac_paid")),
        Column("cac_marginal", Label("Marginal CAC", "边际获客成本"), per_user),
    ]
    if free_use:
        columns.append(Column("cac_blended_with_free_use", CAC_EXTENDED, per_user))
    return Table(
        "cac",
        Label("Cost of a new user: blended, paid, marginal", "新增一个用户的成本：综合、投放、边际"),
        tuple(columns),
        tuple(rows),
        note=_cac_note(account, ledger, only),
        emphasis=emphasis,
    )


def _cac_total(account: Account, ledger: SpendLedger, *, free_use: bool) -> dict[str, Value]:
    per_user = f"{account.currency}/user"
    row: dict[str, Value] = {ledger.dimension: TOTAL, "spend": shown(ledger.total, account.currency)}
    row |= {
        metric: _stated(account, ledger.total, metric, None)
        for metric in ("new_users", "paid_new_users", *COSTS)
    }
    row["cac_marginal"] = shown(_total_marginal(account), per_user)
    if free_use:
        row["cac_blended_with_free_use"] = shown(
            _per_user(ledger.total_with_free_use, account.total("new_users")), per_user
        )
    return row


def _total_marginal(account: Account) -> Amount:
    months = whole_months(account)
    if months is None:
        return Missing("", "")
    changes: list[Decimal] = []
    for metric in ("acquisition_spend", "paid_new_users"):
        before, after = (account.value(metric, bucket) for bucket in months)
        if isinstance(before, Missing) or isinstance(after, Missing):
            return Missing("", "")
        if before < 0 or after < 0:
            return NEGATIVE_SPEND
        changes.append(after - before)
    spend, users = changes
    return EXACT.divide(spend, users) if users > 0 and spend >= 0 else Missing("", "")


def _per_user(amount: Amount, users: Amount) -> Amount:
    if isinstance(amount, Missing) or isinstance(users, Missing):
        return Missing("", "")
    if amount < 0:
        return NEGATIVE_SPEND
    return EXACT.divide(amount, users) if users else Missing("", "")


def _stated(account: Account, spend: Amount, metric: str, bucket: int | None) -> Value:
    """A metric as the statement has it; a cost per user has no value where rebates exceed spend."""
    if metric in COSTS and isinstance(spend, Decimal) and spend < 0:
        return None
    return metric_value(account, metric, bucket)


def _cac_note(account: Account, ledger: SpendLedger, only: tuple[str, ...]) -> Label:
    months = whole_months(account)
    en = "Blended: spend over all new users. Paid: the same spend over bought users only. "
    zh = "综合：支出除以全部新增用户。投放：同一支出只除以投放新增用户。"
    if months is None:
        en += "Marginal: no value, as it takes two neighbouring months with data for every day."
        zh += "边际：无数值，需要两个相邻且每一天都有数据的月份。"
    else:
        before, after = (account.buckets.periods[bucket].label for bucket in months)
        en += (
            f"Marginal: change in spend over change in bought users, {after} on {before}, as booked; "
            "no value where bought users did not grow or spend fell. "
            "What more spend would bring is `breakeven response`."
        )
        zh += (
            f"边际：{after} 较 {before} 的支出变化除以投放新增用户的变化，按账面计算；"
            "投放新增没有增加或支出减少时无数值。再多投会带来什么，见 `breakeven response`。"
        )
    idle = [line for line in ledger.without_users if not only or line.name in only]
    if idle:
        en += " Spend without a single new user: " + ", ".join(_named(account, line, "en") for line in idle)
        zh += "有支出而没有新增用户：" + "、".join(_named(account, line, "zh") for line in idle)
        en, zh = en + ".", zh + "。"
    rebated = [line for line in ledger.over_rebated if not only or line.name in only]
    if rebated:
        en += " No cost per user, as rebates exceed spend: "
        en += ", ".join(_named(account, line, "en") for line in rebated) + "."
        zh += (
            "返点超过支出，因此没有获客成本："
            + "、".join(_named(account, line, "zh") for line in rebated)
            + "。"
        )
    return Label(en, zh)


def _named(account: Account, line: SpendLine, language: str) -> str:
    name = line.name or _ROW_WORDS[UNATTRIBUTED].text("zh" if language == "zh" else "en")
    amount = f"{line.spend:,.2f} {account.currency}"
    return f"{name}（{amount}）" if language == "zh" else f"{name} ({amount})"


def month_spend_table(account: Account, ledger: SpendLedger, only: tuple[str, ...] = ()) -> Table:
    """Acquisition spend by name and month."""
    currency, periods = account.currency, account.buckets.periods
    rows: list[dict[str, Value]] = [
        {ledger.dimension: line.name or UNATTRIBUTED}
        | {
            period.label: None
            if isinstance(ledger.expense[bucket], Missing)
            else shown(line.in_bucket(bucket), currency)
            for bucket, period in enumerate(periods)
        }
        for line in _chosen(ledger, only)
        if any(line.channel.spend_by_bucket.values())
    ]
    emphasis = frozenset[int]()
    if not only:
        if any(ledger.since_closing):
            rows.append(
                {ledger.dimension: SINCE_CLOSING}
                | {p.label: shown(ledger.since_closing[b], currency) for b, p in enumerate(periods)}
            )
        rows.append(
            {ledger.dimension: TOTAL}
            | {p.label: shown(ledger.expense[b], currency) for b, p in enumerate(periods)}
        )
        emphasis = frozenset({len(rows) - 1})
    return Table(
        "spend_by_month",
        Label("Acquisition spend by month", "各月获客支出"),
        (_name_column(ledger), *(Column(p.label, Label(p.label, p.label), currency) for p in periods)),
        tuple(rows),
        emphasis=emphasis,
    )


def by_month_table(account: Account, ledger: SpendLedger, *, free_use: bool) -> Table:
    """The statement's lines of spend and the costs per user by month; free use beside them, if asked."""
    currency, periods = account.currency, account.buckets.periods
    metrics = [f"{kind}_spend" for kind in ledger.kinds if kind != FREE_USE] + list(BY_MONTH)
    words = {metric: label(metric) for metric in metrics}
    units = [unit(metric, currency) for metric in metrics]
    rows: list[dict[str, Value]] = [
        {"metric": metric}
        | {p.label: _stated(account, ledger.expense[b], metric, b) for b, p in enumerate(periods)}
        for metric in metrics
    ]
    if free_use:
        per_user = f"{currency}/user"
        more: list[tuple[str, Label, str, list[Amount]]] = [
            ("free_use", FREE_USE_WORDS, currency, list(ledger.free_use)),
            (
                "spend_with_free_use", EXTENDED, currency,
                [ledger.with_free_use(b) for b in range(len(periods))],
            ),
            (
                "cac_blended_with_free_use", CAC_EXTENDED, per_user,
                [
                    _per_user(ledger.with_free_use(b), account.value("new_users", b))
                    for b in range(len(periods))
                ],
            ),
        ]  # fmt: skip
        for name, said, kind, amounts in more:
            words[name] = said
            units.append(kind)
            rows.append({"metric": name} | {p.label: shown(amounts[b], kind) for b, p in enumerate(periods)})
    return Table(
        "by_month",
        Label("By month", "按月"),
        (
            Column("metric", Label("Metric", "指标"), words=words),
            *(Column(p.label, Label(p.label, p.label), "count") for p in periods),
        ),
        tuple(rows),
        note=_negative_months(account, ledger),
        row_units=tuple(units),
    )


def _negative_months(account: Account, ledger: SpendLedger) -> Label | None:
    """Names the months whose rebates exceed their spend: they have no cost per user."""
    found = [
        period.label
        for period, amount in zip(account.buckets.periods, ledger.expense, strict=True)
        if isinstance(amount, Decimal) and amount < 0
    ]
    if not found:
        return None
    return Label(
        f"No cost per user, as rebates exceed spend: {', '.join(found)}.",
        f"返点超过支出，因此没有获客成本：{'、'.join(found)}。",
    )
