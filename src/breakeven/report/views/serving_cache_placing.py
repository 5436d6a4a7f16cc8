"""Where a prefix cache lies: one pool or a cache on each node, and the bandwidth of fetching."""

from __future__ import annotations

from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.serving_cache_findings import (
    POLICY_WORDS,
    CacheFindings,
    banded,
    bounds,
    number,
    rate,
)
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache.economics import BYTES_PER_GB
from breakeven.serving.prefix_cache.fetch_bandwidth import least_bandwidth
from breakeven.serving.prefix_cache.positions import first_with_limit

_ROUTING_WORDS = {"random": Label("at random", "随机"), "prefix": Label("by prefix", "按前缀")}


def nodes_table(found: CacheFindings) -> Table | None:
    """Separate caches against one pool; None where no nodes were asked for."""
    if not found.splits:
        return None
    policy = first_with_limit(found.policies)
    curve = found.replay.curves[policy]
    rows: list[dict[str, Value]] = []
    for split in found.splits:
        for capacity, hit in zip(found.capacities, split.hit_tokens, strict=True):
            rows.append(
                {
                    "routing": split.routing,
                    "nodes": split.nodes,
                    "capacity_blocks": capacity,
                    "hit_tokens": rate(hit / split.asked_tokens) if split.asked_tokens else None,
                    "one_pool": rate(curve.token_rate(capacity)),
                    "largest_share": rate(split.largest_share),
                }
            )
    columns = (
        Column("routing", Label("Requests go", "请求路由"), words=_ROUTING_WORDS),
        Column("nodes", Label("Nodes", "节点数"), "count"),
        Column("capacity_blocks", Label("Blocks of all nodes", "全部节点的块数"), "count"),
        Column("hit_tokens", Label("Input served", "输入命中率"), "ratio"),
        Column("one_pool", Label("By one shared pool", "共享池命中率"), "ratio"),
        Column("largest_share", Label("Input of the busiest node", "最忙节点的输入占比"), "ratio"),
    )
    words = POLICY_WORDS[policy]
    note = Label(
        f"{words.en}, the capacity split evenly. By prefix: the second block of a prompt decides.",
        f"{words.zh}，容量平均分到各节点。按前缀：由提示词的第二块决定节点。",
    )
    return Table("nodes", Label("A cache on each node", "各节点独立缓存"), columns, tuple(rows), note)


def fetch_table(found: CacheFindings) -> Table | None:
    """When fetching is faster than computing; None where work or bytes of a token are not known."""
    recompute = found.recompute_seconds_per_token
    if recompute is None or found.kv_bytes_per_token is None or not recompute.low > 0:
        return None
    kv = found.kv_bytes_per_token
    # The slower computing is, the less bandwidth is enough: the bounds change places.
    least = Estimate(
        *(least_bandwidth(kv, each) for each in (recompute.value, recompute.high, recompute.low))
    )
    given = found.fetch_bytes_per_second
    row: dict[str, Value] = bounds("least_gb_per_second", least * (1 / BYTES_PER_GB))
    columns = [
        *banded("least_gb_per_second", Label("Least needed", "最低所需"), "GB/s", is_exact=found.is_exact)
    ]
    if given is not None:
        row |= {
            "given_gb_per_second": number(given / BYTES_PER_GB),
            "pays": "yes" if given > least.value else "no",
        }
        columns += [
            Column("given_gb_per_second", Label("At hand", "现有"), "GB/s"),
            Column(
                "pays",
                Label("Faster than computing", "比重算快"),
                words={"yes": Label("yes", "是"), "no": Label("no: compute instead", "否：应重算")},
            ),
        ]
    note = Label(
        "Per GPU: n GPUs that compute a prompt together need n times as much from where the cache lies.",
        "每张卡：n 张卡共同计算一个提示词时，缓存所在处需提供 n 倍带宽。",
    )
    title = Label("Bandwidth above which fetching is faster than computing", "取回快于重算所需的带宽")
    return Table("fetch", title, tuple(columns), (row,), note)
