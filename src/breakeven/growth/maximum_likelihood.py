"""Maximum likelihood on weighted cells, for every model of this room: estimate and errors, or a refusal.

Parameters are searched on a scale without bounds (logarithm of what must be positive, log-odds of a share),
from several starts; the best wins. The curvature there gives standard errors. A search that does not settle
is refused by name: no number comes out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells

Scale = Literal["positive", "share", "any"]
Floats = NDArray[np.float64]

NO_CUSTOMERS = Missing("there are no customers to learn from", "没有可供学习的客户")
NOT_SETTLED = Missing(
    "the fit did not settle: these customers do not determine the model",
    "拟合未收敛：这些客户的数据不足以确定该模型",
)
FLAT = Missing(
    "the data do not say: other parameters explain them as well",
    "数据无法区分：其他参数同样能解释这些数据",
)

_EDGE = 30.0
"""How far a parameter may run on its free scale before it counts as infinite."""
_CURVATURE_STEP = 1e-4
_GRADIENT_PER_CUSTOMER = 1e-5


class Model(Protocol):
    """What a model must say to be fitted."""

    @property
    def name(self) -> str:
        """Its name as the field writes it, such as `BG/NBD`."""
        ...

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Its parameters in order, each with the numbers it may take."""
        ...

    def starts(self, cells: Cells) -> list[Floats]:
        """Where to begin the search, on the parameters' own scale; the first is the most likely."""
        ...

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """The logarithm of each cell's likelihood, for one customer of it."""
        ...

    def refusal(self, cells: Cells) -> Missing | None:
        """Why these customers cannot determine the model, if that can be seen beforehand."""
        ...


@dataclass(frozen=True)
class Fit:
    """A fitted model. `covariance` is of the parameters on the free scale, in order.

    `log_likelihood` is that of all customers, with every constant, as published results state it.
    """

    model: str
    scales: Mapping[str, Scale]
    estimate: Floats
    log_likelihood: float
    covariance: Floats
    customers: int
    notes: tuple[Missing, ...] = field(default=())

    @property
    def parameters(self) -> dict[str, float]:
        """The estimates by name."""
        return {name: float(value) for name, value in zip(self.scales, self.estimate, strict=True)}

    @property
    def standard_errors(self) -> dict[str, float]:
        """By name, on the parameters' own scale (delta method)."""
        free = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        slopes = slope(self.estimate, tuple(self.scales.values()))
        return {name: float(error) for name, error in zip(self.scales, free * slopes, strict=True)}

    @property
    def aic(self) -> float:
        """Akaike's criterion: smaller is better."""
        return 2 * len(self.scales) - 2 * self.log_likelihood

    def draws(self, size: int, random: np.random.Generator) -> Floats:
        """Parameters as likely as the data leave them: (draw, parameter), normal on the free scale."""
        scales = tuple(self.scales.values())
        centre = to_free(self.estimate, scales)
        found = random.multivariate_normal(centre, self.covariance, size=size, method="eigh")
        return np.stack([from_free(one, scales) for one in found]) if size else found


def to_free(parameters: Floats, scales: tuple[Scale, ...]) -> Floats:
    """Parameters on a scale without bounds.

    >>> to_free(np.array([1.0, 0.5]), ("positive", "share")).tolist()
    [0.0, 0.0]
    """
    found = np.array(parameters, dtype=float)
    for i, scale in enumerate(scales):
        if scale == "positive":
            found[i] = np.log(found[i])
        elif scale == "share":
            found[i] = np.log(found[i]) - np.log1p(-found[i])
    return found


def from_free(free: Floats, scales: tuple[Scale, ...]) -> Floats:
    """The way back from `to_free`."""
    found = np.array(free, dtype=float)
    for i, scale in enumerate(scales):
        if scale == "positive":
            found[i] = np.exp(found[i])
        elif scale == "share":
            found[i] = 1.0 / (1.0 + np.exp(-found[i]))
    return found


def slope(parameters: Floats, scales: tuple[Scale, ...]) -> Floats:
    """How fast each parameter moves with its free scale."""
    found = np.ones(len(scales))
    for i, scale in enumerate(scales):
        if scale == "positive":
            found[i] = parameters[i]
        elif scale == "share":
            found[i] = parameters[i] * (1.0 - parameters[i])
    return found


def fit(model: Model, cells: Cells) -> Fit | Missing:
    """The most likely parameters of a model for the customers in some cells, or why there are none."""
    if cells.size == 0:
        return NO_CUSTOMERS
    refused = model.refusal(cells)
    if refused is not None:
        return refused
    scales = tuple(model.parameters.values())
    weights = cells.counts.astype(float)
    size = float(cells.size)

    def loss(free: Floats) -> float:
        if np.abs(free).max() > _EDGE:
            return 1e10
        with np.errstate(all="ignore"):
            value = -float(weights @ model.log_likelihoods(from_free(free, scales), cells)) / size
        return value if np.isfinite(value) else 1e10

    best: Any = None
    for start in model.starts(cells):
        found: Any = scipy.optimize.minimize(
            loss,
            to_free(start, scales),
            method="L-BFGS-B",
            options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 500},
        )
        if best is None or found.fun < best.fun - 1e-10:
            best = found
    polished: Any = scipy.optimize.minimize(
        loss, best.x, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 400}
    )
    free = polished.x if polished.fun < best.fun else best.x
    value = min(polished.fun, best.fun)
    if value >= 1e9:
        return NOT_SETTLED
    return at(model.name, model.parameters, free, lambda point: -size * loss(point), cells.size)


def at(
    name: str,
    parameters: Mapping[str, Scale],
    free: Floats,
    log_likelihood: Callable[[Floats], float],
    size: int,
) -> Fit | Missing:
    """The fit at a found maximum: its curvature as standard errors, refused where it is not a maximum."""
    if np.abs(free).max() > _EDGE - 1:
        return FLAT
    gradient = _gradient(log_likelihood, free)
    if np.abs(gradient).max() > _GRADIENT_PER_CUSTOMER * size * 10 + 1e-2:
        return NOT_SETTLED
    curvature = -_hessian(log_likelihood, free)
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    if values.min() <= 1e-9 * max(1.0, float(np.abs(values).max())):
        return FLAT
    covariance = (vectors / values) @ vectors.T
    return Fit(
        name,
        dict(parameters),
        from_free(free, tuple(parameters.values())),
        float(log_likelihood(free)),
        covariance,
        size,
    )


def _gradient(function: Callable[[Floats], float], point: Floats) -> Floats:
    step = _CURVATURE_STEP * np.eye(len(point))
    return np.array([(function(point + h) - function(point - h)) / (2 * _CURVATURE_STEP) for h in step])


def _hessian(function: Callable[[Floats], float], point: Floats) -> Floats:
    """Second derivatives by central differences."""
    size, h = len(point), _CURVATURE_STEP * 10
    step, centre = h * np.eye(size), function(point)
    found = np.empty((size, size))
    for i in range(size):
        up, down = function(point + step[i]), function(point - step[i])
        found[i, i] = (up - 2 * centre + down) / h**2
        for j in range(i):
            corners = (
                function(point + step[i] + step[j])
                - function(point + step[i] - step[j])
                - function(point - step[i] + step[j])
                + function(point - step[i] - step[j])
            )
            found[i, j] = found[j, i] = corners / (4 * h**2)
    return found
