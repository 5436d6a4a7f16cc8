"""GPUs for the hours of a month: what they do, what they cost, what one more token costs, and who waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from breakeven.money import post_parts
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.serving_figures import CLASSES, cells, interval_columns, significant
from breakeven.report.views.serving_fleet_hours import all_hours_table, hours_table
from breakeven.report.views.serving_fleet_short import (
    balance_table,
    money,
    shortage_table,
    waiting_remark,
    waits_table,
)
from breakeven.serving.class_work import TOKENS_PER_MTOK
from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.best_mix import mixes
from breakeven.serving.fleet.bounds import FleetBounds
from breakeven.serving.fleet.cost import DID, PAID
from breakeven.serving.fleet.demand import TOKEN_CLASSES, Floats
from breakeven.serving.fleet.margin import margins
from breakeven.serving.fleet.month import FleetMonth
from breakeven.serving.fleet.shortage import avoided_by, waiting_at_the_end
from breakeven.serving.fleet.supply import Rules, Supply

TOTAL = "total"
_TOTAL = Label("Total", "合计")
_MEASURES: dict[str, Label] = {
    "work": Label("GPU-hours of work asked for", "所需有效卡时"),
    "peak_on": Label("GPUs on in the busiest hour", "最忙时段开机卡数"),
    "mean_on": Label("GPUs on, on average", "平均开机卡数"),
    "peak_to_mean": Label("Work in the busiest hour over the mean", "峰值与均值之比"),
    "paid": Label("GPU-hours paid for", "付费卡时"),
    "utilisation": Label("Of these, working", "其中用于工作"),
    "cost": Label("Cost", "成本"),
    "idle": Label("Of it, not working", "其中未工作"),
    "per_work_hour": Label("Cost of a GPU-hour of work, idle included", "每有效卡时成本（含空闲）"),
    "revenue": Label("Revenue at the prices given", "按所给价格的收入"),
    "margin": Label("Revenue less cost", "收入减成本"),
    "free_hours": Label("Hours in which a further token costs nothing", "再多词元也不增加成本的时段"),
    "hours_short": Label("Hours in which demand exceeds the fleet", "需求超过机队的时段"),
}
_LINES: dict[str, Label] = {
    "owned": Label("Owned", "自有"),
    "reserved": Label("Reserved", "预留"),
    "on_demand": Label("On demand", "按需"),
    "working": Label("Working", "工作"),
    "idle_on": Label("Idle while on: headroom, spare, whole replicas", "开机空闲：余量、备用、整副本"),
    "starting": Label("Starting", "启动中"),
    "off": Label("Off, though paid for", "已付费但关闭"),
    TOTAL: _TOTAL,
}
_MIXES: dict[str, Label] = {
    "yours": Label("as given", "给定配置"),
    "best_kept": Label("best, keeping the owned", "保留自有时的最优"),
    "best": Label("best of all", "总体最优"),
    "all_owned": Label("all owned", "全部自有"),
    "all_reserved": Label("all reserved", "全部预留"),
    "all_on_demand": Label("all on demand", "全部按需"),
}

_FOLLOWS = {"forecast": "按预测启动", "load": "按上一小时负载启动"}


@dataclass(frozen=True)
class FleetShown:
    """A fleet's month with what was asked of it. `priority_share` of requests has paid to go first."""

    bounds: FleetBounds
    supplies: Mapping[str, Supply]
    rules: Rules
    zone: ZoneInfo
    patience_hours: float = float("inf")
    priority_share: float = 0.0
    basis: tuple[tuple[Label, Label], ...] = ()
    """What it rests on beside the demand: prices with their sources, where GPU-seconds are from."""

    @property
    def month(self) -> FleetMonth:
        """The month at the middle values."""
        return self.bounds.middle


