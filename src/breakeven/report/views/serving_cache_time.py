"""How soon input is used again: what a time to live serves, holds and saves, and the best one."""

from __future__ import annotations

import numpy as np

from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.serving_cache_findings import (
    NET,
    CacheFindings,
    banded,
    bounds,
    gigabytes,
    number,
    rate,
)
from breakeven.serving.prefix_cache.economics import best_time_to_live

_TIME = Label("Time to live in seconds", "存活时间（秒）")
_HELD = Column("blocks_held", Label("Blocks held in the mean", "平均持有块数"), "count")
_TTL_SECONDS = (10, 60, 300, 600, 1_800, 3_600, 14_400, 86_400)


def reuse_table(found: CacheFindings) -> Table | None:
    """What a time to live serves and holds; None for a trace without a span."""
    reuse, replay = found.replay.reuse, found.replay
    span = found.trace.span_seconds
    if span <= 0:
        return None
    times = [seconds for seconds in _TTL_SECONDS if seconds < span]
    times.append(int(np.ceil(span)))
    limits = np.array(times, np.float64)
    hits, held = reuse.hit_tokens_within(limits), reuse.mean_blocks_held(limits)
    if held is None:
        return None
    most = int(hits[-1])
    rows: list[dict[str, Value]] = [
        {
            "seconds": seconds,
            "of_most": rate(tokens / most) if most else None,
            "hit_tokens": rate(tokens / replay.asked_tokens) if replay.asked_tokens else None,
            "blocks_held": round(blocks),
            "memory_gb": gigabytes(blocks, found.block_bytes),
            **bounds("net", found.terms and found.terms.net_per_month(int(tokens), blocks)),
        }
        for seconds, tokens, blocks in zip(times, hits, held.tolist(), strict=True)
    ]
    columns = [
        Column("seconds", _TIME, "count"),
        Column("of_most", Label("Of the most possible", "占最大命中"), "ratio"),
        Column("hit_tokens", Label("Input served", "输入命中率"), "ratio"),
        _HELD,
    ]
    if found.block_bytes is not None:
        columns.append(Column("memory_gb", Label("Memory", "存储"), "GB"))
    if rows[0]["net"] is not None:
        columns += banded("net", NET, found.currency, is_exact=found.is_exact)
    note = Label(
        "Without a limit of size, and the time begins again at each use.", "不限容量；每次使用后重新计时。"
    )
    return Table(
        "reuse", Label("How soon input is used again", "多久后再次使用"), tuple(columns), tuple(rows), note
    )


def best_time_table(found: CacheFindings) -> Table | None:
    """The best time to live; None without prices or without a span."""
    best = None if found.terms is None else best_time_to_live(found.replay.reuse, found.terms)
    if best is None:
        return None
    asked = found.replay.asked_tokens
    row: dict[str, Value] = {
        "seconds": number(best.seconds),
        "seconds_low": number(best.seconds_low),
        "seconds_high": number(best.seconds_high),
        "hit_tokens": rate(best.hit_tokens / asked) if asked else None,
        "blocks_held": round(best.blocks_held),
        "memory_gb": gigabytes(best.blocks_held, found.block_bytes),
        **bounds("net", best.net_per_month),
    }
    columns = (
        *banded("seconds", _TIME, "count", is_exact=found.is_exact),
        Column("hit_tokens", Label("Input served", "输入命中率"), "ratio"),
        _HELD,
        Column("memory_gb", Label("Memory", "存储"), "GB"),
        *banded("net", NET, found.currency, is_exact=found.is_exact),
    )
    note = Label(
        "The time at which saving less bill is largest where memory is paid as it is used, as in a pool "
        "shared with others.",
        "存储按实际占用付费（如与他人共用的存储池）时，净节省最大的存活时间。",
    )
    return Table("best_time", Label("Best time to live", "最佳存活时间"), columns, (row,), note)
