"""API, rented, owned or on premises: what a month costs by volume, and from which volume which is cheapest.

Volume v is requests per month. An API takes v x price. GPUs come in whole nodes that hold whole replicas of
each pool: see `nodes`. Rented on demand, every hour pays for its own nodes; reserved, owned and on premises,
every hour pays for those of the busiest. Utilisation is what the volume implies, never an assumption. All
costs are stairs or lines in v, so the volumes where the order of two changes are found exactly, stair by
stair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import InputError
from breakeven.serving.nodes import HOURS_PER_MONTH, NodeFleet

Floats = NDArray[np.float64]
Way = Literal["api", "on_demand", "reserved", "owned", "on_premises"]
WAYS: tuple[Way, ...] = ("api", "on_demand", "reserved", "owned", "on_premises")
_ROUNDING = 1e-9
"""What differs by less than this share is the same."""


@dataclass(frozen=True)
class Api:
    """Somebody else's model: the price of one request."""

    price_per_request: float
    way: Way = "api"

    def monthly_cost(self, volumes: Floats, fleet: NodeFleet) -> Floats:
        """Money per month at each volume."""
        del fleet
        return volumes * self.price_per_request

    def breakpoints(self, fleet: NodeFleet, most: float) -> Floats:
        """Where the line bends: nowhere."""
        del fleet, most
        return np.zeros(0)


@dataclass(frozen=True)
class Rented:
    """GPUs by the hour: `on_demand` for the nodes of each hour, `reserved` for those of the busiest.

    `staff_per_month` is what running them costs in people, whatever the volume.
    """

    price_per_gpu_hour: float
    way: Literal["on_demand", "reserved"]
    staff_per_month: float = 0.0

    def monthly_cost(self, volumes: Floats, fleet: NodeFleet) -> Floats:
        """Money per month at each volume."""
        if self.way == "reserved":
            nodes = fleet.nodes_at(volumes, fleet.peak)
        else:
            nodes = fleet.mean_nodes_at(volumes)
        hours = nodes * fleet.gpus_per_node * HOURS_PER_MONTH
        return hours * self.price_per_gpu_hour + self.staff_per_month

    def breakpoints(self, fleet: NodeFleet, most: float) -> Floats:
        """Volumes above which one more node is needed in some hour."""
        return fleet.stairs(fleet.peak, most) if self.way == "reserved" else fleet.every_stair(most)


@dataclass(frozen=True)
class Owned:
    """GPUs that are bought, in somebody's hall (`owned`) or one's own (`on_premises`).

    `monthly_per_gpu` is what one GPU costs a month, capital and running; `fixed_per_month` is what comes
    whatever the fleet (staff). See `Purchase` and `Running`.
    """

    monthly_per_gpu: float
    fixed_per_month: float
    way: Literal["owned", "on_premises"]

    def monthly_cost(self, volumes: Floats, fleet: NodeFleet) -> Floats:
        """Money per month at each volume."""
        gpus = fleet.nodes_at(volumes, fleet.peak) * fleet.gpus_per_node
        return gpus * self.monthly_per_gpu + self.fixed_per_month

    def breakpoints(self, fleet: NodeFleet, most: float) -> Floats:
        """Volumes above which one more node is bought."""
        return fleet.stairs(fleet.peak, most)


Option = Api | Rented | Owned


@dataclass(frozen=True)
class Purchase:
    """What buying a GPU with its share of server and network comes to.

    Capital comes back in equal monthly payments over the life, at the cost of capital, less what it sells for
    at the end: payment = (price - rest / (1 + i)^n) x i / (1 - (1 + i)^-n) with i per month and n months.

    >>> round(Purchase(30_000, 1.5, life_years=4, cost_of_capital=0.10, resale_share=0.1).monthly_per_gpu, 2)
    1054.71
    """

    price_per_gpu: float
    server_multiple: float
    life_years: float
    cost_of_capital: float
    resale_share: float = 0.0

    def __post_init__(self) -> None:
        if not (self.price_per_gpu > 0 and self.server_multiple >= 1 and 0 < self.life_years <= 20):
            raise InputError(
                "a purchase needs a price above 0, a server multiple of 1 or more and a life up to 20 years",
                remedy="correct --purchase-price, --server-multiple or --life",
            )
        if not (0 <= self.cost_of_capital < 1 and 0 <= self.resale_share < 1):
            raise InputError(
                "the cost of capital and the resale share are shares of 1",
                cause="a percentage without its sign",
                remedy="write 0.1 or 10%",
            )

    @property
    def monthly_per_gpu(self) -> float:
        """Money per GPU and month."""
        price, months = self.price_per_gpu * self.server_multiple, self.life_years * 12
        rest = price * self.resale_share
        if self.cost_of_capital == 0:
            return (price - rest) / months
        rate = (1 + self.cost_of_capital) ** (1 / 12) - 1
        growth = (1 + rate) ** months
        return (price - rest / growth) * rate / (1 - 1 / growth)


def hosting_per_gpu(all_in_watts: float, price_per_kw_month: float) -> float:
    """Money per GPU and month in somebody's hall, power and cooling within the price.

    >>> hosting_per_gpu(1_730, 200)
    346.0
    """
    return all_in_watts / 1_000 * price_per_kw_month


