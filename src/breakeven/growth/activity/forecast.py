"""Each cohort's own future: the average cohort, moved by what this one showed so far, and chance on top."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from breakeven.growth.activity.posterior import Posterior, root
from breakeven.growth.activity.variation import Spread, Triangle, blocks, lasting, triangle, working
from breakeven.growth.model import Floats

_MOST_AGES = 48
"""Beyond so many ages a cohort's own drift is drawn at some of them and runs straight between."""
_WIDER = 1.08
"""The likeliest spread lies below its mean: what that leaves out, as simulated companies show it."""
_MOST_DRAWN = 2_000_000_000


def forecast_cohorts(
    posterior: Posterior,
    spread: Spread,
    first: tuple[float, float],
    users: Floats,
    active: Floats,
    horizon: int,
    draws: int,
    random: np.random.Generator,
) -> Floats:
    """See `ActivityFit.forecast`, which checks what comes in here."""
    count = len(users)
    seen = np.full((count, horizon), np.nan)
    width = min(horizon, active.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        seen[:, :width] = (active / users[:, None])[:, :width]
    found = np.empty((draws, count, horizon))
    if horizon == 0:
        return found
    found[:, :, 0] = _first_period(first, users, draws, random)
    if horizon > 1:
        ages = np.arange(1.0, horizon)
        table = triangle(np.where(np.isfinite(active), users[:, None], np.nan), active)
        wide = _WIDER / np.sqrt(random.chisquare(spread.freedom, size=draws) / spread.freedom)
        average = posterior.draws(np.r_[ages, table.ages], draws, random)
        common, known = average[:, : len(ages)], average[:, len(ages) :]
        ends = np.where(np.isfinite(active), np.arange(active.shape[1]), 0).max(axis=1, initial=0)
        months = random.standard_normal((draws, horizon)) * spread.month * wide[:, None]
        own = _own_history(table, known, spread) if len(table.ages) else None
        for cohort in range(count):
            chance = common + _own(
                table, own, cohort, float(users[cohort]), ages, common, known, spread, wide, random
            )
            chance += months[:, np.maximum(ages.astype(int) - ends[cohort] - 1, 0)]
            chance += random.standard_normal(chance.shape) * (spread.cell * wide)[:, None]
            found[:, cohort, 1:] = _counted(expit(chance), float(users[cohort]), spread, random)
    return np.where(np.isfinite(seen), seen, found)


def _first_period(
    first: tuple[float, float], users: Floats, draws: int, random: np.random.Generator
) -> Floats:
    """The share active in the period of acquisition, where a cohort's own was not seen."""
    active, exposed = first
    if exposed <= 0:
        return np.ones((draws, len(users)))
    share = random.beta(active + 0.5, exposed - active + 0.5, size=(draws, 1))
    sizes = np.maximum(users, 1.0).astype(np.int64)
    drawn = random.binomial(sizes, np.broadcast_to(share, (draws, len(users)))) / sizes
    return np.where(users > 0, drawn, share)


def _own_history(table: Triangle, known: Floats, spread: Spread) -> tuple[Floats, Floats, Floats]:
    """Log-odds seen of each cohort, their covariance inverted, and the average shares at those ages."""
    middle = known.mean(axis=0)
    own = np.zeros_like(table.users)
    response, inverse = own, np.zeros((0, 0, 0))
    share = expit(middle)
    for _ in range(3):
        response, variance = working(table, middle, own)
        found = np.linalg.inv(blocks(table, share, variance + spread.month**2, spread))
        inverse = np.asarray(found, dtype=float)
        rest = np.where(table.users > 0, response - middle, 0.0)
        fresh = 1 - spread.memory_of(table.users.max(axis=1, initial=0.0))[:, None]
        noise = np.where(table.users > 0, fresh * variance, 0.0)
        own = rest - noise * np.einsum("cij,cj->ci", inverse, rest)
    return response, inverse, share


def _own(
    table: Triangle,
    history: tuple[Floats, Floats, Floats] | None,
    cohort: int,
    users: float,
    ages: Floats,
    common: Floats,
    known: Floats,
    spread: Spread,
    wide: Floats,
    random: np.random.Generator,
) -> Floats:
    """What sets this cohort apart from the average one at each age, given its history: (draw, age)."""
    marks = ages if len(ages) <= _MOST_AGES else np.unique(np.round(np.geomspace(1, ages[-1], _MOST_AGES)))
    both = np.r_[marks, table.ages]
    at_marks = np.interp(np.log(marks), np.log(ages), common.mean(axis=0))
    share = expit(np.r_[at_marks, known.mean(axis=0)])
    order = np.argsort(both, kind="stable")
    size = users if users > 0 else _MOST_DRAWN
    whole = Triangle(both[order], np.full((1, len(both)), float(size)), np.zeros((1, len(both))), None)
    covariance = np.empty((len(both), len(both)))
    covariance[np.ix_(order, order)] = lasting(whole, share[order], spread)[0]
    covariance += spread.persistent(both, both)
    here, there = slice(0, len(marks)), slice(len(marks), len(both))
    left, shift = covariance[here, here], np.zeros((len(common), len(marks)))
    if history is not None:
        response, inverse, _ = history
        seen = table.users[cohort] > 0
        gain = np.where(seen, covariance[here, there], 0.0) @ inverse[cohort]
        left = left - gain @ np.where(seen, covariance[here, there], 0.0).T
        shift = np.where(seen, response[cohort] - known, 0.0) @ gain.T
    drawn = shift + (random.standard_normal(shift.shape) @ root(left).T) * wide[:, None]
    if len(marks) == len(ages):
        return drawn
    return _between(drawn, np.log(marks), np.log(ages))


def _between(values: Floats, at: Floats, wanted: Floats) -> Floats:
    """Straight lines between known points, for every draw."""
    right = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    part = (wanted - at[right - 1]) / (at[right] - at[right - 1])
    return values[:, right - 1] * (1 - part) + values[:, right] * part


def _counted(chance: Floats, users: float, spread: Spread, random: np.random.Generator) -> Floats:
    """The share that a cohort of so many users shows: the part of chance that does not last."""
    if users < 1:
        return chance
    fresh = 1 - float(spread.memory_of(np.asarray(users)))
    size = int(min(users / max(fresh, 1e-6), _MOST_DRAWN))
    return random.binomial(size, chance) / size
