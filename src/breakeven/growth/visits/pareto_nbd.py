"""Pareto/NBD: visits at a personal rate, and a personal chance to leave at any moment, visit or no visit.

Schmittlein, Morrison and Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?,
Management Science 33(1). The rate λ of visits is gamma distributed (r, alpha), the rate μ of leaving too
(s, beta). With x repeats, the last at t, watched until T, the likelihood is

    Γ(r+x) αʳ βˢ / Γ(r) · { (α+T)⁻⁽ʳ⁺ˣ⁾ (β+T)⁻ˢ  +  ∫ₜᵀ s (β+y)⁻⁽ˢ⁺¹⁾ (α+y)⁻⁽ʳ⁺ˣ⁾ dy }

still there, or left at some y. The integral is published as a difference of two hypergeometric functions,
which cancel for heavy users and overflow; `leaving.py` sums the integral itself, every term of it positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from breakeven.account.metrics import Missing
from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.model import Floats, Scale, split
from breakeven.growth.visits.any_moment import AnyMoment
from breakeven.growth.visits.leaving import NODES, WEIGHTS, over_leaving, until_leaving
from breakeven.growth.visits.rising import Whole, log_rising, rising_slope

_EDGES = {
    ("s", False): Missing("hardly anybody leaves, as far as seen", "就已有数据看，几乎没有客户流失"),
    ("beta", True): Missing(
        "hardly anybody leaves, or all at the same rate, as far as seen",
        "就已有数据看，几乎没有客户流失，或所有客户的流失速率相同",
    ),
    ("s", True): Missing(
        "customers do not differ in how fast they leave, as far as seen",
        "就已有数据看，客户的流失速率没有差异",
    ),
    ("beta", False): Missing(
        "nearly everybody who leaves does so at once", "几乎所有流失的客户都在首次到访后立即流失"
    ),
    ("r", True): Missing(
        "customers do not differ in how often they come, as far as seen",
        "就已有数据看，客户的到访频率没有差异",
    ),
    ("alpha", True): Missing(
        "customers do not differ in how often they come, as far as seen",
        "就已有数据看，客户的到访频率没有差异",
    ),
}


@dataclass(frozen=True)
class ParetoNbd(AnyMoment):
    """Visits that end at any moment. Cells count periods of the books (days); parameters are in periods of
    `days_per_period` of them. Every time passed in is in the cells' periods. Parameters are (p,) for one
    answer, or (draw, p) for one of each draw.

    >>> lately_and_long_ago = Cells.group(VISIT_COLUMNS, [(2, 3, 39), (2, 30, 39)])
    >>> PARETO_NBD.alive(np.array([0.553, 10.578, 0.606, 11.669]), lately_and_long_ago).round(3).tolist()
    [0.088, 0.858]
    """

    edges: ClassVar[Mapping[tuple[str, bool], Missing]] = _EDGES
    name: ClassVar[str] = "Pareto/NBD"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Rate of visits: gamma with shape r and rate alpha. Rate of leaving: gamma with s and beta."""
        return {"r": "positive", "alpha": "positive", "s": "positive", "beta": "positive"}

    def starts(self, cells: Cells) -> list[Floats]:
        """From the mean rate of visits and the mean time watched, with few and with many who leave."""
        mean = float(cells["age"] @ cells.counts) / self.days_per_period / cells.size
        rate = float(cells["repeats"] @ cells.counts) / cells.size / mean
        return [
            np.array([0.5, 0.25 / rate, 0.6, mean / 3]),
            np.array([1.0, 0.7 / rate, 1.0, 3 * mean]),
        ]

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """Each cell's, for one customer of it."""
        r, alpha, s, beta = (float(one) for one in parameters)
        repeats = cells["repeats"]
        stayed, left = self._stayed_and_left(r, alpha, s, beta, cells)
        return log_rising(r, repeats) - repeats * np.log(alpha) + np.logaddexp(stayed, left)

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of `log_likelihoods` by each parameter: (parameter, cell)."""
        r, alpha, s, beta = (float(one) for one in parameters)
        repeats, recency, age = cells.rows.T
        last, until = recency / self.days_per_period, age / self.days_per_period
        stayed = self._stayed(r, alpha, s, beta, cells)
        left, means = over_leaving(r, alpha, s, beta, repeats, last, until)
        gone = np.exp(left - np.logaddexp(stayed, left))
        log_visit, near_visit, log_leave, near_leave = means
        shape = r + repeats
        found = np.empty((4, len(repeats)))
        found[0] = rising_slope(r, repeats) - (1 - gone) * np.log1p(until / alpha) - gone * log_visit
        found[1] = r / alpha - shape * ((1 - gone) / (alpha + until) + gone * near_visit)
        found[2] = gone * (1 / s - log_leave) - (1 - gone) * np.log1p(until / beta)
        found[3] = s / beta - (1 - gone) * s / (beta + until) - gone * (s + 1) * near_leave
        return found

    def alive(self, parameters: Floats, cells: Cells) -> Floats:
        """The probability that a customer of each cell is still one at the end of watching."""
        found = np.asarray(parameters, dtype=float)
        if found.ndim > 1:
            return np.stack([self.alive(one, cells) for one in found])
        r, alpha, s, beta = (float(one) for one in found)
        stayed, left = self._stayed_and_left(r, alpha, s, beta, cells)
        return np.exp(stayed - np.logaddexp(stayed, left))

    def expected_repeats(self, parameters: Floats, ages: ArrayLike) -> Floats:
        """Repeat visits that a new customer will have made at each age, counted from the first visit."""
        r, alpha, s, beta = split(parameters)
        return r / alpha * _mean_stay(s, beta, np.asarray(ages, dtype=float) / self.days_per_period)

    def conditional_repeats(self, parameters: Floats, cells: Cells, horizon: float) -> Floats:
        """Further visits of a customer of each cell within a horizon from the end of watching."""
        r, alpha, s, beta = self._from_here(parameters, cells)
        stay = _mean_stay(s, beta, np.asarray(horizon / self.days_per_period))
        return self.alive(parameters, cells) * r / alpha * stay

    def active(self, parameters: Floats, cells: Cells, start: float, length: float) -> Floats:
        """The probability of at least one visit in a period that begins `start` after the end of watching."""
        r, alpha, s, beta = self._from_here(parameters, cells)
        wait, spell = start / self.days_per_period, length / self.days_per_period
        # The first visit of the period comes at `early` in it, and the customer has not left by then.
        end = r * np.log1p(spell / alpha)
        some = np.zeros(end.shape)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            early = alpha * np.expm1(end * node / r)
            some += weight * end * np.exp(-end * node - s * np.log1p((wait + early) / beta))
        return self.alive(parameters, cells) * np.clip(some, 0.0, 1.0)

    def simulate(self, parameters: Floats, ages: ArrayLike, random: np.random.Generator) -> Cells:
        """Customers watched for these ages, one of each; times are rounded to the cells' periods."""
        r, alpha, s, beta = (float(one) for one in parameters)
        watched = np.asarray(ages, dtype=np.int64)
        rates = random.gamma(r, 1.0 / alpha, len(watched))
        leaving = np.maximum(random.gamma(s, 1.0 / beta, len(watched)), 1e-300)
        stay = np.minimum(random.exponential(1.0, len(watched)) / leaving, watched / self.days_per_period)
        repeats = random.poisson(rates * stay)
        last = stay * random.beta(np.maximum(repeats, 1), 1.0)
        recency = np.where(repeats > 0, np.rint(last * self.days_per_period), 0).astype(np.int64)
        return Cells.group(VISIT_COLUMNS, np.stack([repeats, np.minimum(recency, watched), watched], axis=1))

    def further(self, parameters: Floats, cells: Cells, horizon: float, random: np.random.Generator) -> Whole:
        """One possible future of every customer: visits within a horizon, cell after cell: (customer,)."""
        here = (*self._from_here(parameters, cells), self.alive(parameters, cells))
        r, alpha, s, beta, alive = (np.repeat(one, cells.counts) for one in here)
        leaving = np.maximum(random.gamma(s, 1.0 / beta), 1e-300)
        stay = np.minimum(random.exponential(1.0, len(alive)) / leaving, horizon / self.days_per_period)
        visits = random.poisson(random.gamma(r, 1.0 / alpha) * stay)
        return np.where(random.random(len(alive)) < alive, visits, 0)

    def _stayed_and_left(
        self, r: float, alpha: float, s: float, beta: float, cells: Cells
    ) -> tuple[Floats, Floats]:
        """Logarithms of the two parts of the likelihood, without what they share."""
        last, until = cells["recency"] / self.days_per_period, cells["age"] / self.days_per_period
        left = until_leaving(r, alpha, s, beta, cells["repeats"], last, until)
        return self._stayed(r, alpha, s, beta, cells), left

    def _stayed(self, r: float, alpha: float, s: float, beta: float, cells: Cells) -> Floats:
        until = cells["age"] / self.days_per_period
        return -(r + cells["repeats"]) * np.log1p(until / alpha) - s * np.log1p(until / beta)

    def _from_here(self, parameters: Floats, cells: Cells) -> tuple[Floats, Floats, Floats, Floats]:
        """The parameters of a customer of each cell who is still there."""
        r, alpha, s, beta = split(parameters)
        until = cells["age"] / self.days_per_period
        shape = r + cells["repeats"]
        return shape, alpha + until, np.broadcast_to(s, shape.shape), beta + until


def _mean_stay(s: Floats, beta: Floats, horizon: Floats) -> Floats:
    """How much of a horizon a customer stays: β/(s-1) · {1 - (β/(β+h))ˢ⁻¹}, and its limit at s = 1."""
    span = np.log1p(horizon / beta)
    less = np.where(np.abs(s - 1) < 1e-12, 1e-12, s - 1)
    return beta * -np.expm1(-less * span) / less


PARETO_NBD = ParetoNbd()
