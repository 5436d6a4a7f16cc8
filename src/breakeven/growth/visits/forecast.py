"""How many visits a customer base will make, with how sure that is: three reasons to be wrong, added up.

- The parameters are known as well as the data say: they are drawn.
- Cohorts differ by more than chance (another campaign, another month) in how often their customers come and
  in how readily they leave. How far they lie apart is estimated from all of them (R. DerSimonian and N.
  Laird, 1986, Meta-analysis in clinical trials, Controlled Clinical Trials 7(3)); where each lies, from its
  own history, drawn to the middle the less of it there is. A cohort is drawn as uncertain as that leaves it.
- The same customers with the same habits would not make the same visits again.

An interval without the second is too narrow wherever cohorts differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breakeven.growth.cells import Cells
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.maximum_likelihood import Fit
from breakeven.growth.model import Floats
from breakeven.growth.visits.tracking import VisitModel

_EFFECTS = (1, 3)
"""What differs by cohort: the second parameter of either distribution, of coming and of leaving."""
_FUTURES = 8
"""Futures simulated to learn how far the total of a cohort scatters by chance."""
_WIDEST = 3.0


@dataclass(frozen=True)
class Differences:
    """Cohorts beside their common model, on the logarithm of two parameters: of coming, of leaving.

    `deviations` (2,) is how far cohorts lie apart; `effects` (cohort, 2) where each is thought to lie, and
    `covariances` (cohort, 2, 2) how sure. All are zero with one cohort, from which it cannot be known.
    """

    deviations: Floats
    effects: Floats
    covariances: Floats


@dataclass(frozen=True)
class VisitForecast:
    """Further visits within a horizon, modelled. `draws` are (draw, cohort)."""

    total: Interval
    by_cohort: tuple[Interval, ...]
    differences: Differences
    draws: Floats


def forecast_visits(
    model: VisitModel,
    found: Fit,
    cohorts: Sequence[Cells],
    horizon: float,
    random: np.random.Generator,
    draws: int = 400,
    level: float = LEVEL,
) -> VisitForecast:
    """Further visits of the customers of some cohorts within a horizon from the end of watching.

    `found` is the fit to all of them together. Raises `ValueError` without cohorts.
    """
    if not cohorts:
        raise ValueError("no cohorts to forecast")
    differ = cohort_differences(model, found.estimate, cohorts)
    parameters = found.draws(draws, random)
    totals, values = np.empty((draws, len(cohorts))), np.empty(len(cohorts))
    for i, cells in enumerate(cohorts):
        middle = _shifted(found.estimate, differ.effects[i])
        each = model.conditional_repeats(middle, cells, horizon)
        values[i] = np.sum(each * cells.counts)
        effects = random.multivariate_normal(differ.effects[i], differ.covariances[i], draws, method="eigh")
        for j in range(draws):
            here = _shifted(parameters[j], np.clip(effects[j], -_WIDEST, _WIDEST))
            totals[j, i] = np.sum(model.conditional_repeats(here, cells, horizon) * cells.counts)
        of_customer = np.repeat(each, cells.counts)
        futures = [model.further(middle, cells, horizon, random) for _ in range(_FUTURES)]
        chance = np.sqrt(np.mean([np.sum((future - of_customer) ** 2) for future in futures]))
        totals[:, i] = np.maximum(totals[:, i] + chance * random.standard_normal(draws), 0.0)
    return VisitForecast(
        Interval.of(totals.sum(axis=1), float(values.sum()), level),
        tuple(Interval.of(totals[:, i], float(value), level) for i, value in enumerate(values)),
        differ,
        totals,
    )


def cohort_differences(model: VisitModel, parameters: Floats, cohorts: Sequence[Cells]) -> Differences:
    """How far cohorts lie apart beyond chance, and where each lies: one step from the common fit."""
    size = len(_EFFECTS)
    scores, knowledge = np.empty((len(cohorts), size)), np.empty((len(cohorts), size, size))
    for i, cells in enumerate(cohorts):
        slopes = (model.gradients(parameters, cells) * parameters[:, None])[list(_EFFECTS)]
        scores[i] = np.sum(slopes * cells.counts, axis=1)
        knowledge[i] = (slopes * cells.counts) @ slopes.T + 1e-9 * np.eye(size)
    spread: Floats = np.linalg.inv(knowledge).astype(np.float64)
    alone = np.einsum("ijk,ik->ij", spread, scores)
    deviations = np.array([_deviation(alone[:, k], spread[:, k, k]) for k in range(size)])
    known = np.diag(1 / np.maximum(deviations, 1e-6) ** 2)
    covariances: Floats = np.linalg.inv(knowledge + known).astype(np.float64)
    effects = np.einsum("ijk,ik->ij", covariances, scores)
    return Differences(deviations, np.clip(effects, -_WIDEST, _WIDEST), covariances)


def _deviation(values: Floats, variances: Floats) -> float:
    """The standard deviation between values that are known with these variances; zero for one value."""
    if len(values) < 2:
        return 0.0
    weights = 1 / variances
    middle = np.sum(weights * values) / weights.sum()
    excess = np.sum(weights * (values - middle) ** 2) - (len(values) - 1)
    return float(np.sqrt(max(0.0, excess / (weights.sum() - np.sum(weights**2) / weights.sum()))))


def _shifted(parameters: Floats, effects: Floats) -> Floats:
    found = np.array(parameters, dtype=float)
    found[list(_EFFECTS)] *= np.exp(effects)
    return found
