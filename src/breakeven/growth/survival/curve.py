"""What every survival model shares: from a survival curve to the likelihood of contracts, and its refusals.

A contract lost in period t was there at t - 1 and not at t; one still watched was there at its last renewal.
So a model only has to say the logarithm of the share still there, and say it exactly where the share is
small: all else is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from breakeven.account.metrics import Missing
from breakeven.growth import maximum_likelihood
from breakeven.growth.cells import CONTRACT_COLUMNS, VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, Floats, Scale, from_free, to_free
from breakeven.growth.survival.scoring import State, ascend

_DIFFERENCE = 1e-5

NOBODY_LOST = Missing(
    "no contract was lost in the time watched: the data only say that few are",
    "观察期内没有任何合同流失：数据只能说明流失很少",
)
ALL_LOST_AT_ONCE = Missing(
    "every contract was lost in the first period: nothing is left to follow",
    "所有合同在第一期即流失：没有可继续观察的合同",
)
LOST_BEFORE_START = Missing(
    "a contract is lost before its first renewal (lifetime below 1): the rows are not contracts",
    "有合同在首次续约之前就已流失（存续期小于 1）：这些行不是合同数据",
)


NOT_CONTRACTS = Missing(
    "these are visits, and this model is of contracts that end once: those who pause come back. "
    "Use BG/NBD or Pareto/NBD for visits, or the curves alive x active for the share active",
    "这些是访问记录，而该模型用于只终止一次的合同：暂停的用户还会回来。"
    "访问请用 BG/NBD 或 Pareto/NBD，活跃比例请用“存活 × 活跃”曲线",
)


def too_few_ages(needed: int, seen: int | None = None) -> Missing:
    """The refusal of a model with more parameters than periods in which somebody could leave."""
    if seen is None:
        return Missing(
            f"the model needs {needed} periods in which contracts could be lost, and fewer were seen",
            f"该模型需要至少 {needed} 个可能流失的期数，目前观察到的更少",
        )
    return Missing(
        f"the model needs {needed} periods in which contracts could be lost, and {seen} were seen",
        f"该模型需要至少 {needed} 个可能流失的期数，目前只观察到 {seen} 个",
    )


@dataclass(frozen=True)
class SurvivalModel:
    """A model of when contracts are lost, over `CONTRACT_COLUMNS` cells, fitted by maximum likelihood."""

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        raise NotImplementedError

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        raise NotImplementedError

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`, for parameters (..., parameter): (..., age)."""
        raise NotImplementedError

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Parameters to begin from, of cohorts that lose a share in a mean period and keep one at the end.

        Each guess is (cohort, parameter).
        """
        raise NotImplementedError

    def loss_rates(self, free: Floats, periods: int) -> tuple[Floats, Floats]:
        """What scoring asks: (fit, period), and derivatives of log(1 - rate): (parameter, fit, period)."""
        scales = tuple(self.parameters.values())

        def steps(there: Floats) -> Floats:
            return np.diff(self.log_survival(from_free(there, scales), np.arange(periods + 1.0)), axis=-1)

        shifts = _DIFFERENCE * np.eye(free.shape[-1])
        turns = np.stack([(steps(free + h) - steps(free - h)) / (2 * _DIFFERENCE) for h in shifts])
        return within(-np.expm1(steps(free))), turns

    def starts(self, cells: Cells) -> list[Floats]:
        """Where the search begins: already near the best, of several guesses."""
        return [from_free(self._highest(cells)[0], tuple(self.parameters.values()))]

    def _highest(self, cells: Cells) -> tuple[Floats, State]:
        """The best point reached from all guesses, on the free scale, and how the search ended there."""
        at_risk, lost = life_table(cells)
        kept = np.exp(np.sum(np.log1p(-0.999 * lost / np.maximum(at_risk, 1.0))))
        guesses = np.concatenate(self.guesses(np.array([mean_loss(cells)]), np.clip([kept], 1e-3, 0.999)))
        rows = (len(guesses), len(lost))
        found, value, states = ascend(
            self,
            np.broadcast_to(at_risk, rows),
            np.broadcast_to(lost, rows),
            to_free(guesses, tuple(self.parameters.values())),
        )
        best = int(value.argmax())
        return found[best], State(int(states[best]))

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """What it means when a parameter runs away; None where there is nothing more to say."""
        del parameter, is_high

    def survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The share still there at ages in periods, 1 at age 0.

        `parameters` (parameter,) gives (age,); (draw, parameter) gives (draw, age).
        """
        return np.exp(self.log_survival(np.asarray(parameters, float), np.asarray(ages, float)))

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """Of losing a contract in just that period, or of not having lost it by then."""
        last = cells["lifetime"]
        surviving = self.log_survival(parameters, np.arange(int(last.max()) + 1.0))
        lost = surviving[:-1] + log_1_minus_exp(surviving[1:] - surviving[:-1])
        return np.where(cells["is_lost"] > 0, lost[np.maximum(last, 1) - 1], surviving[last])

    def refusal(self, cells: Cells) -> Missing | None:
        """Why these contracts cannot say: see the refusals of this module."""
        if cells.columns == VISIT_COLUMNS:
            return NOT_CONTRACTS
        if cells.columns != CONTRACT_COLUMNS:
            raise ValueError(f"{self.name} is of contracts {CONTRACT_COLUMNS}, not of {cells.columns}")
        if (cells["lifetime"] < (cells["is_lost"] > 0)).any():
            return LOST_BEFORE_START
        at_risk, lost = life_table(cells)
        if lost.sum() == 0:
            return NOBODY_LOST
        if lost[0] == at_risk[0]:
            return ALL_LOST_AT_ONCE
        seen, needed = int((at_risk > 0).sum()), len(self.parameters)
        if seen < needed:
            return too_few_ages(needed, seen)
        return self._running_away(cells)

    def _running_away(self, cells: Cells) -> Missing | None:
        """The reason when the likelihood only grows towards an edge of the model."""
        free, state = self._highest(cells)
        if state != State.RUNS_AWAY:
            return None
        far = int(np.abs(free).argmax())
        name, is_high = list(self.parameters)[far], bool(free[far] > 0)
        return self.edge(name, is_high=is_high) or maximum_likelihood.runs_away(name, is_high=is_high)

    def fit(self, cells: Cells) -> Fit | Missing:
        """The most likely parameters, or why there are none."""
        return maximum_likelihood.fit(self, cells)

    def simulate(
        self, parameters: Floats, contracts: int, watched: int, random: np.random.Generator
    ) -> Cells:
        """Contracts of one cohort as this model has them, watched for some periods."""
        curve = self.survival(parameters, np.arange(watched + 1.0))
        shares = np.maximum(np.append(-np.diff(curve), curve[-1]), 0.0)
        counts = random.multinomial(contracts, shares / shares.sum())
        lifetimes = np.append(np.arange(1, watched + 1), watched)
        is_lost = np.append(np.ones(watched, dtype=np.int64), 0)
        return Cells.group(CONTRACT_COLUMNS, np.stack([lifetimes, is_lost], axis=1), counts)


