"""What BG/NBD and MBG/NBD share: visits at a personal rate, and a personal chance to stop after each visit.

The rate λ is gamma distributed (shape r, rate alpha), the chance p to stop is beta distributed (a, b). With
n chances to stop so far, a customer with x repeats, the last at t, watched until T has the likelihood

    Γ(r+x) αʳ / Γ(r) · { B(a, b+n) / B(a, b) · (α+T)⁻⁽ʳ⁺ˣ⁾  +  B(a+1, b+n-1) / B(a, b) · (α+t)⁻⁽ʳ⁺ˣ⁾ }

still a customer, or gone with the last visit. The two models differ in n alone: whether the first visit is
such a chance. A customer who is still there is a new one with other numbers: r+x, α+T, a, b+n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, hyp2f1

from breakeven.account.metrics import Missing
from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.model import Floats, Scale, split
from breakeven.growth.visits.any_moment import AnyMoment
from breakeven.growth.visits.rising import Whole, by_value, log_rising, rising_slope

_POLE = 1e-6
"""So near to a value where a formula is 0/0, the mean of its values on both sides is taken."""

_EDGES = {
    ("a", False): Missing("hardly anybody leaves, as far as seen", "就已有数据看，几乎没有客户流失"),
    ("b", True): Missing("hardly anybody leaves, as far as seen", "就已有数据看，几乎没有客户流失"),
    ("b", False): Missing("nearly everybody leaves at the first chance", "几乎所有客户一有机会就流失"),
    ("a", True): Missing(
        "customers do not differ in when they leave, as far as seen", "就已有数据看，客户何时流失没有差异"
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
class BetaGeometric(AnyMoment):
    """Visits that end by chance after a visit. Cells count periods of the books (days); parameters are in
    periods of `days_per_period` of them, so 7 gives weekly parameters. Every time passed in is in the
    cells' periods. Parameters are (p,) for one answer, or (draw, p) for one of each draw.
    """

    edges: ClassVar[Mapping[tuple[str, bool], Missing]] = _EDGES
    name: ClassVar[str]
    first_chances: ClassVar[int]
    """How many chances to stop come with the first visit."""

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Rate: gamma with shape r and rate alpha. Chance to stop: beta with a and b."""
        return {"r": "positive", "alpha": "positive", "a": "positive", "b": "positive"}

    def starts(self, cells: Cells) -> list[Floats]:
        """From the mean rate of visits, with few and with many who leave."""
        time = float(cells["age"] @ cells.counts) / self.days_per_period
        rate = float(cells["repeats"] @ cells.counts) / max(time, 1e-9)
        return [
            np.array([0.5, 0.25 / rate, 0.7, 3.0]),
            np.array([1.0, 1.0 / rate, 0.5, 20.0]),
            np.array([1.0, 0.1 / rate, 1.0, 1.0]),
        ]

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """Each cell's, for one customer of it."""
        r, alpha, a, b = (float(one) for one in parameters)
        repeats, recency, age = np.ascontiguousarray(cells.rows.T)
        since, before = self._spans(alpha, age), self._spans(alpha, recency)
        odds = by_value(lambda x: self._log_odds_at_once(a, b, x), repeats) + (r + repeats) * (since - before)
        kept = self._of_chances(lambda n: log_rising(b, n) - log_rising(a + b, n), repeats)
        lead = by_value(lambda x: log_rising(r, x.astype(np.int64)) - x * np.log(alpha), repeats)
        return lead + kept - (r + repeats) * since + np.logaddexp(0.0, odds)

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of `log_likelihoods` by each parameter: (parameter, cell)."""
        r, alpha, a, b = (float(one) for one in parameters)
        repeats, recency, age = np.ascontiguousarray(cells.rows.T)
        since, before = self._spans(alpha, age), self._spans(alpha, recency)
        until = by_value(lambda t: 1 / (alpha + t / self.days_per_period), age)
        last = by_value(lambda t: 1 / (alpha + t / self.days_per_period), recency)
        spell, shape = since - before, r + repeats
        gone = expit(by_value(lambda x: self._log_odds_at_once(a, b, x), repeats) + shape * spell)
        found = np.empty((4, len(repeats)))
        found[0] = rising_slope(r, repeats) - since + gone * spell
        # r/α - (r+x)/(α+T), and what leaving with the last visit changes in it.
        found[1] = r / alpha - shape * (until + gone * (last - until))
        found[2] = gone / a - self._of_chances(lambda n: rising_slope(a + b, n), repeats)
        found[3] = self._of_chances(lambda n: rising_slope(b, n) - rising_slope(a + b, n), repeats)
        found[3] -= gone * by_value(lambda x: 1 / self._last_chance(b, x), repeats)
        return found

    def alive(self, parameters: Floats, cells: Cells) -> Floats:
        """The probability that a customer of each cell is still one at the end of watching."""
        r, alpha, a, b = split(parameters)
        repeats, recency, age = cells.rows.T / np.array(
            [[1.0], [self.days_per_period], [self.days_per_period]]
        )
        spell = np.log1p(age / alpha) - np.log1p(recency / alpha)
        return expit(-self._log_odds_at_once(a, b, repeats.astype(float)) - (r + repeats) * spell)

    def expected_repeats(self, parameters: Floats, ages: ArrayLike) -> Floats:
        """Repeat visits that a new customer will have made at each age, counted from the first visit."""
        r, alpha, a, b = split(parameters)
        times = np.asarray(ages, dtype=float) / self.days_per_period
        begun = (b / (a + b)) ** self.first_chances
        return begun * _repeats_from_here(r, alpha, a, b + self.first_chances, times)

    def conditional_repeats(self, parameters: Floats, cells: Cells, horizon: float) -> Floats:
        """Further visits of a customer of each cell within a horizon from the end of watching."""
        alive = self.alive(parameters, cells)
        return alive * _repeats_from_here(*self._from_here(parameters, cells), self._periods(horizon))

    def active(self, parameters: Floats, cells: Cells, start: float, length: float) -> Floats:
        """The probability of at least one visit in a period that begins `start` after the end of watching."""
        r, alpha, a, b = self._from_here(parameters, cells)
        wait, spell = self._periods(start), self._periods(length)
        silent = np.exp(-r * np.log1p(spell / alpha))
        some = _still_there(r, alpha, a, b, wait) - silent * _still_there(r, alpha + spell, a, b, wait)
        return self.alive(parameters, cells) * np.clip(some, 0.0, 1.0)

    def simulate(self, parameters: Floats, ages: ArrayLike, random: np.random.Generator) -> Cells:
        """Customers watched for these ages, one of each; times are rounded to the cells' periods."""
        r, alpha, a, b = (float(one) for one in parameters)
        watched = np.asarray(ages, dtype=np.int64)
        until = watched / self.days_per_period
        rates = random.gamma(r, 1.0 / alpha, len(watched))
        chance = np.maximum(random.beta(a, b, len(watched)), 1e-12)
        would = random.poisson(rates * until)
        last = random.geometric(chance) - self.first_chances
        repeats = np.minimum(would, last)
        with np.errstate(divide="ignore"):
            share = random.beta(np.maximum(repeats, 1), would - repeats + 1)
        recency = np.where(repeats > 0, np.rint(share * watched), 0).astype(np.int64)
        return Cells.group(VISIT_COLUMNS, np.stack([repeats, recency, watched], axis=1))

    def further(self, parameters: Floats, cells: Cells, horizon: float, random: np.random.Generator) -> Whole:
        """One possible future of every customer: visits within a horizon, cell after cell: (customer,)."""
        here = (*self._from_here(parameters, cells), self.alive(parameters, cells))
        r, alpha, a, b, alive = (np.repeat(one + np.zeros(len(cells.counts)), cells.counts) for one in here)
        would = random.poisson(random.gamma(r, 1.0 / alpha) * self._periods(horizon))
        stops = random.geometric(np.maximum(random.beta(a, b), 1e-12))
        return np.where(random.random(len(alive)) < alive, np.minimum(would, stops), 0)

    def _log_odds_at_once(self, a: float | Floats, b: float | Floats, repeats: Floats) -> Floats:
        """The logarithm of how much likelier gone than still there, right after the last visit."""
        odds = np.log(a) - np.log(self._last_chance(b, repeats))
        return np.where(repeats + self.first_chances > 0, odds, -np.inf)

    def _last_chance(self, b: float | Floats, repeats: Floats) -> Floats:
        """What divides a after n chances, b + n - 1; one where there was none, and nobody can be gone."""
        chances = repeats + self.first_chances
        return np.where(chances > 0, b + chances - 1, 1.0)

    def _of_chances(self, function: Callable[[Whole], Floats], repeats: Whole) -> Floats:
        return by_value(lambda x: function(x.astype(np.int64) + self.first_chances), repeats)

    def _spans(self, alpha: float, times: Whole) -> Floats:
        """log(1 + t/α)."""
        return by_value(lambda t: np.log1p(t / (alpha * self.days_per_period)), times)

    def _from_here(self, parameters: Floats, cells: Cells) -> tuple[Floats, Floats, Floats, Floats]:
        """The parameters of a customer of each cell who is still there."""
        r, alpha, a, b = split(parameters)
        repeats, _, age = cells.rows.T
        return r + repeats, alpha + age / self.days_per_period, a, b + repeats + self.first_chances

    def _periods(self, time: float) -> Floats:
        return np.asarray(time / self.days_per_period)


