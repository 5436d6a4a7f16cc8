"""The prefix cache as people read it: hits by capacity, what each size saves and costs, and the best one."""

from __future__ import annotations

from datetime import UTC, datetime

from breakeven.report.figures import Lines, Series, verbatim
from breakeven.report.view_model import Envelope, Label, Value, View
from breakeven.report.views.serving_cache_capacity import best_table, capacity_table
from breakeven.report.views.serving_cache_findings import POLICY_WORDS, CacheFindings, number, rate
from breakeven.report.views.serving_cache_placing import fetch_table, nodes_table
from breakeven.report.views.serving_cache_remarks import warnings
from breakeven.report.views.serving_cache_time import best_time_table, reuse_table
from breakeven.serving.prefix_cache.economics import capacities_around

__all__ = ["CacheFindings", "cache_figure", "cache_view"]


def cache_view(found: CacheFindings) -> View:
    """Tables by capacity, best size, time to live, nodes and fetching, as far as what was asked allows."""
    tables = [
        capacity_table(found),
        best_table(found),
        reuse_table(found),
        best_time_table(found),
        nodes_table(found),
        fetch_table(found),
    ]
    today = datetime.now(tz=UTC).date().isoformat()
    head = Envelope(found.name, today, time_zone="UTC", currency=found.currency, warnings=warnings(found))
    title = Label("Prefix cache: hits and size", "前缀缓存：命中与容量")
    return View("serving_cache", title, head, tuple(each for each in tables if each), facts=_facts(found))


def cache_figure(found: CacheFindings) -> Lines:
    """Share of input tokens served, by capacity, one line per policy."""
    sizes = capacities_around(found.replay.distinct_blocks)
    series = tuple(
        Series(policy, POLICY_WORDS[policy], tuple(rate(curve.token_rate(int(size))) for size in sizes))
        for policy, curve in found.replay.curves.items()
    )
    return Lines(
        "cache_hits",
        Label("Input served by the prefix cache", "前缀缓存命中的输入占比"),
        "ratio",
        tuple(verbatim(f"{size:,}") for size in sizes),
        series,
        category_axis=Label("Capacity (blocks)", "容量（块）"),
        value_axis=Label("Share of input tokens", "占输入词元的比例"),
    )


def _facts(found: CacheFindings) -> dict[str, Value]:
    replay, trace = found.replay, found.trace
    return {
        "requests": replay.requests,
        "span_seconds": number(replay.span_seconds),
        "input_tokens": replay.asked_tokens,
        "blocks": replay.asked_blocks,
        "full_blocks": replay.full_blocks,
        "distinct_blocks": replay.distinct_blocks,
        "block_tokens": trace.block_tokens,
        "repeated_times": trace.repeated_times,
        "kv_bytes_per_token": None if found.kv_bytes_per_token is None else number(found.kv_bytes_per_token),
    }
