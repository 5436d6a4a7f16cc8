"""A share of the contracts is never lost; the others are lost as another model says.

Such a share is what a curve shows that levels off above zero. It cannot be told from a slow decline unless
the curve has been seen to level off: with few periods the fit is refused, or its error is wide. Source: J. W.
Boag (1949), Maximum likelihood estimates of the proportion of patients cured by cancer therapy, Journal of
the Royal Statistical Society B 11(1), 15-53, with the models of `sbg` and `bdw` for those who leave.

    S(t) = never + (1 - never) · S_of_others(t)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.maximum_likelihood import Floats, Scale
from breakeven.growth.survival.bdw import BDW
from breakeven.growth.survival.curve import SurvivalModel
from breakeven.growth.survival.sbg import SBG


@dataclass(frozen=True)
class NeverChurn(SurvivalModel):
    """See the module. Parameter `never` before those of the `others`.

    >>> from breakeven.growth.survival import SBG_NEVER_CHURN
    >>> SBG_NEVER_CHURN.survival(np.array([0.2, 1.0, 1.0]), np.arange(4)).round(4).tolist()
    [1.0, 0.6, 0.4667, 0.4]
    """

    others: SurvivalModel

    @property
    def name(self) -> str:
        """That of the model for those who leave, and what is added."""
        return f"{self.others.name} with a share that never leaves"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """The parameters in order, each with the numbers it may take."""
        return {"never": "share", **self.others.parameters}

    def log_survival(self, parameters: Floats, ages: Floats) -> Floats:
        """The logarithm of `survival`: (..., parameter) gives (..., age)."""
        never = parameters[..., 0:1]
        with np.errstate(divide="ignore"):
            stay, leave = np.log(never), np.log1p(-never)
        return np.logaddexp(stay, leave + self.others.log_survival(parameters[..., 1:], ages))

    def guesses(self, loss: Floats, kept: Floats) -> list[Floats]:
        """Where searches begin: see `SurvivalModel.guesses`."""
        others = self.others.guesses(loss, kept)
        shares = [np.clip(part * kept, 0.01, 0.95) for part in (0.9, 0.4)]
        return [np.c_[share, other] for share in shares for other in others]

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """No such share, or the others' own edge."""
        if parameter == "never" and not is_high:
            return Missing(
                f"no share that never leaves can be seen: {self.others.name} says all there is",
                f"看不出有“永不流失”的部分：用 {self.others.name} 即可描述",
            )
        return self.others.edge(parameter, is_high=is_high)


SBG_NEVER_CHURN = NeverChurn(SBG)
BDW_NEVER_CHURN = NeverChurn(BDW)
