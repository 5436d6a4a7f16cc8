"""How activity varies beyond chance: between cohorts, along a cohort's life, and from month to month.

The share of cohort c active at age a, on the log-odds scale:

    log-odds = curve(a) + cohort(c) + drift(c, a) + month(c + a) + cell noise,    counts ~ binomial

`cohort` and `month` are normal, `drift` is a random walk in the logarithm of age (a cohort that has drifted
stays so). The users counted at one age are those counted at the next, so part of the chance persists:
`memory` is 0 where each period's activity is drawn anew and 1 where leaving is final. The spreads are found
by penalised quasi-likelihood with restricted maximum likelihood (N. E. Breslow and D. G. Clayton, 1993,
Approximate inference in generalized linear mixed models, Journal of the American Statistical Association
88(421), 9-25), each with a weak prior: one cohort says nothing of how cohorts differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.special import expit, logit

from breakeven.growth.model import Floats

_HIDDEN = 1e9
"""The variance of a cell nobody saw."""
_FEW_USERS = 50.0
_MOST_COHORTS = 60
"""More cohorts than this do not tell the spreads better; so many, evenly spaced, are asked."""
_MOST_AGES = 40
_PRIOR = np.array([[-1.9, 1.0], [-2.5, 0.8], [-3.0, 1.0], [0.0, 1.5], [-3.0, 1.0]])
"""Middle and spread before data of log(cohort), log(drift), log(cell), logit(memory), log(month)."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations on the log-odds scale, and `memory` between 0 and 1.

    `drift` is that of one step of e in age (2.7-fold). `month` is 0 where months cannot be told from ages.
    `freedom` says from how many cohorts, with the prior's weight, they were learned.
    """

    cohort: float
    drift: float
    cell: float
    memory: float
    month: float
    freedom: float

    def memory_of(self, users: Floats) -> Floats:
        """`memory` of cohorts of so many users: of few, chance is no longer normal, and is drawn anew."""
        return self.memory * users / (users + _FEW_USERS)

    def persistent(self, ages: Floats, others: Floats) -> Floats:
        """Covariance of a cohort's own level between ages: (age, other)."""
        shared = np.minimum(np.log(ages)[:, None], np.log(others)[None, :])
        return self.cohort**2 + self.drift**2 * shared


@dataclass(frozen=True)
class Triangle:
    """Cohorts by age group: `ages` (group,), `users` and `active` (cohort, group), users 0 where unseen.

    `months` (cohort, group) numbers the calendar period of a cell backwards from the last, or is None.
    """

    ages: Floats
    users: Floats
    active: Floats
    months: NDArray[np.int64] | None


@dataclass(frozen=True)
class AgeMeans:
    """What all cohorts together show: log-odds (age,) and their covariance (age, age), and the spread."""

    ages: Floats
    log_odds: Floats
    covariance: Floats
    spread: Spread


def grouped_ages(count: int) -> NDArray[np.int64]:
    """The group of each age 1, 2, ..., `count`: one each while they are few, then ever wider.

    >>> grouped_ages(5).tolist(), int(grouped_ages(365).max())
    ([0, 1, 2, 3, 4], 39)
    """
    if count <= _MOST_AGES:
        return np.arange(count)
    edges = np.unique(np.floor(np.geomspace(1, count + 1, 2 * _MOST_AGES)).astype(int))
    while len(edges) > _MOST_AGES + 1:
        edges = np.delete(edges, int(np.diff(np.log(edges)).argmin()) + 1)
    return np.searchsorted(edges, np.arange(1, count + 1), side="right") - 1


