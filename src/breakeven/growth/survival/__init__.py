"""How long contracts last: exits that are final, such as a subscription cancelled. Not for activity."""

from breakeven.growth.survival.bdw import BDW
from breakeven.growth.survival.curve import SurvivalModel
from breakeven.growth.survival.never_churn import BDW_NEVER_CHURN, SBG_NEVER_CHURN
from breakeven.growth.survival.power import POWER
from breakeven.growth.survival.sbg import SBG
from breakeven.growth.survival.straight_line import STRAIGHT_LINE
from breakeven.growth.survival.weibull import WEIBULL

SURVIVAL_MODELS: tuple[SurvivalModel, ...] = (
    SBG, BDW, SBG_NEVER_CHURN, BDW_NEVER_CHURN, WEIBULL, POWER, STRAIGHT_LINE,
)  # fmt: skip

__all__ = [
    "BDW",
    "BDW_NEVER_CHURN",
    "POWER",
    "SBG",
    "SBG_NEVER_CHURN",
    "STRAIGHT_LINE",
    "SURVIVAL_MODELS",
    "WEIBULL",
    "SurvivalModel",
]
