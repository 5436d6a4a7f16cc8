"""Hits by capacity, exact at every number of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from breakeven.serving.prefix_cache.positions import Policy
from breakeven.serving.prefix_cache.trace import Floats, Ints

AnyInts = npt.NDArray[np.int64] | int


@dataclass(frozen=True, eq=False)
class HitCurve:
    """What caches of 0, 1, 2, ... blocks serve; a cache larger than the last entry serves no more.

    `blocks_by_capacity` and `tokens_by_capacity` have shape (capacity + 1,). `asked_blocks` and
    `asked_tokens` are those of the requests that count, so rates are hits over them.
    """

    policy: Policy
    blocks_by_capacity: Ints
    tokens_by_capacity: Ints
    asked_blocks: int
    asked_tokens: int

    def hit_blocks(self, capacity: AnyInts) -> Ints:
        """Blocks served by caches of `capacity` blocks."""
        return self.blocks_by_capacity[np.minimum(capacity, len(self.blocks_by_capacity) - 1)]

    def hit_tokens(self, capacity: AnyInts) -> Ints:
        """Input tokens served by caches of `capacity` blocks: min(512 j, input) of a request with j hits."""
        return self.tokens_by_capacity[np.minimum(capacity, len(self.tokens_by_capacity) - 1)]

    def block_rate(self, capacity: AnyInts) -> Floats:
        """Share of the blocks asked for; NaN where none was."""
        return self.hit_blocks(capacity) / (self.asked_blocks or np.nan)

    def token_rate(self, capacity: AnyInts) -> Floats:
        """Share of the input tokens; NaN where there are none."""
        return self.hit_tokens(capacity) / (self.asked_tokens or np.nan)

    @property
    def enough_blocks(self) -> int:
        """The smallest capacity that serves all that any capacity does."""
        return int(np.searchsorted(self.blocks_by_capacity, self.blocks_by_capacity[-1]))

    @property
    def most_tokens(self) -> int:
        """Input tokens that a cache without limit serves."""
        return int(self.tokens_by_capacity[-1])


def hit_curve(
    policy: Policy, first: Ints, blocks: Ints, missing_tokens: Ints, block_tokens: int,
    asked_blocks: int, asked_tokens: int,
) -> HitCurve:  # fmt: skip
    """The curve of runs of `blocks` that stand at positions `first`, `first + 1`, ..., shapes (run,).

    `missing_tokens` is what the run's last block lacks to be full. An infinite cache has all at position 1.

    >>> curve = hit_curve("lru", np.array([1, 3]), np.array([2, 1]), np.array([0, 112]), 512, 8, 4096)
    >>> curve.hit_blocks(np.arange(5)).tolist(), curve.hit_tokens(np.array([2, 99])).tolist()
    ([0, 1, 2, 3, 3], [1024, 1424])
    """
    if policy == "infinite":
        at = np.zeros(2, np.int64)
        at[1] = blocks.sum()
        lacking = np.array([0, missing_tokens.sum()])
    else:
        size = int((first + blocks).max(initial=1))
        steps = np.bincount(first, minlength=size + 1) - np.bincount(first + blocks, minlength=size + 1)
        at = np.cumsum(steps)[:size]
        lacking = np.zeros(size, np.int64)
        np.add.at(lacking, first + blocks - 1, missing_tokens)
    hits = np.cumsum(at)
    return HitCurve(policy, hits, hits * block_tokens - np.cumsum(lacking), asked_blocks, asked_tokens)
