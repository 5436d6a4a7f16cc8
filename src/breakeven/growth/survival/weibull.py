"""Discrete Weibull: all contracts alike, with a loss rate that rises or falls with age. A plain baseline.

Source: T. Nakagawa and S. Osaki (1975), The discrete Weibull distribution, IEEE Transactions on Reliability
R-24(5), 300-301.

    S(t) = exp(-(t / scale)^shape)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.growth.maximum_likelihood import Floats, Scale
from breakeven.growth.survival.curve import SurvivalModel


@dataclass(frozen=True)
class DiscreteWeibull(SurvivalModel):
    """See the module. `scale` in periods: the age by which all but 37 % are lost; `shape` below 1 slows down.

    >>> from breakeven.growth.survival import WEIBULL
    >>> WEIBULL.survival(np.array([2.0, 1.0]), np.arange(3)).round(4).tolist()
    [1.0, 0.6065, 0.3679]
    """

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        return "Weibull"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"scale": "positive", "shape": "positive"}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        scale, shape = parameters[..., 0:1], parameters[..., 1:2]
        with np.errstate(over="ignore"):
            return -np.minimum(np.power(np.asarray(ages, float) / scale, shape), 1e300)

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        del kept
        scale = -1 / np.log1p(-loss)
        return [np.stack([scale, 0 * scale + shape], axis=-1) for shape in (0.7, 1.0)]


WEIBULL = DiscreteWeibull()
