"""How sure a fleet is: the same month with all GPU-seconds per token at an end of their interval.

Errors of a model's work move all its classes and hours together, and are here taken to move all models
together too, which is the wider of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.month import FOREVER, FleetMonth, fleet_month
from breakeven.serving.fleet.served_model import ServedModel
from breakeven.serving.fleet.supply import Overflow, Rules, Supply


@dataclass(frozen=True)
class FleetBounds:
    """A month at the middle, low and high work."""

    middle: FleetMonth
    low: FleetMonth
    high: FleetMonth

    @classmethod
    def of(
        cls,
        demand: HourlyDemand,
        models: Sequence[ServedModel],
        supplies: Mapping[str, Supply],
        rules: Rules | None = None,
        overflow: Overflow | None = None,
        patience_hours: float = FOREVER,
    ) -> FleetBounds:
        """See `fleet_month`. Where only the high bound exceeds the fleet, it turns the rest away."""
        middle = fleet_month(demand, models, supplies, rules, overflow, patience_hours)
        low, high = (
            fleet_month(
                demand,
                [model.at(bound) for model in models],
                supplies,
                rules,
                overflow or "reject",
                patience_hours,
            )
            for bound in ("low", "high")
        )
        return cls(middle, low, high)

    def estimate(self, figure: Callable[[FleetMonth], float]) -> Estimate:
        """A figure of the month with its 80 % interval."""
        value, low, high = figure(self.middle), figure(self.low), figure(self.high)
        return Estimate(value, min(value, low, high), max(value, low, high))

    @property
    def high_hours_short(self) -> int:
        """Hours in which demand exceeds the fleet at the high bound of work."""
        return self.high.hours_short
