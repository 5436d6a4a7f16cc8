"""How sure a survival model is: every cohort simulated again as the fit has it, and the model fitted again.

Cohorts differ by more than chance: another campaign, another month, another price. That difference is a
random effect of each cohort on the log-odds of the loss rate. Its size is estimated from how much further
cohorts lie apart than chance explains (R. DerSimonian and N. Laird, 1986, Meta-analysis in clinical trials,
Controlled Clinical Trials 7(3), 177-188), and it is simulated too. So the interval of the average cohort is
wider than chance alone would make it, and that of a new cohort wider still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.maximum_likelihood import NOT_SETTLED, Fit, Floats, to_free
from breakeven.growth.survival.curve import SurvivalModel, life_table
from breakeven.growth.survival.many_fits import fit_many, simulate_many
from breakeven.growth.survival.scoring import State

ONE_COHORT = Missing(
    "one cohort says nothing of how far the next may differ",
    "只有一个同期群，无法判断下一个会有多大不同",
)
_FEWEST_REFITS = 0.8
_PRIOR_SPREAD, _PRIOR_COHORTS = 0.1, 1.0
"""Before data cohorts are thought to differ by this much on the log-odds scale, as if one had shown it."""


@dataclass(frozen=True)
class Effects:
    """Cohorts beside the average one, on the log-odds of the loss rate.

    `deviation` is the standard deviation between cohorts; `values` (cohort,) each one's own effect, drawn to
    the middle the less it was seen, and `errors` how sure.
    """

    deviation: float
    values: Floats
    errors: Floats


@dataclass(frozen=True)
class Bootstrap:
    """Draws of a survival model: `parameters` (draw, parameter), `average` and `new_cohort` (draw, age).

    `new_cohort` is Missing with one cohort. `average` is at `ages`, as `new_cohort`.
    """

    fit: Fit
    model: SurvivalModel
    ages: Floats
    parameters: Floats
    average: Floats
    new_cohort: Floats | Missing
    effects: Effects
    last_ages: Floats
    notes: tuple[Missing, ...] = ()

    def parameter_intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """By name, about the estimate."""
        return {
            name: Interval.of(self.parameters[:, i], value, level)
            for i, (name, value) in enumerate(self.fit.parameters.items())
        }

    def average_survival(self, level: float = LEVEL) -> list[Interval]:
        """The share of an average cohort still there, at each of `ages`."""
        middle = self.model.survival(self.fit.estimate, self.ages)
        return [Interval.of(self.average[:, i], float(value), level) for i, value in enumerate(middle)]

    def new_cohort_survival(self, level: float = LEVEL) -> list[Interval] | Missing:
        """The same of a cohort not seen yet: wider, by how cohorts differ."""
        if isinstance(self.new_cohort, Missing):
            return self.new_cohort
        middle = self.model.survival(self.fit.estimate, self.ages)
        return [Interval.of(self.new_cohort[:, i], float(value), level) for i, value in enumerate(middle)]

    def still_there(self, cohort: int, random: np.random.Generator) -> Floats:
        """Of a cohort's contracts seen last, the share still there at each of `ages`: (draw, age).

        It is 1 up to the age at which the cohort was last seen, and goes on with the cohort's own effect.
        """
        size = len(self.parameters)
        own = self.effects.values[cohort] + self.effects.errors[cohort] * random.standard_normal(size)
        periods = int(np.ceil(self.ages.max(initial=1.0)))
        loss = _loss_rates(self.model, self.parameters, periods)
        loss[:, : int(self.last_ages[cohort])] = 0.0
        return _curve(_moved(loss, own), self.ages)


def bootstrap(
    model: SurvivalModel,
    cohorts: Sequence[Cells],
    ages: ArrayLike,
    random: np.random.Generator,
    draws: int = 400,
) -> Bootstrap | Missing:
    """Fit a model to all cohorts together and draw how sure that is. `ages` in periods, at least one.

    >>> from breakeven.growth.survival import SBG
    >>> random = np.random.default_rng(1)
    >>> cohorts = [SBG.simulate(np.array([0.7, 1.2]), 500, watched, random) for watched in (8, 7, 6)]
    >>> found = bootstrap(SBG, cohorts, [0, 6, 12], random, draws=100)
    >>> narrow, wide = found.average_survival()[2], found.new_cohort_survival()[2]
    >>> 0.17 in narrow, wide.high - wide.low > narrow.high - narrow.low
    (True, True)
    """
    fit = model.fit(Cells.merge(cohorts)) if cohorts else model.fit(Cells.group(_COLUMNS, []))
    if isinstance(fit, Missing):
        return fit
    risk, lost = _tables(cohorts)
    at_ages = np.asarray(ages, float)
    rates = _loss_rates(model, fit.estimate[None], risk.shape[1])[0]
    effects = cohort_effects(risk, lost, rates)
    deviations = _deviations(effects.deviation, len(cohorts), draws, random)
    moves = (random.standard_normal((len(cohorts), draws)) * deviations).reshape(-1)
    again_risk, again_lost = simulate_many(
        risk, lost, _moved(np.tile(rates, (len(moves), 1)), moves), draws, random
    )
    shape = (len(cohorts), draws, risk.shape[1])
    refits = fit_many(
        model,
        again_risk.reshape(shape).sum(axis=0),
        again_lost.reshape(shape).sum(axis=0),
        np.tile(fit.estimate, (draws, 1)),
        with_errors=False,
    )
    good = refits.states <= State.RUNS_AWAY
    if good.mean() < _FEWEST_REFITS:
        return NOT_SETTLED
    kept = np.flatnonzero(good)
    chosen = np.r_[kept, random.choice(kept, draws - len(kept))]
    parameters = refits.parameters[chosen]
    fresh: Floats | Missing = ONE_COHORT
    if len(cohorts) > 1:
        loss = _loss_rates(model, parameters, int(np.ceil(at_ages.max(initial=1.0))))
        fresh = _curve(_moved(loss, random.standard_normal(draws) * deviations), at_ages)
    return Bootstrap(
        fit,
        model,
        at_ages,
        parameters,
        model.survival(parameters, at_ages),
        fresh,
        effects,
        (risk > 0).sum(axis=1).astype(float),
        _notes(int((~good).sum()), int((refits.states == State.RUNS_AWAY).sum()), draws),
    )


def cohort_effects(at_risk: Floats, lost: Floats, rates: Floats) -> Effects:
    """How cohorts lie about common loss rates (period,): from (cohort, period) counts.

    >>> risk = np.array([[1000.0], [1000.0], [1000.0]])
    >>> alike = cohort_effects(risk, np.array([[100.0], [101.0], [99.0]]), np.array([0.1]))
    >>> apart = cohort_effects(risk, np.array([[60.0], [100.0], [150.0]]), np.array([0.1]))
    >>> alike.deviation, round(apart.deviation, 2), apart.values.round(2).tolist()
    (0.0, 0.49, [-0.42, 0.0, 0.53])
    """
    information = (at_risk * rates * (1 - rates)).sum(axis=1)
    surprise = (lost - at_risk * rates).sum(axis=1)
    seen = information > 1e-9
    value = np.where(seen, surprise / np.where(seen, information, 1.0), 0.0)
    weight, count = information[seen], int(seen.sum())
    variance = 0.0
    if count > 1:
        middle = float((weight * value[seen]).sum() / weight.sum())
        excess = float((weight * (value[seen] - middle) ** 2).sum()) - (count - 1)
        variance = max(0.0, excess / float(weight.sum() - (weight**2).sum() / weight.sum()))
    precision = information + 1 / max(variance, 1e-12)
    return Effects(float(np.sqrt(variance)), surprise / precision, 1 / np.sqrt(precision))


_COLUMNS = ("lifetime", "is_lost")


def _tables(cohorts: Sequence[Cells]) -> tuple[Floats, Floats]:
    tables = [life_table(cells) for cells in cohorts]
    periods = max(len(lost) for _, lost in tables)
    risk, gone = (
        np.stack([np.pad(table[i], (0, periods - len(table[i]))) for table in tables]) for i in range(2)
    )
    return risk, gone


def _deviations(found: float, cohorts: int, draws: int, random: np.random.Generator) -> Floats:
    """The deviation between cohorts as unsure as so few cohorts leave it: (draw,)."""
    known = max(cohorts - 1, 0)
    total = known * found**2 + _PRIOR_COHORTS * _PRIOR_SPREAD**2
    freedom = known + _PRIOR_COHORTS
    return np.minimum(np.sqrt(total / random.chisquare(freedom, size=draws)), 3.0)


def _loss_rates(model: SurvivalModel, parameters: Floats, periods: int) -> Floats:
    return model.loss_rates(to_free(parameters, tuple(model.parameters.values())), periods)[0]


def _moved(loss: Floats, effects: Floats) -> Floats:
    """Loss rates (draw, period) of cohorts with these effects (draw,)."""
    with np.errstate(divide="ignore"):
        return expit(logit(loss) + effects[:, None])


def _curve(loss: Floats, ages: Floats) -> Floats:
    """Shares still there at ages, straight on the logarithm between periods."""
    kept = np.c_[np.zeros(len(loss)), np.cumsum(np.log1p(-np.minimum(loss, 1 - 1e-13)), axis=1)]
    whole = np.minimum(np.floor(ages).astype(int), kept.shape[1] - 2)
    part = ages - whole
    return np.exp(kept[:, whole] * (1 - part) + kept[:, whole + 1] * part)


def _notes(failed: int, running: int, draws: int) -> tuple[Missing, ...]:
    found: list[Missing] = []
    if failed:
        found.append(
            Missing(f"{failed} of {draws} refits did not settle", f"{draws} 次重新拟合中有 {failed} 次未收敛")
        )
    if running:
        found.append(
            Missing(
                f"in {running} of {draws} refits a parameter had no finite best value",
                f"{draws} 次重新拟合中有 {running} 次出现没有有限最优值的参数",
            )
        )
    return tuple(found)
