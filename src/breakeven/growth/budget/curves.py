"""Many response curves at once, as arrays: users, marginal users, the spend at which marginal users fall to a
level, and the concave roof over an S-curve.

A Hill curve with shape above 1 first bends up, then down. Over an interval of spend its roof (the smallest
concave curve above it) is a straight chord from the left end to the point where the chord touches the curve,
and the curve itself from there on. Where the curve is concave, it is its own roof.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 80
_CLOSE = 1e-12
_FARTHEST = 300.0
"""Logarithm of the spend, in half spends, beyond which nobody looks."""


@dataclass(frozen=True)
class Curves:
    """Hill curves of one period: `ceiling` (users), `half_spend` (money) and `shape`, each (channel,).

    >>> one = Curves(np.array([1000.0]), np.array([500.0]), np.array([1.0]))
    >>> one.users(np.array([500.0])).tolist(), one.marginal(np.array([500.0])).tolist()
    ([500.0], [0.5])
    >>> one.spend_at(np.array([0.5])).round(9).tolist()
    [500.0]
    """

    ceiling: Floats
    half_spend: Floats
    shape: Floats

    def users(self, spend: Floats) -> Floats:
        """New users at each channel's spend."""
        with np.errstate(divide="ignore", over="ignore"):
            found = self.ceiling / (1.0 + (self.half_spend / spend) ** self.shape)
        return np.where(spend > 0, found, 0.0)

    def marginal(self, spend: Floats) -> Floats:
        """New users of one more unit of money there. At no spend: of the very first, maybe endless."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            ratio = (spend / self.half_spend) ** self.shape
            found = self.ceiling * self.shape * ratio / (spend * (1.0 + ratio) ** 2)
            first = np.where(
                self.shape == 1.0, self.ceiling / self.half_spend, np.where(self.shape < 1.0, np.inf, 0.0)
            )
        return np.where(spend > 0, found, first)

    @cached_property
    def turning_spend(self) -> Floats:
        """Where the curve stops bending up: 0 for a curve that never does."""
        share = np.maximum(self.shape - 1.0, 0.0) / (self.shape + 1.0)
        return self.half_spend * share ** (1.0 / self.shape)

    @cached_property
    def _log_scale(self) -> Floats:
        return np.log(self.half_spend / (self.ceiling * self.shape))

    @cached_property
    def _lowest(self) -> Floats:
        """Logarithm of the spend, in half spends, where the part that bends down begins."""
        return np.log(np.maximum(self.turning_spend / self.half_spend, 1e-12))

    def spend_at(self, slope: Floats, near: Floats | None = None) -> Floats:
        """The spend, on the part that bends down, at which one more unit of money brings `slope` users.

        Where even the steepest point brings less, the point where that part begins. Newton's method on the
        logarithms: there the slope is a concave, falling function, and from the right the method cannot miss.
        `near` is where to begin, when the spend at a slope nearby is known.
        """
        shape, lowest = self.shape, self._lowest
        target = np.log(slope) + self._log_scale
        # F(z) = (shape - 1)·z - 2·log(1 + e^(shape·z)) lies below both its asymptotes: start where the nearer
        # one meets the target.
        left = target / np.where(shape < 1.0, shape - 1.0, -1.0)
        start = np.where(target < 0.0, -target / (1.0 + shape), np.where(shape < 1.0, left, lowest))
        start = np.minimum(np.maximum(start, lowest), _FARTHEST)
        if near is None:
            z = start
        else:
            z = np.minimum(np.maximum(np.log(np.maximum(near / self.half_spend, 1e-12)), lowest), start)
        falls, twice = shape - 1.0, 2.0 * shape
        for _ in range(_STEPS):
            power = np.exp(np.minimum(shape * z, 700.0))
            value = falls * z - 2.0 * np.log1p(power) - target
            steepness = np.minimum(falls - twice * (power / (1.0 + power)), -1e-12)
            moved = np.minimum(np.maximum(z - value / steepness, lowest), start)
            step = np.abs(moved - z).max()
            z = moved
            if step <= _CLOSE:
                break
        return np.where(z <= lowest, self.turning_spend, self.half_spend * np.exp(z))

    def of(self, chosen: NDArray[np.intp]) -> Curves:
        """Some of the curves."""
        return Curves(self.ceiling[chosen], self.half_spend[chosen], self.shape[chosen])


@dataclass(frozen=True)
class Roofs:
    """The concave roofs of curves over intervals of spend from `least` to `most`.

    Up to `touches` the roof is a chord of slope `chord` (endless where there is no chord), then the curve.
    """

    curves: Curves
    least: Floats
    most: Floats
    touches: Floats
    chord: Floats

    @classmethod
    def over(cls, curves: Curves, least: Floats, most: Floats) -> Roofs:
        """The roofs over these intervals."""
        touches, chord = least.copy(), np.full(len(least), np.inf)
        bends_up = (curves.turning_spend > least) & (most > least)
        if bends_up.any():
            some = np.flatnonzero(bends_up)
            touches[some], chord[some] = _tangents(curves.of(some), least[some], most[some])
        return cls(curves, least, most, touches, chord)

    def replaced(self, channel: int, least: float, most: float) -> Roofs:
        """The same with another interval for one channel."""
        one = slice(channel, channel + 1)
        narrow = Roofs.over(
            Curves(self.curves.ceiling[one], self.curves.half_spend[one], self.curves.shape[one]),
            np.array([least]),
            np.array([most]),
        )
        arrays = [self.least.copy(), self.most.copy(), self.touches.copy(), self.chord.copy()]
        for array, value in zip(arrays, (least, most, narrow.touches[0], narrow.chord[0]), strict=True):
            array[channel] = value
        return Roofs(self.curves, *arrays)

    def users(self, spend: Floats) -> Floats:
        """Users as the roof has them: never less than the curve."""
        on_chord = (spend < self.touches) & np.isfinite(self.chord)
        from_left = self.curves.users(self.least) + np.where(np.isfinite(self.chord), self.chord, 0.0) * (
            spend - self.least
        )
        return np.where(on_chord, from_left, self.curves.users(spend))

    def spend_at(self, slope: Floats, free: Floats) -> Floats:
        """Where the roof's slope falls to `slope`; its left end for the chord's very slope.

        `free` is where that of the curve does, whatever the interval (`Curves.spend_at`).
        """
        found = np.minimum(np.maximum(free, self.touches), self.most)
        return np.where(slope >= self.chord, self.least, found)


def _tangents(curves: Curves, least: Floats, most: Floats) -> tuple[Floats, Floats]:
    """Where a chord from the left end touches each curve, and its slope; the right end where it touches none.

    Beyond the turning point the slope of the chord minus that of the curve changes its sign once: bisection.
    """
    base = curves.users(least)
    low, high = np.minimum(np.maximum(curves.turning_spend, least), most), most.copy()

    def above(spend: Floats) -> NDArray[np.bool_]:
        """Whether the curve still climbs faster than the chord to it."""
        return curves.marginal(spend) * (spend - least) > curves.users(spend) - base

    stays = above(high)
    for _ in range(60):
        middle = 0.5 * (low + high)
        climbs = above(middle)
        low, high = np.where(climbs, middle, low), np.where(climbs, high, middle)
        if np.all(high - low <= 1e-14 * high):
            break
    touches = np.where(stays, most, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        chord = (curves.users(touches) - base) / (touches - least)
    return touches, np.where(np.isfinite(chord), chord, np.inf)