def serving_fleet_view(shown: FleetShown, envelope: Envelope, *, for_people: bool = True) -> View:
    """The fleet in tables; machines get every hour too."""
    month, currency = shown.month, envelope.currency
    tables = [
        _summary_table(shown, currency),
        _cost_table(month, currency),
        _class_table(shown, currency),
        hours_table(month, shown.zone, currency),
        _mix_table(month, currency),
    ]
    if all(model.prices_per_mtok is not None for model in month.models):
        tables.append(_margin_table(month, currency))
    if month.hours_short:
        tables.append(balance_table(month, currency))
        tables.append(shortage_table(month, shown.supplies, shown.rules, shown.patience_hours, currency))
    if shown.priority_share:
        tables.append(waits_table(month, shown.priority_share, shown.patience_hours))
    tables.append(_basis_table(shown))
    if not for_people:
        tables.append(all_hours_table(month, currency))
    starts = month.demand.starts()
    facts: dict[str, Value] = {
        "from": starts[0].isoformat(), "hours": month.demand.hours, "models": ", ".join(month.demand.models),
        "overflow": month.overflow, "headroom": significant(shown.rules.headroom), "spare": shown.rules.spare,
        "minimum": shown.rules.minimum, "follows": shown.rules.follows,
    }  # fmt: skip
    if month.hours_short:
        more = avoided_by(month.pools)
        facts |= {
            "more_gpus": more.gpus,
            "more_gpus_by_the_hour": money(more.by_the_hour, currency),
            "more_gpus_all_hours": money(more.all_hours, currency),
        }
    waiting = waiting_at_the_end(month)
    if waiting.gpu_hours > 0:
        facts |= {
            "waiting_mtok": significant(float(waiting.tokens.sum()) / TOKENS_PER_MTOK),
            "waiting_gpu_hours": significant(waiting.gpu_hours),
            "pending_revenue": money(waiting.revenue, currency),
            "hours_to_clear": significant(waiting.hours_to_clear),
        }
    names = ", ".join(month.demand.models)
    title = Label(
        f"Fleet for {names}: {month.demand.hours} hours", f"{names} 的机队：{month.demand.hours} 小时"
    )
    left = [waiting_remark(waiting, currency)] if waiting.gpu_hours > 0 else []
    head = replace(envelope, warnings=(*envelope.warnings, *left, *_warnings(shown)))
    return View("serving_fleet", title, head, tuple(tables), facts=facts)


def _warnings(shown: FleetShown) -> list[Warning]:
    found: list[Warning] = []
    short = shown.bounds.high_hours_short
    if short and not shown.month.hours_short:
        found.append(
            Warning(
                "short_at_the_bound",
                Label(
                    f"at the upper bound of GPU time per token, demand exceeds the fleet in {short} hours",
                    f"若每词元 GPU 时间取区间上限，有 {short} 小时需求超过机队",
                ),
            )
        )
    if shown.month.overflow and all(supply.on_demand is None for supply in shown.supplies.values()):
        found.append(
            Warning(
                "unlimited",
                Label(
                    "on-demand GPUs are not limited (--on-demand), so only slow starting can leave any short",
                    "按需卡数没有上限（--on-demand），因此只有启动过慢才会造成不足",
                ),
            )
        )
    return found


def _posted(amounts: list[float], currency: str) -> list[Decimal]:
    """Parts to the minor unit that add up to their whole."""
    return post_parts([Decimal(repr(round(amount, 9))) for amount in amounts], currency)


def _estimate(value: Estimate, unit: str, currency: str) -> dict[str, Value]:
    if unit != currency:
        return cells(value)
    return {
        "value": money(value.value, currency),
        "low": money(value.low, currency),
        "high": money(value.high, currency),
    }


def _summary_table(shown: FleetShown, currency: str) -> Table:
    bounds, month = shown.bounds, shown.month
    sure = bounds.estimate
    rows: list[tuple[str, str, Estimate]] = [
        ("work", "count", sure(lambda one: float(one.work.sum()))),
        ("mean_on", "count", sure(lambda one: float(one.on.mean()))),
        ("peak_on", "count", sure(lambda one: float(one.on.max()))),
        ("peak_to_mean", "multiple", sure(lambda one: one.peak_to_mean)),
        ("paid", "count", sure(lambda one: float(one.paid.sum()))),
        ("utilisation", "ratio", sure(lambda one: one.utilisation)),
        ("cost", currency, sure(lambda one: float(one.cost.sum()))),
        ("idle", currency, sure(lambda one: float((one.cost - one.sum_of("working")).sum()))),
        ("per_work_hour", f"{currency}/hour", sure(_per_work_hour)),
        ("free_hours", "ratio", sure(free_hours)),
        ("hours_short", "count", sure(lambda one: float(one.hours_short))),
    ]
    if all(model.prices_per_mtok is not None for model in month.models):
        rows += [
            ("revenue", currency, sure(lambda one: float(one.revenue.sum()))),
            ("margin", currency, sure(lambda one: float(one.margin.sum()))),
        ]
    return Table(
        "summary",
        Label("The fleet", "机队概况"),
        (
            Column("measure", Label("Measure", "指标"), words=_MEASURES),
            Column("value", Label("Value", "数值"), "count"),
            *interval_columns("count"),
        ),
        tuple({"measure": key, **_estimate(value, unit, currency)} for key, unit, value in rows),
        Label(
            "Work is GPU time at the latency target. The interval is that of GPU time per token.",
            "工作指按延迟目标计的 GPU 时间；区间来自每词元 GPU 时间。",
        ),
        row_units=tuple(unit for _, unit, _ in rows),
    )


