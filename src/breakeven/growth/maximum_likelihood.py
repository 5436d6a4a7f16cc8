"""Maximum likelihood on weighted cells, for every model of this room: estimate and errors, or a refusal.

Parameters are searched on a scale without bounds (logarithm of what must be positive, log-odds of a share),
from several starts; the best wins, and Newton's method finishes. The curvature there gives standard errors.
A search that does not settle is refused by name: no number comes out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.optimize

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells
from breakeven.growth.model import Edged, Floats, Model, Scale, from_free, slope, to_free
from breakeven.growth.search import EDGE, HOPELESS, MANY_CELLS, Function, Loss, Top, downhill, newton, thinned

__all__ = [
    "FLAT", "NOT_SETTLED", "NO_CUSTOMERS", "Fit", "Floats", "Model", "Noted", "Scale",
    "at", "fit", "flat_along", "from_free", "runs_away", "slope", "to_free",
]  # fmt: skip

NO_CUSTOMERS = Missing("there are no customers to learn from", "没有可供学习的客户")
NOT_SETTLED = Missing(
    "the fit did not settle: these customers do not determine the model",
    "拟合未收敛：这些客户的数据不足以确定该模型",
)
FLAT = Missing(
    "the data do not say: other parameters explain them as well",
    "数据无法区分：其他参数同样能解释这些数据",
)

_WIDEST_ERROR = 25.0
"""A standard error on the free scale beyond this means that the data say nothing of a parameter."""
_LARGE = 7.0
"""A parameter this far on its free scale, and not determined, is on its way to infinity."""
_RUNNING = 0.1
"""A step this long that gains nothing belongs to a parameter on its way to infinity."""


@runtime_checkable
class Noted(Protocol):
    """A model that may be doubted although it fits, and says why."""

    def notes(self, cells: Cells) -> tuple[Missing, ...]:
        """What speaks against the model in these customers; empty where nothing does."""
        ...


@dataclass(frozen=True)
class Fit:
    """A fitted model. `covariance` is of the parameters on the free scale, in order.

    `log_likelihood` is that of all customers, with every constant, as published results state it. `notes` are
    the model's own doubts about these customers.
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
        return from_free(np.clip(found, -EDGE, EDGE), scales)


def fit(model: Model, cells: Cells) -> Fit | Missing:
    """The most likely parameters of a model for the customers in some cells, or why there are none.

    Refusals: `NO_CUSTOMERS`; the model's own (`Model.refusal`, `Edged.edge`); `NOT_SETTLED`, when no maximum
    was found; a parameter that runs to nothing or to infinity, by name; `FLAT` with the names, when several
    parameters may move together and explain the customers as well.
    """
    if cells.size == 0:
        return NO_CUSTOMERS
    refused = model.refusal(cells)
    if refused is not None:
        return refused
    scales = tuple(model.parameters.values())
    starts = [to_free(start, scales) for start in model.starts(cells)]
    if len(cells.counts) > MANY_CELLS:
        rough = Loss(model, thinned(cells), scales)
        starts = [min((downhill(rough, start) for start in starts), key=lambda found: found[1])[0]]
    loss = Loss(model, cells, scales)
    best, value = min((downhill(loss, start) for start in starts), key=lambda found: found[1])
    if value >= HOPELESS / 10:
        return NOT_SETTLED
    top = newton(loss, best)
    if not top.is_settled and len(cells.counts) <= MANY_CELLS:
        walked: Any = scipy.optimize.minimize(
            loss, top.free, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 400}
        )
        top = newton(loss, walked.x)
    found = _fit_at(model.name, model.parameters, top, loss, model if isinstance(model, Edged) else None)
    if isinstance(found, Fit) and isinstance(model, Noted):
        return replace(found, notes=model.notes(cells))
    return found


def at(
    name: str,
    parameters: Mapping[str, Scale],
    free: Floats,
    log_likelihood: Callable[[Floats], float],
    size: int,
) -> Fit | Missing:
    """The fit at a maximum found elsewhere: its curvature as standard errors, refused where it is not one."""
    loss = Function(log_likelihood, float(size))
    return _fit_at(name, parameters, newton(loss, free), loss, None)


def runs_away(parameter: str, *, is_high: bool) -> Missing:
    """The refusal of a fit in which one parameter has no finite best value."""
    if is_high:
        return Missing(
            f"the data do not say: the larger {parameter}, the better the fit, without end",
            f"数据无法确定：参数 {parameter} 越大拟合越好，没有止境",
        )
    return Missing(
        f"the data do not say: the smaller {parameter}, the better the fit, down to nothing",
        f"数据无法确定：参数 {parameter} 越小拟合越好，直至为零",
    )


def flat_along(names: list[str]) -> Missing:
    """The refusal of a fit in which some parameters may move together: `FLAT`, with their names."""
    return Missing(f"{FLAT.en} ({', '.join(names)})", f"{FLAT.zh}（{'、'.join(names)}）")


def _fit_at(
    name: str, parameters: Mapping[str, Scale], top: Top, loss: Function, edged: Edged | None
) -> Fit | Missing:
    names = list(parameters)
    far = int(np.abs(top.step).argmax())
    if np.abs(top.free).max() > EDGE - 1:
        far = int(np.abs(top.free).argmax())
        return _runaway(edged, names[far], is_high=top.free[far] > 0)
    if not top.is_settled:
        return NOT_SETTLED
    values, vectors = np.linalg.eigh(top.curvature)
    if np.abs(top.step).max() > _RUNNING:
        return _runaway(edged, names[far], is_high=top.step[far] > 0)
    least = max(1e-9 * float(np.abs(values).max()), 1 / (loss.size * _WIDEST_ERROR**2))
    if values.min() <= least:
        moving = np.abs(vectors[:, 0]) > 0.2
        far = int(np.abs(np.where(moving, top.free, 0.0)).argmax())
        if abs(top.free[far]) > _LARGE:
            return _runaway(edged, names[far], is_high=top.free[far] > 0)
        return flat_along([one for one, part in zip(names, vectors[:, 0], strict=True) if abs(part) > 0.2])
    return Fit(
        name,
        dict(parameters),
        from_free(top.free, tuple(parameters.values())),
        -loss(top.free) * loss.size,
        (vectors / (values * loss.size)) @ vectors.T,
        round(loss.size),
    )


def _runaway(edged: Edged | None, parameter: str, *, is_high: bool) -> Missing:
    own = edged.edge(parameter, is_high=is_high) if edged else None
    return own or runs_away(parameter, is_high=is_high)
