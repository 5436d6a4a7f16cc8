"""The prefix cache by capacity: hits, GPUs saved, money, and the best size."""

from __future__ import annotations

from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.serving_cache_findings import (
    NET,
    POLICY_WORDS,
    CacheFindings,
    banded,
    best_sizes,
    bounds,
    gigabytes,
    number,
    rate,
)
from breakeven.serving.prefix_cache import HitCurve, Policy
from breakeven.serving.prefix_cache.economics import CacheTerms


def _rows(found: CacheFindings) -> list[tuple[Policy, int]]:
    rows: list[tuple[Policy, int]] = []
    for policy in found.policies:
        sizes = (found.replay.distinct_blocks,) if policy == "infinite" else found.capacities
        rows.extend((policy, size) for size in sizes)
    return rows


def capacity_table(found: CacheFindings) -> Table:
    """A row per policy and capacity, with as much money as is known."""
    columns = [
        Column("policy", Label("Policy", "策略"), words=POLICY_WORDS),
        Column("capacity_blocks", Label("Capacity in blocks", "容量（块）"), "count"),
        Column("capacity_tokens", Label("Capacity", "容量"), "tokens"),
        Column("hit_blocks", Label("Blocks served", "块命中率"), "ratio"),
        Column("hit_tokens", Label("Input served", "输入命中率"), "ratio"),
        Column("of_most", Label("Of the most possible", "占最大命中"), "ratio"),
    ]
    if found.block_bytes is not None:
        columns.insert(3, Column("memory_gb", Label("Memory", "存储"), "GB"))
    if found.terms is not None:
        columns += _saving_columns(found)
    rows = tuple(_capacity_row(found, policy, capacity) for policy, capacity in _rows(found))
    note = None
    if found.terms is not None:
        note = Label(
            "GPUs saved: GPU-hours per hour of this traffic. A month is 730 hours of the same traffic."
            + ("" if found.is_exact else " Low and high are the bounds of the 80 % interval."),
            "省下的显卡数：此流量每小时省下的卡时。一个月按同样流量的 730 小时计。"
            + ("" if found.is_exact else "下限与上限为 80% 区间。"),
        )
    title = Label("By capacity", "按容量")
    return Table("capacity", title, tuple(columns), rows, note)


def _saving_columns(found: CacheFindings) -> list[Column]:
    money, month = found.currency, Label("Saved a month", "每月节省")
    columns = banded("gpus_saved", Label("GPUs saved", "省下的显卡数"), "count", is_exact=found.is_exact)
    if found.terms is not None and found.terms.price_per_gpu_hour is not None:
        columns.append(Column("saved", month, money))
        if found.terms.bill_per_month(0) is not None:
            columns.append(Column("bill", Label("Memory a month", "每月存储费"), money))
            columns += banded("net", NET, money, is_exact=found.is_exact)
    return columns


def _capacity_row(found: CacheFindings, policy: Policy, capacity: int) -> dict[str, Value]:
    curve = found.replay.curves[policy]
    most = curve.most_tokens
    row: dict[str, Value] = {
        "policy": policy,
        "capacity_blocks": capacity,
        "capacity_tokens": capacity * found.trace.block_tokens,
        "memory_gb": gigabytes(capacity, found.block_bytes),
        "hit_blocks": rate(curve.block_rate(capacity)),
        "hit_tokens": rate(curve.token_rate(capacity)),
        "of_most": rate(int(curve.hit_tokens(capacity)) / most) if most else None,
    }
    if found.terms is not None:
        row |= _money_cells(found.terms, curve, capacity)
    return row


def _money_cells(terms: CacheTerms, curve: HitCurve, capacity: int) -> dict[str, Value]:
    tokens = int(curve.hit_tokens(capacity))
    saved, bill = terms.saved_per_month(tokens), terms.bill_per_month(capacity)
    return {
        **bounds("gpus_saved", terms.gpu_hours_saved(tokens)),
        "saved": None if saved is None else number(saved.value),
        "bill": None if bill is None else number(bill),
        **bounds("net", terms.net_per_month(tokens, capacity)),
    }


def best_table(found: CacheFindings) -> Table | None:
    """The best size of each policy; None without prices."""
    best = best_sizes(found)
    if not best:
        return None
    rows: list[dict[str, Value]] = []
    for policy, size in best.items():
        curve = found.replay.curves[policy]
        rows.append(
            {
                "policy": policy,
                "capacity_blocks": size.capacity,
                "capacity_blocks_low": size.capacity_low,
                "capacity_blocks_high": size.capacity_high,
                "memory_gb": gigabytes(size.capacity, found.block_bytes),
                "hit_tokens": rate(curve.token_rate(size.capacity)),
                **bounds("net", size.net_per_month),
            }
        )
    columns = (
        Column("policy", Label("Policy", "策略"), words=POLICY_WORDS),
        *banded("capacity_blocks", Label("Blocks", "块数"), "count", is_exact=found.is_exact),
        Column("memory_gb", Label("Memory", "存储"), "GB"),
        Column("hit_tokens", Label("Input served", "输入命中率"), "ratio"),
        *banded("net", NET, found.currency, is_exact=found.is_exact),
    )
    bounded = "" if found.is_exact else "; low and high are the best sizes at the bounds of the saving"
    bounded_zh = "" if found.is_exact else "；上下限为节省取区间两端时的最佳容量"
    note = Label(
        f"The size at which saving less bill is largest, of all sizes and not only those above{bounded}.",
        f"在全部容量（不限于上表）中净节省最大者{bounded_zh}。",
    )
    return Table("best", Label("Best size", "最佳容量"), columns, tuple(rows), note)
