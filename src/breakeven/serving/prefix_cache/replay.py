"""One pass over a trace: hits at every capacity under each policy, and how soon blocks are used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.prefix_cache.hit_curve import HitCurve, hit_curve
from breakeven.serving.prefix_cache.positions import Policy, positions
from breakeven.serving.prefix_cache.reuse import Reuse
from breakeven.serving.prefix_cache.runs import Runs, found_again
from breakeven.serving.prefix_cache.trace import Ints, Mask, PrefixTrace


@dataclass(frozen=True, eq=False)
class Replay:
    """What caches would have served of a trace. Only requests after the warm-up count."""

    curves: Mapping[Policy, HitCurve]
    reuse: Reuse
    requests: int
    asked_blocks: int
    asked_tokens: int
    full_blocks: int
    distinct_blocks: int
    """Different blocks of the whole trace: a cache of so many never evicts."""
    span_seconds: float
    """From the first counted request to the last."""

    @property
    def reused_tokens(self) -> int:
        """Input tokens that a cache without limit serves."""
        return int(self.reuse.tokens.sum())


def replay(
    trace: PrefixTrace,
    policies: Sequence[Policy] = ("lru", "lfu", "infinite"),
    *,
    counted: Mask | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Replay:
    """Replay a trace from an empty cache. Requests outside `counted` (request,) fill it and do not count.

    A request looks up the longest run of its leading blocks that the cache holds, then touches all its
    blocks. Requests at the same time follow in their order, each finding what the one before left.
    `report` is told what is being done. Raises `InputError` for a trace that is empty, whose times fall, or
    whose ids are no prefixes.

    >>> trace = PrefixTrace.of([0, 5, 9], [600, 600, 700], [(7, 8), (7, 8), (7, 4)])
    >>> found = replay(trace, ["lru"])
    >>> found.curves["lru"].hit_blocks(np.array([0, 1, 2])).tolist(), found.curves["lru"].most_tokens
    ([0, 2, 3], 1112)
    """
    _require_in_order(trace)
    if counted is None:
        counted = np.ones(trace.requests, bool)
    report("sorting the blocks")
    trace.require_prefix_ids()
    report("finding what was asked for again")
    runs, births = found_again(trace)
    kept = counted[runs.request]
    missing = _missing_tokens(trace, runs)
    asked = (int(trace.lengths[counted].sum()), int(trace.input_tokens[counted].sum()))
    curves: dict[Policy, HitCurve] = {}
    for policy in policies:
        report(f"replaying: {policy}")
        first = positions(trace, runs, births, policy)[kept]
        curves[policy] = hit_curve(
            policy, first, runs.blocks[kept], missing[kept], trace.block_tokens, *asked
        )
    chosen = trace.part(counted)
    return Replay(
        curves=curves,
        reuse=_reuse(trace, runs, kept, missing),
        requests=chosen.requests,
        asked_blocks=asked[0],
        asked_tokens=asked[1],
        full_blocks=chosen.full_blocks,
        distinct_blocks=trace.distinct_blocks,
        span_seconds=chosen.span_seconds,
    )


def after_warm_up(trace: PrefixTrace, seconds: float) -> Mask:
    """(request,) those that came at least so long after the first. Raises `InputError` when none did.

    >>> after_warm_up(PrefixTrace.of([0, 5, 9], [1, 1, 1], [(), (), ()]), 5.0).tolist()
    [False, True, True]
    """
    _require_in_order(trace)
    counted = trace.seconds >= trace.seconds[0] + seconds
    if not counted.any():
        raise InputError(
            f"the warm-up of {seconds:g} s leaves no request",
            cause=f"the trace lasts {trace.span_seconds:g} s",
            remedy="give a shorter --warm-up",
        )
    return counted


def _require_in_order(trace: PrefixTrace) -> None:
    if trace.requests == 0:
        raise InputError("the trace has no requests", remedy="check the file, or export the trace again")
    falls = np.flatnonzero(np.diff(trace.seconds) < 0)
    if len(falls):
        raise InputError(
            f"request {falls[0] + 2} came before the one above it",
            cause="the trace is not sorted by time",
            remedy="sort it by time, or add --sort",
        )


def _missing_tokens(trace: PrefixTrace, runs: Runs) -> Ints:
    """What the last block of each run lacks to be full: nothing, unless it ends the request."""
    ends = runs.depth + runs.blocks == trace.lengths[runs.request]
    room = trace.lengths[runs.request] * trace.block_tokens - trace.input_tokens[runs.request]
    return np.where(ends, np.maximum(room, 0), 0)


def _reuse(trace: PrefixTrace, runs: Runs, kept: Mask, missing: Ints) -> Reuse:
    gaps = trace.seconds[runs.request] - trace.seconds[runs.last_request]
    last = np.concatenate([~trace.again, np.ones(min(1, trace.touches), bool)])
    last_touches = trace.sorted_touches[last]
    last_request = np.searchsorted(trace.starts, last_touches, side="right") - 1
    per_request = np.bincount(last_request, minlength=trace.requests)
    return Reuse.of(
        gaps,
        runs.blocks,
        np.where(kept, runs.blocks * trace.block_tokens - missing, 0),
        trace.seconds,
        float(trace.seconds[-1]),
        trace.span_seconds,
        per_request,
    )
