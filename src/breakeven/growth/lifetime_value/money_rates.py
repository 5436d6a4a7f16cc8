"""Money by age, per active user or per payer: what was seen, and how it goes on.

A rate at an age is money over its base (payers over active users, revenue over payers, cost over payers ...).
Over ages it moves quickly at first and slowly later, and flattens, so that nothing grows for ever:

    log rate(a) = level + quick · (1 - exp(-(a - 1) / 1.5)) + slow · (1 - exp(-(a - 1) / pace)),  a ≥ 1

fitted as an over-dispersed Poisson regression (quasi-likelihood: variance = dispersion · mean, as in
chain-ladder reserving). Age 0 has a rate of its own: users come during that month. A segment's rate leans
towards that of everybody as far as its own money is scarce (credibility; Bühlmann and Straub, 1970,
"Glaubwürdigkeit für Schadensätze"). How sure the trend is comes from reweighting whole cohorts at random
(Rubin, 1981, "The Bayesian bootstrap"). How cohorts lie off the trend, and for how long: `cohort_levels`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from breakeven.growth.lifetime_value.cohort_levels import Lumps, levels_ahead, lumps_of

Floats = NDArray[np.float64]

LEVEL_SPREAD = 0.7
"""How far (in logarithm) a segment's level may lie from everybody's before its own money says so."""
LEAN_SPREADS = (0.3, 0.3)
"""The same for its two movements over age."""
FREE_SPREADS = (1.0, 1.0)
"""How strong everybody's movements may be before the money says so."""
QUICK_PACE = 1.5
"""In how many months the quick movement is mostly over."""
AGE_SPREAD = 0.12
"""How far one age may lie off the trend."""
DRIFTS = (0.3, 0.25)
"""How far a rate moves off its trend from age to age where one cohort shows it, everybody's and a segment's
own, as a part of how far cohorts lie apart. An age that many cohorts show moves less, one none shows more.
"""
_SHOWN_BY_NONE = 0.5
_OLDEST = 256
_STEPS = 40


@dataclass(frozen=True)
class Rate:
    """One rate's draws. `trend` (draw, coefficient), `first` (the rate at age 0, (draw,)), `off_trend` (draw,
    age).

    `drift` (draw, age) is how far it wanders off in ages that few cohorts show, in logarithm.
    `pace` is that of the slow movement, in months; `lumps` how cohorts lie off the rate. A rate of nothing,
    ever, is `is_nothing`.
    """

    trend: Floats
    first: Floats
    off_trend: Floats
    drift: Floats
    pace: float
    lumps: Lumps
    is_nothing: bool = False

    def at(self, ages: int) -> Floats:
        """(draw, age): the rate at ages 0, 1, ..."""
        if self.is_nothing:
            return np.zeros((len(self.first), ages))
        found = np.exp(np.clip(self.trend @ _shape(ages, self.pace).T, -60, 60))
        found[:, 0] = self.first
        known = min(ages, self.off_trend.shape[1])
        found[:, 1:known] *= self.off_trend[:, 1:known]
        return found

    def go_on(self, base: Floats, amount: Floats, drawn: Floats, random: np.random.Generator) -> Floats:
        """(draw, cohort, age): money on a drawn base of that shape, as lumpy as this money is.

        `base` and `amount` (cohort, age) are what is measured (NaN: not): each cohort goes on from where its
        own money stands.
        """
        if self.is_nothing:
            return np.zeros_like(drawn)
        ages = np.minimum(np.arange(drawn.shape[2]), _OLDEST - 1)
        rate = self.at(len(ages)) * np.exp(self.drift[:, ages])
        levels = levels_ahead(self.lumps, base, amount, drawn, rate, random)
        mean = np.maximum(drawn * rate[:, None, :] * levels, 0.0)
        return random.gamma(mean / self.lumps.white) * self.lumps.white


def fit_rate(
    base: Floats, amount: Floats, weights: Floats, random: np.random.Generator, parent: Rate | None = None
) -> Rate:
    """The rate of an amount on a base, both (cohort, age) with NaN where not measured.

    `weights` (draw, cohort) are the random weights of whole cohorts; `parent` the rate of everybody, drawn
    with the same weights of the same months. Negative amounts (a fee given back) count as nothing.
    """
    measured = np.isfinite(base) & np.isfinite(amount)
    base, amount = np.where(measured, base, 0.0), np.where(measured, np.maximum(amount, 0.0), 0.0)
    ages, draws = base.shape[1], len(weights)
    pace = max(3.0, ages / 3.0) if parent is None else parent.pace
    if not amount.sum() or not base.sum():
        if parent is not None and not parent.is_nothing:
            return _lean_only(base, parent)
        flat = np.zeros((draws, 1 + len(FREE_SPREADS)))
        return Rate(
            flat, np.zeros(draws), np.ones((draws, ages)), flat[:, :1], pace, Lumps(1.0, 0.0, 0.0), True
        )
    even = np.ones((1, len(base)))
    around = _middle(parent)
    lumps = parent.lumps if parent else Lumps(_dispersion_by_age(base, amount), 0.0, 0.0)
    mean = np.where(amount > 0, amount, 0.0)
    for _ in range(2):
        found = _trend(base, amount, even, pace, lumps.dispersion_around(mean), around)
        mean = base * Rate(*found, np.zeros((1, 1)), pace, lumps).at(ages)[0]
        lumps = lumps_of(mean, amount, parent.lumps if parent else None)
    trend = _trend(base, amount, weights, pace, lumps.dispersion_around(mean), parent, random)
    drift = _drift(mean, lumps, draws, random, parent)
    return Rate(*trend, drift, pace, lumps)


