"""How many GPUs to commit to: owned or reserved all month, the rest by the hour.

With N(t) GPUs on in hour t, K committed at the price c and the others on demand at the price d, H hours cost

    c K H + d sum of max(N(t) - K, 0)

The cost is convex in K, and one more committed GPU pays as long as it would be on in more than a share c / d
of the hours: K is the smallest number that N exceeds in no more than c / d of them. That is the newsvendor's
rule on the load duration curve, as power companies choose between base and peak plants (S. Stoft (2002),
Power System Economics). It is exact: every whole number at which the cost can turn is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.supply import Supply

MixName = Literal["yours", "best_kept", "best", "all_owned", "all_reserved", "all_on_demand"]


@dataclass(frozen=True)
class Mix:
    """So many GPUs of each kind (`on_demand` at the busiest hour), and what the load then costs."""

    name: MixName
    owned: int
    reserved: int
    on_demand: int
    cost: float


def load_duration(load: Floats) -> Floats:
    """GPUs that were on, from the busiest hour to the quietest.

    >>> load_duration(np.array([2.0, 9.0, 4.0])).tolist()
    [9.0, 4.0, 2.0]
    """
    return np.sort(load)[::-1]


def best_commitment(
    load: Floats, committed_price: float, on_demand_price: float | None, on_demand_most: float, least: int = 0
) -> int:
    """The cheapest number of committed GPUs, at least `least`, for GPUs on by hour.

    >>> load = np.array([10.0] * 6 + [20.0] * 3 + [30.0])
    >>> best_commitment(load, 1.0, 2.0, np.inf), best_commitment(load, 1.0, 3.0, np.inf)
    (10, 20)
    >>> best_commitment(load, 1.0, 2.0, 5.0)  # only 5 can be rented by the hour
    25
    """
    peak = float(load.max(initial=0.0))
    if on_demand_price is None:
        return max(least, int(np.ceil(peak)))
    least = max(least, int(np.ceil(peak - on_demand_most)) if on_demand_most < peak else 0)
    turns = np.unique(np.concatenate([[least], np.floor(load), np.ceil(load)]))
    turns = turns[turns >= least]
    above = np.maximum(load[None, :] - turns[:, None], 0.0).sum(axis=1)
    return int(turns[np.argmin(committed_price * turns * len(load) + on_demand_price * above)])


def mixes(load: Floats, supply: Supply) -> tuple[Mix, ...]:
    """The user's mix, the best ones, and the plain ones, for a load that is served whole.

    `best_kept` keeps the owned GPUs there are and chooses what to reserve. Kinds without a price are left
    out, and so is what cannot carry the load. `yours` is there where it can.
    """
    peak = int(np.ceil(load.max(initial=0.0)))
    most = float("inf") if supply.on_demand is None else float(supply.on_demand)
    found: list[Mix] = []

    def add(name: MixName, owned: int, reserved: int) -> None:
        left = np.maximum(load - owned - reserved, 0.0)
        needed = int(np.ceil(left.max(initial=0.0)))
        if (owned and supply.owned_price is None) or (reserved and supply.reserved_price is None):
            return
        if needed and (supply.on_demand_price is None or needed > most):
            return
        committed = owned * (supply.owned_price or 0.0) + reserved * (supply.reserved_price or 0.0)
        cost = committed * len(load) + float(left.sum()) * (supply.on_demand_price or 0.0)
        found.append(Mix(name, owned, reserved, needed, cost))

    add("yours", supply.owned, supply.reserved)
    kept = None if supply.reserved_price is None else supply.reserved_price
    if kept is not None:
        beside = np.maximum(load - supply.owned, 0.0)
        add("best_kept", supply.owned, best_commitment(beside, kept, supply.on_demand_price, most))
    prices = {"owned": supply.owned_price, "reserved": supply.reserved_price}
    known = {name: price for name, price in prices.items() if price is not None}
    if known:
        cheapest = min(known, key=lambda name: known[name])
        best = best_commitment(load, known[cheapest], supply.on_demand_price, most)
        add("best", best if cheapest == "owned" else 0, best if cheapest == "reserved" else 0)
    elif supply.on_demand_price is not None:
        add("best", 0, 0)
    add("all_owned", peak, 0)
    add("all_reserved", 0, peak)
    if supply.on_demand_price is not None:
        add("all_on_demand", 0, 0)
    return tuple(found)
