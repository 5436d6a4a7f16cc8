"""What a budget is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from breakeven.growth.budget.capacity import CapacityUnit
from breakeven.growth.budget.plan import Objective

SEED = 20240902


@dataclass(frozen=True)
class Wanted:
    """What a budget is asked for, in the account's currency and for the whole period of `months`."""

    objective: Objective = "value"
    months: int = 1
    total: Decimal | None = None
    spend_all: bool = False
    at_least: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    at_most: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    cash_floor: Decimal | None = None
    capacity: Decimal | None = None
    capacity_unit: CapacityUnit = "users"
    explore: bool = False
    seed: int = SEED
    horizon_months: int = 12
