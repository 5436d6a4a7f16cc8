"""What a cache saves in GPU time, what its memory costs, and the size at which the difference is largest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache.hit_curve import AnyInts, HitCurve
from breakeven.serving.prefix_cache.trace import Floats, Ints

HOURS_PER_MONTH = 730
"""8,760 hours of a year over 12, as clouds bill."""
BYTES_PER_GB = 1e9


@dataclass(frozen=True)
class Saving:
    """GPU-seconds that one cached token saves against one that is computed.

    >>> Saving.between(Estimate(1e-4, 8e-5, 1.2e-4), Estimate(1e-5, 8e-6, 1.2e-5)).seconds_per_token.value
    9e-05
    """

    seconds_per_token: Estimate

    @classmethod
    def between(cls, uncached_input: Estimate, cached_input: Estimate) -> Saving:
        """The difference. Its interval is the wide one: the low of one less the high of the other, and so on.

        Raises `InputError` when a cached token costs more than a computed one: such a cache saves nothing.
        """
        middle = uncached_input.value - cached_input.value
        if not (math.isfinite(middle) and middle >= 0):
            raise InputError(
                "a cached token takes more GPU time than one that is computed",
                cause="the two costs are exchanged, or given per thousand and per million tokens",
                remedy="give both in GPU-hours per million tokens, the uncached one first",
            )
        low = max(0.0, uncached_input.low - cached_input.high)
        return cls(Estimate(middle, low, uncached_input.high - cached_input.low))


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

    def gpu_hours_saved(self, curve: HitCurve, capacity: int) -> Estimate:
        """GPU-hours saved in an hour of this traffic: how many GPUs less are needed at full use.

        >>> from breakeven.serving.prefix_cache.hit_curve import hit_curve
        >>> one = np.array([1])
        >>> curve = hit_curve("lru", one, one, 0 * one, 512, 4, 2048)
        >>> saving = Saving(Estimate.exact(1.0))
        >>> CacheTerms(saving, 2.0, 1e6, 3600.0, None).gpu_hours_saved(curve, 1).value
        0.14222222222222222
        """
        return self.saving.seconds_per_token * (int(curve.hit_tokens(capacity)) / self.span_seconds)

    def saved_per_month(self, curve: HitCurve, capacity: int) -> Estimate | None:
        """Money of those GPU-hours in a month."""
        if self.price_per_gpu_hour is None:
            return None
        return self.gpu_hours_saved(curve, capacity) * (self.price_per_gpu_hour * HOURS_PER_MONTH)

    def bill_per_month(self, capacity: AnyInts) -> Floats | None:
        """Money for holding so many blocks for a month."""
        if self.store_price_per_gb_month is None or self.block_bytes is None:
            return None
        return np.asarray(capacity) * (self.block_bytes / BYTES_PER_GB * self.store_price_per_gb_month)

    def net_per_month(self, curve: HitCurve, capacity: int) -> Estimate | None:
        """Saving less bill."""
        bill, saved = self.bill_per_month(capacity), self.saved_per_month(curve, capacity)
        if bill is None or saved is None:
            return None
        return Estimate(saved.value - float(bill), saved.low - float(bill), saved.high - float(bill))

    def net_curve(self, curve: HitCurve, seconds_per_token: float) -> Floats | None:
        """(capacity + 1,) net saving a month of every capacity of the curve, at one saving per token."""
        bill = self.bill_per_month(np.arange(len(curve.tokens_by_capacity)))
        if bill is None or self.price_per_gpu_hour is None:
            return None
        money = seconds_per_token / self.span_seconds * self.price_per_gpu_hour * HOURS_PER_MONTH
        return curve.tokens_by_capacity * money - bill


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
    seconds = terms.saving.seconds_per_token
    sizes: list[int] = []
    for each in (seconds.value, seconds.low, seconds.high):
        net = terms.net_curve(curve, each)
        if net is None:
            return None
        sizes.append(int(np.argmax(net)))
    net = terms.net_per_month(curve, sizes[0])
    return (
        None if net is None else BestSize(sizes[0], sizes[1], sizes[2], net, sizes[0] == curve.enough_blocks)
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
