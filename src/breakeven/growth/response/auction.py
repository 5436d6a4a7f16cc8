"""Rivals: what users cost depends on what others pay for the same attention.

Attention is sold by auction. On a share-of-voice view (a contest in Tullock's sense) a channel's users are
its demand times our part of all that is bid for it,

    users(x) = demand · x^s / (x^s + h^s)

which is the Hill curve: its ceiling is the demand, and its half-saturation h is the weight of everybody else.
When rivals spend k times as much, h becomes h · k^e. With e = 1 all of h is rivals' bids; with e = 0 none is
(the channel is exhausted by ourselves, and rivals do not matter). For small spends the price of a user grows
by k^(e·s). The ceiling stays: rivals make users dearer, not fewer.

With rivals' spend by period (`rivals.csv`) e is estimated along with the curve. Without, it is the prior
(0.5 give or take 0.25), and whoever shows the result says that it is assumed.

Tullock, G. (1980). Efficient rent seeking. In: Toward a Theory of the Rent-Seeking Society.
Friedman, L. (1958). Game-theory models in the allocation of advertising expenditures. Operations Research 6.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.priors import RIVALS

Floats = NDArray[np.float64]


def stressed(curve: ResponseCurve, rivals_factor: float, *, seed: int = 1) -> ResponseCurve:
    """The curve when rivals spend `rivals_factor` times what they spend today. Raises `ValueError` unless
    above 0.

    >>> now = ResponseCurve("a", "month", np.array([1000.0]), np.array([500.0]), np.ones(1),
    ...     rivals_elasticity=np.array([1.0]))
    >>> then = stressed(now, 2.0)
    >>> then.half_spend.tolist(), then.users(500.0).round(1).tolist()
    ([1000.0], [333.3])
    """
    if not (np.isfinite(rivals_factor) and rivals_factor > 0):
        raise ValueError(f"rivals cannot spend {rivals_factor} times as much")
    harder = rivals_factor ** elasticity_of(curve, seed)
    return replace(curve, half_spend=curve.half_spend * harder)


def elasticity_of(curve: ResponseCurve, seed: int = 1) -> Floats:
    """How far half-saturation moves with rivals' spend: measured, or the prior: (draw,). Never below zero."""
    if curve.rivals_elasticity is not None:
        return np.maximum(curve.rivals_elasticity, 0.0)
    middle, spread = RIVALS
    draws = np.random.default_rng(seed).normal(middle, spread, size=len(curve.half_spend))
    return np.maximum(draws, 0.0)


def is_assumed(curve: ResponseCurve) -> bool:
    """Whether rivals' effect is the prior alone."""
    return curve.rivals_elasticity is None
