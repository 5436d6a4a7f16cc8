"""What an experiment changed: users (or sales) of those treated, against what they would have been.

Time-based regression: before the test, treatment_t = a + b · control_t + noise. During it, the control says
what the treated would have done; what is above that is the effect. The sum over the test follows a t
distribution whose width counts both noise and not knowing a and b. Without a control group (a switch-off on
the only market there is) the same with b = 0: the mean before is what would have been.

Kerman, J., Wang, P. and Vaver, J. (2017). Estimating Ad Effectiveness using Geo Experiments in a Time-Based
Regression Framework. Google.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL, Interval

Floats = NDArray[np.float64]

TOO_SHORT = Missing("not identified: too few periods before the experiment", "无法识别：实验开始前的时期太少")
CONTROL_NEVER_MOVED = Missing(
    "not identified: the control group never moved before the experiment",
    "无法识别：实验前对照组没有变化",
)
NO_COST = Missing("not identified: spend did not change in the experiment", "无法识别：实验没有改变支出")
_FEWEST_BEFORE = 4


@dataclass(frozen=True)
class Effect:
    """A cumulative effect: t-distributed around `change` with `scale` and `freedom` degrees of freedom.

    `would_have_been` is the sum without the experiment.
    """

    change: float
    scale: float
    freedom: int
    would_have_been: float

    def lower(self, level: float = 0.9) -> float:
        """The bound that the effect exceeds with this probability (one tail)."""
        return float(self.change + self.scale * scipy.stats.t.ppf(1 - level, self.freedom))

    def interval(self, level: float = LEVEL) -> Interval:
        """Both bounds, equal tails."""
        reach = float(self.scale * scipy.stats.t.ppf((1 + level) / 2, self.freedom))
        return Interval(self.change, self.change - reach, self.change + reach, level)

    def probability_above(self, threshold: float) -> float:
        """How likely the effect is larger than this."""
        if self.scale <= 0:
            return float(self.change > threshold)
        return float(scipy.stats.t.sf((threshold - self.change) / self.scale, self.freedom))

    def per(self, cost: float) -> Effect:
        """The effect per unit of a cost that is known exactly: incremental return, or users per yuan."""
        return Effect(self.change / cost, self.scale / abs(cost), self.freedom, self.would_have_been / cost)

    def draws(self, size: int, random: np.random.Generator) -> Floats:
        """Draws of the effect: (draw,)."""
        return self.change + self.scale * random.standard_t(self.freedom, size)


def time_based_regression(
    treated_before: ArrayLike, control_before: ArrayLike, treated_during: ArrayLike, control_during: ArrayLike
) -> Effect | Missing:
    """The cumulative effect on the treated, all four by period: sums over the geos of each group.

    >>> control = np.array([10.0, 12.0, 9.0, 11.0, 13.0, 10.5])
    >>> effect = time_based_regression(2 * control + [0.1, -0.1] * 3, control, [27.0, 29.0], [11.0, 12.0])
    >>> round(effect.change, 1), effect.freedom, effect.lower() > 9.4
    (10.0, 4, True)
    """
    before, during = np.asarray(treated_before, dtype=float), np.asarray(treated_during, dtype=float)
    x, z = np.asarray(control_before, dtype=float), np.asarray(control_during, dtype=float)
    if len(before) < _FEWEST_BEFORE:
        return TOO_SHORT
    if np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())):
        return CONTROL_NEVER_MOVED
    return _against(
        np.column_stack([np.ones(len(x)), x]), before, np.column_stack([np.ones(len(z)), z]), during
    )


def before_and_during(before: ArrayLike, during: ArrayLike) -> Effect | Missing:
    """The cumulative change against the mean before, where there is no control group.

    Anything else that changed at the same time is in it: a season, a rival, a release.

    >>> effect = before_and_during([100.0, 104.0, 96.0, 100.0, 100.0], [60.0, 64.0])
    >>> round(effect.change, 6), effect.freedom
    (-76.0, 4)
    """
    first, then = np.asarray(before, dtype=float), np.asarray(during, dtype=float)
    if len(first) < _FEWEST_BEFORE:
        return TOO_SHORT
    return _against(np.ones((len(first), 1)), first, np.ones((len(then), 1)), then)


def incremental_return(
    effect: Effect, cost: Effect | float, *, level: float = LEVEL, draws: int = 20_000, seed: int = 1
) -> Interval | Missing:
    """Effect per unit of incremental cost. A cost that is an `Effect` itself (spend did not start from
    zero, so what would have been spent is estimated too) makes a ratio of two t variables, which is drawn.
    """
    if isinstance(cost, float | int):
        return effect.per(cost).interval(level) if cost else NO_COST
    if cost.scale <= 1e-12 * max(1.0, abs(cost.change)):
        return effect.per(cost.change).interval(level) if cost.change else NO_COST
    if abs(cost.change) < 3 * cost.scale:
        return NO_COST
    random = np.random.default_rng(seed)
    found = effect.draws(draws, random) / cost.draws(draws, random)
    return Interval.of(found, value=effect.change / cost.change, level=level)


def _against(design: Floats, before: Floats, later: Floats, during: Floats) -> Effect | Missing:
    """Regress on the design before, predict the later one, sum what is above it."""
    freedom = len(before) - design.shape[1]
    if freedom < 1 or not len(during):
        return TOO_SHORT
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ before
    left = before - design @ coefficients
    variance = float(left @ left) / freedom
    summed = later.sum(axis=0)
    would_have_been = float(summed @ coefficients)
    width = variance * (float(summed @ inverse @ summed) + len(during))
    return Effect(float(during.sum()) - would_have_been, float(np.sqrt(width)), freedom, would_have_been)
