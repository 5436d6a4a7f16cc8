"""Refitting on a user's own points: how far their deployment lies from the shipped constants, by decode
and prefill.

The shipped constants are the prior: deployments differ from their predictions by a spread that hold-out
showed, so three points move the offset most of the way and one bad point does not. Two logarithms a
deployment (model, GPU, engine, precision), one added to every decode time, one to every prefill:

    posterior ~ prior N(0, between^2) x points N(prediction(offsets), within^2)

found by Gauss-Newton with the robust weights of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from breakeven.errors import UsageError
from breakeven.serving.architecture.attention import Floats
from breakeven.serving.calibration.fit import Fitted, Observed, log_rates, observed, predicted
from breakeven.serving.calibration.point import Point
from breakeven.serving.constants import Constants, Offset
from breakeven.serving.rates import model_name

FEWEST_POINTS = 3
BETWEEN = {"decode": 0.35, "prefill": 0.5}
"""How far deployments of a model never measured lie from their predictions, in logarithms (hold-out)."""
WITHIN = {"ttft": 0.35, "tpot": 0.08, "throughput": 0.08}
"""How far points of one deployment lie from each other once its offsets are known (hold-out)."""
_ROUNDS = 8
_STEP = 1e-4


class Deployment(NamedTuple):
    """What points share whose offsets are one."""

    model: str
    gpu: str
    engine: str
    precision: str


@dataclass(frozen=True)
class Refitted:
    """One deployment: its offsets, and the logarithms of predicted over measured throughput by point.

    `after` predicts each point from the others, so it is not flattered by having seen it.
    """

    deployment: Deployment
    offset: Offset
    points: tuple[Point, ...]
    before: Floats
    after: Floats


def deployment_of(point: Point) -> Deployment:
    """Model, GPU, engine and precision."""
    return Deployment(model_name(point.architecture), point.accelerator.name, point.engine, point.precision)


def as_fitted(constants: Constants) -> Fitted:
    """Shipped constants as the fit has them."""
    names = tuple(sorted(constants.constants))
    return Fitted(
        names,
        np.array([constants.constants[name].value for name in names]),
        np.array([constants.constants[name].standard_error for name in names]),
    )


def by_deployment(points: Sequence[Point]) -> dict[Deployment, tuple[Point, ...]]:
    """Points of each deployment."""
    ordered = sorted(points, key=deployment_of)
    return {deployment: tuple(members) for deployment, members in groupby(ordered, key=deployment_of)}


def refit(points: Sequence[Point], constants: Constants) -> list[Refitted]:
    """The offsets of each deployment with three points or more. Raises `UsageError` where none has."""
    fitted = as_fitted(constants)
    groups = by_deployment(points)
    enough = {one: members for one, members in groups.items() if len(members) >= FEWEST_POINTS}
    if not enough:
        deployment, most = max(
            groups.items(), key=lambda item: len(item[1]), default=(Deployment("", "", "", ""), ())
        )
        named = " ".join(filter(None, deployment)) or "the file"
        raise UsageError(
            f"{named} has {len(most)} points; {FEWEST_POINTS} are needed",
            remedy=f"measure {FEWEST_POINTS - len(most)} more, at other concurrencies or lengths",
        )
    return [_refitted(deployment, members, fitted) for deployment, members in enough.items()]


def _refitted(deployment: Deployment, points: tuple[Point, ...], fitted: Fitted) -> Refitted:
    data = observed(points, fitted.names)
    logs = log_rates(fitted.values, data)
    offset, spread = offsets(data, logs)
    after = np.zeros(len(points))
    for place in range(len(points)):
        own = np.arange(len(points)) == place
        others = data.rows(~own)
        found, _ = offsets(others, log_rates(fitted.values, others))
        one = data.rows(own)
        after[place] = (predicted(_moved(log_rates(fitted.values, one), found), one)[2] - one.log_throughput)[
            0
        ]
    return Refitted(
        deployment,
        Offset(
            *deployment, decode=float(offset[0]), prefill=float(offset[1]),
            decode_spread=float(spread[0]), prefill_spread=float(spread[1]), points=len(points),
        ),
        points,
        predicted(logs, data)[2] - data.log_throughput,
        after,
    )  # fmt: skip


def _moved(logs: dict[str, Floats], offset: Floats) -> dict[str, Floats]:
    """Rates with offsets on the two factors."""
    return {
        **logs,
        "decode_factor": logs["decode_factor"] + offset[0],
        "prefill_factor": logs["prefill_factor"] + offset[1],
    }


def offsets(data: Observed, logs: dict[str, Floats]) -> tuple[Floats, Floats]:
    """The two offsets of one deployment (decode, prefill) and their posterior standard deviations."""
    precision = np.diag([BETWEEN["decode"] ** -2.0, BETWEEN["prefill"] ** -2.0])
    scale = np.array([WITHIN["ttft"], WITHIN["tpot"], WITHIN["throughput"]])[:, None]
    measured = np.stack([data.log_ttft, data.log_tpot, data.log_throughput])

    def misses(offset: Floats) -> Floats:
        return (np.stack(predicted(_moved(logs, offset), data)) - measured) / scale

    offset = np.zeros(2)
    information = precision
    for _ in range(_ROUNDS):
        base = misses(offset)
        slopes = np.stack(
            [(misses(offset + _STEP * axis) - base) / _STEP for axis in np.eye(2)], axis=-1
        ).reshape(-1, 2)
        # TPOT and throughput of a row say much the same, and far-off rows say less: pseudo-Huber weights
        weights = (data.weights * np.array([1.0, 0.5, 0.5])[:, None] / np.sqrt(1 + base**2)).reshape(-1, 1)
        information = precision + slopes.T @ (weights * slopes)
        change = np.linalg.solve(
            information, -(slopes.T @ (weights * base.reshape(-1, 1))).ravel() - precision @ offset
        )
        offset = offset + np.clip(change, -1.0, 1.0)
        if np.abs(change).max() < _STEP:
            break
    return offset, np.sqrt(np.diag(np.linalg.inv(information)))
