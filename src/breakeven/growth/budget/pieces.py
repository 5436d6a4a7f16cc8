"""The best plan when some curves are S-shaped: pieces of each are tried until nothing better can be left.

With S-curves equal marginal returns are not enough: too little money on such a channel is lost, so it gets
none, or enough to be past its bend, or (one channel at most for each limit that binds) what is left over. A
plan under the concave roofs of the curves bounds every true plan from above. Where it rests on a chord, the
interval of that channel is cut in two there and both parts are bounded anew; parts whose bound is no better
than a plan in hand are dropped. What remains between the bound and the plan in hand is the stated gap.

The method: M. Udell and S. Boyd (2013), "Maximizing a sum of sigmoids".
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from breakeven.growth.budget.curves import Curves, Floats, Roofs
from breakeven.growth.budget.multipliers import Aim, Relaxed, relaxed

TOLERANCE = 1e-7
"""The search ends when no plan can be better by more than this share of what the plan's users are worth."""
_MOST_PIECES = 2000
_SHARES = (1.0, 0.5, 0.0)
"""Up to which part of its chord a channel is sent back when a plan is rounded."""


@dataclass(frozen=True)
class Best:
    """The best plan found and `bound`, which no plan exceeds; `pieces` is how many were looked at."""

    spend: Floats
    price: float
    load_price: float
    value: float
    bound: float
    pieces: int

    @property
    def gap(self) -> float:
        """By how much a better plan could be better, at most."""
        return max(0.0, self.bound - self.value)


def best_spend(
    curves: Curves, aim: Aim, least: Floats, most: Floats, *, most_pieces: int = _MOST_PIECES
) -> Best:
    """Spend by channel that maximises the aim. Bounds must admit a plan."""
    root = Roofs.over(curves, least, most)
    first = relaxed(root, aim)
    search = _Branches(curves, aim, least, most)
    search.offer(first)
    if not np.isfinite(root.chord).any():
        value = aim.value(curves.users(first.spend), first.spend)
        return Best(first.spend, first.price, first.load_price, value, max(first.bound, value), 1)
    search.round(root, first, _SHARES)
    order = count()
    waiting = [(-first.bound, next(order), root, first)]
    pieces, dropped = 1, -np.inf
    while waiting and pieces < most_pieces:
        bound = -waiting[0][0]
        if bound <= search.value + search.slack:
            break
        _, _, roofs, at = heapq.heappop(waiting)
        cut = search.cut(roofs, at)
        if cut is None:
            dropped = max(dropped, bound)
            continue
        channel, place = cut
        for low, high in ((roofs.least[channel], place), (place, roofs.most[channel])):
            part = roofs.replaced(channel, float(low), float(high))
            if not search.admits(part):
                continue
            found = relaxed(part, aim, at.price)
            pieces += 1
            search.offer(found)
            search.round(part, found, _SHARES[1:2])
            if found.bound > search.value + search.slack:
                heapq.heappush(waiting, (-min(found.bound, bound), next(order), part, found))
            else:
                dropped = max(dropped, found.bound)
    return search.best(max(dropped, -waiting[0][0] if waiting else -np.inf), pieces)


class _Branches:
    """The plan in hand, and how parts are cut and rounded."""

    def __init__(self, curves: Curves, aim: Aim, least: Floats, most: Floats) -> None:
        self.curves, self.aim, self.least, self.most = curves, aim, least, most
        self.value, self.spend = -np.inf, least
        self.price = self.load_price = 0.0
        self.slack = 0.0

    def offer(self, found: Relaxed) -> None:
        """Take a plan in hand if it is the best so far, as the true curves have it."""
        users = self.curves.users(found.spend)
        value = self.aim.value(users, found.spend)
        if value > self.value:
            self.value, self.spend = value, found.spend
            self.price, self.load_price = found.price, found.load_price
            self.slack = TOLERANCE * max(1e-9, float(np.abs(self.aim.worth) @ users))

    def round(self, roofs: Roofs, found: Relaxed, shares: Sequence[float]) -> None:
        """Offer plans in which each channel on a chord goes back to its left end, or on past its bend."""
        on_chord = (found.spend < roofs.touches) & np.isfinite(roofs.chord)
        if not on_chord.any():
            return
        for share in shares:
            # At or below this part of the chord a channel goes back.
            back = on_chord & (found.spend <= roofs.least + share * (roofs.touches - roofs.least))
            bend = np.clip(self.curves.turning_spend, roofs.least, roofs.most)
            low = np.where(on_chord & ~back, bend, roofs.least)
            high = np.where(back, roofs.least, roofs.most)
            concave = ~on_chord & np.isfinite(roofs.chord)
            low = np.where(concave, np.maximum(low, np.minimum(bend, found.spend)), low)
            part = Roofs.over(self.curves, low, high)
            if self.admits(part):
                self.offer(relaxed(part, self.aim, found.price))

    def admits(self, roofs: Roofs) -> bool:
        """Whether there is a plan within these intervals."""
        return (
            roofs.least.sum() <= self.aim.total
            and float(self.aim.load @ self.curves.users(roofs.least)) <= self.aim.capacity
        )

    def cut(self, roofs: Roofs, at: Relaxed) -> tuple[int, float] | None:
        """The channel whose roof is furthest above its curve, and where to cut its interval."""
        above = roofs.users(at.spend) - self.curves.users(at.spend)
        worth = np.maximum(self.aim.worth - at.load_price * self.aim.load, 0.0)
        gaps = np.where(np.isfinite(roofs.chord), above * worth, -1.0)
        channel = int(np.argmax(gaps))
        low, high = float(roofs.least[channel]), float(roofs.touches[channel])
        if gaps[channel] <= 1e-3 * self.slack:
            widths = np.where(np.isfinite(roofs.chord), at.jumps, -1.0)
            channel = int(np.argmax(widths))
            low, high = float(roofs.least[channel]), float(roofs.touches[channel])
            if widths[channel] <= 0 or high - low <= 1e-12 * max(1.0, high):
                return None
            return channel, 0.5 * (low + high)
        place, width = float(at.spend[channel]), high - low
        if not low + 0.02 * width < place < high - 0.02 * width:
            place = 0.5 * (low + high)
        return channel, place

    def best(self, bound: float, pieces: int) -> Best:
        """The plan in hand as the answer, with the prices that hold on the pieces it lies on."""
        bend = np.minimum(np.maximum(self.curves.turning_spend, self.least), self.most)
        past = (self.spend >= bend) & (bend < self.most)
        part = Roofs.over(
            self.curves, np.where(past, bend, self.spend), np.where(past, self.most, self.spend)
        )
        found = relaxed(part, self.aim, self.price)
        users = self.curves.users(found.spend)
        if self.aim.value(users, found.spend) >= self.value - 1e-3 * self.slack:
            self.price, self.load_price = found.price, found.load_price
            self.offer(found)
        return Best(self.spend, self.price, self.load_price, self.value, max(bound, self.value), pieces)
