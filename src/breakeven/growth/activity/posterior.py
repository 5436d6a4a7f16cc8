"""What the ages' levels say of a curve's parameters, and of what the curve misses.

The levels of `activity_variation.AgeMeans` are normal with a known covariance, so a curve is fitted to them
alone, whatever the number of cohorts. What the curve misses drifts with the logarithm of age (`drift`: its
standard deviation for one step of e in age), learned from how the levels lie about the curve, with a prior
that leaves no curve without doubt. The parameters' distribution is sampled by importance from a Student t at
its top, which follows ridges that a normal would cut off (D. B. Rubin, 1988, Using the SIR algorithm to
simulate posterior distributions, Bayesian Statistics 3, 395-402).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.growth.activity.curves import NAIVE, ActivityCurve
from breakeven.growth.activity.variation import AgeMeans
from breakeven.growth.model import Floats, from_free

_DRIFTS = np.geomspace(0.01, 0.8, 10)
_DRIFT_PRIOR = (np.log(0.10), 0.7)
_NAIVE_DRIFT_PRIOR = (np.log(0.35), 0.6)
_START = 0.2
"""How much of a step's doubt the curve carries at age 1 already."""
_PROPOSALS = 4000
_TAIL, _WIDER = 5.0, 1.3
_STEP = 1e-3
_BEYOND, _NAIVE_BEYOND = 6.0, 4.0
"""How much more is missed where no cohort was seen yet: within, a curve's parameters have followed what they
could. Set so that intervals hold what they say in simulated companies whose truth is none of the curves."""


@dataclass(frozen=True)
class Posterior:
    """A curve as the levels leave it. `centre` (parameter,) and `covariance` are on the free scale."""

    curve: ActivityCurve
    means: AgeMeans
    centre: Floats
    covariance: Floats
    drift_chances: Floats

    def draws(self, ages: Floats, size: int, random: np.random.Generator) -> Floats:
        """Log-odds of an average cohort at ages from 1 on: (draw, age), the drift included."""
        free, drift = self._parameters(size, random)
        known = self.means.ages
        oldest, beyond = float(known.max()), _NAIVE_BEYOND if self.curve is NAIVE else _BEYOND
        level = _log_odds(self.curve, free, ages)
        away = self.means.log_odds - _log_odds(self.curve, free, known)
        noise = random.standard_normal((size, len(ages)))
        for k, one in enumerate(_DRIFTS):
            mine = drift == k
            if not mine.any():
                continue
            between = one**2 * _walk(ages, known, oldest, beyond)
            gain = between @ np.linalg.inv(self.means.covariance + one**2 * _walk(known, known))
            left = one**2 * _walk(ages, ages, oldest, beyond) - gain @ between.T
            level[mine] += away[mine] @ gain.T + noise[mine] @ root(left).T
        return level

    def _parameters(self, size: int, random: np.random.Generator) -> tuple[Floats, np.ndarray]:
        """Parameters (draw, parameter) on the free scale and the number of each draw's drift."""
        width = len(self.centre)
        wide = _WIDER * self.covariance
        normal = random.standard_normal((_PROPOSALS, width)) @ root(wide).T
        tail = np.sqrt(_TAIL / random.chisquare(_TAIL, size=_PROPOSALS))[:, None]
        free = self.centre + normal * tail
        drift = random.choice(len(_DRIFTS), size=_PROPOSALS, p=self.drift_chances)
        distance = np.einsum("np,pq,nq->n", free - self.centre, np.linalg.inv(wide), free - self.centre)
        proposed = -0.5 * (_TAIL + width) * np.log1p(distance / _TAIL) + np.log(self.drift_chances[drift])
        inverse, log_size = _precisions(self.means)
        middle, spread = self.curve.prior
        away = self.means.log_odds - _log_odds(self.curve, free, self.means.ages)
        density = -0.5 * ((((free - middle) / spread) ** 2).sum(axis=1) + log_size[drift])
        density += _drift_prior(self.curve)[drift]
        for k in range(len(_DRIFTS)):
            mine = drift == k
            density[mine] -= 0.5 * np.einsum("na,ab,nb->n", away[mine], inverse[k], away[mine])
        weight = np.exp(density - proposed - (density - proposed).max())
        chosen = random.choice(_PROPOSALS, size=size, p=weight / weight.sum())
        return free[chosen], drift[chosen]


