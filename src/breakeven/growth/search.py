"""The search for a maximum: downhill from a start, Newton's method to the end, and where that ended.

Sums are taken in numpy's fixed order, not by a threaded library: the same cells give the same bits. Of very
many cells the fullest and a sample of the others are searched first, so that all of them are visited only
near the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from breakeven.growth.cells import Cells
from breakeven.growth.model import Floats, Model, Scale, Sloped, from_free, slope

EDGE = 30.0
"""How far a parameter may run on its free scale before it counts as infinite."""
HOPELESS = 1e10
"""The loss where a model has no likelihood."""
MANY_CELLS = 20_000
_SETTLED = 1e-6
"""A maximum is found when the step to it would gain less log-likelihood than this."""
_SHORT, _LONG = 1e-7, 1e-2
"""Steps that gain nothing: made once more until they are short; not made where they would lead far."""
_CURVATURE_STEP = 1e-3


class Function:
    """Minus a log-likelihood per customer on the free scale, with derivatives by differences."""

    has_gradient = False

    def __init__(self, log_likelihood: Callable[[Floats], float], size: float) -> None:
        self.log_likelihood = log_likelihood
        self.size = size

    def __call__(self, free: Floats) -> float:
        """The loss at a point of the free scale; beyond the edge there is none."""
        if not np.abs(free).max() <= EDGE:
            return HOPELESS
        with np.errstate(all="ignore"):
            value = -self.log_likelihood(free) / self.size
        return value if np.isfinite(value) else HOPELESS

    def gradient(self, free: Floats) -> Floats:
        """First derivatives by central differences."""
        step = _CURVATURE_STEP / 10 * np.eye(len(free))
        return np.array([(self(free + h) - self(free - h)) / (2 * h.max()) for h in step])

    def curvature(self, free: Floats) -> Floats:
        """Second derivatives by central differences, of the gradient where there is one."""
        size, h = len(free), _CURVATURE_STEP
        step = h * np.eye(size)
        if self.has_gradient:
            found = np.stack(
                [(self.gradient(free + one) - self.gradient(free - one)) / (2 * h) for one in step]
            )
            return (found + found.T) / 2
        found, centre = np.empty((size, size)), self(free)
        for i in range(size):
            found[i, i] = (self(free + step[i]) - 2 * centre + self(free - step[i])) / h**2
            for j in range(i):
                near = self(free + step[i] + step[j]) + self(free - step[i] - step[j])
                far = self(free + step[i] - step[j]) + self(free - step[i] + step[j])
                found[i, j] = found[j, i] = (near - far) / (4 * h**2)
        return found


class Loss(Function):
    """The same of a model on its cells, with the model's own derivatives where it has them."""

    def __init__(self, model: Model, cells: Cells, scales: tuple[Scale, ...]) -> None:
        self.model, self.cells, self.scales = model, cells, scales
        self.weights = cells.counts.astype(float)
        self.slopes = model.gradients if isinstance(model, Sloped) else None
        self.has_gradient = self.slopes is not None
        super().__init__(self._total, float(cells.size))

    def _total(self, free: Floats) -> float:
        each = self.model.log_likelihoods(from_free(free, self.scales), self.cells)
        return float(np.add.reduce(self.weights * each))

    def scores(self, free: Floats) -> Floats:
        """Each cell's derivatives on the free scale: (parameter, cell)."""
        parameters = from_free(free, self.scales)
        with np.errstate(all="ignore"):
            found = self.slopes(parameters, self.cells) if self.slopes else np.zeros((0, 0))
        return found * slope(parameters, self.scales)[:, None]

    def gradient(self, free: Floats) -> Floats:
        """First derivatives, the model's own where it has them."""
        if self.slopes is None:
            return super().gradient(free)
        if not np.abs(free).max() <= EDGE:
            return np.zeros(len(free))
        found = -np.add.reduce(self.scores(free) * self.weights, axis=1) / self.size
        return np.where(np.isfinite(found), found, 0.0)


def thinned(cells: Cells) -> Cells:
    """The fullest cells and every so-manieth of the others with its neighbours' weight: for a first look."""
    order = np.argsort(-cells.counts, kind="stable")
    full, others = order[: MANY_CELLS // 4], np.sort(order[MANY_CELLS // 4 :])
    every = max(1, len(others) // (MANY_CELLS // 8))
    kept = np.r_[full, others[::every]]
    counts = np.r_[cells.counts[full], cells.counts[others[::every]] * every]
    return Cells(cells.columns, cells.rows[kept], counts)


def downhill(loss: Loss, start: Floats) -> tuple[Floats, float]:
    """Downhill from a start, on axes along which the customers tell parameters apart about equally well."""
    turn = np.eye(len(start))
    if loss.has_gradient:
        scores = loss.scores(start)
        weighted = scores * loss.weights / loss.size
        information = np.array([[np.add.reduce(one * other) for one in scores] for other in weighted])
        if np.isfinite(information).all():
            information += 1e-3 * max(float(np.trace(information)), 1e-6) * np.eye(len(start))
            turn = np.linalg.inv(np.linalg.cholesky(information)).T
    found: Any = scipy.optimize.minimize(
        lambda point: loss(start + turn @ point),
        np.zeros(len(start)),
        jac=(lambda point: turn.T @ loss.gradient(start + turn @ point)) if loss.has_gradient else None,
        method="L-BFGS-B",
        options={"ftol": 1e-11, "gtol": 1e-6 if loss.has_gradient else 1e-7, "maxiter": 300},
    )
    return start + turn @ found.x, float(found.fun)


@dataclass(frozen=True)
class Top:
    """Where Newton's method ended: the point, the curvature there, and the last step it would have made."""

    free: Floats
    curvature: Floats
    step: Floats
    is_settled: bool


def newton(loss: Function, start: Floats) -> Top:
    """Newton's steps to the bottom; the curvature is kept while the steps are short."""
    free, value = np.array(start, dtype=float), loss(start)
    curvature = loss.curvature(free)
    step, refinements = np.zeros(len(free)), 0
    for _ in range(25):
        gradient = loss.gradient(free)
        values, vectors = np.linalg.eigh(curvature)
        if not np.isfinite(values).all():
            break
        damped = np.maximum(np.abs(values), 1e-9 * max(1e-6, float(np.abs(values).max())))
        step = -(vectors / damped) @ (vectors.T @ gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        gain = float(-gradient @ step) * loss.size / 2
        longest = float(np.abs(step).max())
        if gain < _SETTLED and (longest < _SHORT or longest > _LONG or refinements == 4):
            return Top(free + step if longest < _LONG else free, curvature, step, is_settled=True)
        if gain < _SETTLED:
            refinements += 1
            free = free + step
            value = loss(free)
            if longest > 1e-4:
                curvature = loss.curvature(free)
            continue
        for shrink in (1.0, 0.5, 0.1, 0.01):
            moved = loss(free + shrink * step)
            if moved < value:
                break
        else:
            break
        free, value = free + shrink * step, moved
        if np.abs(shrink * step).max() > 1e-2:
            curvature = loss.curvature(free)
    return Top(free, curvature, step, is_settled=False)
