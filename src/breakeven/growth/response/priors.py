"""What is believed of a curve before the data: weak, in words and in numbers, on scales without bounds.

Every prior is normal on the scale named. Spend is in units of the channel's typical spend (the mean of the
periods in which it spent at all), users in units of their mean, so the same beliefs serve a creator and a
search engine. They are wide enough that a move of those means between refreshes matters little.

| what | scale | middle | deviation | in words: eight cases in ten |
|---|---|---|---|---|
| level: users at typical spend, over mean users | log | 0 | 0.5 | half to twice |
| half-saturation, over typical spend | log | log 1.5 | 1.0 | 0.4 to 5.4 |
| shape | log | -0.1 | 0.3 | 0.62 to 1.33: mostly concave |
| carry-over a week | log-odds | -1.4 | 1.0 | 6 % to 47 % |
| carry-over a month | log-odds | -2.5 | 1.0 | 2 % to 23 % |
| users without any spend, over mean users | log-odds | -2.0 | 1.2 | 3 % to 39 % |
| drift over the whole series | log | 0 | 0.5 | x 0.53 to x 1.9 |
| season, each wave | log | 0 | 0.15 | +- 19 % |
| each control, per deviation of it | log | 0 | 0.2 | +- 29 % |
| over-dispersion of users | log | log 0.02 | 1.5 | deviation 5 % to 37 % beside counting noise |
| price by rivals' spend (elasticity) | none | 0.5 | 0.25 | 0.18 to 0.82 |
| experiment over attribution | log | 0 | 0.4 | 0.6 to 1.67 |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = (0.0, 0.5)
HALF_SPEND = (float(np.log(1.5)), 1.0)
SHAPE = (-0.1, 0.3)
CARRY_OVER = {"week": (-1.4, 1.0), "month": (-2.5, 1.0)}
BASE_SHARE = (-2.0, 1.2)
DRIFT = (0.0, 0.5)
SEASON = (0.0, 0.15)
CONTROL = (0.0, 0.2)
DISPERSION = (float(np.log(0.02)), 1.5)
RIVALS = (0.5, 0.25)
INCREMENTALITY = (0.0, 0.4)
CHANNEL_SHARE = 0.3
"""Pooled only: all channels together bring about this share of the outcome, each the same part of it."""
CHANNEL_SHARE_SPREAD = 1.0
NOISE = (float(np.log(0.1)), 1.0)
"""Pooled only: the noise of a period, over the outcome's mean, on the log scale."""


@dataclass(frozen=True)
class Prior:
    """Independent normals: `names`, `middle` and `spread` of each free parameter."""

    names: tuple[str, ...]
    middle: Floats
    spread: Floats

    @classmethod
    def of(cls, pairs: list[tuple[str, tuple[float, float]]]) -> Prior:
        """From (name, (middle, deviation))."""
        return cls(
            tuple(name for name, _ in pairs),
            np.array([middle for _, (middle, _) in pairs]),
            np.array([spread for _, (_, spread) in pairs]),
        )

    def log_density(self, points: Floats) -> Floats:
        """Up to a constant: (draw, parameter) -> (draw,)."""
        return -0.5 * (((points - self.middle) / self.spread) ** 2).sum(axis=1)

    def draws(self, size: int, random: np.random.Generator) -> Floats:
        """(draw, parameter)."""
        return self.middle + self.spread * random.standard_normal((size, len(self.middle)))

    def at(self, name: str) -> int:
        """The position of a parameter."""
        return self.names.index(name)


def share_of(log_odds: Floats) -> Floats:
    """A share from its log-odds, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0)))


def hill(spend: Floats, half: Floats, shape: Floats) -> Floats:
    """Saturation from 0 to 1, of arrays that broadcast; 0 at no spend."""
    x = np.maximum(spend, 1e-12)
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(np.clip(shape * (np.log(half) - np.log(x)), -700.0, 700.0)))
