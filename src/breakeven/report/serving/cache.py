"""What a prefix cache serves of a trace, saves and costs, of what was asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from breakeven.report.serving.asked import Asked
from breakeven.report.serving.cache_asked import CacheAsked
from breakeven.report.serving.cache_money import money_of
from breakeven.report.view_model import View
from breakeven.report.views.serving_cache import CacheFindings, cache_view
from breakeven.serving.prefix_cache import replay
from breakeven.serving.prefix_cache.economics import capacities_around, capacity_blocks
from breakeven.serving.prefix_cache.pools import ROUTINGS, SplitHits, split_hits
from breakeven.serving.prefix_cache.positions import first_with_limit
from breakeven.serving.prefix_cache.replay import after_warm_up
from breakeven.serving.prefix_cache.trace_lines import TraceFile


def _silent(stage: str) -> None:
    """Says nothing of how far it is."""


def cache_answer(
    asked: Asked,
    name: str,
    file: TraceFile,
    chosen: CacheAsked | None = None,
    report: Callable[[str], None] = _silent,
) -> View:
    """What caches of many sizes serve of a trace, save and cost, and the best size.

    Where a model on a GPU was asked for, it serves the trace's own traffic, with what a cache without limit
    finds in it; without any work per token the answer is hits alone. Raises `UsageError` where a figure needs
    another one, or the trace has no output lengths for the model.
    """
    chosen = chosen or CacheAsked()
    chosen.refuse_contradictions(asked)
    trace = file.trace
    counted = after_warm_up(trace, chosen.warm_up_seconds)
    played = replay(trace, chosen.policies, counted=counted, report=report)
    report("pricing")
    money = money_of(name, file, played, asked, chosen)
    capacities = _capacities(chosen, money.kv_bytes_per_token, played.distinct_blocks, trace.block_tokens)
    split_policy = first_with_limit(chosen.policies)
    splits: list[SplitHits] = []
    for nodes in chosen.nodes:
        report(f"splitting over {nodes} nodes")
        splits += [
            split_hits(
                trace, nodes, routing, split_policy, np.array(capacities), seed=chosen.seed, counted=counted
            )
            for routing in ROUTINGS
        ]
    found = CacheFindings(
        name,
        trace,
        played,
        chosen.policies,
        capacities,
        kv_bytes_per_token=money.kv_bytes_per_token,
        terms=money.terms(played.span_seconds, trace.block_tokens),
        recompute_seconds_per_token=money.uncached_input,
        fetch_bytes_per_second=None if chosen.fetch is None else chosen.fetch * 1e9,
        splits=tuple(splits),
        currency=money.currency,
        remarks=money.remarks,
        warm_up_seconds=chosen.warm_up_seconds,
    )
    return cache_view(found)


def _capacities(
    chosen: CacheAsked, kv_bytes: float | None, distinct_blocks: int, block_tokens: int
) -> tuple[int, ...]:
    """The sizes asked for in blocks, each once; ten that show the curve where none was."""
    asked = set(chosen.capacities)
    if kv_bytes is not None:
        asked |= {capacity_blocks(size, kv_bytes * block_tokens) for size in chosen.memories}
    return tuple(sorted(asked)) or tuple(int(size) for size in capacities_around(distinct_blocks))