def triangle(exposed: Floats, returned: Floats) -> Triangle:
    """Counts from age 1 on, in groups of ages where there are many. Columns are ages 0, 1, ..."""
    users, active = exposed[:, 1:], returned[:, 1:]
    seen = np.isfinite(users) & np.isfinite(active) & (users > 0)
    group = grouped_ages(users.shape[1])
    one_hot = (group[:, None] == np.arange(group.max(initial=-1) + 1)).astype(float)
    cells = np.maximum(seen @ one_hot, 1.0)
    log_ages = np.log(np.arange(1.0, users.shape[1] + 1)) @ one_hot / np.maximum(one_hot.sum(axis=0), 1)
    months = None
    ends = np.where(seen, np.arange(users.shape[1]), -1).max(axis=1, initial=-1)
    if one_hot.shape[1] == users.shape[1] and len(np.unique(ends[ends >= 0])) >= 3:
        months = np.where(seen, ends[:, None] - np.arange(users.shape[1]), 0)
    some = (seen @ one_hot).sum(axis=0) > 0
    return Triangle(
        np.exp(log_ages)[some],
        (np.where(seen, users, 0.0) @ one_hot / cells)[:, some],
        (np.where(seen, active, 0.0) @ one_hot / cells)[:, some],
        None if months is None else months[:, some],
    )


