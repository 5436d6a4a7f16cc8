"""How fast users read when a replica serves more of them at once than its latency target allows.

A replica that answers `concurrency` requests side by side gives each of them a token every
`seconds_per_token`. Together they get concurrency / seconds_per_token tokens a second, which grows with the
batch, ever more slowly: that is the throughput bought with everybody's speed. The curve ends where throughput
no longer grows or memory is full; what is asked beyond has to wait or go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.fleet.demand import Floats


@dataclass(frozen=True)
class LatencyCurve:
    """Seconds between two tokens of one user, by requests that one replica serves at once.

    `target` is the concurrency at the latency target: load 1. Build it with `LatencyCurve.of`.

    >>> curve = LatencyCurve.of([1, 16, 64, 128], [0.010, 0.016, 0.032, 0.064], target=16)
    >>> float(curve.most_load)  # 64 at once get 64 / 0.032 = 2,000 tokens/s, twice 16 / 0.016
    2.0
    >>> curve.seconds_per_token(np.array([0.1, 1.0, 1.5, 2.0])).round(4).tolist()
    [0.01, 0.016, 0.024, 0.032]
    """

    concurrency: Floats
    seconds: Floats
    target: float

    @classmethod
    def of(
        cls, concurrency: Sequence[float], seconds: Sequence[float], target: float, where: str = ""
    ) -> LatencyCurve:
        """The part of a curve on which throughput grows. Raises `InputError` for one that cannot be read."""
        at, each = np.asarray(concurrency, dtype=float), np.asarray(seconds, dtype=float)
        remedy = "give concurrency and seconds per token from small to large, two points at least"
        if at.shape != each.shape or at.ndim != 1 or at.size < 2:
            raise InputError(
                f"the latency curve has {at.size} concurrencies and {each.size} times",
                where=where,
                remedy=remedy,
            )
        if not (np.isfinite(at).all() and np.isfinite(each).all() and (at > 0).all() and (each > 0).all()):
            raise InputError(
                "the latency curve has numbers that are not above zero", where=where, remedy=remedy
            )
        if (np.diff(at) <= 0).any():
            raise InputError(
                "the concurrencies of the latency curve are not sorted", where=where, remedy=remedy
            )
        last = int(np.argmax(at / each)) + 1
        grows = np.concatenate([[True], (np.diff(np.maximum.accumulate(at / each)) > 0)])[:last]
        at, each = at[:last][grows], each[:last][grows]
        if not at[0] <= target <= at[-1]:
            raise InputError(
                f"the target concurrency {target:g} lies outside the latency curve, {at[0]:g} to {at[-1]:g}",
                where=where,
                cause="throughput does not grow beyond the last of these",
                remedy="choose a target on the curve, or measure further points",
            )
        # The target is a point of its own, so that load 1 means the same by concurrency and by throughput.
        place = int(np.searchsorted(at, target))
        if at[place] != target:
            each = np.insert(each, place, np.interp(target, at, each))
            at = np.insert(at, place, target)
        return cls(at, each, float(target))

    @property
    def throughput(self) -> Floats:
        """Tokens a second of one replica, at each concurrency."""
        return self.concurrency / self.seconds

    @property
    def target_seconds(self) -> float:
        """Seconds between two tokens at the target."""
        return float(np.interp(self.target, self.concurrency, self.seconds))

    @property
    def most_load(self) -> float:
        """The most that a replica can do, of what it does at the target."""
        return float(self.throughput[-1] * self.target_seconds / self.target)

    def seconds_per_token(self, load: Floats) -> Floats:
        """Seconds between two tokens at a load: work asked over what the replica does at the target.

        Between points the time is linear in throughput; below the first and beyond the last it is theirs.
        """
        asked = np.asarray(load) * self.target / self.target_seconds
        return np.interp(asked, self.throughput, self.seconds)
