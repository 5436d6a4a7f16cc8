"""Money left of a fleet, by model: revenue less the GPU time it worked, less its share of the idle time.

Work pays what a GPU that was on cost in its hour, so dear hours are charged to who worked in them. What was
idle, starting or off is shared by work. The parts add up to what the fleet cost, pool by pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakeven.serving.fleet.month import FleetMonth


@dataclass(frozen=True)
class ModelMargin:
    """One model over all hours, in money. `revenue` and `margin` are None without prices."""

    model: str
    revenue: float | None
    working: float
    idle: float

    @property
    def cost(self) -> float:
        """Work and its share of idle."""
        return self.working + self.idle

    @property
    def margin(self) -> float | None:
        """Revenue less cost."""
        return None if self.revenue is None else self.revenue - self.cost


def margins(month: FleetMonth) -> tuple[ModelMargin, ...]:
    """Each model's margin, pool by pool."""
    return tuple(
        ModelMargin(
            model.name,
            None if model.prices_per_mtok is None else float(pool.revenue[:, at].sum()),
            float(pool.working_cost[at]),
            float(pool.idle_cost[at]),
        )
        for pool in month.pools
        for at, model in enumerate(pool.models)
    )
