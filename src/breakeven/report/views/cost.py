"""What use costs, by any dimension: per user, per request, per million tokens; and who causes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from breakeven.account.account import Account
from breakeven.account.margin import BILLED, IDLE, CostLine, cost_by, cost_by_class
from breakeven.account.metrics import Missing
from breakeven.account.user_margin import UserMargins, user_margins
from breakeven.errors import UsageError
from breakeven.money import EXACT
from breakeven.periods import Period
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.fleet_work import fleet_table
from breakeven.report.views.growth import month_table, ratio
from breakeven.report.views.parts import envelope, shown

DIMENSIONS: dict[str, tuple[tuple[str, ...], Label]] = {
    "model": (("provider", "model"), Label("Model", "模型")),
    "product": (("product",), Label("Product", "产品")),
    "feature": (("feature",), Label("Feature", "功能")),
    "tier": (("is_paying", "product"), Label("Tier", "用户层级")),
    "service_tier": (("service_tier",), Label("Service tier", "服务等级")),
    "channel": (("channel",), Label("Channel", "渠道")),
    "cohort": (("cohort",), Label("Cohort", "同期群")),
    "provider": (("provider",), Label("Provider", "供应商")),
}
_UTILISATION = "fleet_utilisation"
_NONE = "(none)"
UNKNOWN = "(unknown)"
COST_WORDS = {
    _NONE: Label("none", "未填"),
    IDLE: Label("idle fleet", "空闲算力"),
    BILLED: Label("billed, not logged", "有账单无记录"),
    "free": Label("free", "免费"),
    "paying": Label("paying", "付费"),
    "api": Label("API", "API"),
    UNKNOWN: Label("unknown: no payments in the books", "未知：账上没有付款记录"),
}
USE_LINES = (
    "requests", "failed_requests", "tokens", "cache_hit_rate", "requests_per_active",
    "tokens_per_active", "serving_cost", "free_use_cost", "cost_per_active", "cost_per_request",
    "cost_per_mtok", "cost_per_mtok_output", "cost_per_mtok_uncached_input", "cost_per_mtok_computed",
    "unpriced_share",
)  # fmt: skip


def cost_view(
    account: Account, by: tuple[str, ...] = ("model", "product", "tier"), *,
    filters: Mapping[str, tuple[str, ...]] | None = None, users: bool = True,
) -> View:  # fmt: skip
    """Cost by the dimensions asked for, by token class and month; `users` adds who causes it."""
    for name in by:
        if name not in DIMENSIONS:
            raise UsageError(f"cannot split cost by {name!r}", remedy=f"use {', '.join(DIMENSIONS)}")
    account.facts  # noqa: B018
    breakdown = [cost_table(account, name, filters or {}) for name in by]
    if filters:
        # What is not of the chosen usage alone is left out: no figure is wider than what was asked for.
        title = Label("Cost to serve, of a part", "部分用量的服务成本")
        return View("cost", title, envelope(account, needs=("usage",)), tuple(breakdown))
    tables = [
        use_table(account),
        *breakdown,
    ]
    tables.append(class_table(account))
    fleet = fleet_table(account)
    if fleet is not None:
        tables.append(fleet)
    if users:
        table = users_table(account)
        if table is not None:
            tables.append(table)
    needs = (
        ("usage", "activity", "capacity") if account.books.settings.own_providers else ("usage", "activity")
    )
    return View("cost", Label("Cost to serve", "服务成本"), envelope(account, needs=needs), tuple(tables))


def use_table(account: Account) -> Table:
    """Use and its cost by month; with class costs the share of the fleet that tokens kept busy, as it is now.

    A share of two months' entries would be none, so it is that of the month's own rows, as the pools show it.
    """
    if not account.class_costs:
        return month_table(account, USE_LINES, "use")
    table = month_table(account, (*USE_LINES, _UTILISATION), "use")
    live: dict[str, Value] = {
        period.label: shown(account.live_value(_UTILISATION, bucket), "ratio")
        for bucket, period in enumerate(account.buckets.periods)
    }
    return replace(table, rows=(*table.rows[:-1], {**table.rows[-1], **live}))


def cost_table(account: Account, name: str, filters: Mapping[str, tuple[str, ...]]) -> Table:
    """Serving cost by one dimension over all periods; without filters the rows sum to the statement."""
    dimensions, title = DIMENSIONS[name]
    currency = account.currency
    asked = [key for key in filters if key in ("channel", "cohort", "model", "product", "provider")]
    split = tuple(dict.fromkeys((*dimensions, *asked)))
    knows_payers = bool(account.coverage.periods.get("payments"))
    merged: dict[str, CostLine] = {}
    for line in cost_by(account, *split):
        values = dict(zip(split, line.key, strict=True))
        if not all(_text(values[key]) in filters[key] for key in asked):
            continue
        shown_name = _name(name, values, knows_payers=knows_payers)
        _add(merged.setdefault(shown_name, CostLine((shown_name,))), line)
    lines = sorted(merged.items(), key=lambda item: (-item[1].serving_cost, -item[1].tokens, item[0]))
    rows = [_row(name, key, line, currency) for key, line in lines]
    if not asked and lines:
        total = CostLine(("(total)",))
        for _, line in lines:
            _add(total, line)
        rows.append(_row(name, "(total)", total, currency))
    return Table(
        f"cost_by_{name}",
        Label(f"Cost by {title.en.lower()}", f"按{title.zh}的成本"),
        (
            Column(name, title, words=COST_WORDS | {"(total)": Label("Total", "合计")}),
            Column("requests", Label("Requests", "请求数"), "requests"),
            Column("tokens", Label("Tokens", "词元"), "tokens"),
            Column("bought", Label("Bought by API", "外购"), currency),
            Column("fleet", Label("Own fleet", "自有算力"), currency),
            Column("serving_cost", Label("Serving cost", "推理成本"), currency),
            Column("cost_per_mtok", Label("Per million tokens", "每百万词元"), f"{currency}/Mtok"),
            Column("cost_per_request", Label("Per request", "每次请求"), f"{currency}/request"),
            Column("usage_at_list_price", Label("At list price", "按标价"), currency),
            Column("unpriced_tokens", Label("Unpriced tokens", "未定价词元"), "tokens"),
        ),
        tuple(rows),
        emphasis=frozenset({len(rows) - 1}) if not asked and rows else frozenset(),
    )


def _add(into: CostLine, line: CostLine) -> None:
    for key, value in line.counts.items():
        into.counts[key] = into.counts.get(key, 0) + value
    into.bought += line.bought
    into.fleet += line.fleet
    into.listed += line.listed
    into.unpriced_tokens += line.unpriced_tokens
    into.unlisted_tokens += line.unlisted_tokens


def _text(value: Any) -> str:
    if value is None:
        return _NONE
    return f"{value:%Y-%m}" if isinstance(value, date) else str(value)


def _name(dimension: str, values: dict[str, Any], *, knows_payers: bool) -> str:
    first = next(iter(values.values()))
    if first in (IDLE, BILLED):
        return str(first)
    if dimension == "tier":
        if not knows_payers and values["product"] != "api":
            return UNKNOWN
        return "api" if values["product"] == "api" else "paying" if values["is_paying"] else "free"
    if dimension == "model":
        return f"{_text(values['provider'])}/{_text(values['model'])}"
    return _text(values[DIMENSIONS[dimension][0][0]])


def _row(dimension: str, name: str, line: CostLine, currency: str) -> dict[str, Value]:
    # Tokens without any price have no cost to show: absent, not zero.
    unpriced = line.unpriced_tokens > 0 and line.unpriced_tokens == line.tokens and not line.serving_cost
    unlisted = line.unlisted_tokens > 0 and line.unlisted_tokens == line.tokens
    cost = line.serving_cost
    per_mtok = (
        EXACT.divide(cost * 1_000_000, Decimal(line.tokens))
        if line.tokens and not unpriced
        else Missing("", "")
    )
    # Rows that do not say how many requests they hold leave the number unknown.
    requests = None if line.counts.get("uncounted") else line.counts["requests"]
    per_request = EXACT.divide(cost, Decimal(requests)) if requests and not unpriced else Missing("", "")
    return {
        dimension: name,
        "requests": requests,
        "tokens": line.tokens,
        "bought": None if unpriced else line.bought,
        "fleet": line.fleet,
        "serving_cost": None if unpriced else cost,
        "cost_per_mtok": shown(per_mtok, f"{currency}/Mtok"),
        "cost_per_request": shown(per_request, f"{currency}/request"),
        "usage_at_list_price": None if unlisted else line.listed,
        "unpriced_tokens": line.unpriced_tokens,
    }


CLASS_LABELS = {
    "uncached_input_tokens": Label("Uncached input", "未命中缓存的输入"),
    "cached_input_tokens": Label("Cached input", "命中缓存的输入"),
    "cache_write_tokens": Label("Cache write", "写入缓存"),
    "output_tokens": Label("Output", "输出"),
    "request_fees": Label("Request fees", "按次费用"),
    "idle_fleet": Label("Idle fleet", "空闲算力"),
}


def class_table(account: Account) -> Table:
    """Serving cost by token class."""
    currency = account.currency
    rows: list[dict[str, Value]] = []
    for cost in cost_by_class(account):
        per_mtok = (
            EXACT.divide(cost.serving_cost * 1_000_000, Decimal(cost.tokens))
            if cost.tokens
            else Missing("", "")
        )
        rows.append(
            {
                "token_class": cost.token_class,
                "tokens": cost.tokens,
                "serving_cost": cost.serving_cost,
                "cost_per_mtok": shown(per_mtok, f"{currency}/Mtok"),
            }
        )
    return Table(
        "cost_by_class",
        Label("Cost by token class", "按词元类别的成本"),
        (
            Column("token_class", Label("Token class", "词元类别"), words=CLASS_LABELS),
            Column("tokens", Label("Tokens", "词元"), "tokens"),
            Column("serving_cost", Label("Serving cost", "推理成本"), currency),
            Column("cost_per_mtok", Label("Per million tokens", "每百万词元"), f"{currency}/Mtok"),
        ),
        tuple(rows),
        note=_how_the_fleet_is_split(account) if account.books.settings.own_providers else None,
    )


_BY_WEIGHTS = Label(
    "Own fleet by declared weights per token class (serving.weights in the settings).",
    "自有算力按设置中声明的词元权重（serving.weights）分摊。",
)
_BY_CLASS_COSTS = Label(
    "Own fleet by class costs (breakeven serving record): tokens bear the GPU time they take; the rest is "
    "idle.",
    "自有算力按分类成本分摊（breakeven serving record）：词元承担所占用的 GPU 时间，其余为空闲。",
)


_PART_OF_A_MONTH = Label(
    " A part of a month is split at its own price of a GPU-hour: parts sum to the month's fleet cost, but "
    "where that price changes not to its split by model, class or idle time.",
    "月份的一部分按其自身的卡时价格分摊：各部分的算力成本之和等于全月，但价格有变动时，按模型、类别与空闲的"
    "分摊之和不等于全月的分摊。",
)


def _how_the_fleet_is_split(account: Account) -> Label:
    """By weights, by class costs, or each in its months; parts of a month have a price of their own."""
    said, span = _by_weights_or_class_costs(account), account.coverage.span()
    in_part = any(
        split.basis == "class_costs" and span and Period.month(period.first).overlap(span) != period
        for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True)
    )
    return Label(said.en + _PART_OF_A_MONTH.en, said.zh + _PART_OF_A_MONTH.zh) if in_part else said


def _by_weights_or_class_costs(account: Account) -> Label:
    weighted = [
        period.label
        for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True)
        if split.basis == "weights"
    ]
    if len(weighted) == len(account.buckets.periods):
        return _BY_WEIGHTS
    if not weighted:
        return _BY_CLASS_COSTS
    said = ", ".join(weighted)
    return Label(
        f"{_BY_CLASS_COSTS.en} Without class costs, by declared weights: {said}.",
        f"{_BY_CLASS_COSTS.zh}没有分类成本、按声明权重分摊的月份：{said}。",
    )


_USER_LINES: tuple[tuple[str, Label, str], ...] = (
    ("users", Label("Users with usage", "有用量的用户"), "users"),
    ("loss_making", Label("Loss-making users", "亏损用户"), "users"),
    ("loss_making_share", Label("Loss-making share", "亏损用户占比"), "ratio"),
    ("payers", Label("Paying users among them", "其中付费用户"), "users"),
    ("loss_making_payers", Label("Loss-making payers", "亏损的付费用户"), "users"),
    ("top_percent_share", Label("Cost share of the heaviest 1 %", "最重度 1% 用户的成本占比"), "ratio"),
    ("top_tenth_share", Label("Cost share of the heaviest 10 %", "最重度 10% 用户的成本占比"), "ratio"),
)


def users_table(account: Account) -> Table | None:
    """Heaviest users and the loss-making share, by month; None when usage names no users."""
    periods = account.buckets.periods
    margins = [user_margins(account, bucket) for bucket in range(len(periods))]
    if not any(margins):
        return None
    rows = tuple(
        {"line": key}
        | {p.label: _user_value(account, p, m, key) for p, m in zip(periods, margins, strict=True)}
        for key, _, _ in _USER_LINES
    )
    columns = [Column("line", Label("Users", "用户"), words={key: text for key, text, _ in _USER_LINES})]
    columns += [Column(p.label, Label(p.label, p.label), "count") for p in periods]
    return Table(
        "users",
        Label("Who causes the cost", "成本由谁产生"),
        tuple(columns),
        rows,
        note=Label(
            "A user makes a loss when the month's serving cost exceeds the revenue recognised for that user.",
            "当月推理成本超过为该用户确认的收入，即为亏损用户。",
        ),
        row_units=tuple(unit for _, _, unit in _USER_LINES),
    )


def _user_value(account: Account, period: Period, margins: UserMargins | None, key: str) -> Value:
    needs_payments = key.startswith(("loss_making", "payers"))
    if margins is None or (needs_payments and not account.coverage.any("payments", period)):
        return None
    value = getattr(margins, key)
    return value if isinstance(value, int) else ratio(value)
