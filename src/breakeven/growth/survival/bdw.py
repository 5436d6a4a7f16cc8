"""Beta-discrete-Weibull: as the shifted beta-geometric, and a contract's own chance of loss changes with age.

With c above 1 each contract grows more likely to be lost the longer it lasts; below 1 less likely. c = 1 is
the shifted beta-geometric. Needed where a few periods are known and the loss rate first rises. Source:
P. S. Fader, B. G. S. Hardie, Y. Liu, J. Davin and T. Steenburgh (2018), "How to project customer retention"
revisited: the role of duration dependence, Journal of Interactive Marketing 43, 1-16.

    S(t) = B(alpha, beta + t^c) / B(alpha, beta)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, psi

from breakeven.account.metrics import Missing
from breakeven.growth.maximum_likelihood import Floats, Scale
from breakeven.growth.survival.curve import SurvivalModel, log_gamma_ratio, within
from breakeven.growth.survival.sbg import ALL_OR_NOTHING

ALIKE_BUT_AGEING = Missing(
    "no difference between contracts can be seen beside their ageing: a Weibull curve says all there is",
    "除随时间变化外看不出合同之间的差异：用 Weibull 曲线即可描述",
)


@dataclass(frozen=True)
class BetaDiscreteWeibull(SurvivalModel):
    """See the module. Parameters `alpha`, `beta` of the beta distribution, and `c`.

    >>> from breakeven.growth.survival import BDW
    >>> BDW.survival(np.array([1.0, 1.0, 2.0]), np.arange(4)).round(4).tolist()
    [1.0, 0.5, 0.2, 0.1]
    """

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        return "BdW"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"alpha": "positive", "beta": "positive", "c": "positive"}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        alpha, beta, c = (parameters[..., i : i + 1] for i in range(3))
        with np.errstate(over="ignore"):
            powers = np.minimum(np.power(np.asarray(ages, float), c), 1e300)
        return log_gamma_ratio(beta, alpha) - log_gamma_ratio(beta + powers, alpha)

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        del kept
        begin = ((2.0, 1.0), (5.0, 1.5), (1.0, 0.7))
        return [np.stack([loss * size, (1 - loss) * size, 0 * loss + c], axis=-1) for size, c in begin]

    def loss_rates(self, free: Floats, periods: int) -> tuple[Floats, Floats]:
        """As the base class has it, with derivatives by the digamma function."""
        alpha, beta, c = (np.exp(np.minimum(free[:, i : i + 1], 20.0)) for i in range(3))
        log_ages = np.log(np.maximum(np.arange(periods + 1.0), 1.0))
        powers = np.exp(np.minimum(c * log_ages, 60.0))
        powers[:, 0] = 0.0
        there, all_there = beta + powers, alpha + beta + powers
        steps = np.diff(gammaln(there) - gammaln(all_there), axis=1)
        kept, total = psi(there), psi(all_there)
        gap = kept - total
        turns = np.stack([-alpha * total, beta * gap, c * powers * log_ages * gap])
        return within(-np.expm1(steps)), np.diff(turns, axis=2)

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """Alpha and beta large: contracts differ no more. Small: they leave at once or never."""
        if parameter == "c":
            return None
        return ALIKE_BUT_AGEING if is_high else ALL_OR_NOTHING


BDW = BetaDiscreteWeibull()