def _still_there(r: Floats, alpha: Floats, a: Floats, b: Floats, time: Floats) -> Floats:
    """E[exp(-λ p t)] = ₂F₁(r, a; a+b; -t/α), by Pfaff's transformation between nothing and one."""
    share = time / (alpha + time)
    return np.exp(a * np.log1p(-share)) * hyp2f1(a + b - r, a, a + b, share)


def _repeats_from_here(r: Floats, alpha: Floats, a: Floats, b: Floats, time: Floats) -> Floats:
    """E[(1 - exp(-λ p t)) / p] = (a+b-1) / (a-1) · { 1 - ₂F₁(r, a-1; a+b-1; -t/α) }.

    The published form of the function overflows for heavy users. In this one, by Pfaff's transformation, the
    number of visits nearly cancels in the first argument.
    """
    at_pole = (np.abs(a - 1) < _POLE) | (np.abs(a + b - 1) < _POLE)
    if at_pole.any():
        aside = np.where(at_pole, 3 * _POLE, 0.0)
        return (_repeats(r, alpha, a - aside, b, time) + _repeats(r, alpha, a + aside, b, time)) / 2
    return _repeats(r, alpha, a, b, time)


def _repeats(r: Floats, alpha: Floats, a: Floats, b: Floats, time: Floats) -> Floats:
    share = time / (alpha + time)
    still = np.exp((a - 1) * np.log1p(-share)) * hyp2f1(a + b - 1 - r, a - 1, a + b - 1, share)
    return np.maximum((a + b - 1) / (a - 1) * (1.0 - still), 0.0)
