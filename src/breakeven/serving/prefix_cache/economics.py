"""What a cache saves in GPU time, what its memory costs, and the size at which the difference is largest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache.hit_curve import HitCurve
from breakeven.serving.prefix_cache.reuse import Reuse
from breakeven.serving.prefix_cache.trace import Floats, Ints

HOURS_PER_MONTH = 730
"""8,760 hours of a year over 12, as clouds bill."""
BYTES_PER_GB = 1e9


@dataclass(frozen=True)
class Saving:
    """GPU-seconds that one cached token saves against one that is computed.

    >>> Saving.between(Estimate(1.0, 0.8, 1.2), Estimate(0.25, 0.2, 0.3)).seconds_per_token.value
    0.75
    """

    seconds_per_token: Estimate

    @classmethod
    def between(cls, uncached_input: Estimate, cached_input: Estimate) -> Saving:
        """The difference, bound by bound: where one is dearer than modelled, so is the other.

        Raises `InputError` when a cached token costs more than a computed one: such a cache saves nothing.
        """
        middle = uncached_input.value - cached_input.value
        if not (math.isfinite(middle) and middle >= 0):
            raise InputError(
                "a cached token takes more GPU time than one that is computed",
                cause="the two costs are exchanged, or given per thousand and per million tokens",
                remedy="give both in GPU-hours per million tokens, the uncached one first",
            )
        ends = (uncached_input.low - cached_input.low, uncached_input.high - cached_input.high, middle)
        return cls(Estimate(middle, max(0.0, min(ends)), max(ends)))


@dataclass(frozen=True)
class CacheTerms:
    """What the money side of a cache needs, in one currency.

    `span_seconds` is the time in which the curve's hits came; a month is 730 hours of the same traffic. Where
    a price is not known (None), what follows from it has no value, rather than one of zero.
    """

    saving: Saving
    price_per_gpu_hour: float | None
    block_bytes: float | None
    span_seconds: float
    store_price_per_gb_month: float | None

    def __post_init__(self) -> None:
        if self.span_seconds <= 0:
            raise InputError(
                "all counted requests came at the same moment, so nothing can be said per hour",
                cause="the trace has one request, or its times are missing",
                remedy="use a trace of some minutes at least, or leave the prices out",
            )

    def gpu_hours_saved(self, hit_tokens: int) -> Estimate:
        """GPU-hours saved in an hour of this traffic: how many GPUs less are needed at full use.

        >>> CacheTerms(Saving(Estimate.exact(1e-3)), 2.0, 1e6, 3600.0, None).gpu_hours_saved(3_600_000).value
        1.0
        """
        return self.saving.seconds_per_token * (hit_tokens / self.span_seconds)

    def saved_per_month(self, hit_tokens: int) -> Estimate | None:
        """Money of those GPU-hours in a month."""
        if self.price_per_gpu_hour is None:
            return None
        return self.gpu_hours_saved(hit_tokens) * (self.price_per_gpu_hour * HOURS_PER_MONTH)

    def bill_per_month(self, blocks: float) -> float | None:
        """Money for holding so many blocks for a month."""
        if self.store_price_per_gb_month is None or self.block_bytes is None:
            return None
        return blocks * self.block_bytes / BYTES_PER_GB * self.store_price_per_gb_month

    def net_per_month(self, hit_tokens: int, blocks: float) -> Estimate | None:
        """Saving less bill."""
        bill, saved = self.bill_per_month(blocks), self.saved_per_month(hit_tokens)
        if bill is None or saved is None:
            return None
        return Estimate(saved.value - bill, saved.low - bill, saved.high - bill)

    def best(self, hit_tokens: Ints, blocks: Floats | Ints) -> tuple[int, int, int] | None:
        """Which of many choices (choice,) has the largest net, at the middle, low and high saving.

        The first of equals; None without the prices of GPUs and of memory.
        """
        bill = self.bill_per_month(1.0)
        if bill is None or self.price_per_gpu_hour is None:
            return None
        seconds = self.saving.seconds_per_token
        per_second = self.price_per_gpu_hour * HOURS_PER_MONTH / self.span_seconds
        middle, low, high = (
            int(np.argmax(hit_tokens * (each * per_second) - blocks * bill))
            for each in (seconds.value, seconds.low, seconds.high)
        )
        return middle, low, high


@dataclass(frozen=True)
class BestSize:
    """The capacity of the largest net saving, exact to the block; the smallest of equals.

    `capacity_low` and `capacity_high` are the best sizes at the bounds of the saving's 80 % interval.
    `is_all` says that nothing smaller than a cache that holds every reused block is better: on a longer trace
    the best may be larger still.
    """

    capacity: int
    capacity_low: int
    capacity_high: int
    net_per_month: Estimate
    is_all: bool


def best_size(curve: HitCurve, terms: CacheTerms) -> BestSize | None:
    """The best of all capacities; None without the prices of GPUs and of memory.

    Two blocks are asked for once each and served at 1 and 4 blocks. At ten a hit and one a block, both pay:

    >>> from breakeven.serving.prefix_cache.hit_curve import hit_curve
    >>> first, one = np.array([1, 4]), np.array([1, 1])
    >>> curve = hit_curve("lru", first, one, 0 * one, 1, 4, 4)
    >>> terms = CacheTerms(Saving(Estimate(3600, 360, 7200)), 10.0 / 730, 1e9, 3600.0, 1.0)
    >>> found = best_size(curve, terms)
    >>> found.capacity, found.capacity_low, found.net_per_month.value
    (4, 0, 16.0)
    """
    sizes = terms.best(curve.tokens_by_capacity, np.arange(len(curve.tokens_by_capacity)))
    if sizes is None:
        return None
    size, low, high = sizes
    net = terms.net_per_month(int(curve.hit_tokens(size)), size)
    return None if net is None else BestSize(size, low, high, net, is_all=size == curve.enough_blocks)


@dataclass(frozen=True)
class BestTime:
    """The time to live of the largest net saving, with the best at the bounds of the interval."""

    seconds: float
    seconds_low: float
    seconds_high: float
    hit_tokens: int
    blocks_held: float
    net_per_month: Estimate


def best_time_to_live(reuse: Reuse, terms: CacheTerms) -> BestTime | None:
    """The best of all times to live; None without both prices, and for a trace without a span.

    Memory is paid as it is used, as in a pool that others use too. Only times at which something is used
    again can be best: between two of them a longer life holds more and serves the same.
    """
    times = np.unique(np.append(reuse.gap_seconds, 0.0))
    held = reuse.mean_blocks_held(times)
    hits = reuse.hit_tokens_within(times)
    if held is None:
        return None
    # Living for no time at all means no cache: not even what comes again at the same moment.
    times, held = (np.concatenate([np.zeros(1), values]) for values in (times, held))
    hits = np.concatenate([np.zeros(1, np.int64), hits])
    chosen = terms.best(hits, held)
    if chosen is None:
        return None
    best, low, high = chosen
    net = terms.net_per_month(int(hits[best]), float(held[best]))
    if net is None:
        return None
    return BestTime(
        float(times[best]), float(times[low]), float(times[high]), int(hits[best]), float(held[best]), net
    )


def capacity_blocks(memory_bytes: float, block_bytes: float) -> int:
    """Whole blocks that fit.

    >>> capacity_blocks(500e9, 512 * 320 * 1024)
    2980
    """
    return int(memory_bytes // block_bytes)


def capacities_around(curve_blocks: int) -> Ints:
    """Ten capacities that show a curve: from a hundredth of the blocks to all, evenly in the logarithm.

    >>> capacities_around(182_790).tolist()
    [1800, 3000, 5100, 8500, 14000, 24000, 39000, 66000, 110000, 182790]
    """
    if curve_blocks < 1:
        return np.zeros(1, np.int64)
    raw = np.geomspace(max(1.0, curve_blocks / 100), curve_blocks, 10)[:-1]
    steps = 10.0 ** np.maximum(np.floor(np.log10(raw)) - 1, 0)
    return np.unique(np.append((np.round(raw / steps) * steps).astype(np.int64), curve_blocks))