def life_table(cells: Cells) -> tuple[Floats, Floats]:
    """How many could be lost, and how many were, in periods 1, 2, ...: all that these models look at.

    >>> at_risk, lost = life_table(Cells.group(CONTRACT_COLUMNS, [(1, 1), (2, 1), (2, 0)]))
    >>> at_risk.tolist(), lost.tolist()
    ([3.0, 2.0], [1.0, 1.0])
    """
    lifetimes, counts = cells["lifetime"], cells.counts.astype(float)
    size = max(int(lifetimes.max(initial=0)), 1) + 1
    ended = np.bincount(lifetimes, weights=counts, minlength=size)
    lost = np.bincount(lifetimes, weights=counts * (cells["is_lost"] > 0), minlength=size)
    reached = np.cumsum(ended[::-1])[::-1]
    return reached[1:].astype(float), lost[1:].astype(float)


def mean_loss(cells: Cells) -> float:
    """The share lost in an average period: where searches begin."""
    at_risk, lost = life_table(cells)
    return float(np.clip(lost.sum() / max(at_risk.sum(), 1.0), 1e-4, 0.95))


def within(rates: Floats) -> Floats:
    """Loss rates kept off nothing and everything, where logarithms end."""
    return np.clip(rates, 1e-13, 1 - 1e-13)


def log_1_minus_exp(x: Floats) -> Floats:
    """log(1 - exp(x)) of numbers below zero, exact near zero and far from it.

    >>> log_1_minus_exp(np.array([-1e-12, -50.0])).round(6).tolist()
    [-27.631021, -0.0]
    """
    x = np.minimum(x, 0.0)
    with np.errstate(divide="ignore"):
        return np.where(x > -0.6931, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def log_gamma_ratio(x: Floats, step: Floats) -> Floats:
    """Log Γ(x + step) - log Γ(x), without losing digits where both are huge (Stirling's series there).

    >>> round(float(log_gamma_ratio(np.array(1e12), np.array(1.0))), 12) == round(float(np.log(1e12)), 12)
    True
    """
    x, step = np.broadcast_arrays(np.asarray(x, float), np.asarray(step, float))
    is_large = x > 60
    far = np.where(is_large, x, 60.0)
    top = far + step
    series = (far - 0.5) * np.log1p(step / far) + step * np.log(top) - step
    series += (1 / top - 1 / far) / 12 - ((1 / top) ** 3 - (1 / far) ** 3) / 360
    near = np.where(is_large, 1.0, x)
    return np.where(is_large, series, gammaln(near + step) - gammaln(near))
