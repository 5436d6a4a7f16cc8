"""What a backtest compares: curves of activity, survival models of contracts, a naive forecast beside each.

Activity counts who of the whole cohort was active at an age. Contracts count who of those still there at an
age renewed: their share is a product, and never rises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.choosing.backtest import Floats, Foretold
from breakeven.growth.survival import SurvivalModel

NAIVE_NAME = "naive"
_FEWEST_COHORTS = 3
NOTHING_SEEN = Missing("nothing was observed yet", "尚无观测")


class Activity:
    """Active or not, month by month: a cohort may come back."""

    def shares(self, exposed: Floats, returned: Floats) -> Floats:
        """Active users over all users of the cohort."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(exposed > 0, returned / exposed, np.nan)

    def redrawn(
        self,
        exposed: Floats,
        returned: Floats,
        visible: NDArray[np.bool_],  # noqa: ARG002 - months do not lean on those before
        draws: int,
        seed: int,
    ) -> Floats:
        """Each cell drawn anew around its share."""
        share, users = self.shares(exposed, returned), np.nan_to_num(exposed)
        found = np.random.default_rng(seed).binomial(
            users.astype(np.int64), np.clip(np.nan_to_num(share), 0, 1), size=(draws, *share.shape)
        )
        return np.where(np.isfinite(share), found / np.maximum(users, 1), np.nan)


class Contracts:
    """Renewed or lost for good. Column 0 is the start: everybody exposed is there."""

    def shares(self, exposed: Floats, returned: Floats) -> Floats:
        """The share still there (Kaplan and Meier 1958): the product of the shares that renewed."""
        return np.multiply.accumulate(_renewed(exposed, returned), axis=1)

    def redrawn(
        self, exposed: Floats, returned: Floats, visible: NDArray[np.bool_], draws: int, seed: int
    ) -> Floats:
        """What is visible stays; each later renewal is drawn anew."""
        renewed, users = _renewed(exposed, returned), np.nan_to_num(exposed).astype(np.int64)
        found = np.random.default_rng(seed).binomial(
            users, np.clip(np.nan_to_num(renewed), 0, 1), size=(draws, *renewed.shape)
        ) / np.maximum(users, 1)
        drawn = np.where(visible | ~np.isfinite(renewed), renewed, found)
        return np.multiply.accumulate(drawn, axis=2)


def _renewed(exposed: Floats, returned: Floats) -> Floats:
    """Shares that renewed; nobody left to renew is none lost."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(exposed > 0, returned / exposed, np.where(exposed == 0, 1.0, np.nan))
    if found.shape[1]:
        found[:, 0] = np.where(exposed[:, 0] > 0, 1.0, np.nan)
    return found


@dataclass(frozen=True)
class SurvivalCandidate:
    """A survival model: fitted to all cohorts together, and continued for each from where it stands."""

    model: SurvivalModel

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def parameters(self) -> int:
        """How many the model has."""
        return len(self.model.parameters)

    @property
    def is_naive(self) -> bool:
        """It is none."""
        return False

    def foretell(
        self, exposed: Floats, returned: Floats, draws: int, random: np.random.Generator
    ) -> Foretold | Missing:
        """Survival given what each cohort did so far; draws differ in parameters, cohorts and who renews."""
        found = self.model.fit(contract_cells(exposed, returned))
        if isinstance(found, Missing):
            return found
        ages = np.arange(exposed.shape[1], dtype=float)
        middle = self.model.survival(found.estimate, ages)
        spread = self.model.survival(found.draws(draws, random), ages)
        return replace(continued(exposed, returned, middle, spread, random), aic=found.aic, fit=found)


@dataclass(frozen=True)
class ConstantChurn:
    """The naive forecast of contracts: the last renewal rate that all cohorts together showed goes on."""

    name: str = NAIVE_NAME
    parameters: int = 1
    is_naive: bool = True

    def foretell(
        self, exposed: Floats, returned: Floats, draws: int, random: np.random.Generator
    ) -> Foretold | Missing:
        """Each cohort's last renewal, weighted by contracts, for ever."""
        seen = np.isfinite(exposed) & np.isfinite(returned)
        seen[:, 0] = False
        rows = np.flatnonzero(seen.any(axis=1))
        if not len(rows):
            return NOTHING_SEEN
        last = exposed.shape[1] - 1 - np.argmax(seen[rows, ::-1], axis=1)
        users, stayed = exposed[rows, last].sum(), returned[rows, last].sum()
        if users <= 0:
            return NOTHING_SEEN
        ages = np.arange(exposed.shape[1], dtype=float)
        rates = random.beta(stayed + 0.5, users - stayed + 0.5, size=draws)
        middle = np.power(max(stayed / users, 1e-12), ages)
        return continued(exposed, returned, middle, np.power(rates[:, None], ages), random)


