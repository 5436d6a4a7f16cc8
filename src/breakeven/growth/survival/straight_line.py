"""A straight line through the logarithm of the survival seen: what a spreadsheet does, and the one to beat.

After the first period the same share is lost in every period for ever. Fitted by least squares on the
logarithm of the share still there (product-limit estimate: E. L. Kaplan and P. Meier (1958), Nonparametric
estimation from incomplete observations, Journal of the American Statistical Association 53(282), 457-481),
not by likelihood.

    S(t) = first · kept^(t - 1) for t = 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS, Fit, Floats, Scale
from breakeven.growth.survival.curve import SurvivalModel, life_table, too_few_ages


@dataclass(frozen=True)
class StraightLine(SurvivalModel):
    """See the module. `first` is the share kept through the first period, `kept` through each later one.

    >>> from breakeven.growth.survival import STRAIGHT_LINE
    >>> STRAIGHT_LINE.survival(np.array([0.8, 0.5]), np.arange(4)).round(4).tolist()
    [1.0, 0.8, 0.4, 0.2]
    """

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        return "straight line"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"first": "share", "kept": "share"}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        first, kept = np.log(parameters[..., 0:1]), np.log(parameters[..., 1:2])
        ages = np.asarray(ages, float)
        return np.minimum(ages, 1.0) * first + np.maximum(ages - 1.0, 0.0) * kept

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        del kept
        return [np.stack([1 - loss, 1 - loss], axis=-1)]

    def fit(self, cells: Cells) -> Fit | Missing:
        """The line of least squares; its errors are those of the two loss rates, for comparison."""
        refused = NO_CUSTOMERS if cells.size == 0 else self.refusal(cells)
        if refused is not None:
            return refused
        at_risk, lost = life_table(cells)
        seen = (at_risk > 0) & (at_risk > lost)
        share = np.cumsum(np.log1p(-lost[seen] / at_risk[seen]))
        if len(share) < len(self.parameters):
            return too_few_ages(len(self.parameters), len(share))
        steepness, level = np.polyfit(np.arange(len(share)), share, 1)
        estimate = np.clip(np.exp([level, steepness]), _NOTHING, 1 - _NOTHING)
        chances = estimate * (1 - estimate) * np.array([at_risk[0], at_risk[1:].sum()])
        return Fit(
            self.name,
            dict(self.parameters),
            estimate,
            float(np.add.reduce(cells.counts * self.log_likelihoods(estimate, cells))),
            np.diag(1 / np.maximum(chances, _NOTHING)),
            cells.size,
        )

    def _running_away(self, cells: Cells) -> Missing | None:
        """Nothing lost in the first period, or after it, is a line like any other."""
        del cells


_NOTHING = 1e-9
STRAIGHT_LINE = StraightLine()