def _per_work_hour(month: FleetMonth) -> float:
    work = sum(float(pool.served_work.sum()) for pool in month.pools)
    return float(month.cost.sum()) / work if work else float("nan")


def free_hours(month: FleetMonth) -> float:
    """The share of hours and models in which one more token costs nothing."""
    return float((np.concatenate([pool.marginal_price for pool in month.pools], axis=1) == 0).mean())


def _cost_table(month: FleetMonth, currency: str) -> Table:
    rows: list[dict[str, Value]] = []
    total, paid = float(month.cost.sum()), float(month.paid.sum())
    for lines in (PAID, DID):
        amounts = _posted([float(month.sum_of(line).sum()) for line in lines], currency)
        for line, amount in zip(lines, amounts, strict=True):
            hours = float(month.gpu_hours_of(line).sum())
            rows.append(
                {
                    "line": line,
                    "gpu_hours": significant(hours, 6),
                    "cost": amount,
                    "share": significant(float(amount) / total) if total else None,
                }
            )
        rows.append(
            {
                "line": TOTAL,
                "gpu_hours": significant(paid, 6),
                "cost": sum(amounts, Decimal(0)),
                "share": Decimal(1) if total else None,
            }
        )
    return Table(
        "cost",
        Label("Cost: how it is paid, and what it does", "成本：付费方式与用途"),
        (
            Column("line", Label("Line", "项目"), words=_LINES),
            Column("gpu_hours", Label("GPU-hours", "卡时"), "count"),
            Column("cost", Label("Cost", "成本"), currency),
            Column("share", Label("Share", "占比"), "ratio"),
        ),
        tuple(rows),
        Label(
            "The same money twice: owned and reserved GPUs cost the same in every hour, used or not.",
            "同一笔成本的两种划分：自有与预留的卡无论是否使用，每小时成本相同。",
        ),
        frozenset({len(PAID), len(PAID) + len(DID) + 1}),
    )


def _class_table(shown: FleetShown, currency: str) -> Table:
    bounds, month = shown.bounds, shown.month
    marginal, peak = month.marginal_cost_per_mtok, month.peak_cost_per_mtok
    served = np.concatenate([pool.outcome.served for pool in month.pools], axis=1)
    rows: list[dict[str, Value]] = []
    for at, model in enumerate(month.models):
        for number, name in enumerate(TOKEN_CLASSES):
            average = bounds.estimate(lambda one, at=at, number=number: one.average_cost_per_mtok[at, number])
            hours = marginal[:, at, number]
            rows.append(
                {
                    "model": model.name,
                    "class": name,
                    "average": significant(average.value),
                    "low": significant(average.low),
                    "high": significant(average.high),
                    "marginal": significant(_weighted(hours, served[:, at, number])),
                    "cheapest": significant(_least(hours)),
                    "dearest": significant(_most(hours)),
                    "long_run": significant(float(peak[at, number])),
                }
            )
    unit = f"{currency}/Mtok"
    return Table(
        "classes",
        Label("Cost per million tokens with idle, and of one million more", "每百万词元成本与边际成本"),
        (
            Column("model", Label("Model", "模型")),
            Column("class", Label("Tokens", "词元"), words=CLASSES),
            Column("average", Label("Average", "平均"), unit),
            *interval_columns(unit),
            Column("marginal", Label("Marginal, mean", "边际，均值"), unit),
            Column("cheapest", Label("Marginal, cheapest hour", "边际，最低时段"), unit),
            Column("dearest", Label("Marginal, dearest hour", "边际，最高时段"), unit),
            Column("long_run", Label("Long run, daily peak", "长期，每日峰值"), unit),
        ),
        tuple(rows),
        Label(
            "A further token costs nothing while a tenth more work fits into what is on or paid for, and the "
            "on-demand price with its headroom where it needs a replica more. Long run: capacity for each "
            "day's busiest hour.",
            "开机或已付费的卡还容得下多一成的工作时，再多词元不增加成本；需要增加副本时按按需价格（含余量）计。"
            "长期：为每日最忙一小时增加产能。",
        ),
    )


def _weighted(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values)
    total = float(weights[known].sum())
    return float((values[known] * weights[known]).sum() / total) if total else float("nan")


