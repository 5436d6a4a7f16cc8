"""How soon blocks are asked for again, hence what a time to live serves and how much it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.prefix_cache.trace import Floats, Ints


@dataclass(frozen=True, eq=False)
class Reuse:
    """Hits of a cache without limit by the time since the last touch, shapes (run,), sorted by it.

    A time to live counts from the last touch: each use renews it. Blocks that were not asked
    for again within the trace (`left_blocks`, last touched `left_at_seconds` before its end) tell nothing of
    when they would have been. `tokens` are 0 for runs found in the warm-up.
    """

    gap_seconds: Floats
    blocks: Ints
    tokens: Ints
    span_seconds: float
    left_at_seconds: Floats
    left_blocks: Ints

    @classmethod
    def of(
        cls, gap_seconds: Floats, blocks: Ints, tokens: Ints, last_seen_seconds: Floats, end_seconds: float,
        span_seconds: float, seen_blocks: Ints,
    ) -> Reuse:  # fmt: skip
        """Sort the runs by gap. `seen_blocks` (any,) were last touched at `last_seen_seconds`."""
        order = np.argsort(gap_seconds, kind="stable")
        return cls(
            gap_seconds[order], blocks[order], tokens[order], span_seconds,
            end_seconds - last_seen_seconds, seen_blocks,
        )  # fmt: skip

    def hit_tokens_within(self, seconds: Floats) -> Ints:
        """Input tokens whose blocks were last touched at most so long ago: what a time to live serves.

        >>> reuse = Reuse(np.array([3.0, 60.0]), np.array([2, 1]), np.array([1024, 400]), 90.0,
        ...               np.array([0.0]), np.array([2]))
        >>> reuse.hit_tokens_within(np.array([1.0, 3.0, 100.0])).tolist()
        [0, 1024, 1424]
        """
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.tokens)])
        return sums[np.searchsorted(self.gap_seconds, seconds, side="right")]

    def mean_blocks_held(self, seconds: Floats) -> Floats | None:
        """Blocks that caches with these times to live hold in the mean over the trace; None without a span.

        Each touch holds its block until the next touch, the end of its life or the end of the trace.

        >>> Reuse(np.array([30.0]), np.array([2]), np.array([1024]), 90.0, np.array([60.0]),
        ...       np.array([2])).mean_blocks_held(np.array([15.0, 45.0])).tolist()
        [0.6666666666666666, 1.6666666666666667]
        """
        if self.span_seconds <= 0:
            return None
        order = np.argsort(self.left_at_seconds, kind="stable")
        used = _at_most(self.gap_seconds, self.blocks, seconds)
        left = _at_most(self.left_at_seconds[order], self.left_blocks[order], seconds)
        return (used + left) / self.span_seconds

    def quantile_seconds(self, share: float) -> float | None:
        """The time within which this share of all hit tokens is asked for again; None without hits.

        >>> Reuse(np.array([3.0, 60.0]), np.array([2, 1]), np.array([1024, 400]), 90.0,
        ...       np.array([0.0]), np.array([2])).quantile_seconds(0.5)
        3.0
        """
        if not len(self.tokens) or self.tokens.sum() == 0:
            return None
        sums = np.cumsum(self.tokens)
        return float(self.gap_seconds[np.searchsorted(sums, share * sums[-1])])


def _at_most(sorted_seconds: Floats, blocks: Ints, limits: Floats) -> Floats:
    """For each limit, the sum over all of min(seconds, limit) times blocks."""
    below = np.searchsorted(sorted_seconds, limits, side="right")
    times = np.concatenate([np.zeros(1), np.cumsum(sorted_seconds * blocks)])
    counts = np.concatenate([np.zeros(1, np.int64), np.cumsum(blocks)])
    return times[below] + limits * (counts[-1] - counts[below])
