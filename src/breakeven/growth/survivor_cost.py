"""Who stays uses more: what survivors cost against what they would cost if use and staying had nothing to do
with each other.

Under a flat price the heavy users stay, so E(alive · tokens) is not S · E(tokens). Both sides are measured: at
constant unit cost, a cohort's cost at an age over its users still there, against its own cost a user in the
first full month. Nothing here is modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from breakeven.growth.triangle import Triangle

Floats = NDArray[np.float64]
Use = Literal["paying", "free"]
FIRST_FULL_MONTH = 1
"""The age everything is compared with: users come during age 0, so that month is short for most."""


@dataclass(frozen=True)
class SurvivorCost:
    """Cost at one age of the cohorts that reached it. `actual` and `independent` are money in all; `ratio` is one
    over the other: above 1, who stayed costs more than an average user of the first full month.
    """

    use: Use
    age: int
    cohorts: int
    users: float
    actual: float
    independent: float

    @property
    def ratio(self) -> float:
        """How much survivors cost against what independence says; NaN without a cost to compare with."""
        return self.actual / self.independent if self.independent > 0 else np.nan


def survivor_costs(constant: Triangle, use: Use) -> list[SurvivorCost]:
    """By age from the second full month on; `constant` is a triangle at constant unit cost.

    Paying use is compared per payer, free use per active user who does not pay.
    """
    if constant.ages <= FIRST_FULL_MONTH:
        return []
    if use == "paying":
        users, cost = constant.payers, constant.serving_paying
    else:
        users, cost = np.maximum(constant.active - constant.payers, 0.0), constant.serving_free
    start_users, start_cost = users[:, FIRST_FULL_MONTH], cost[:, FIRST_FULL_MONTH]
    begun = np.isfinite(start_users) & np.isfinite(start_cost) & (start_users > 0)
    found: list[SurvivorCost] = []
    for age in range(FIRST_FULL_MONTH + 1, constant.ages):
        reached = begun & np.isfinite(users[:, age]) & np.isfinite(cost[:, age])
        if reached.any():
            each = start_cost[reached] / start_users[reached]
            found.append(
                SurvivorCost(
                    use,
                    age,
                    int(reached.sum()),
                    float(users[reached, age].sum()),
                    float(cost[reached, age].sum()),
                    float(users[reached, age] @ each),
                )  # fmt: skip
            )
    return found


def understated(costs: list[SurvivorCost]) -> float:
    """By which share independence misses the cost of all these ages together; NaN without any.

    >>> understated([SurvivorCost("free", 2, 1, 10.0, 15.0, 10.0)])
    0.5
    """
    independent = sum(one.independent for one in costs)
    return sum(one.actual for one in costs) / independent - 1.0 if independent > 0 else np.nan
