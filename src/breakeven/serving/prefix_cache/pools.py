"""One cache for all nodes, or one on each: what splitting the same memory over n nodes costs in hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from breakeven.errors import UsageError
from breakeven.serving.prefix_cache.positions import Policy
from breakeven.serving.prefix_cache.replay import replay
from breakeven.serving.prefix_cache.trace import Ints, Mask, PrefixTrace

Routing = Literal["random", "prefix"]
ROUTINGS: tuple[Routing, ...] = ("random", "prefix")
ROUTING_BLOCK = 1
"""The block of a prompt by which requests go to nodes, from 0: the second, since a system prompt that all
share fills the first. Shorter requests go by their last block."""
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing (Knuth, TAOCP 3, 6.4)


@dataclass(frozen=True)
class SplitHits:
    """Hits of `nodes` separate caches that share a capacity evenly, over all requests that count.

    `hit_tokens` has one entry per capacity asked for. `largest_share` is what the busiest node gets of the
    input.
    """

    nodes: int
    routing: Routing
    hit_tokens: tuple[int, ...]
    asked_tokens: int
    largest_share: float


def split_hits(
    trace: PrefixTrace, nodes: int, routing: Routing, policy: Policy, capacities: Ints,
    *, seed: int = 0, counted: Mask | None = None,
) -> SplitHits:  # fmt: skip
    """Send every request to one of `nodes`, each with its own cache of `capacity // nodes` blocks.

    `random` draws the node with a seed, as a balancer that knows nothing of prefixes; `prefix` hashes an
    early block, so that requests with the same beginning meet. Raises `UsageError` for fewer than one node.

    >>> trace = PrefixTrace.of(range(4), [1024] * 4, [(7, 8), (5, 6), (7, 8), (5, 6)])
    >>> split_hits(trace, 2, "prefix", "lru", np.array([4])).hit_tokens
    (2048,)
    """
    if nodes < 1:
        raise UsageError(f"{nodes} nodes cannot hold a cache", remedy="give --nodes 2 or more")
    node = _nodes(trace, nodes, routing, seed)
    if counted is None:
        counted = np.ones(trace.requests, bool)
    asked = int(trace.input_tokens[counted].sum())
    hits = np.zeros(len(capacities), np.int64)
    loads = np.bincount(node[counted], trace.input_tokens[counted], minlength=nodes)
    for each in range(nodes):
        here = node == each
        if here.any():
            found = replay(trace.part(here), [policy], counted=counted[here])
            hits += found.curves[policy].hit_tokens(capacities // nodes)
    share = float(loads.max() / asked) if asked else 0.0
    return SplitHits(nodes, routing, tuple(int(hit) for hit in hits), asked, share)


def _nodes(trace: PrefixTrace, nodes: int, routing: Routing, seed: int) -> Ints:
    """(request,) the node that each goes to."""
    if routing == "random":
        return np.random.default_rng(seed).integers(nodes, size=trace.requests)
    lengths = trace.lengths
    at = trace.starts[:-1] + np.minimum(ROUTING_BLOCK, np.maximum(lengths - 1, 0))
    blocks = np.where(lengths > 0, np.append(trace.blocks, 0)[at], 0).astype(np.uint64)
    return ((blocks * _MIX) >> np.uint64(33)).astype(np.int64) % nodes