def _least(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else float("nan")


def _most(values: Floats) -> float:
    """The dearest hour; no number where some hour has nothing to rent at any price."""
    return float(values.max()) if np.isfinite(values).all() else float("nan")


def _mix_table(month: FleetMonth, currency: str) -> Table:
    rows: list[dict[str, Value]] = []
    for pool in month.pools:
        found = mixes(pool.load, pool.supply)
        yours = next((mix.cost for mix in found if mix.name == "yours"), None)
        rows += [
            {
                "pool": pool.name,
                "mix": mix.name,
                "owned": mix.owned,
                "reserved": mix.reserved,
                "on_demand": mix.on_demand,
                "cost": money(mix.cost, currency),
                "against": None if yours is None else money(mix.cost - yours, currency),
            }
            for mix in found
        ]
    pools = () if len(month.pools) == 1 else (Column("pool", Label("Pool", "资源池")),)
    return Table(
        "mix",
        Label("Owned, reserved, on demand: which mix", "自有、预留与按需的配置"),
        (
            *pools,
            Column("mix", Label("Mix", "配置"), words=_MIXES),
            Column("owned", Label("Owned", "自有"), "count"),
            Column("reserved", Label("Reserved", "预留"), "count"),
            Column("on_demand", Label("On demand, at most", "按需（最多）"), "count"),
            Column("cost", Label("Cost", "成本"), currency),
            Column("against", Label("Against the one given", "与给定配置之差"), currency),
        ),
        tuple(rows),
        Label(
            "For demand served in full. A GPU is worth keeping where it would be on in more of the "
            "hours than "
            "its price is of the on-demand price. Left out: what has no price or cannot carry the load.",
            "按满足全部需求计算。一张卡的开机时段占比超过其单价与按需价之比，才值得长期持有。"
            "没有价格或无法承载负载的配置不列出。",
        ),
    )


def _margin_table(month: FleetMonth, currency: str) -> Table:
    found = margins(month)
    columns = [
        _posted([one.revenue or 0.0 for one in found], currency),
        _posted([one.working for one in found], currency),
        _posted([one.idle for one in found], currency),
    ]
    rows: list[dict[str, Value]] = []
    names = [one.model for one in found] + [TOTAL]
    for revenue, working, idle, name in zip(
        *([*column, sum(column, Decimal(0))] for column in columns), names, strict=True
    ):
        margin = revenue - working - idle
        rows.append(
            {
                "model": name,
                "revenue": revenue,
                "working": working,
                "idle": idle,
                "margin": margin,
                "share": significant(float(margin / revenue)) if revenue else None,
            }
        )
    return Table(
        "margin",
        Label("Margin by model", "各模型毛利"),
        (
            Column("model", Label("Model", "模型"), words={TOTAL: _TOTAL}),
            Column("revenue", Label("Revenue", "收入"), currency),
            Column("working", Label("GPUs working", "GPU 工作成本"), currency),
            Column("idle", Label("Share of idle", "分摊的空闲成本"), currency),
            Column("margin", Label("Margin", "毛利"), currency),
            Column("share", Label("Of revenue", "毛利率"), "ratio"),
        ),
        tuple(rows),
        emphasis=frozenset({len(rows) - 1}),
    )


def _basis_table(shown: FleetShown) -> Table:
    said = [*shown.basis]
    for model in shown.month.models:
        replica = " + ".join(f"{gpus:,}" for gpus, _ in model.replica_groups)
        seconds = " / ".join(
            f"{one.value * TOKENS_PER_MTOK:.4g}"
            for one in (model.work.uncached_input, model.work.cached_input, model.work.output)
        )
        said.append(
            (
                Label(
                    f"{model.name}: GPU-seconds per million tokens, computed/cached/output",
                    f"{model.name}：每百万词元 GPU 秒（未命中/命中/输出）",
                ),
                Label(f"{seconds}; {replica} GPUs per replica", f"{seconds}；每副本 {replica} 张卡"),
            )
        )
    rules = shown.rules
    said.append(
        (
            Label("Rules", "规则"),
            Label(
                f"headroom {rules.headroom:.0%}, spare {rules.spare}, minimum {rules.minimum}, start"
                f" {rules.start_minutes:g} minutes, follows the {rules.follows}",
                f"余量 {rules.headroom:.0%}，备用 {rules.spare}，最少 {rules.minimum}，启动"
                f" {rules.start_minutes:g} 分钟，{_FOLLOWS[rules.follows]}",
            ),
        )
    )
    columns = (
        Column("what", Label("Assumption", "假设"), words={name.en: name for name, _ in said}),
        Column("value", Label("Value", "取值"), words={value.en: value for _, value in said}),
    )
    rows: list[dict[str, Value]] = [{"what": name.en, "value": value.en} for name, value in said]
    return Table("basis", Label("What this rests on", "前提"), columns, tuple(rows))
