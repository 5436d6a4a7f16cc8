"""A model of visits against what came: expected repeats of all customers by day, and their value today.

A model that fits each customer may still miss the total, and the total is what a forecast is used for. So
the sum over customers is followed through time, in the sample and after it, beside what was counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from breakeven.growth.cells import Cells
from breakeven.growth.model import Floats


class VisitModel(Protocol):
    """What the models of visits answer alike; times are in the cells' periods."""

    def alive(self, parameters: Floats, cells: Cells) -> Floats:
        """The probability that a customer of each cell is still one."""
        ...

    def expected_repeats(self, parameters: Floats, ages: ArrayLike) -> Floats:
        """Cumulative repeats of a new customer at each age."""
        ...

    def conditional_repeats(self, parameters: Floats, cells: Cells, horizon: float) -> Floats:
        """Further visits of a customer of each cell."""
        ...

    def further(
        self, parameters: Floats, cells: Cells, horizon: float, random: np.random.Generator
    ) -> NDArray[np.int64]:
        """One possible future of every customer."""
        ...

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of the log-likelihoods: (parameter, cell)."""
        ...


@dataclass(frozen=True)
class Tracking:
    """Cumulative repeat visits of all customers at the end of each day since the first of them came."""

    days: Floats
    expected: Floats
    actual: Floats

    @property
    def errors(self) -> Floats:
        """How far the model is off on each day, as a share of what came; where nothing came yet, zero."""
        return np.where(self.actual > 0, self.expected / np.maximum(self.actual, 1) - 1, 0.0)


def expected_cumulative(model: VisitModel, parameters: Floats, cells: Cells, days: ArrayLike) -> Floats:
    """Repeat visits that all customers of the cells should have made by each day: (day,).

    Day 0 is that of the first visit of the earliest customers; a customer begins where the age says. Days
    after the end of watching are the same customers further on.
    """
    times = np.asarray(days, dtype=np.int64)
    column = cells.rows[:, 2]
    oldest = int(column.max(initial=0))
    of_age = np.bincount(oldest - column, weights=cells.counts, minlength=oldest + 1)
    curve = model.expected_repeats(parameters, np.arange(max(1, int(times.max(initial=0)) + 1)))
    since = times[:, None] - np.arange(oldest + 1)
    return np.sum(np.where(since >= 0, curve[np.maximum(since, 0)], 0.0) * of_age, axis=1)


def tracking(
    model: VisitModel, parameters: Floats, cells: Cells, days: ArrayLike, actual: ArrayLike
) -> Tracking:
    """Expected beside actual cumulative repeats on some days, for a chart and for a bound on the error."""
    found = np.asarray(days, dtype=float)
    return Tracking(
        found,
        expected_cumulative(model, parameters, cells, found.astype(np.int64)),
        np.asarray(actual, dtype=float),
    )


def discounted_repeats(
    model: VisitModel, parameters: Floats, cells: Cells, horizon: int, discount_per_period: float
) -> Floats:
    """Further visits of a customer of each cell, each worth less by the time it waits: (cell,).

    Visits of a period count at its middle. `horizon` is in the cells' periods, and the discount is that of
    one such period: for 10 % a year on days, 1.1 ** (1 / 365) - 1.
    """
    total = np.zeros(len(cells.counts))
    before = np.zeros(len(cells.counts))
    steps = np.unique(np.linspace(0, horizon, min(horizon, _STEPS) + 1).astype(np.int64))[1:]
    start = 0
    for end in steps.tolist():
        until = model.conditional_repeats(parameters, cells, end)
        total += (until - before) * (1 + discount_per_period) ** (-(start + end) / 2)
        before, start = until, end
    return total


_STEPS = 60
"""Periods to discount by: the middle of a sixtieth of the horizon is near enough to every visit in it."""
