"""Demand above the fleet: what each policy loses and whom it lets wait, and what enough GPUs would cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from breakeven.money import post
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_fleet_hours import hours_to_minutes
from breakeven.serving.fleet.hour_wait import priority_waits
from breakeven.serving.fleet.month import FleetMonth, PoolMonth
from breakeven.serving.fleet.priority import who_waits
from breakeven.serving.fleet.shortage import avoided_by, policies
from breakeven.serving.fleet.supply import Rules, Supply

OVERFLOW_WORDS = {
    "queue": Label("let requests wait", "排队"),
    "reject": Label("turn requests away", "拒绝"),
    "slow": Label("slow down for all", "全体降速"),
}
_SECONDS_PER_MINUTE = 60
GROUPS = {
    "first": Label("with priority", "优先用户"),
    "others": Label("the others", "其他用户"),
    "nobody": Label("all, were nobody first", "全部（若无人优先）"),
}


def shortage_table(
    month: FleetMonth,
    supplies: Mapping[str, Supply],
    rules: Rules,
    patience_hours: float,
    currency: str,
) -> Table:
    """Each policy on the same demand and GPUs, the one chosen marked; the note has what enough GPUs cost."""
    rows: list[dict[str, Value]] = []
    chosen = -1
    for lost in policies(month, supplies, rules, patience_hours):
        if lost.policy == month.overflow:
            chosen = len(rows)
        rows.append(
            {
                "policy": lost.policy,
                "hours_short": lost.hours_short,
                "lost_mtok": significant(float(lost.tokens.sum()) / 1e6),
                "lost_share": significant(float(lost.tokens.sum() / month.demand.tokens.sum())),
                "lost_requests": None if lost.requests is None else significant(lost.requests),
                "lost_revenue": money(lost.revenue, currency),
                "backlog_hours": lost.backlog_hours,
                "wait_minutes": significant(round(hours_to_minutes(lost.wait_hours), 3)),
                "longest_wait_minutes": significant(hours_to_minutes(lost.longest_wait_hours)),
                "slowest": None if lost.slowest is None else significant(lost.slowest),
                "cost": money(lost.cost, currency),
            }
        )
    columns = (
        Column("policy", Label("Policy", "策略"), words=OVERFLOW_WORDS),
        Column("hours_short", Label("Hours short", "不足时段"), "hours"),
        Column("lost_mtok", Label("Lost, million tokens", "损失（百万词元）"), "count"),
        Column("lost_share", Label("Of all tokens", "占全部词元"), "ratio"),
        Column("lost_requests", Label("Requests lost", "损失请求"), "requests"),
        Column("lost_revenue", Label("Revenue lost", "损失收入"), currency),
        Column("backlog_hours", Label("Hours with a backlog", "积压时段"), "hours"),
        Column("wait_minutes", Label("Wait, mean, minutes", "平均等待（分钟）"), "count"),
        Column("longest_wait_minutes", Label("Worst hour, minutes", "最长等待（分钟）"), "count"),
        Column("slowest", Label("Slowest, tokens/s per user", "最慢每用户词元/秒"), "count"),
        Column("cost", Label("Cost of GPUs", "GPU 成本"), currency),
    )
    return Table(
        "shortage",
        Label("Demand above the fleet", "需求超过机队"),
        columns,
        tuple(rows),
        _note(month, currency),
        frozenset({chosen}) if chosen >= 0 else frozenset(),
    )


def _note(month: FleetMonth, currency: str) -> Label:
    more = avoided_by(month.pools)
    usual = min((1 / one.curve.target_seconds for one in month.models if one.curve is not None), default=None)
    en, zh = [], []
    if more.gpus:
        en.append(f"Enough GPUs for these rules: {more.gpus:,} more in the busiest hour")
        zh.append(f"按此规则足够的产能：最忙时段再增 {more.gpus:,} 张卡")
        for cost, words in (
            (more.by_the_hour, Label("rented by the hour", "按需租用")),
            (more.all_hours, Label("kept all the time", "全程持有")),
        ):
            if cost is not None:
                amount = f"{post(Decimal(repr(round(cost, 6))), currency):,} {currency}"
                en.append(f"{words.en} {amount}")
                zh.append(f"{words.zh} {amount}")
    else:
        en.append("There are GPUs enough; they start too slowly to follow the load")
        zh.append("卡数足够，但启动过慢，跟不上负载")
    if usual is not None:
        en.append(f"the speed promised is {usual:.1f} tokens/s per user")
        zh.append(f"承诺速度为每用户每秒 {usual:.1f} 词元")
    return Label("; ".join(en) + ".", "；".join(zh) + "。")


def waits_table(month: FleetMonth, priority_share: float, patience_hours: float) -> Table:
    """Who waits where a share of the work goes first, pool by pool added up."""
    rows: list[dict[str, Value]] = []
    for pool in month.pools:
        work, capacity = pool.pool.work.sum(axis=1), pool.capacity.sum(axis=1)
        first, others = who_waits(work, capacity, priority_share, patience_hours)
        nobody, _ = who_waits(work, capacity, 1.0, patience_hours)
        inside = _inside(pool, priority_share)
        for (name, one), minutes in zip(
            (("first", first), ("others", others), ("nobody", nobody)), inside, strict=True
        ):
            total = float(one.arriving.sum())
            rows.append(
                {
                    "pool": pool.name,
                    "group": name,
                    "share": significant(total / float(work.sum())) if work.any() else None,
                    "wait_minutes": significant(round(hours_to_minutes(one.mean_wait_hours) + minutes, 3)),
                    "longest_wait_minutes": significant(hours_to_minutes(one.longest_wait_hours)),
                    "backlog_hours": int((one.backlog > 1e-9).sum()),
                    "lost_share": significant(float(one.lost.sum()) / total) if total else None,
                }
            )
    pools = () if len(month.pools) == 1 else (Column("pool", Label("Pool", "资源池")),)
    return Table(
        "waits",
        Label("Who waits when some have paid to go first", "付费优先时谁在等待"),
        (
            *pools,
            Column("group", Label("Requests", "请求"), words=GROUPS),
            Column("share", Label("Of the work", "工作占比"), "ratio"),
            Column("wait_minutes", Label("Wait, mean, minutes", "平均等待（分钟）"), "count"),
            Column("longest_wait_minutes", Label("Wait, worst hour", "最长等待（分钟）"), "count"),
            Column("backlog_hours", Label("Hours with a backlog", "积压时段"), "hours"),
            Column("lost_share", Label("Gone", "流失"), "ratio"),
        ),
        tuple(rows),
        Label(
            "As a queue on the GPUs that serve, whatever the policy; the worst hour is that of the backlog. "
            "Priority moves waiting, it does not remove any.",
            "不论策略，均按开机的卡排队计算；最长等待指积压所致。优先权只转移等待，不会减少等待。",
        ),
    )


def _inside(pool: PoolMonth, priority_share: float) -> tuple[float, float, float]:
    """Mean minutes for a place where there is no backlog: who goes first, the others, all alike."""
    work, capacity = pool.pool.work, pool.capacity
    wait = np.where(pool.fluid_wait_hours > 0, 0.0, np.nan_to_num(pool.inside_wait_seconds))
    taken = np.divide(pool.served_work, capacity, out=np.zeros_like(capacity), where=capacity > 0)
    first, others = priority_waits(wait, taken, priority_share)
    total = float(work.sum()) or 1.0
    means = [
        float((np.nan_to_num(one) * work).sum()) / total / _SECONDS_PER_MINUTE
        for one in (first, others, wait)
    ]
    return means[0], means[1], means[2]


def money(amount: float | None, currency: str) -> Value:
    """A modelled amount to the minor unit; no value where there is none."""
    if amount is None or not np.isfinite(amount):
        return None
    return post(Decimal(repr(round(amount, 6))), currency)