def posterior_of(curve: ActivityCurve, means: AgeMeans) -> Posterior:
    """The distribution of a curve's parameters, given the levels at each age."""
    inverse, log_size = _precisions(means)
    points, curvature, height = _tops(curve, means, inverse)
    heights = height - 0.5 * log_size + _drift_prior(curve) - 0.5 * np.linalg.slogdet(curvature)[1]
    chances = np.exp(heights - heights.max())
    chances = (chances / chances.sum() + 0.01) / (1 + 0.01 * len(_DRIFTS))
    top = int(chances.argmax())
    return Posterior(curve, means, points[top], np.linalg.inv(curvature[top]), chances)


def _precisions(means: AgeMeans) -> tuple[Floats, Floats]:
    """Inverse and log determinant of the levels' covariance about the curve, for each drift."""
    covariance = means.covariance + (_DRIFTS**2)[:, None, None] * _walk(means.ages, means.ages)
    return np.asarray(np.linalg.inv(covariance), dtype=float), np.linalg.slogdet(covariance)[1]


def _tops(curve: ActivityCurve, means: AgeMeans, inverse: Floats) -> tuple[Floats, Floats, Floats]:
    """For each drift the likeliest parameters (drift, parameter), minus the curvature there, and the height.

    Gauss and Newton's steps for all drifts at once, each damped where it would overshoot.
    """
    middle, spread = curve.prior
    rows, width = len(inverse), len(middle)
    steps = np.concatenate([np.zeros((1, width)), _STEP * np.eye(width), -_STEP * np.eye(width)])
    damp = np.full(rows, 1e-3)
    free = np.tile(middle, (rows, 1))

    def seen(there: Floats) -> tuple[Floats, Floats, Floats]:
        found = _log_odds(curve, (there[:, None] + steps).reshape(-1, width), means.ages)
        found = found.reshape(rows, len(steps), -1)
        away = means.log_odds - found[:, 0]
        turns = (found[:, 1 : width + 1] - found[:, width + 1 :]) / (2 * _STEP)
        inside = np.einsum("na,nab,nb->n", away, inverse, away)
        return away, turns, -0.5 * (inside + (((there - middle) / spread) ** 2).sum(axis=1))

    away, turns, height = seen(free)
    for _ in range(40):
        weighted = turns @ inverse
        gradient = np.einsum("npa,na->np", weighted, away) - (free - middle) / spread**2
        curvature = weighted @ turns.transpose(0, 2, 1) + np.diag(1 / spread**2)
        damped = curvature + damp[:, None, None] * np.einsum("npp->np", curvature)[:, :, None] * np.eye(width)
        step = np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        step *= np.minimum(1.0, 1.0 / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
        tried = np.clip(free + step, middle - 6 * spread, middle + 6 * spread)
        away_there, turns_there, height_there = seen(tried)
        is_up = height_there > height
        is_done = (np.abs(gradient * step).sum(axis=1) < 1e-8) | (~is_up & (damp > 1e6))
        free, height = np.where(is_up[:, None], tried, free), np.where(is_up, height_there, height)
        away = np.where(is_up[:, None], away_there, away)
        turns = np.where(is_up[:, None, None], turns_there, turns)
        damp = np.where(is_up, damp * 0.2, damp * 10)
        if is_done.all():
            break
    return free, turns @ inverse @ turns.transpose(0, 2, 1) + np.diag(1 / spread**2), height


def _drift_prior(curve: ActivityCurve) -> Floats:
    centre, width = _NAIVE_DRIFT_PRIOR if curve is NAIVE else _DRIFT_PRIOR
    return -0.5 * ((np.log(_DRIFTS) - centre) / width) ** 2


def root(covariance: Floats) -> Floats:
    """A matrix whose product with its transpose is the covariance, rounding aside."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _walk(ages: Floats, others: Floats, oldest: float = np.inf, beyond: float = 1.0) -> Floats:
    """Covariance of a random walk in the logarithm of age, in longer steps beyond the oldest age seen."""
    mine, theirs = (
        np.log(np.minimum(one, oldest)) + beyond * np.log(np.maximum(one / oldest, 1.0))
        for one in (ages, others)
    )
    return _START + np.minimum(mine[:, None], theirs[None, :])


def _log_odds(curve: ActivityCurve, free: Floats, ages: Floats) -> Floats:
    shares = curve.shares(from_free(np.clip(free, -12.0, 12.0), tuple(curve.parameters.values())), ages)
    shares = np.clip(shares, 1e-9, 1 - 1e-9)
    return np.log(shares) - np.log1p(-shares)
