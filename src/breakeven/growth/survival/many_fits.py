"""Many cohorts fitted at once: the same maximum as one fit after another, some hundred times faster.

A model of survival looks only at how many contracts could be lost in each period and how many were. So the
fits of all cohorts, and all the refits of a bootstrap, are one array (fit, period), and each step of the
search (Fisher scoring, damped where it would overshoot) is a few operations on it. A fit that finds no
maximum is named, never silently kept.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.maximum_likelihood import (
    NO_CUSTOMERS,
    NOT_SETTLED,
    Floats,
    from_free,
    runs_away,
    to_free,
)
from breakeven.growth.survival.curve import ALL_LOST_AT_ONCE, NOBODY_LOST, SurvivalModel, too_few_ages
from breakeven.growth.survival.scoring import State, ascend, standard_errors

_CHUNK = 2048
"""Fits worked on together: what fits into a processor's cache."""


@dataclass(frozen=True)
class ManyFits:
    """Fits in the order of the cohorts given.

    `parameters` and `standard_errors` are (fit, parameter) on the parameters' own scale, `log_likelihoods`
    (fit,). Where `states` is not `SETTLED` there are no errors (NaN); parameters are NaN too, except of a fit
    that runs away, whose curve is still good within the periods seen (`kept_running`).
    """

    model: SurvivalModel
    parameters: Floats
    standard_errors: Floats
    log_likelihoods: Floats
    states: NDArray[np.int8]

    @property
    def is_settled(self) -> NDArray[np.bool_]:
        """Which fits found their maximum."""
        return self.states == State.SETTLED

    @property
    def kept_running(self) -> NDArray[np.bool_]:
        """Which fits ended where a parameter has no finite best value: a limit of the model, not an error."""
        return self.states == State.RUNS_AWAY

    def refusal(self, index: int) -> Missing | None:
        """Why one fit has no parameters, or None where it has."""
        model, state = self.model, State(int(self.states[index]))
        if state == State.RUNS_AWAY:
            free = to_free(self.parameters[index], tuple(model.parameters.values()))
            far = int(np.abs(free).argmax())
            name, is_high = list(model.parameters)[far], bool(free[far] > 0)
            return model.edge(name, is_high=is_high) or runs_away(name, is_high=is_high)
        return {
            State.SETTLED: None,
            State.NOT_SETTLED: NOT_SETTLED,
            State.NO_CONTRACTS: NO_CUSTOMERS,
            State.NOBODY_LOST: NOBODY_LOST,
            State.ALL_LOST_AT_ONCE: ALL_LOST_AT_ONCE,
            State.TOO_FEW_PERIODS: too_few_ages(len(model.parameters)),
        }[state]


def fit_many(
    model: SurvivalModel,
    at_risk: ArrayLike,
    lost: ArrayLike,
    starts: Floats | None = None,
    *,
    with_errors: bool = True,
) -> ManyFits:
    """Fit one model to many cohorts at once.

    `at_risk` and `lost` are (cohort, period): contracts that could be lost in period 1, 2, ... and those that
    were, 0 where a period was not observed. `starts` (cohort, parameter) is where each search begins, for
    refits of a known estimate. Raises `ValueError` for shapes that differ, and for more lost than at risk.

    >>> from breakeven.growth.survival import SBG
    >>> many = fit_many(SBG, [[1000, 631, 468, 382], [0, 0, 0, 0]], [[369, 163, 86, 56], [0, 0, 0, 0]])
    >>> many.parameters.round(3).tolist(), many.refusal(1).en
    ([[0.764, 1.296], [nan, nan]], 'there are no customers to learn from')
    """
    risk, gone = np.asarray(at_risk, float), np.asarray(lost, float)
    if risk.shape != gone.shape or risk.ndim != 2:
        raise ValueError(f"at_risk {risk.shape} and lost {gone.shape} must both be (cohort, period)")
    if not (np.isfinite(risk).all() and (gone >= 0).all() and (gone <= risk).all()):
        raise ValueError("counts must be finite, and no more can be lost than are at risk")
    size, width = len(risk), len(model.parameters)
    states = _beforehand(risk, gone, width)
    free = np.full((size, width), np.nan)
    log_likelihoods = np.full(size, np.nan)
    errors = np.full((size, width), np.nan)
    scales = tuple(model.parameters.values())
    fitted = np.flatnonzero(states == State.SETTLED)
    begin = _first_guesses(model, risk, gone) if starts is None else to_free(starts, scales)[None]

    def work(rows: NDArray[np.intp]) -> None:
        best = ascend(model, risk[rows], gone[rows], begin[0][rows])
        for other in begin[1:]:
            rival = ascend(model, risk[rows], gone[rows], other[rows])
            better = rival[1] > best[1] + 1e-9
            for mine, theirs in zip(best, rival, strict=True):
                mine[better] = theirs[better]
        free[rows], log_likelihoods[rows], states[rows] = best
        if with_errors:
            errors[rows] = standard_errors(model, risk[rows], gone[rows], best[0])

    chunks = [fitted[i : i + _CHUNK] for i in range(0, len(fitted), _CHUNK)]
    if len(chunks) == 1:
        work(chunks[0])
    elif chunks:
        with ThreadPoolExecutor(min(len(chunks), os.cpu_count() or 1)) as pool:
            list(pool.map(work, chunks))
    with np.errstate(invalid="ignore"):
        parameters = from_free(free, scales)
    parameters[states == State.NOT_SETTLED] = np.nan
    errors[states != State.SETTLED] = np.nan
    return ManyFits(model, parameters, errors * _slopes(parameters, model), log_likelihoods, states)


