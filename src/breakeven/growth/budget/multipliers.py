"""One concave allocation, exactly: the prices of money and capacity at which all last yuan earn the same.

    maximise  Σ worth·users(x) − cost·Σ x   with  Σ x ≤ total,  Σ load·users(x) ≤ capacity,  least ≤ x ≤ most

At the answer (worth − load price · load) · marginal users = price for every channel between its bounds. The
price is found by a bracketed search on its logarithm, the load's price by such a search around that one. At
any prices the sum of what each channel then gains at most is an upper bound on every plan (weak duality);
it is returned too, and proves how good the answer is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from breakeven.growth.budget.curves import Floats, Roofs

_SEARCH_STEPS = 200
_CLOSE = 1e-14
_MET = 1e-13
_PATIENCE = 3


@dataclass(frozen=True)
class Aim:
    """What is maximised under what: all per channel, or scalars of the whole.

    `worth` of one user and `load` of one user: (channel,). `cost` of one unit of money: 1 where spending
    counts against the aim, 0 where the total is spent anyway. `total` and `capacity` are ceilings.
    """

    worth: Floats
    cost: float
    total: float
    load: Floats
    capacity: float = np.inf

    def value(self, users: Floats, spend: Floats) -> float:
        """What a plan achieves."""
        return float(self.worth @ users - self.cost * spend.sum())


@dataclass(frozen=True)
class Relaxed:
    """The best plan under the roofs.

    `price` is the gross return of the last unit of money, `load_price` that of capacity; `bound` is what no
    plan within the intervals can exceed.
    """

    spend: Floats
    price: float
    load_price: float
    bound: float
    jumps: Floats
    """How far each channel's spend jumps at the price: where a chord lies just at it."""


def relaxed(roofs: Roofs, aim: Aim, guess: float | None = None) -> Relaxed:
    """The exact optimum under the roofs. Bounds must admit a plan: total and capacity cover `least`."""
    search = _Search(roofs, aim, guess)
    free = search.at_load_price(0.0)
    if search.load(free.spend) <= aim.capacity * (1 + _CLOSE):
        return search.answer(free.spend, free, free.jumps)
    # The more the load costs, the fewer users: search over log(1 − load price / the greatest that matters).
    over, under = _crossing(lambda s: search.load(search.at_load_price(s).spend), aim.capacity, 0.0, 1.0)
    above, below = search.at_load_price(over), search.at_load_price(under)
    if search.load(above.spend) <= aim.capacity * (1 + _MET):
        below = above
    spend = _mixed(below.spend, above.spend, search)
    return search.answer(spend, below, np.maximum(below.jumps, np.abs(above.spend - below.spend)))


@dataclass(frozen=True)
class _Response:
    """What channels do at prices: what each would spend just there, and a plan that spends the total."""

    at_prices: Floats
    price: float
    load_price: float
    net_worth: Floats
    spend: Floats
    jumps: Floats