def working(table: Triangle, pooled: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Log-odds as seen (cohort, age) and their binomial variance, about `pooled + own` as now estimated."""
    level = np.clip(pooled + own, -12.0, 12.0)
    share = expit(level)
    weight = table.users * share * (1 - share)
    seen = table.users > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        response = np.where(seen, level + (table.active - table.users * share) / weight, 0.0)
        return response, np.where(seen, 1 / weight, _HIDDEN)


def blocks(table: Triangle, share: Floats, variance: Floats, spread: Spread) -> Floats:
    """Covariance of what was seen of each cohort, but for the months: (cohort, age, age)."""
    size = len(table.ages)
    seen = table.users > 0
    both = seen[:, :, None] & seen[:, None, :]
    found = np.where(both, spread.persistent(table.ages, table.ages) + lasting(table, share, spread), 0.0)
    fresh = 1 - spread.memory_of(table.users.max(axis=1, initial=0.0))[:, None]
    rest = np.where(seen, spread.cell**2 + fresh * variance, _HIDDEN)
    found[:, np.arange(size), np.arange(size)] += rest
    return found


def lasting(table: Triangle, share: Floats, spread: Spread) -> Floats:
    """The part of chance that stays, as of users who leave for good: (cohort, age, age)."""
    falling = np.minimum.accumulate(np.clip(share, 1e-6, 1 - 1e-6))
    early = np.maximum(falling[:, None], falling[None, :])
    late = np.minimum(falling[:, None], falling[None, :])
    users = np.maximum(table.users.max(axis=1, initial=0.0), 1e-9)
    return (spread.memory_of(users) / users)[:, None, None] / (early * (1 - late))


def age_means(table: Triangle) -> AgeMeans:
    """The level at each age over all cohorts, how sure it is, and how cohorts spread about it."""
    total_users, total = table.users.sum(axis=0), table.active.sum(axis=0)
    pooled = logit((total + 0.5) / (total_users + 1.0))
    asked = _asked(table)
    own = np.zeros_like(asked.users)
    search = _PRIOR[:, 0].copy()
    spread = _spread_at(search, asked)
    for _ in range(2):
        response, variance = working(asked, pooled, own)
        search = _restricted(asked, response, variance, expit(pooled), search)
        spread = _spread_at(search, asked)
        pooled, _, own = _solved(asked, response, variance, expit(pooled), spread)
    own = np.zeros_like(table.users)
    covariance = np.zeros((len(pooled), len(pooled)))
    for _ in range(3):
        response, variance = working(table, pooled, own)
        pooled, covariance, own = _solved(table, response, variance, expit(pooled), spread)
    return AgeMeans(table.ages, pooled, covariance, spread)


def _asked(table: Triangle) -> Triangle:
    size = len(table.users)
    if size <= _MOST_COHORTS:
        return table
    kept = np.unique(np.linspace(0, size - 1, _MOST_COHORTS).astype(int))
    months = None if table.months is None else table.months[kept]
    return Triangle(table.ages, table.users[kept], table.active[kept], months)


def _spread_at(search: Floats, table: Triangle) -> Spread:
    cohort, drift, cell, _, month = np.exp(np.minimum(search, 5.0))
    cohorts = int((table.users > 0).any(axis=1).sum())
    return Spread(
        float(cohort),
        float(drift),
        float(cell),
        float(expit(search[3])),
        0.0 if table.months is None else float(month),
        cohorts + 2.0,
    )


def _restricted(table: Triangle, response: Floats, variance: Floats, share: Floats, start: Floats) -> Floats:
    """The likeliest spreads, with free levels at every age."""

    def loss(search: Floats) -> float:
        away = ((search - _PRIOR[:, 0]) / _PRIOR[:, 1]) ** 2
        spread = _spread_at(search, table)
        value = _likelihood(table, response, variance, share, spread)
        return float(0.5 * away.sum() - value) if np.isfinite(value) else 1e12

    found: Any = scipy.optimize.minimize(
        loss, start, method="L-BFGS-B", options={"maxiter": 25, "ftol": 1e-6}, bounds=[(-8.0, 3.0)] * 5
    )
    return np.asarray(found.x, float)


def _system(
    table: Triangle, response: Floats, variance: Floats, share: Floats, spread: Spread
) -> tuple[Floats, Floats, Floats, Floats]:
    """Normal equations of the levels at each age and of the months, and the blocks' inverse."""
    inverse: Floats = np.asarray(np.linalg.inv(blocks(table, share, variance, spread)), dtype=float)
    weighted = np.einsum("cij,cj->ci", inverse, response)
    size = len(table.ages)
    if table.months is None or spread.month <= 0:
        return inverse.sum(axis=0), weighted.sum(axis=0), inverse, weighted
    seen = table.users > 0
    months = int(table.months.max()) + 1
    left = np.zeros((size + months, size + months))
    right = np.zeros(size + months)
    left[:size, :size] = inverse.sum(axis=0)
    right[:size] = weighted.sum(axis=0)
    row, column = np.nonzero(seen)
    np.add.at(right, size + table.months[row, column], weighted[row, column])
    cohort, first, second = np.nonzero(seen[:, :, None] & seen[:, None, :])
    value, month = inverse[cohort, first, second], size + table.months[cohort, second]
    np.add.at(left, (first, month), value)
    np.add.at(left, (size + table.months[cohort, first], month), value)
    left[size:, :size] = left[:size, size:].T
    left[np.arange(size, size + months), np.arange(size, size + months)] += 1 / spread.month**2
    return left, right, inverse, weighted


def _likelihood(table: Triangle, response: Floats, variance: Floats, share: Floats, spread: Spread) -> float:
    left, right, inverse, weighted = _system(table, response, variance, share, spread)
    _, log_inverse = np.linalg.slogdet(inverse)
    _, log_left = np.linalg.slogdet(left)
    months = len(left) - len(table.ages)
    quadratic = float((response * weighted).sum() - right @ np.linalg.solve(left, right))
    return float(0.5 * (log_inverse.sum() - log_left - quadratic) - months * np.log(max(spread.month, 1e-9)))


def _solved(
    table: Triangle, response: Floats, variance: Floats, share: Floats, spread: Spread
) -> tuple[Floats, Floats, Floats]:
    """Levels at each age, their covariance, and what is each cell's own beyond them (cohort, age)."""
    left, right, inverse, _ = _system(table, response, variance, share, spread)
    covariance: Floats = np.asarray(np.linalg.inv(left), dtype=float)
    found = covariance @ right
    size = len(table.ages)
    levels = found[:size]
    month = np.zeros_like(response)
    if len(found) > size and table.months is not None:
        month = found[size:][table.months]
    seen = table.users > 0
    rest = np.where(seen, response - levels - month, 0.0)
    fresh = 1 - spread.memory_of(table.users.max(axis=1, initial=0.0))[:, None]
    noise = np.where(seen, fresh * variance, 0.0)
    kept = rest - noise * np.einsum("cij,cj->ci", inverse, rest)
    return levels, covariance[:size, :size], np.where(seen, kept + month, 0.0)
