"""Power law: the share still there falls by the same factor with every doubling of age. A plain baseline.

It is what contracts show whose loss rates follow a gamma distribution in continuous time (Lomax). Source:
K. S. Lomax (1954), Business failures: another example of the analysis of failure data, Journal of the
American Statistical Association 49(268), 847-852.

    S(t) = (1 + t / scale)^(-shape)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.maximum_likelihood import Floats, Scale
from breakeven.growth.survival.curve import SurvivalModel
from breakeven.growth.survival.sbg import ALL_ALIKE


@dataclass(frozen=True)
class PowerLaw(SurvivalModel):
    """See the module. `scale` in periods, and the exponent `shape`.

    >>> from breakeven.growth.survival import POWER
    >>> POWER.survival(np.array([1.0, 1.0]), np.arange(4)).round(4).tolist()
    [1.0, 0.5, 0.3333, 0.25]
    """

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        return "power"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"scale": "positive", "shape": "positive"}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        scale, shape = parameters[..., 0:1], parameters[..., 1:2]
        return -shape * np.log1p(np.asarray(ages, float) / scale)

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        del kept
        rate = -np.log1p(-loss)
        return [np.stack([shape / rate, 0 * rate + shape], axis=-1) for shape in (1.0, 5.0)]

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """Scale and shape both large: the loss rate does not fall."""
        del parameter
        return ALL_ALIKE if is_high else None


POWER = PowerLaw()
