"""Curves of activity: the share of all users acquired that is active at an age, and what is likely of it.

Being active is not being a customer still: people pause and come back. So a curve of exits (sBG, BdW) never
stands alone here. It is multiplied by how likely those who have not left are to be active in a period:

    share(a) = active · S(a)          P(active at a) = P(not left by a) · P(active | not left)

Every curve carries a weak prior on its parameters (normal on the free scale of `model.to_free`), so that a
few ages leave a wide forecast and not an absurd one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.growth.model import Floats, Scale
from breakeven.growth.survival import BDW, BDW_NEVER_CHURN, SBG, SBG_NEVER_CHURN, SurvivalModel

_PRIORS: dict[str, tuple[float, float]] = {
    "level": (-0.5, 1.5),
    "active": (0.0, 1.5),
    "never": (-2.2, 1.0),
    "decay": (-0.9, 0.8),
    "scale": (2.0, 2.0),
    "shape": (-0.4, 0.5),
    "alpha": (-0.3, 1.0),
    "beta": (0.7, 1.2),
    "c": (0.0, 0.4),
}
"""Middle and standard deviation on the free scale (log-odds of a share, logarithm of a positive number)."""


@dataclass(frozen=True)
class ActivityCurve:
    """A curve: its `name`, its `parameters` with the numbers they may take, and its shares from age 1 on."""

    name: str
    parameters: Mapping[str, Scale]
    from_age_1: Callable[[Floats, Floats], Floats]

    def shares(self, parameters: Floats, ages: Floats) -> Floats:
        """Active shares at ages in periods after the acquisition: (..., parameter) gives (..., age).

        Age 0 is the period of the acquisition itself, where everybody was there: 1 by definition.

        >>> POWER_ACTIVITY.shares(np.array([0.4, 1.0]), np.arange(4)).round(4).tolist()
        [1.0, 0.4, 0.2, 0.1333]
        """
        ages = np.asarray(ages, float)
        found = self.from_age_1(np.asarray(parameters, float), np.maximum(ages, 1.0))
        return np.where(ages > 0, found, 1.0)

    @property
    def prior(self) -> tuple[Floats, Floats]:
        """Middle and standard deviation of each parameter on the free scale, before any data."""
        middle, spread = zip(*(_PRIORS[name] for name in self.parameters), strict=True)
        return np.array(middle), np.array(spread)


def _power(parameters: Floats, ages: Floats) -> Floats:
    return parameters[..., 0:1] * np.exp(-parameters[..., 1:2] * np.log(ages))


def _weibull(parameters: Floats, ages: Floats) -> Floats:
    level, scale, shape = (parameters[..., i : i + 1] for i in range(3))
    return level * np.exp(-np.exp(np.minimum(shape * np.log(ages / scale), 50.0)))


def _constant(parameters: Floats, ages: Floats) -> Floats:
    return parameters[..., 0:1] + 0.0 * ages


def alive_and_active(exits: SurvivalModel) -> ActivityCurve:
    """Those who have not left, of whom a steady share is active in any period."""

    def shares(parameters: Floats, ages: Floats) -> Floats:
        return parameters[..., 0:1] * exits.survival(parameters[..., 1:], ages)

    return ActivityCurve(f"alive ({exits.name}) x active", {"active": "share", **exits.parameters}, shares)


POWER_ACTIVITY = ActivityCurve("power", {"level": "share", "decay": "positive"}, _power)
WEIBULL_ACTIVITY = ActivityCurve(
    "Weibull", {"level": "share", "scale": "positive", "shape": "positive"}, _weibull
)
NAIVE = ActivityCurve("naive", {"level": "share"}, _constant)
"""No curve: at each age what older cohorts showed there, and beyond the oldest the last share again."""

ACTIVITY_CURVES: tuple[ActivityCurve, ...] = (
    POWER_ACTIVITY,
    WEIBULL_ACTIVITY,
    alive_and_active(SBG),
    alive_and_active(BDW),
    alive_and_active(SBG_NEVER_CHURN),
    alive_and_active(BDW_NEVER_CHURN),
)