def power_per_gpu(all_in_watts: float, pue: float, price_per_kwh: float) -> float:
    """Money per GPU and month for power: watts x PUE x hours x price. GPUs that wait are counted as running.

    >>> round(power_per_gpu(1_730, 1.3, 0.08), 2)
    131.34
    """
    if pue < 1:
        raise InputError(
            f"a PUE of {pue:g} cannot be", remedy="it is all power over that of the computers, 1 or more"
        )
    return all_in_watts / 1_000 * pue * HOURS_PER_MONTH * price_per_kwh


@dataclass(frozen=True)
class MonthlyCost:
    """One way at one volume: `fixed` is the smallest fleet, `variable` the rest; they sum to `cost`."""

    way: Way
    cost: float
    fixed: float
    variable: float


def at_volume(option: Option, volume: float, fleet: NodeFleet) -> MonthlyCost:
    """What a month costs at a volume, in its two parts."""
    least, cost = option.monthly_cost(np.array([1e-9, volume]), fleet).tolist()
    fixed = 0.0 if option.way == "api" else least
    return MonthlyCost(option.way, cost, fixed, cost - fixed)


@dataclass(frozen=True)
class BreakEven:
    """From which volume `then` is cheaper than `first`, which is the cheaper of the two at small volumes.

    `from_volume` is where it is for the first time, `for_good_volume` from where it stays so (stairs can
    cross several times); both None where it never is, up to the largest volume looked at.
    """

    first: Way
    then: Way
    from_volume: float | None
    for_good_volume: float | None


def break_even(one: Option, other: Option, fleet: NodeFleet) -> BreakEven:
    """Where the order of two ways changes.

    >>> from breakeven.serving.nodes import ReplicaPool, daily_shape
    >>> fleet = NodeFleet((ReplicaPool(8, 1.0),), 8, daily_shape(1.0), spare_nodes=0)
    >>> rented = Rented(3.0, "reserved")
    >>> break_even(Api(0.01), rented, fleet).from_volume
    1752000.0
    """
    most = fleet.largest_volume
    edges = np.unique(
        np.concatenate([[0.0, most], *(each.breakpoints(fleet, most) for each in (one, other))])
    )
    # Stairs of two ways may meet but for rounding.
    edges = edges[np.diff(edges, prepend=-1.0) > _ROUNDING * edges]
    # Costs are lines between edges, closed at the upper end: two points inside give the line of each piece.
    lower, upper = edges[:-1], edges[1:]
    near, far = lower + (upper - lower) * 0.25, lower + (upper - lower) * 0.75
    gap_near, gap_far = (_gap(one, other, at, fleet) for at in (near, far))
    slope = (gap_far - gap_near) / (far - near)
    start, end = gap_near - slope * (near - lower), gap_far + slope * (upper - far)
    noise = _ROUNDING * np.maximum(np.abs(gap_near), np.abs(gap_far))
    start, end = np.where(np.abs(start) <= noise, 0.0, start), np.where(np.abs(end) <= noise, 0.0, end)
    if start[0] > 0:
        return break_even(other, one, fleet)
    # Positive gap: `other` is cheaper. It begins inside a piece, or with it; ends likewise.
    crossing = lower - start / np.where(slope == 0, 1, slope)
    begins = np.where(start > 0, lower, np.where(end > 0, crossing, np.nan))
    found = np.flatnonzero(~np.isnan(begins))
    if not found.size:
        return BreakEven(one.way, other.way, None, None)
    # A stair where both cost the same for a moment is no change of order.
    behind = np.flatnonzero((start < 0) | (end < 0) | ((start == 0) & (end == 0)))
    last = int(behind[-1]) if behind.size else -1
    if last >= 0 and end[last] > 0:
        stays = float(begins[last])
    else:
        stays = float(lower[last + 1]) if last < len(lower) - 1 else None
    return BreakEven(one.way, other.way, float(begins[found[0]]), stays)


def _gap(one: Option, other: Option, volumes: Floats, fleet: NodeFleet) -> Floats:
    """Cost of one less that of the other; what differs by rounding alone is equal."""
    first, second = (each.monthly_cost(volumes, fleet) for each in (one, other))
    gap = first - second
    return np.asarray(np.where(np.abs(gap) <= _ROUNDING * np.maximum(first, second), 0.0, gap), np.float64)


def cheapest(options: Sequence[Option], volume: float, fleet: NodeFleet) -> Way:
    """The way that costs least at a volume; of equals the first."""
    return min((at_volume(option, volume, fleet) for option in options), key=lambda one: one.cost).way


def least_cost(options: Sequence[Option], volume: float, fleet: NodeFleet) -> float:
    """A month of own GPUs by the cheapest way of having them; of equals in it, the cheaper in all ways.

    GPU-hours alone count where no way of having them has a price.
    """
    ways = [option for option in options if not isinstance(option, Api)] or [Rented(1.0, "reserved")]
    costs = [at_volume(option, volume, fleet).cost for option in ways]
    return min(costs) + _ROUNDING * sum(costs)
