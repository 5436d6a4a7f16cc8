"""What a budget is asked about: offers of channels, limits, and both as arrays over the plan's period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.budget.curves import Curves, Floats
from breakeven.growth.budget.multipliers import Aim
from breakeven.growth.budget.pieces import Best, best_spend
from breakeven.growth.response.curve import ResponseCurve

WEEKS_PER_MONTH = 365.25 / 12 / 7
_LEAST_PARAMETER = 1e-9
"""A curve that brings nobody has this for a ceiling: its logarithm exists."""
_TINY_COST = 1e-7
"""Of what the users bring: where money costs nothing, the cheaper of two equal plans is still taken."""
NOTHING_TO_PLAN = Missing("there is no channel to plan for", "没有可规划的渠道")


@dataclass(frozen=True)
class Offer:
    """What a channel offers. `contribution` is what a new user has brought by the end of each month since.

    It is in money, cumulative: (draw, month). `value` is what a user is worth within the horizon, discounted,
    in the same draws: (draw,); without it, the contribution by the last month counts as it is. `load` is what
    a new user asks of serving, in units of the capacity. `today` is what is spent a month now, where the
    curve's own latest period is not to count.
    `kept` says why the channel keeps today's spend, where it does.

    >>> curve = ResponseCurve("douyin", "month", *(np.array([v]) for v in (1000.0, 500.0, 1.0)))
    >>> Offer(curve, np.array([[1.0, 1.5]])).worth
    1.5
    """

    curve: ResponseCurve
    contribution: Floats
    value: Floats | None = None
    load: float = 1.0
    today: float | None = None
    kept: Missing | None = None

    @property
    def name(self) -> str:
        """The channel."""
        return self.curve.channel

    @cached_property
    def worth(self) -> float:
        """The mean value of a new user within the horizon."""
        return float(self.values.mean())

    @property
    def values(self) -> Floats:
        """The value of a new user within the horizon: (draw,)."""
        return self.contribution[:, -1] if self.value is None else self.value

    def worth_by(self, months: float) -> float:
        """Mean contribution of a new user so many months after they came; linear within a month."""
        path = np.concatenate([[0.0], self.contribution.mean(axis=0)])
        return float(np.interp(months, np.arange(len(path)), path))

    def spend_today(self, months: float) -> float:
        """What the channel would spend in so many months if it went on as today."""
        return self.curve.today * self.periods(months) if self.today is None else self.today * months

    def periods(self, months: float) -> float:
        """How many periods of the curve lie in that many months."""
        return months * (WEEKS_PER_MONTH if self.curve.period == "week" else 1.0)


@dataclass(frozen=True)
class Limits:
    """What a plan must keep to, in money of the plan's whole period. `capacity` is in units of `Offer.load`.

    `total` is a ceiling; with `spend_all` the whole is spent, as long as a further user is worth
    anything. `cash` must stay above `cash_floor` after spending. `beside` is spent on what is not planned; it
    is in none of the others, and is counted again where an amount is named to a reader.
    """

    total: float
    spend_all: bool = False
    at_least: Mapping[str, float] = field(default_factory=dict[str, float])
    at_most: Mapping[str, float] = field(default_factory=dict[str, float])
    cash: float | None = None
    cash_floor: float | None = None
    capacity: float | None = None
    beside: float = 0.0

    @property
    def ceiling(self) -> float:
        """The most that can be spent."""
        if self.cash is None or self.cash_floor is None:
            return self.total
        return min(self.total, self.cash - self.cash_floor)


class Question:
    """Offers and limits over a period of `months`: curves, today's spend, bounds; all (channel,)."""

    def __init__(
        self, offers: Sequence[Offer], limits: Limits, months: float = 1.0, *, explore: bool = False
    ) -> None:
        self.offers, self.limits, self.months = tuple(offers), limits, months
        periods = np.array([offer.periods(months) for offer in offers])
        middles = np.array([offer.curve.middle for offer in offers]).reshape(-1, 3)
        ceiling, half_spend, shape = np.maximum(middles, _LEAST_PARAMETER).T
        self.curves = Curves(ceiling * periods, half_spend * periods, shape)
        self.today = np.array([offer.spend_today(months) for offer in offers])
        self.observed = np.array([offer.curve.observed for offer in offers]).reshape(-1, 2) * periods[:, None]
        self.load = np.array([offer.load for offer in offers])
        self.kept = tuple(offer.kept or (None if explore else offer.curve.not_identified) for offer in offers)
        asked_least = np.array([limits.at_least.get(offer.name, 0.0) for offer in offers])
        asked_most = np.array([limits.at_most.get(offer.name, np.inf) for offer in offers])
        held = np.array([reason is not None for reason in self.kept], dtype=bool)
        stays = np.minimum(np.maximum(self.today, asked_least), asked_most)
        self.is_held = held
        self.least = np.where(held, stays, asked_least)
        room = np.maximum(limits.ceiling - (self.least.sum() - self.least), self.least)
        self.most = np.where(held, stays, np.minimum(asked_most, room))

    def refusal(self) -> Missing | None:
        """Why no plan keeps to these limits, where none does."""
        if not self.offers:
            return NOTHING_TO_PLAN
        names = {offer.name for offer in self.offers}
        unknown = sorted({*self.limits.at_least, *self.limits.at_most} - names)
        if unknown:
            listed = ", ".join(unknown)
            return Missing(f"no such channel: {listed}", f"没有这样的渠道：{listed}")
        for offer, least, most in zip(self.offers, self.least, self.most, strict=True):
            if self.limits.at_most.get(offer.name, np.inf) < self.limits.at_least.get(offer.name, 0.0):
                return Missing(
                    f"the bounds of {offer.name} contradict each other", f"{offer.name} 的上下限互相矛盾"
                )
            if not (np.isfinite(least) and least <= most):
                return Missing(
                    f"the bounds of {offer.name} leave no plan", f"{offer.name} 的上下限之间没有方案"
                )
        needed, ceiling = float(self.least.sum()), self.limits.ceiling
        if needed > ceiling * (1 + 1e-9):
            needed, allowed = needed + self.limits.beside, max(ceiling + self.limits.beside, 0.0)
            return Missing(
                f"lower bounds and what keeps today's spend take {needed:,.2f}, more than the"
                f" {allowed:,.2f} that may be spent",
                f"下限与维持现有投放的部分共需 {needed:,.2f}，超过可投放的 {allowed:,.2f}",
            )
        if self.limits.capacity is not None:
            load = float(self.load @ self.curves.users(self.least))
            if load > self.limits.capacity * (1 + 1e-12):
                return Missing(
                    f"lower bounds and channels that keep today's spend need {load:,.0f} of serving capacity,"
                    f" and there is {self.limits.capacity:,.0f}",
                    f"下限与维持现有投放的渠道需要 {load:,.0f} 的服务容量，"
                    f"而现有 {self.limits.capacity:,.0f}",
                )
        return None

    def aim(self, worth: Floats, *, cost: float) -> Aim:
        """What to maximise, for users of this worth."""
        users = self.curves.users(np.minimum(self.most, 1e300))
        tiny = _TINY_COST * float(np.maximum(worth, 0.0) @ users) / max(self.limits.ceiling, 1e-9)
        capacity = np.inf if self.limits.capacity is None else self.limits.capacity
        return Aim(
            worth, cost or (tiny if np.isfinite(capacity) else 0.0), self.limits.ceiling, self.load, capacity
        )

    def best(self, worth: Floats, *, cost: float) -> tuple[Best, Aim]:
        """The best spend for users of this worth."""
        aim = self.aim(worth, cost=cost)
        return best_spend(self.curves, aim, self.least, self.most), aim

    def todays_split(self) -> Floats:
        """Today's split at the plan's total: what is kept stays, the others share as they do today."""
        free = np.where(self.is_held, 0.0, self.today)
        rest = self.limits.ceiling - float(self.least[self.is_held].sum())
        scale = rest / free.sum() if free.sum() > 0 else 0.0
        return np.where(self.is_held, self.least, free * max(0.0, scale))
