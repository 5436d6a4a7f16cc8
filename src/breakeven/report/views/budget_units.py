"""Units and digits of the budget's modelled figures."""

from __future__ import annotations

import math
from decimal import Decimal

from breakeven.growth.budget.plan import Objective
from breakeven.money import EXACT
from breakeven.report.view_model import Value
from breakeven.report.views.parts import shown

_DIGITS = 6


def modelled(number: float | None, unit: str) -> Value:
    """A modelled figure at the precision of its unit; per-unit figures keep six significant digits."""
    if number is None or not math.isfinite(number):
        return None
    if "/" not in unit:
        return shown(Decimal(repr(round(number, 9))), unit)
    return EXACT.create_decimal(f"{number:.{_DIGITS}g}")


def over(money: float, users: float, unit: str) -> Value:
    """Money per user; no value where there are no users."""
    return modelled(money / users if users > 0 and math.isfinite(users) else None, unit)


def return_unit(currency: str, objective: Objective) -> str:
    """The unit of what the last unit of money brings."""
    return f"users/{currency}" if objective == "users" else f"{currency}/{currency}"


def objective_unit(currency: str, objective: Objective) -> str:
    """The unit of what a plan achieves."""
    return {"value": currency, "users": "users", "payback": "months"}[objective]


def gap_unit(currency: str, objective: Objective) -> str:
    """The unit of how far a plan may be from the best."""
    return "users" if objective == "users" else currency
