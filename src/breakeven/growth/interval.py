"""A forecast with how sure it is: the middle, the bounds, and the share of cases they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.8
"""What an interval holds unless somebody asks otherwise: eight cases in ten."""


@dataclass(frozen=True)
class Interval:
    """A value between bounds that hold `level` of the cases; modelled, hence floats.

    >>> Interval.of([1.0, 2.0, 3.0, 4.0, 5.0], value=3.2)
    Interval(value=3.2, low=1.4, high=4.6, level=0.8)
    """

    value: float
    low: float
    high: float
    level: float = LEVEL

    @classmethod
    def of(cls, draws: ArrayLike, value: float | None = None, level: float = LEVEL) -> Interval:
        """From draws: their mean (or a value known better) between the quantiles that leave equal tails."""
        found = np.asarray(draws, dtype=float)
        tail = (1 - level) / 2
        low, high = (float(round(edge, 12)) for edge in np.quantile(found, [tail, 1 - tail]))
        return cls(float(found.mean()) if value is None else value, low, high, level)

    def __contains__(self, truth: float) -> bool:
        return self.low <= truth <= self.high