def _slopes(parameters: Floats, model: SurvivalModel) -> Floats:
    is_share = np.array([scale == "share" for scale in model.parameters.values()])
    return np.where(is_share, parameters * (1 - parameters), parameters)


def _beforehand(risk: Floats, gone: Floats, width: int) -> NDArray[np.int8]:
    states = np.full(len(risk), State.SETTLED, dtype=np.int8)
    states[(risk > 0).sum(axis=1) < width] = State.TOO_FEW_PERIODS
    if risk.shape[1]:
        states[gone[:, 0] == risk[:, 0]] = State.ALL_LOST_AT_ONCE
    states[gone.sum(axis=1) == 0] = State.NOBODY_LOST
    states[risk.sum(axis=1) == 0] = State.NO_CONTRACTS
    return states


def _first_guesses(model: SurvivalModel, risk: Floats, gone: Floats) -> Floats:
    """(start, cohort, parameter): what the model itself would try, from each cohort's mean loss."""
    scales = tuple(model.parameters.values())
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.clip(np.nan_to_num(gone.sum(axis=1) / risk.sum(axis=1)), 1e-4, 0.95)
        kept = np.exp(np.sum(np.log1p(-0.999 * np.nan_to_num(gone / risk)), axis=1))
    guesses = model.guesses(loss, np.clip(kept, 1e-3, 0.999))
    return np.stack([to_free(guess, scales) for guess in guesses])


@dataclass(frozen=True)
class Refits:
    """What a parametric bootstrap of many cohorts leaves: `parameters` (cohort, refit, parameter), `states`.

    A refit that found no maximum is NaN there; `unsettled_share` (cohort,) says how many did not.
    """

    estimates: ManyFits
    parameters: Floats
    states: NDArray[np.int8]

    @property
    def unsettled_share(self) -> Floats:
        """Of each cohort, the share of refits that neither settled nor ran to a limit of the model."""
        return (self.states > State.RUNS_AWAY).mean(axis=1)

    def survival(self, ages: Floats) -> Floats:
        """Curves (cohort, refit, age); NaN where there was no fit."""
        flat = self.parameters.reshape(-1, self.parameters.shape[-1])
        return self.estimates.model.survival(flat, ages).reshape(*self.states.shape, -1)


def bootstrap_many(
    model: SurvivalModel, at_risk: ArrayLike, lost: ArrayLike, refits: int, random: np.random.Generator
) -> Refits:
    """Fit every cohort, simulate each again as its fit says, `refits` times, and fit those too.

    A cohort is simulated as it was watched: as many contracts at the start, as large a share out of sight in
    each period. Draws come from `random` alone, in the order of the cohorts.
    """
    risk, gone = np.asarray(at_risk, float), np.asarray(lost, float)
    estimates = fit_many(model, risk, gone)
    known = np.flatnonzero(estimates.is_settled | estimates.kept_running)
    width = len(model.parameters)
    parameters = np.full((len(risk), refits, width), np.nan)
    states = np.full((len(risk), refits), State.NOT_SETTLED, dtype=np.int8)
    states[:] = estimates.states[:, None]
    if len(known) and refits:
        free = to_free(estimates.parameters[known], tuple(model.parameters.values()))
        rates = model.loss_rates(free, risk.shape[1])[0]
        again_risk, again_gone = simulate_many(risk[known], gone[known], rates, refits, random)
        found = fit_many(
            model,
            again_risk,
            again_gone,
            np.repeat(estimates.parameters[known], refits, 0),
            with_errors=False,
        )
        parameters[known] = found.parameters.reshape(len(known), refits, width)
        states[known] = found.states.reshape(len(known), refits)
    return Refits(estimates, parameters, states)


def simulate_many(
    risk: Floats, gone: Floats, rates: Floats, copies: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Counts as loss rates (cohort, period), or (cohort · copies, period), would leave them.

    Returns (cohort · copies, period) at risk and lost.
    """
    periods = risk.shape[1]
    loss = np.clip(rates if len(rates) != len(risk) else np.repeat(rates, copies, axis=0), 0.0, 1.0)
    left = risk - gone
    following = np.c_[risk[:, 1:], np.zeros(len(risk))]
    with np.errstate(divide="ignore", invalid="ignore"):
        unseen = np.repeat(np.clip(np.nan_to_num(1 - following / left), 0.0, 1.0), copies, axis=0)
    joining = np.repeat(np.maximum(following - left, 0.0), copies, axis=0).astype(np.int64)
    now = np.repeat(risk[:, 0], copies).astype(np.int64)
    again_risk, again_gone = np.zeros((2, len(now), periods))
    for period in range(periods):
        fallen = random.binomial(now, loss[:, period])
        again_risk[:, period], again_gone[:, period] = now, fallen
        now = now - fallen
        if unseen[:, period].any():
            now = now - random.binomial(now, unseen[:, period])
        now = now + joining[:, period]
    return again_risk, again_gone
