"""Fisher scoring of many life tables at once: the search behind single fits and behind thousands of them.

A life table is how many contracts could be lost in each period and how many were. Each step uses the
gradient of the likelihood and its expected curvature, and is damped where it would overshoot.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from breakeven.growth.model import Floats

BOUND = 14.0
"""How far a parameter may go on its free scale here; a fit that ends there has run away."""
_GAIN = 1e-10
_STEPS = 60
_RUNNING = 0.05
_FAR, _FLAT = 6.0, 1 / 25.0**2
"""A parameter far out on its free scale of which the contracts say nothing has run away."""


class State(IntEnum):
    """How a fit ended."""

    SETTLED = 0
    RUNS_AWAY = 1
    NOT_SETTLED = 2
    NO_CONTRACTS = 3
    NOBODY_LOST = 4
    ALL_LOST_AT_ONCE = 5
    TOO_FEW_PERIODS = 6


class Rated(Protocol):
    """What scoring asks of a model."""

    def loss_rates(self, free: Floats, periods: int) -> tuple[Floats, Floats]:
        """Loss rates (fit, period) at free parameters (fit, parameter), and derivatives of log(1 - rate)."""
        ...


def ascend(
    model: Rated, risk: Floats, gone: Floats, start: Floats
) -> tuple[Floats, Floats, NDArray[np.int8]]:
    """Fisher scoring, damped fit by fit; fits that are done leave the work."""
    size, width = start.shape
    free = np.clip(start, -BOUND, BOUND)
    states = np.full(size, State.NOT_SETTLED, dtype=np.int8)
    todo = np.arange(size)
    at, damp = free.copy(), np.full(size, 1e-4)
    loss, turns = model.loss_rates(at, risk.shape[1])
    value = _log_likelihood(risk, gone, loss)
    values = value.copy()
    eye = np.eye(width)
    for _ in range(_STEPS):
        gradient, information = _scores(risk[todo], gone[todo], loss, turns)
        scale = np.maximum(np.einsum("nii->ni", information), 1e-12)
        step = np.linalg.solve(
            information + (damp[:, None] * scale + 1e-12)[:, :, None] * eye, gradient[:, :, None]
        )[:, :, 0]
        gain = np.abs(np.einsum("np,np->n", gradient, step))
        step *= np.minimum(1.0, 1.5 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        tried = np.clip(at + step, -BOUND, BOUND)
        loss_there, turns_there = model.loss_rates(tried, risk.shape[1])
        value_there = _log_likelihood(risk[todo], gone[todo], loss_there)
        is_up = value_there >= value - 1e-12 * np.abs(value)
        at_bound = np.abs(tried).max(axis=1) > BOUND - 0.02
        done = (gain < _GAIN) | (~is_up & (damp > 1e8)) | (at_bound & (gain < 1e-3))
        running = (np.abs(step).max(axis=1) > _RUNNING) | at_bound
        far = done & ~running & (np.abs(tried).max(axis=1) > _FAR)
        running[far] = np.linalg.eigvalsh(information[far])[:, 0] < _FLAT
        states[todo[done]] = np.where(
            (gain[done] < 1e-5) | at_bound[done],
            np.where(running[done], State.RUNS_AWAY, State.SETTLED),
            State.NOT_SETTLED,
        )
        at = np.where(is_up[:, None], tried, at)
        value = np.where(is_up, value_there, value)
        damp = np.where(is_up, np.maximum(damp * 0.05, 1e-9), np.maximum(damp * 20, 1e-3))
        free[todo], values[todo] = at, value
        if done.all():
            return free, values, states
        loss = np.where(is_up[:, None], loss_there, loss)
        turns = np.where(is_up[None, :, None], turns_there, turns)
        if done.any():
            going = ~done
            todo, at, value, damp = todo[going], at[going], value[going], damp[going]
            loss, turns = loss[going], turns[:, going]
    far = np.abs(free[todo]).max(axis=1) > BOUND - 0.5
    states[todo[far]] = State.RUNS_AWAY
    return free, values, states


def _scores(risk: Floats, gone: Floats, loss: Floats, turns: Floats) -> tuple[Floats, Floats]:
    """Gradient and expected curvature; `turns` are derivatives of log(1 - loss) by each free parameter."""
    surprise = gone / loss - risk
    weight = risk * (1 - loss) / loss
    width = len(turns)
    gradient = np.stack([-(surprise * one).sum(axis=1) for one in turns], axis=1)
    information = np.empty((len(risk), width, width))
    for i in range(width):
        weighted = weight * turns[i]
        for j in range(i + 1):
            information[:, i, j] = information[:, j, i] = (weighted * turns[j]).sum(axis=1)
    return gradient, information


def _log_likelihood(risk: Floats, gone: Floats, loss: Floats) -> Floats:
    return (gone * np.log(loss) + (risk - gone) * np.log1p(-loss)).sum(axis=1)


def standard_errors(model: Rated, risk: Floats, gone: Floats, free: Floats) -> Floats:
    """Standard errors on the free scale from the observed curvature: differences of the gradient."""
    size, width = free.shape
    curvature = np.empty((size, width, width))

    def gradient(there: Floats) -> Floats:
        return _scores(risk, gone, *model.loss_rates(there, risk.shape[1]))[0]

    for i in range(width):
        h = 1e-4 * np.eye(width)[i]
        curvature[:, i] = -(gradient(free + h) - gradient(free - h)) / 2e-4
    curvature = (curvature + curvature.transpose(0, 2, 1)) / 2
    good = np.linalg.eigvalsh(curvature)[:, 0] > 1e-9
    found = np.full((size, width), np.nan)
    found[good] = np.sqrt(np.maximum(np.einsum("nii->ni", np.linalg.inv(curvature[good])), 0.0))
    return found
