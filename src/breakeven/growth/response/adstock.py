"""Carry-over: what is spent in one period still brings users in later ones.

Weights over lags 0, 1, 2, ... add up to one, so a steady spend has the effect of that spend and nothing is
won by carrying over; what differs is only when the users come. Geometric weights fall by the same share every
period. Weibull weights may first rise: a film that people see weeks after it was paid for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LAGS = {"week": 13, "month": 6}
"""Lags kept: a quarter of weeks, half a year of months. At a carry-over of 0.7 less than 1 % lies beyond
13.
"""


def geometric_weights(carry_over: ArrayLike, lags: int) -> Floats:
    """Weights carry_over^lag, normalised to add up to one: (lag,), or (draw, lag) for several carry-overs.

    >>> geometric_weights(0.5, 3).round(4).tolist()
    [0.5714, 0.2857, 0.1429]
    """
    kept = np.clip(np.asarray(carry_over, dtype=float), 0.0, 0.999)[..., None]
    weights = kept ** np.arange(lags)
    return weights / weights.sum(axis=-1, keepdims=True)


def weibull_weights(shape: ArrayLike, scale: ArrayLike, lags: int) -> Floats:
    """Weights of a Weibull density at the middle of each lag; above shape 1 the peak comes later.

    >>> weibull_weights(2.0, 3.0, 6).round(3).tolist()
    [0.109, 0.262, 0.28, 0.201, 0.106, 0.043]
    """
    k, lam = (np.asarray(value, dtype=float)[..., None] for value in (shape, scale))
    middle = np.arange(lags) + 0.5
    weights = middle ** (k - 1.0) * np.exp(-((middle / lam) ** k))
    return weights / weights.sum(axis=-1, keepdims=True)


def lagged(spend: ArrayLike, lags: int) -> Floats:
    """Spend at each lag: (period, lag). What came before the first period is taken as the first quarter's
    mean.

    >>> lagged([4.0, 0.0, 2.0], 2).tolist()
    [[4.0, 2.0], [0.0, 4.0], [2.0, 0.0]]
    """
    x = np.asarray(spend, dtype=float)
    before = np.full(lags - 1, x[: max(3, len(x) // 4)].mean())
    whole = np.concatenate([before, x])
    return np.stack([whole[lags - 1 - lag : len(whole) - lag] for lag in range(lags)], axis=1)


def carried(spend: ArrayLike, weights: Floats) -> Floats:
    """Spend as it works in each period: (period,), or (draw, period) for weights (draw, lag).

    >>> carried([8.0, 8.0, 0.0, 0.0], geometric_weights(0.5, 3)).round(3).tolist()
    [6.857, 7.619, 3.429, 1.143]
    """
    return weights @ lagged(spend, weights.shape[-1]).T