def continued(
    exposed: Floats, returned: Floats, middle: Floats, spread: Floats, random: np.random.Generator
) -> Foretold:
    """Each cohort's own history, and from its last age on a curve: `middle` (age,), `spread` (draw, age).

    A cohort loses faster or slower than the curve as its own history shows (`Temper`), and not exactly the
    share that follows from it: who renews is drawn.
    """
    shares = Contracts().shares(exposed, returned)
    value = shares.copy()
    draws = np.repeat(shares[None], len(spread), axis=0)
    temper = temper_of(exposed, returned, middle)
    for row in range(len(shares)):
        known = np.flatnonzero(np.isfinite(shares[row]))
        if not len(known):
            continue
        last = int(known[-1])
        value[row, last:] = shares[row, last] * _onward(middle, last) ** temper.middle(row)
        there = returned[row, last] if last else exposed[row, 0]
        left = np.full(len(spread), round(float(np.nan_to_num(there))))
        whole = np.maximum(left, 1)
        onward = _onward(spread, last) ** temper.draws(row, len(spread), random)[:, None]
        for step in range(1, onward.shape[1]):
            kept = np.clip(onward[:, step] / np.maximum(onward[:, step - 1], 1e-300), 0, 1)
            left = random.binomial(left, kept)
            draws[:, row, last + step] = shares[row, last] * left / whole
    return Foretold(value, draws)


@dataclass(frozen=True)
class Temper:
    """How much faster than the curve each cohort loses: gamma about 1, with `variance` between cohorts.

    `lost` and `expected` (cohort,) are losses so far. With them a cohort's own factor is gamma again, with
    shape 1/variance + lost and rate 1/variance + expected: few losses leave it near 1.
    """

    variance: float
    lost: Floats
    expected: Floats

    def middle(self, row: int) -> float:
        """The expected factor of a cohort."""
        if self.variance <= 0:
            return 1.0
        return float((1 / self.variance + self.lost[row]) / (1 / self.variance + self.expected[row]))

    def draws(self, row: int, size: int, random: np.random.Generator) -> Floats:
        """Factors as likely as the cohort's history leaves them: (draw,)."""
        if self.variance <= 0:
            return np.ones(size)
        shape, rate = 1 / self.variance + self.lost[row], 1 / self.variance + self.expected[row]
        return random.gamma(shape, 1 / rate, size=size)


def temper_of(exposed: Floats, returned: Floats, curve: Floats) -> Temper:
    """From losses beside those a curve (age,) expects; variance by moments, none from fewer than three."""
    kept = np.ones_like(curve)
    kept[1:] = np.clip(curve[1:] / np.maximum(curve[:-1], 1e-300), 1e-12, 1 - 1e-12)
    hazard = -np.log(kept)
    # A contract lost within a period was at risk for a part of it only.
    part = 1 - hazard * kept / np.maximum(1 - kept, 1e-300)
    seen = np.isfinite(exposed) & np.isfinite(returned)
    seen[:, :1] = False
    stayed, gone = np.where(seen, returned, 0.0), np.where(seen, exposed - returned, 0.0)
    lost, expected = gone.sum(axis=1), stayed @ hazard + gone @ part
    some = int((expected > 0).sum())
    # The curve was fitted to these cohorts: its level and its bend took two of their differences away.
    surplus = float(((lost - expected) ** 2).sum()) * some / max(some - 2, 1) - float(expected.sum())
    variance = surplus / float((expected**2).sum()) if some >= _FEWEST_COHORTS else 0.0
    return Temper(max(variance, 0.0), lost, expected)