def _drift(
    mean: Floats, lumps: Lumps, draws: int, random: np.random.Generator, parent: Rate | None
) -> Floats:
    """(draw, age): how far the rate wanders off its trend, in logarithm; a segment on top of everybody."""
    shown = np.full(_OLDEST, _SHOWN_BY_NONE)
    cohorts = (mean > 0).sum(axis=0)
    shown[: len(cohorts)] = np.maximum(cohorts, _SHOWN_BY_NONE)[:_OLDEST]
    apart = lumps.between + lumps.lasting / float(np.median(mean[mean > 0]))
    step = DRIFTS[0 if parent is None else 1] * np.sqrt(min(apart, 0.25) / shown)
    step[:2] = 0.0
    own = np.cumsum(random.normal(size=(draws, _OLDEST)) * step - step**2 / 2, axis=1)
    return own if parent is None or parent.is_nothing else parent.drift + own


def cohort_weights(cohorts: int, draws: int, random: np.random.Generator) -> Floats:
    """(draw, cohort): exponential weights, mean one."""
    return random.exponential(size=(draws, cohorts))


def _shape(ages: int, pace: float) -> Floats:
    """(age, coefficient): a level, a quick movement that is over soon, and a slow one that flattens too."""
    later = np.maximum(np.arange(ages, dtype=float) - 1.0, 0.0)
    return np.stack([np.ones(ages), 1.0 - np.exp(-later / QUICK_PACE), 1.0 - np.exp(-later / pace)], axis=1)


def _middle(parent: Rate | None) -> Rate | None:
    """A parent's middle as a single draw."""
    if parent is None or parent.is_nothing:
        return None
    return replace(
        parent,
        trend=parent.trend.mean(axis=0, keepdims=True),
        first=np.array([parent.first.mean()]),
        off_trend=parent.off_trend.mean(axis=0, keepdims=True),
        drift=np.zeros((1, 1)),
    )


def _lean_only(base: Floats, parent: Rate) -> Rate:
    """A segment without any of the money: everybody's rate, the less the more was to be expected."""
    expected = np.einsum("ca,da->d", base, parent.at(base.shape[1])) / parent.lumps.dispersion
    prior = 1.0 / LEVEL_SPREAD**2
    factor = prior / (prior + expected)
    trend = parent.trend.copy()
    trend[:, 0] += np.log(factor)
    return replace(parent, trend=trend, first=parent.first * factor)


def _trend(
    base: Floats,
    amount: Floats,
    weights: Floats,
    pace: float,
    dispersion: float,
    parent: Rate | None,
    random: np.random.Generator | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, first rate and what ages lie off the trend, draw by draw, by Newton's method.

    Given `random`, each draw leans on a centre of its own: what the money does not tell stays as open as it
    was before ("randomise, then optimise").
    """
    if parent is not None and parent.is_nothing:
        parent = None
    b, x = weights @ base, weights @ amount
    shape = _shape(base.shape[1], pace)
    whole = np.divide(x.sum(axis=1), b.sum(axis=1), out=np.full(len(b), 1e-9), where=b.sum(axis=1) > 0)
    if parent is None:
        spread = np.array([4.0, *FREE_SPREADS])
        centre = np.zeros((len(b), len(spread)))
        centre[:, 0] = np.log(np.maximum(whole, 1e-12))
    else:
        spread, centre = np.array([LEVEL_SPREAD, *LEAN_SPREADS]), parent.trend
    if random is not None:
        centre = centre + random.normal(size=centre.shape) * spread * np.array([parent is not None, 1, 1])
    pull = dispersion / spread**2
    trend = centre.copy()
    for _ in range(_STEPS):
        mean = b[:, 1:] * np.exp(np.clip(trend @ shape[1:].T, -50, 50))
        slope = (x[:, 1:] - mean) @ shape[1:] - pull * (trend - centre)
        curvature = np.einsum("da,ai,aj->dij", mean, shape[1:], shape[1:]) + np.diag(pull)
        step = np.clip(np.linalg.solve(curvature, slope[:, :, None])[:, :, 0], -1, 1)
        trend = trend + step
        if np.abs(step).max() < 1e-8:
            break
    if parent is None:
        first = np.divide(x[:, 0], b[:, 0], out=whole.copy(), where=b[:, 0] > 0)
    else:
        prior = 1.0 / LEVEL_SPREAD**2
        at = np.maximum(parent.first, 1e-12)
        first = (x[:, 0] / dispersion + prior) / (b[:, 0] / dispersion + prior / at)
    mean = b * np.exp(np.clip(trend @ shape.T, -50, 50))
    # Posterior mean of an age's own factor, gamma around one.
    stiff = dispersion / AGE_SPREAD**2
    off_trend = (x + stiff) / (mean + stiff)
    off_trend[:, 0] = 1.0
    return trend, first, off_trend


def _dispersion_by_age(base: Floats, amount: Floats) -> float:
    """Variance over mean around each age's own rate."""
    totals = base.sum(axis=0)
    rate = np.divide(amount.sum(axis=0), totals, out=np.zeros(len(totals)), where=totals > 0)
    mean = base * rate[None, :]
    cells = mean > 0
    free = int(cells.sum()) - int((rate > 0).sum())
    squares = float((((amount - mean) ** 2)[cells] / mean[cells]).sum())
    return max(squares / free if free > 0 else float(amount.max()), 1e-9 * float(amount.max()))
