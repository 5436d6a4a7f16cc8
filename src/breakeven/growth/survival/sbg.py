"""Shifted beta-geometric: every contract has its own chance of being lost, the same in every period.

The chances follow a beta distribution. Those likely to go have gone early, so the loss rate of a cohort falls
with age although nobody's own chance changes. Source: P. S. Fader and B. G. S. Hardie (2007), How to project
customer retention, Journal of Interactive Marketing 21(1), 76-90.

    S(t) = B(alpha, beta + t) / B(alpha, beta)
    lost in period t, of those at risk: alpha / (alpha + beta + t - 1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.maximum_likelihood import Floats, Scale
from breakeven.growth.survival.curve import SurvivalModel, log_gamma_ratio, within

ALL_ALIKE = Missing(
    "the loss rate does not fall with age, so no difference between contracts can be seen: "
    "a constant loss rate (the straight line) or a Weibull curve says all there is",
    "流失率没有随时间下降，看不出合同之间的差异：用恒定流失率（直线）或 Weibull 曲线即可",
)
ALL_OR_NOTHING = Missing(
    "those who leave do so at once and the others never: a share that never leaves says all there is",
    "要流失的一开始就流失，其余从不流失：用“永不流失的比例”即可描述",
)


@dataclass(frozen=True)
class ShiftedBetaGeometric(SurvivalModel):
    """See the module. Parameters `alpha`, `beta` of the beta distribution of the chance of loss.

    >>> from breakeven.growth.survival import SBG
    >>> SBG.survival(np.array([1.0, 1.0]), np.arange(4)).round(4).tolist()
    [1.0, 0.5, 0.3333, 0.25]
    """

    @property
    def name(self) -> str:
        """Its name as the field writes it."""
        return "sBG"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"alpha": "positive", "beta": "positive"}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        alpha, beta = parameters[..., 0:1], parameters[..., 1:2]
        return log_gamma_ratio(beta, alpha) - log_gamma_ratio(beta + ages, alpha)

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        del kept
        return [np.stack([loss * size, (1 - loss) * size], axis=-1) for size in (2.0, 20.0)]

    def loss_rates(self, free: Floats, periods: int) -> tuple[Floats, Floats]:
        """As the base class has it, in closed form."""
        alpha, beta = np.exp(free[:, 0:1]), np.exp(free[:, 1:2])
        stayed = beta + np.arange(float(periods))
        total = alpha + stayed
        rate = within(alpha / total)
        return rate, np.stack([-rate, beta * alpha / (total * stayed)])

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """Both parameters large: all alike. Both small: leave at once or never."""
        del parameter
        return ALL_ALIKE if is_high else ALL_OR_NOTHING


SBG = ShiftedBetaGeometric()
