"""What the hours of a pool cost: by how GPUs are paid, and by what they did for the money.

In an hour, owned GPUs are used first, then reserved ones, then those on demand: the first two cost the same
whether they are used or not. The same money is cut twice, and both cuts add up to it:

- owned + reserved + on demand;
- working + idle while on (headroom, spare, whole replicas) + starting + off (committed, but nothing to do).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.supply import Supply

_NOISE = 1e-9
PAID = ("owned", "reserved", "on_demand")
DID = ("working", "idle_on", "starting", "off")


@dataclass(frozen=True)
class GpuHours:
    """GPUs of each hour. The first three are paid for, the first three of `DID` are on, `off` is not.

    >>> hours = GpuHours.of(Supply(4, 2, None, 1.0, 1.5, 3.0), np.array([3.0, 8.0]), np.zeros(2),
    ...     np.array([2.0, 8.0]))
    >>> hours.on_demand.tolist(), hours.off.tolist(), hours.idle_on.tolist()
    ([0.0, 2.0], [3.0, 0.0], [1.0, 0.0])
    >>> hours.cost("owned").tolist(), hours.cost("off").tolist()
    ([4.0, 4.0], [4.0, 0.0])
    """

    supply: Supply
    working: Floats
    idle_on: Floats
    starting: Floats
    off: Floats
    owned_on: Floats
    reserved_on: Floats
    on_demand: Floats

    @classmethod
    def of(cls, supply: Supply, serving: Floats, starting: Floats, working: Floats) -> GpuHours:
        """From GPUs that serve and that start, and GPU-hours of work done, each by hour."""
        on = serving + starting
        owned_on = np.minimum(on, supply.owned)
        reserved_on = np.minimum(on - owned_on, supply.reserved)
        return cls(
            supply,
            working,
            _left(serving, working),
            starting,
            _left(supply.committed, owned_on, reserved_on),
            owned_on,
            reserved_on,
            _left(on, owned_on, reserved_on),
        )

    @property
    def on(self) -> Floats:
        """GPUs that are on."""
        return self.owned_on + self.reserved_on + self.on_demand

    @property
    def paid(self) -> Floats:
        """GPUs that are paid for."""
        return self.on + self.off

    @property
    def price_on(self) -> Floats:
        """The average price of a GPU that is on; 0 where none is."""
        supply = self.supply
        money = (
            self.owned_on * (supply.owned_price or 0.0)
            + self.reserved_on * (supply.reserved_price or 0.0)
            + self.on_demand * (supply.on_demand_price or 0.0)
        )
        return np.divide(money, self.on, out=np.zeros_like(money), where=self.on > 0)

    def cost(self, line: str) -> Floats:
        """Money by hour of a line of `PAID` or of `DID`."""
        supply, one = self.supply, np.ones_like(self.on)
        if line == "owned":
            return one * supply.owned * (supply.owned_price or 0.0)
        if line == "reserved":
            return one * supply.reserved * (supply.reserved_price or 0.0)
        if line == "on_demand":
            return self.on_demand * (supply.on_demand_price or 0.0)
        if line == "off":
            return (supply.owned - self.owned_on) * (supply.owned_price or 0.0) + (
                supply.reserved - self.reserved_on
            ) * (supply.reserved_price or 0.0)
        return (
            self.price_on
            * {"working": self.working, "idle_on": self.idle_on, "starting": self.starting}[line]
        )

    def gpu_hours(self, line: str) -> Floats:
        """GPU-hours by hour of a line of `PAID` or of `DID`."""
        one = np.ones_like(self.on)
        return {
            "owned": one * self.supply.owned,
            "reserved": one * self.supply.reserved,
            "on_demand": self.on_demand,
            "working": self.working,
            "idle_on": self.idle_on,
            "starting": self.starting,
            "off": self.off,
        }[line]

    @property
    def total_cost(self) -> Floats:
        """Money by hour, all of it."""
        return self.cost("owned") + self.cost("reserved") + self.cost("on_demand")


def _left(whole: Floats | float, *parts: Floats) -> Floats:
    """What parts leave of a whole; nothing at all where it is the rounding of floats."""
    left = np.asarray(whole - sum(parts, np.zeros(1)))
    return np.where(left > _NOISE * np.maximum(whole, 1.0), left, 0.0)
