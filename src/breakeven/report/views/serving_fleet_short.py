"""Demand above the fleet: what each policy loses and whom it lets wait, and what enough GPUs would cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from breakeven.money import post, post_parts
from breakeven.report.view_model import Column, Label, Table, Value, Warning  # noqa: A004
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_fleet_hours import hours_to_minutes
from breakeven.serving.class_work import TOKENS_PER_MTOK
from breakeven.serving.fleet.hour_wait import priority_waits
from breakeven.serving.fleet.month import FleetMonth, PoolMonth
from breakeven.serving.fleet.priority import who_waits
from breakeven.serving.fleet.shortage import Waiting, avoided_by, policies, revenue_of
from breakeven.serving.fleet.supply import Rules, Supply

OVERFLOW_WORDS = {
    "queue": Label("let requests wait", "排队"),
    "reject": Label("turn requests away", "拒绝"),
    "slow": Label("slow down for all", "全体降速"),
}
_SECONDS_PER_MINUTE = 60
_FATES = {
    "served": Label("served", "已服务"),
    "waiting": Label("waiting at the end", "期末排队"),
    "lost": Label("turned away or gone", "被拒绝或流失"),
    "demanded": Label("demanded", "需求合计"),
}
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
                "lost_mtok": significant(float(lost.tokens.sum()) / TOKENS_PER_MTOK),
                "lost_share": significant(float(lost.tokens.sum() / month.demand.tokens.sum())),
                "lost_requests": None if lost.requests is None else significant(lost.requests),
                "lost_revenue": money(lost.revenue, currency),
                "waiting_mtok": significant(float(lost.waiting.tokens.sum()) / TOKENS_PER_MTOK),
                "waiting_gpu_hours": significant(lost.waiting.gpu_hours),
                "pending_revenue": money(lost.waiting.revenue, currency),
                "hours_to_clear": significant(lost.waiting.hours_to_clear),
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
        Column("waiting_mtok", Label("Waiting at the end, million tokens", "期末排队（百万词元）"), "count"),
        Column("waiting_gpu_hours", Label("Waiting at the end, GPU-hours", "期末排队（卡时）"), "count"),
        Column("pending_revenue", Label("Revenue pending", "待实现收入"), currency),
        Column("hours_to_clear", Label("Hours to clear", "清空所需小时"), "count"),
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


def balance_table(month: FleetMonth, currency: str) -> Table:
    """What became of all that was asked for: served, waiting at the end, or lost; together the demand."""
    outcomes = [pool.outcome for pool in month.pools]
    parts = {
        "served": [one.served.sum(axis=0) for one in outcomes],
        "waiting": [one.waiting[-1] for one in outcomes],
        "lost": [one.rejected.sum(axis=0) for one in outcomes],
    }
    tokens = {name: float(sum(one.sum() for one in found)) for name, found in parts.items()}
    hours = {
        name: sum(float(pool.pool.work_of(one).sum()) for pool, one in zip(month.pools, found, strict=True))
        for name, found in parts.items()
    }
    revenues = [revenue_of(month, np.concatenate(found)) for found in parts.values()]
    known = [one for one in revenues if one is not None]
    posted: list[Decimal] = []
    if len(known) == len(parts):
        posted = post_parts([Decimal(repr(round(one, 9))) for one in known], currency)
    rows: list[dict[str, Value]] = [
        {
            "fate": name,
            "mtok": significant(tokens[name] / TOKENS_PER_MTOK, 6),
            "share": significant(tokens[name] / sum(tokens.values())),
            "gpu_hours": significant(hours[name], 6),
            "revenue": posted[at] if posted else None,
        }
        for at, name in enumerate(parts)
    ]
    rows.append(
        {
            "fate": "demanded",
            "mtok": significant(float(month.demand.tokens.sum()) / TOKENS_PER_MTOK, 6),
            "share": Decimal(1),
            "gpu_hours": significant(float(month.work.sum()), 6),
            "revenue": sum(posted, Decimal(0)) if posted else None,
        }
    )
    return Table(
        "balance",
        Label("What became of the demand", "需求的去向"),
        (
            Column("fate", Label("Tokens", "词元"), words=_FATES),
            Column("mtok", Label("Million tokens", "百万词元"), "count"),
            Column("share", Label("Share", "占比"), "ratio"),
            Column("gpu_hours", Label("GPU-hours of work", "有效卡时"), "count"),
            Column("revenue", Label("Revenue", "收入"), currency),
        ),
        tuple(rows),
        Label(
            "Served, waiting and lost add up to what was demanded; only what was served is in the revenue of "
            "the fleet.",
            "已服务、排队与流失合计等于需求；机队收入只含已服务部分。",
        ),
        frozenset({len(rows) - 1}),
    )


def waiting_remark(waiting: Waiting, currency: str) -> Warning:
    """Who reads the margin must know that part of the demand is only put off."""
    mtok, hours = waiting.tokens.sum() / TOKENS_PER_MTOK, waiting.gpu_hours
    en = f"at the end of the period {mtok:,.1f} million tokens still wait ({hours:,.1f} GPU-hours)"
    zh = f"期末仍有 {mtok:,.1f} 百万词元在排队（{hours:,.1f} 卡时）"
    pending = money(waiting.revenue, currency)
    if pending is not None:
        en += f"; {pending:,} {currency} of revenue is pending"
        zh += f"；{pending:,} {currency} 收入待实现"
    if np.isfinite(waiting.hours_to_clear):
        en += f"; with the GPUs of the last hour and nothing more to serve, {waiting.hours_to_clear:,.1f} hours clear it"  # noqa: E501
        zh += f"；按最后一小时的卡数且不再有新需求，需 {waiting.hours_to_clear:,.1f} 小时清空"
    return Warning("waiting_at_the_end", Label(en, zh))


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
    unserved = 0
    for pool in month.pools:
        work, capacity = pool.pool.work.sum(axis=1), pool.capacity.sum(axis=1)
        first, others = who_waits(work, capacity, priority_share, patience_hours)
        nobody, _ = who_waits(work, capacity, 1.0, patience_hours)
        inside = _inside(pool, priority_share)
        unserved += int(((others.wait_hours == np.inf) & (others.arriving > 0)).sum())
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
        _priority_note(is_patient=bool(np.isinf(patience_hours)), unserved_hours=unserved),
    )


def _priority_note(*, is_patient: bool, unserved_hours: int) -> Label:
    """How to read the waits, and why some have no value."""
    en = "As a queue on the GPUs that serve, whatever the policy; the worst hour is that of the backlog. "
    zh = "不论策略，均按开机的卡排队计算；最长等待指积压所致。"
    if is_patient:
        en += "Priority moves waiting, it does not remove any."
        zh += "优先权只转移等待，不会减少等待。"
    else:
        en += (
            "Priority moves waiting to the others; where patience ends, more of them go than would if nobody "
            "were first."
        )
        zh += "优先权把等待转移给其他用户；耐心有限时，流失会多于无人优先时。"
    if unserved_hours:
        en += (
            f" In {unserved_hours} hours those with priority take all GPUs: the wait of the others who come "
            "then has no end, so it is not shown."
        )
        zh += f"有 {unserved_hours} 个时段优先用户占满全部的卡，其他用户此时的等待没有尽头，因此不显示。"
    return Label(en, zh)


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
    return post(Decimal(repr(round(amount, 6) + 0.0)), currency)  # -0.0 + 0.0 is plain zero
