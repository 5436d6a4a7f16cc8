"""A response curve: new users a channel brings in a period, by what is spent on it in that period.

    users(x) = ceiling · x^shape / (half_spend^shape + x^shape)          (Hill)

`shape` up to 1 is concave: every further yuan brings less. Above 1 the curve is S-shaped: too little spend
is lost. Carry-over to later periods (`adstock`) adds up to one, so a steady spend has a steady response, and
this curve is that steady state. Each parameter is an array of draws: the curve and how sure it is in one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from breakeven.account.metrics import Missing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResponseCurve:
    """One channel's curve. `ceiling` (users a period), `half_spend` (money a period) and `shape`: (draw,).

    `observed` is the range of spend the data ever saw, in money a period; outside it the curve is an
    extrapolation. `today` is the latest spend a period. `not_identified` says why the data do not determine
    the curve, when they do not: the draws are then little more than the prior. `rivals_elasticity` says how
    far half-saturation moves with what rivals spend (see `auction`); None where nobody measured it.
    `base_users` (draw,) come at today's spend beside those the spend brings, and `booked_users` is what the
    books count in the periods of `today`: the first and `users(today)` make up about the second. None where
    a curve was not fitted on books.

    >>> curve = ResponseCurve("douyin", "month", *(np.array([v]) for v in (1000.0, 500.0, 1.0)))
    >>> curve.users(500.0).tolist(), curve.marginal_users(500.0).round(6).tolist()
    ([500.0], [0.5])
    """

    channel: str
    period: Literal["week", "month"]
    ceiling: Floats
    half_spend: Floats
    shape: Floats
    carry_over: Floats = field(default_factory=lambda: np.zeros(1))
    observed: tuple[float, float] = (0.0, 0.0)
    today: float = 0.0
    not_identified: Missing | None = None
    rivals_elasticity: Floats | None = None
    base_users: Floats | None = None
    booked_users: float | None = None

    def users(self, spend: ArrayLike) -> Floats:
        """New users a period at a steady spend a period: (draw,) for one spend, (draw, spend) for several."""
        x, ceiling, half, shape = self._aligned(spend)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = ceiling / (1.0 + (half / x) ** shape)
        return np.where(x > 0, found, 0.0)

    def marginal_users(self, spend: ArrayLike) -> Floats:
        """New users that one more unit of money brings there: the slope of `users`."""
        x, ceiling, half, shape = self._aligned(np.maximum(spend, 1e-9))
        ratio = (x / half) ** shape
        return ceiling * shape * ratio / (x * (1.0 + ratio) ** 2)

    def average_cost(self, spend: ArrayLike) -> Floats:
        """Money per new user at a steady spend; infinite where the curve brings nobody."""
        return _over(np.asarray(spend, dtype=float), self.users(spend))

    def marginal_cost(self, spend: ArrayLike) -> Floats:
        """What one more new user costs there: one over the slope of `users`."""
        return _over(np.ones(()), self.marginal_users(spend))

    def is_extrapolated(self, spend: float) -> bool:
        """Whether the data never saw such a spend.

        >>> curve = ResponseCurve("a", "week", *(np.ones(1),) * 3, observed=(50.0, 100.0))
        >>> curve.is_extrapolated(100.0), curve.is_extrapolated(110.0), curve.is_extrapolated(20.0)
        (False, True, True)
        """
        low, high = self.observed
        slack = 1e-9 * max(1.0, high)
        return not low - slack <= spend <= high + slack

    @property
    def is_concave(self) -> bool:
        """Whether further money never brings more than the money before it, in the middle draw."""
        return self.middle[2] <= 1.0

    @cached_property
    def middle(self) -> tuple[float, float, float]:
        """The median of each parameter: ceiling, half spend, shape."""
        ceiling, half_spend, shape = map(np.median, (self.ceiling, self.half_spend, self.shape))
        return float(ceiling), float(half_spend), float(shape)

    def _aligned(self, spend: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        x = np.asarray(spend, dtype=float)
        if x.ndim == 0:
            return x, self.ceiling, self.half_spend, self.shape
        return x[None, :], self.ceiling[:, None], self.half_spend[:, None], self.shape[:, None]


def _over(money: Floats, users: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(users > 0, money / users, np.inf)
