"""A trace of requests as arrays: when each came, how long its input is, and the prefix blocks it is made of.

A block's id stands for the block *and everything before it*, as in Mooncake's traces: two requests share a
prefix as far as their ids agree. So an id has one place, after one other id; a trace in which it has two is
refused, since ids of contents alone cannot say what a prefix cache could reuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from breakeven.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
BLOCK_TOKENS = 512
"""Tokens of a block in Mooncake's traces (Qin et al., FAST 2025)."""


@dataclass(frozen=True, eq=False)
class PrefixTrace:
    """Requests in the order in which a cache sees them.

    `seconds` (request,) since any instant, not decreasing; `input_tokens` (request,); `blocks` (touch,) ids
    of all requests one after the other, first block first; `starts` (request + 1,) where each request begins
    in it.
    """

    seconds: Floats
    input_tokens: Ints
    blocks: Ints
    starts: Ints
    block_tokens: int = BLOCK_TOKENS

    def __post_init__(self) -> None:
        if not len(self.seconds) == len(self.input_tokens) == len(self.starts) - 1:
            lists = len(self.starts) - 1
            raise InputError(
                f"{len(self.seconds)} times, {len(self.input_tokens)} input lengths and {lists} lists of "
                "blocks are no trace",
                remedy="give one of each per request",
            )

    @classmethod
    def of(
        cls,
        seconds: Sequence[float],
        input_tokens: Sequence[int],
        blocks: Iterable[Sequence[int]],
        block_tokens: int = BLOCK_TOKENS,
    ) -> PrefixTrace:
        """A trace from plain sequences, one entry a request.

        >>> trace = PrefixTrace.of([0, 5], [600, 700], [(7, 8), (7, 4)])
        >>> trace.requests, trace.touches, trace.distinct_blocks, trace.span_seconds
        (2, 4, 3, 5.0)
        """
        lists = list(blocks)
        starts = np.concatenate([[0], np.cumsum([len(ids) for ids in lists], dtype=np.int64)])
        flat = np.fromiter((block for ids in lists for block in ids), np.int64, int(starts[-1]))
        return cls(
            np.asarray(seconds, np.float64), np.asarray(input_tokens, np.int64), flat, starts, block_tokens
        )

    @property
    def requests(self) -> int:
        """How many requests."""
        return len(self.seconds)

    @property
    def touches(self) -> int:
        """Blocks asked for, each as often as it is asked for."""
        return len(self.blocks)

    @property
    def total_tokens(self) -> int:
        """Input tokens of all requests."""
        return int(self.input_tokens.sum())

    @property
    def full_blocks(self) -> int:
        """Blocks asked for that are full: a last block with fewer tokens is left out."""
        return int(np.minimum(self.input_tokens // self.block_tokens, self.lengths).sum())

    @property
    def span_seconds(self) -> float:
        """From the first request to the last."""
        return float(self.seconds[-1] - self.seconds[0]) if self.requests else 0.0

    @property
    def repeated_times(self) -> int:
        """Requests that came at the same time as the one before; they keep the order of the file."""
        return int(np.count_nonzero(np.diff(self.seconds) == 0))

    @property
    def lengths(self) -> Ints:
        """Blocks of each request."""
        return np.diff(self.starts)

    @property
    def depths(self) -> Ints:
        """The place of each touched block in its request, from 0."""
        return np.arange(self.touches) - np.repeat(self.starts[:-1], self.lengths)

    @cached_property
    def sorted_touches(self) -> Ints:
        """All touches by block, then by time: the touches of one block stand together."""
        return np.argsort(self.blocks, kind="stable")

    @cached_property
    def again(self) -> Mask:
        """(touch - 1,) whether `sorted_touches[i + 1]` touches the same block as `sorted_touches[i]`."""
        found = self.blocks[self.sorted_touches]
        return found[1:] == found[:-1]

    @property
    def distinct_blocks(self) -> int:
        """How many different blocks: a cache of so many never evicts."""
        return self.touches - int(np.count_nonzero(self.again))

    def part(self, chosen: Mask) -> PrefixTrace:
        """The requests of a mask (request,), in the same order.

        >>> PrefixTrace.of([0, 5], [600, 700], [(7, 8), (7, 4)]).part(np.array([False, True])).blocks.tolist()
        [7, 4]
        """
        lengths = self.lengths
        return PrefixTrace(
            self.seconds[chosen],
            self.input_tokens[chosen],
            self.blocks[np.repeat(chosen, lengths)],
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[chosen])]),
            self.block_tokens,
        )

    def by_time(self) -> PrefixTrace:
        """The same requests sorted by time; those at the same time keep their order.

        >>> PrefixTrace.of([5, 0], [600, 700], [(7, 8), (9,)]).by_time().blocks.tolist()
        [9, 7, 8]
        """
        order = np.argsort(self.seconds, kind="stable")
        lengths = self.lengths[order]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        shift = np.repeat(self.starts[:-1][order] - starts[:-1], lengths)
        blocks = self.blocks[np.arange(self.touches) + shift]
        return PrefixTrace(self.seconds[order], self.input_tokens[order], blocks, starts, self.block_tokens)

    def require_prefix_ids(self) -> None:
        """Raise `InputError` when an id stands at two places, or after two different blocks."""
        order, again = self.sorted_touches, self.again
        parents = np.roll(self.blocks, 1)
        parents[self.starts[:-1][self.lengths > 0]] = -1
        for name, values in (("place", self.depths), ("parent", parents)):
            ordered = values[order]
            wrong = np.flatnonzero(again & (ordered[1:] != ordered[:-1]))
            if len(wrong):
                first, second = order[wrong[0]], order[wrong[0] + 1]
                requests = np.searchsorted(self.starts, [first, second], side="right")
                block = int(self.blocks[first])
                how = "at two places" if name == "place" else "after two different blocks"
                raise InputError(
                    f"block {block} stands {how}, in requests {requests[0]} and {requests[1]}",
                    cause="the ids name the contents of blocks, not whole prefixes, or blocks differ in size",
                    remedy="chain the ids (--ids content), so that each stands for all that comes before it",
                )
