"""BG/BB: a customer comes, or not, at each of some opportunities (days, weeks), until leaving for good.

Fader, Hardie and Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting, Marketing
Science 29(6). Before each opportunity a customer leaves with probability θ, beta distributed (gamma, delta);
one who stays comes with probability p, beta distributed (alpha, beta). With x visits in n opportunities,
the last at t, the likelihood is

    B(α+x, β+n-x) / B(α, β) · B(γ, δ+n) / B(γ, δ)
      +  Σᵢ₌ₜⁿ⁻¹  B(α+x, β+i-x) / B(α, β) · B(γ+1, δ+i) / B(γ, δ)

still there, or left after opportunity i. The sums for all t and n of one x are tails of one series, added up
once from its small end.
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
from breakeven.growth.visits.rising import Whole, log_rising, rising_slope
from breakeven.growth.visits.suitability import check_visits, refuse_visits

OPPORTUNITY_COLUMNS = ("repeats", "recency", "opportunities")
"""A customer over whole periods after the one of the first visit: in how many of them a visit fell (x), the
last such period (t_x, 0 without), and how many there were (n). Visits in `VISIT_COLUMNS` serve as well when
they are at most one in a period: then every period is an opportunity."""

VISITS_NOT_PERIODS = Missing(
    "some customers came more often than there were periods; count the periods with a visit, not the visits",
    "部分客户的到访次数多于时间单位数；请计有到访的时间单位数，而非到访次数",
)

TOO_MANY_OPPORTUNITIES = Missing(
    "there are too many opportunities for this model; count in weeks or months",
    "时间单位过多，超出该模型的适用范围；请改按周或按月计数",
)

_MOST_OPPORTUNITIES = 2_000

_EDGES = {
    ("gamma", False): Missing("hardly anybody leaves, as far as seen", "就已有数据看，几乎没有客户流失"),
    ("delta", True): Missing("hardly anybody leaves, as far as seen", "就已有数据看，几乎没有客户流失"),
    ("gamma", True): Missing(
        "customers do not differ in when they leave, as far as seen", "就已有数据看，客户何时流失没有差异"
    ),
    ("alpha", True): Missing(
        "customers do not differ in how often they come, as far as seen",
        "就已有数据看，客户的到访频率没有差异",
    ),
    ("beta", True): Missing(
        "customers do not differ in how often they come, as far as seen",
        "就已有数据看，客户的到访频率没有差异",
    ),
}


@dataclass(frozen=True)
class BgBb:
    """Visits counted by period, at most one in each. Times are whole opportunities. Parameters are (p,) for
    one answer, or (draw, p) for one of each draw.

    >>> BG_BB.expected_repeats(np.array([1.2, 0.75, 0.66, 2.8]), [0, 1, 6]).round(3).tolist()
    [0.0, 0.498, 2.217]
    """

    name: ClassVar[str] = "BG/BB"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Chance to come: beta with alpha and beta. Chance to leave: beta with gamma and delta."""
        return {"alpha": "positive", "beta": "positive", "gamma": "positive", "delta": "positive"}

    def refusal(self, cells: Cells) -> Missing | None:
        """Nobody watched, nobody back, fewer customers than parameters, too many opportunities, or more
        visits than opportunities.
        """
        check_visits(cells, OPPORTUNITY_COLUMNS if cells.columns == OPPORTUNITY_COLUMNS else VISIT_COLUMNS)
        if (cells["repeats"] > cells["recency"]).any():
            return VISITS_NOT_PERIODS
        if cells.rows[:, 2].max(initial=0) > _MOST_OPPORTUNITIES:
            return TOO_MANY_OPPORTUNITIES
        return refuse_visits(cells, len(self.parameters))

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """What it means when a parameter has no finite best value."""
        return _EDGES.get((parameter, is_high))

    def starts(self, cells: Cells) -> list[Floats]:
        """From the share of opportunities taken, with few and with many who leave."""
        visits, _, chances = (float(column @ cells.counts) for column in cells.rows.T)
        taken = min(0.95, visits / max(1.0, chances))
        while_there = min(0.95, 2 * taken)
        return [
            np.array([while_there, 1 - while_there, 0.7, 3.0]),
            np.array([2 * taken, 2 * (1 - taken), 0.5, 30.0]),
        ]

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """Each cell's, for one customer of it."""
        found = _Parts(parameters, cells)
        return np.logaddexp(found.stayed, found.left)

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of `log_likelihoods` by each parameter: (parameter, cell)."""
        return _Parts(parameters, cells).gradients()

    def alive(self, parameters: Floats, cells: Cells) -> Floats:
        """The probability that a customer of each cell had not left by the last opportunity."""
        found = np.asarray(parameters, dtype=float)
        if found.ndim > 1:
            return np.stack([self.alive(one, cells) for one in found])
        parts = _Parts(found, cells)
        return np.exp(parts.stayed - np.logaddexp(parts.stayed, parts.left))

    def expected_repeats(self, parameters: Floats, ages: ArrayLike) -> Floats:
        """Repeat visits that a new customer will have made after each number of opportunities."""
        alpha, beta, gamma, delta = split(parameters)
        times = np.asarray(ages, dtype=np.int64)
        stays = _stays(gamma, delta, int(times.max(initial=0)))
        sums = np.concatenate([np.zeros((*stays.shape[:-1], 1)), np.cumsum(stays, axis=-1)], axis=-1)
        return alpha / (alpha + beta) * sums[..., times]

    def conditional_repeats(self, parameters: Floats, cells: Cells, horizon: float) -> Floats:
        """Visits of a customer of each cell in that many further opportunities."""
        alpha, beta, gamma, delta = self._from_here(parameters, cells)
        further = np.sum(_stays(gamma, delta, int(horizon)), axis=-1)
        return self.alive(parameters, cells) * alpha / (alpha + beta) * further

    def active(self, parameters: Floats, cells: Cells, start: float, length: float) -> Floats:
        """The probability of a visit in `length` opportunities that follow `start` further ones."""
        alpha, beta, gamma, delta = self._from_here(parameters, cells)
        stays = _stays(gamma, delta, int(start) + int(length))[..., int(start) :]
        some, silent = np.zeros(np.broadcast(alpha, gamma).shape), np.ones(np.broadcast(alpha, beta).shape)
        for step in range(stays.shape[-1]):
            taken = alpha / (alpha + beta + step)
            some += silent * taken * stays[..., step]
            silent = silent * (1 - taken)
        return self.alive(parameters, cells) * some

    def simulate(self, parameters: Floats, ages: ArrayLike, random: np.random.Generator) -> Cells:
        """Customers with these numbers of opportunities, one of each."""
        alpha, beta, gamma, delta = (float(one) for one in parameters)
        watched = np.asarray(ages, dtype=np.int64)
        comes, leaves = random.beta(alpha, beta, len(watched)), random.beta(gamma, delta, len(watched))
        stay = np.minimum(random.geometric(np.maximum(leaves, 1e-12)) - 1, watched)
        repeats, recency = np.zeros_like(watched), np.zeros_like(watched)
        for opportunity in range(1, int(stay.max(initial=0)) + 1):
            taken = (random.random(len(watched)) < comes) & (opportunity <= stay)
            repeats += taken
            recency[taken] = opportunity
        return Cells.group(OPPORTUNITY_COLUMNS, np.stack([repeats, recency, watched], axis=1))

    def further(self, parameters: Floats, cells: Cells, horizon: float, random: np.random.Generator) -> Whole:
        """One possible future of every customer: visits within a horizon, cell after cell: (customer,)."""
        here = (*self._from_here(parameters, cells), self.alive(parameters, cells))
        alpha, beta, gamma, delta, alive = (np.repeat(one, cells.counts) for one in here)
        stops = random.geometric(np.maximum(random.beta(gamma, delta), 1e-12))
        visits = random.binomial(np.minimum(stops - 1, int(horizon)), random.beta(alpha, beta))
        return np.where(random.random(len(alive)) < alive, visits, 0)

    def _from_here(self, parameters: Floats, cells: Cells) -> tuple[Floats, Floats, Floats, Floats]:
        """The parameters of a customer of each cell who is still there."""
        alpha, beta, gamma, delta = split(parameters)
        repeats, _, chances = cells.rows.T
        return alpha + repeats, beta + (chances - repeats), gamma + np.zeros(len(repeats)), delta + chances


class _Parts:
    """The likelihood of each cell in its two parts, as logarithms: stayed, or left at one of the moments."""

    def __init__(self, parameters: Floats, cells: Cells) -> None:
        self.alpha, self.beta, self.gamma, self.delta = (float(one) for one in parameters)
        self.repeats, self.recency, self.chances = np.ascontiguousarray(cells.rows.T)
        self.kinds, self.kind = np.unique(self.repeats, return_inverse=True)
        self.moments = np.arange(int(self.chances.max(initial=0)) + 1)
        self.silent = np.maximum(self.moments - self.kinds[:, None], 0)
        both, all_four = self.alpha + self.beta, self.gamma + self.delta
        come, miss = log_rising(self.alpha, self.kinds), log_rising(self.beta, self.moments)
        either, keep = log_rising(both, self.moments), log_rising(self.delta, self.moments)
        leave = np.log(self.gamma) + keep - log_rising(all_four, self.moments + 1)
        terms = come[:, None] + miss[self.silent] - either + leave
        self.terms = np.where(self.moments >= self.kinds[:, None], terms, -np.inf)
        n = self.chances
        self.stayed = come[self.kind] + miss[n - self.repeats] - either[n]
        self.stayed += keep[n] - log_rising(all_four, n)
        since, after = self._tails(self.terms)
        with np.errstate(divide="ignore"):
            self.left = since + np.log(-np.expm1(np.minimum(after - since, 0.0)))

    def gradients(self) -> Floats:
        """By alpha, beta, gamma and delta: (parameter, cell)."""
        n, both, all_four = self.chances, self.alpha + self.beta, self.gamma + self.delta
        stays = np.exp(self.stayed - np.logaddexp(self.stayed, self.left))
        miss, either = rising_slope(self.beta, self.moments), rising_slope(both, self.moments)
        keep, stop = rising_slope(self.delta, self.moments), rising_slope(all_four, self.moments + 1)
        here = rising_slope(all_four, n)
        mean_either = stays * either[n] + self._mean(np.broadcast_to(either, self.terms.shape), stays)
        mean_stop = stays * here + self._mean(np.broadcast_to(stop, self.terms.shape), stays)
        found = np.empty((4, len(n)))
        found[0] = rising_slope(self.alpha, self.repeats) - mean_either
        found[1] = stays * miss[n - self.repeats] + self._mean(miss[self.silent], stays) - mean_either
        found[2] = (1 - stays) / self.gamma - mean_stop
        found[3] = stays * keep[n] + self._mean(np.broadcast_to(keep, self.terms.shape), stays) - mean_stop
        return found

    def _mean(self, slopes: Floats, stays: Floats) -> Floats:
        """The mean of something over the moments of leaving, times the probability to have left."""
        with np.errstate(divide="ignore", invalid="ignore"):
            since, after = self._tails(self.terms + np.log(slopes))
            found = (np.exp(since - self.left) - np.exp(after - self.left)) * (1 - stays)
        return np.where(self.recency < self.chances, found, 0.0)

    def _tails(self, terms: Floats) -> tuple[Floats, Floats]:
        """Logarithms of the sums of terms: from a cell's last visit on, and from its last opportunity on."""
        tails: Floats = np.logaddexp.accumulate(terms[:, ::-1], axis=1)[:, ::-1]
        return tails[self.kind, self.recency], tails[self.kind, self.chances]


def _stays(gamma: Floats, delta: Floats, most: int) -> Floats:
    """The probability to stay at each of the next opportunities: one further axis, of that length."""
    if gamma.shape[-1] == 1:
        gamma, delta = gamma[..., 0], delta[..., 0]
    steps = np.arange(most)
    stay = (delta[..., None] + steps) / (gamma[..., None] + delta[..., None] + steps)
    found: Floats = np.cumprod(stay, axis=-1, dtype=np.float64)
    return found


BG_BB = BgBb()