def _onward(curve: Floats, last: int) -> Floats:
    """A survival curve from an age on, 1 there."""
    return curve[..., last:] / np.maximum(curve[..., last : last + 1], 1e-300)


def contract_cells(exposed: Floats, returned: Floats) -> Cells:
    """All cohorts of a contract triangle as the cells that survival models read.

    >>> contract_cells(np.array([[10.0, 10.0, 8.0]]), np.array([[10.0, 8.0, 7.0]])).rows.tolist()
    [[1, 1], [2, 0], [2, 1]]
    """
    rows: list[tuple[int, int]] = []
    counts: list[int] = []
    for at_risk, kept in zip(exposed, returned, strict=True):
        known = np.flatnonzero(np.isfinite(at_risk) & np.isfinite(kept))
        for age in known[known > 0]:
            rows.append((int(age), 1))
            counts.append(round(float(at_risk[age] - kept[age])))
            # Whom the next age does not watch any more is only known to have been there at this one.
            later = float(np.nan_to_num(at_risk[age + 1])) if age + 1 in known else 0.0
            rows.append((int(age), 0))
            counts.append(max(0, round(float(kept[age]) - later)))
    return Cells.group(CONTRACT_COLUMNS, rows, counts)


def contract_triangle(cohorts: list[Cells], ages: int | None = None) -> tuple[Floats, Floats]:
    """Cells of each cohort as a triangle: (exposed, returned), (cohort, age), NaN beyond what was watched.

    >>> cells = Cells.group(CONTRACT_COLUMNS, [(1, 1), (2, 0), (2, 1)], [2, 7, 1])
    >>> [part.tolist() for part in contract_triangle([cells])]
    [[[10.0, 10.0, 8.0]], [[10.0, 8.0, 7.0]]]
    """
    width = max((int(cells["lifetime"].max()) for cells in cohorts if cells.size), default=0) + 1
    shape = (len(cohorts), max(width, ages or 0))
    exposed, returned = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, cells in enumerate(cohorts):
        exposed[row, 0] = returned[row, 0] = cells.size
        lifetime, is_lost = cells["lifetime"], cells["is_lost"] == 1
        for age in range(1, int(lifetime.max(initial=0)) + 1):
            at_risk = int(cells.counts[lifetime >= age].sum())
            exposed[row, age] = at_risk
            returned[row, age] = at_risk - int(cells.counts[(lifetime == age) & is_lost].sum())
    return exposed, returned


@dataclass(frozen=True)
class ActivityCandidate:
    """A curve of activity: fitted to all cohorts together, each continued on its own history."""

    curve: Any
    is_naive: bool = False

    @property
    def name(self) -> str:
        """The curve's."""
        return str(self.curve.name)

    @property
    def parameters(self) -> int:
        """How many the curve has."""
        return len(self.curve.parameters)

    def foretell(
        self, exposed: Floats, returned: Floats, draws: int, random: np.random.Generator
    ) -> Foretold | Missing:
        """Mean and draws of the curve's own forecast."""
        from breakeven.growth.activity.fit import fit_activity

        found = fit_activity(self.curve, exposed, returned)
        if isinstance(found, Missing):
            return found
        users = np.nan_to_num(exposed).max(axis=1, initial=0.0)
        spread = found.forecast(users, returned, exposed.shape[1], draws, random)
        return Foretold(spread.mean(axis=0), spread, fit=found)