class _Search:
    """The allocation at given prices; remembers the last price of money as where to look next."""

    def __init__(self, roofs: Roofs, aim: Aim, guess: float | None) -> None:
        self.roofs, self.aim = roofs, aim
        loaded = aim.load > 0
        self.dearest = float(np.max(aim.worth[loaded] / aim.load[loaded], initial=0.0))
        self.guess = guess or self._first_guess()
        self.near: Floats | None = None
        self.seen: dict[float, _Response] = {}

    def _first_guess(self) -> float:
        even = np.clip(self.aim.total / max(1, len(self.aim.worth)), self.roofs.least, self.roofs.most)
        returns = self.aim.worth * self.roofs.curves.marginal(np.maximum(even, 1e-9))
        sound = returns[np.isfinite(returns) & (returns > 0)]
        return float(np.median(sound)) if len(sound) else 1.0

    def net_worth(self, kept: float) -> Floats:
        """A user's worth less the price of their load: the part 1 − `kept` of the dearest."""
        if kept == 1.0:
            return self.aim.worth
        # Written so that nothing is lost to rounding where worth and the dearest load cancel.
        return (self.aim.worth - self.dearest * self.aim.load) + kept * self.dearest * self.aim.load

    def at(self, price: float, net: Floats) -> Floats:
        """What every channel spends at a price of money."""
        good = net > 0
        slope = np.minimum(np.maximum(price, 1e-300) / np.where(good, net, 1.0), 1e300)
        self.near = self.roofs.curves.spend_at(slope, self.near)
        return np.where(good, self.roofs.spend_at(slope, self.near), self.roofs.least)

    def at_load_price(self, step: float) -> _Response:
        """The best plan within the total at a load price of 1 − e^(−step) of the dearest.

        Remembered: where plans jump, the same price asked twice must have the same answer to the last digit.
        """
        if step not in self.seen:
            self.seen[step] = self._at_load_price(float(np.exp(-step)))
        return self.seen[step]

    def _at_load_price(self, kept: float) -> _Response:
        net, charged = self.net_worth(kept), (1.0 - kept) * self.dearest
        free = self.at(self.aim.cost, net)
        if free.sum() <= self.aim.total * (1 + _CLOSE):
            return _Response(free, self.aim.cost, charged, net, free, np.zeros_like(free))
        spends: dict[float, Floats] = {}

        def spent(log_price: float) -> float:
            spends[log_price] = self.at(float(np.exp(log_price)), net)
            return float(spends[log_price].sum())

        cheaper, dearer = _crossing(spent, self.aim.total, float(np.log(self.guess)), 0.25)
        above, below = spends[cheaper], spends[dearer]
        if above.sum() <= self.aim.total * (1 + _MET):
            # A search that met the total from above ends there: the other side may still be far.
            below, dearer = above, cheaper
        self.guess = float(np.exp(dearer))
        spend = _filled(below, above, self.aim.total)
        return _Response(below, self.guess, charged, net, spend, np.maximum(above - below, 0.0))

    def load(self, spend: Floats) -> float:
        """The load of a plan, as the roofs have it."""
        return float(self.aim.load @ self.roofs.users(spend))

    def answer(self, spend: Floats, at: _Response, jumps: Floats) -> Relaxed:
        """The plan, with the bound that its prices prove."""
        each = at.net_worth * self.roofs.users(at.at_prices) - at.price * at.at_prices
        bound = float(each.sum()) + (at.price - self.aim.cost) * self.aim.total
        if at.load_price > 0:
            bound += at.load_price * self.aim.capacity
        return Relaxed(spend, at.price, at.load_price, bound, jumps)


def _filled(below: Floats, above: Floats, total: float) -> Floats:
    """Between two plans at nearly one price, one of which spends less than the total: spend the rest.

    Channel by channel, the largest jump first, so that at most one is left in between.
    """
    rest = total - float(below.sum())
    found = below.copy()
    if rest <= 0:
        return found
    jumps = np.maximum(above - below, 0.0)
    for i in np.argsort(-jumps):
        if rest <= 0 or jumps[i] == 0:
            break
        step = min(rest, float(jumps[i]))
        found[i] += step
        rest -= step
    return found


def _mixed(below: Floats, above: Floats, search: _Search) -> Floats:
    """As far from one plan towards the other as total and capacity allow: both lie on the same chords."""
    share, step = 0.0, 1.0
    for _ in range(60):
        trial = below + min(1.0, share + step) * (above - below)
        if trial.sum() <= search.aim.total * (1 + _CLOSE) and search.load(trial) <= search.aim.capacity * (
            1 + _CLOSE
        ):
            share = min(1.0, share + step)
        step *= 0.5
    return below + share * (above - below)


def _crossing(
    falling: Callable[[float], float], target: float, start: float, stride: float
) -> tuple[float, float]:
    """Where a falling function passes a target: (last argument seen above or at it, first below or at it).

    Strides outwards until the target is between, then false position with the Illinois rule, and halving
    whenever that is slow; the function may jump.
    """
    low = high = start
    at_low = at_high = falling(start)
    steps = 0
    while at_low < target and (steps := steps + 1) < _SEARCH_STEPS:
        high, at_high, low = low, at_low, low - stride
        at_low, stride = falling(low), stride * 2
    while at_high > target and (steps := steps + 1) < _SEARCH_STEPS:
        low, at_low, high = high, at_high, high + stride
        at_high, stride = falling(high), stride * 2
    near = _MET * abs(target)
    left, right = at_low - target, at_high - target  # false position bends these; the true values stop it
    last = slow = 0
    while high - low > _CLOSE * max(1.0, abs(high)) and (steps := steps + 1) < _SEARCH_STEPS:
        if at_low - target <= near or target - at_high <= near:
            break
        width = high - low
        middle = low + width * (left / (left - right))
        if slow >= _PATIENCE or not low < middle < high:
            middle, slow = low + 0.5 * width, 0
            if not low < middle < high:
                break
        found = falling(middle)
        if found >= target:
            low, at_low, left = middle, found, found - target
            right = right * 0.5 if last > 0 else right
            last = 1
        else:
            high, at_high, right = middle, found, found - target
            left = left * 0.5 if last < 0 else left
            last = -1
        slow = slow + 1 if high - low > 0.5 * width else 0
    return low, high
