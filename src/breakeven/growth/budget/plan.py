"""A plan with its certificate: what the last unit of money brings in every channel, and what binds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.budget.curves import Floats
from breakeven.growth.budget.multipliers import Aim
from breakeven.growth.budget.question import Limits, Question

Objective = Literal["value", "users", "payback"]
Binding = Literal["", "least", "most", "fixed", "bend"]
_NEAR = 1e-6
_MONTHS_DIFFER = 0.02
"""A month of 31 days is so much longer than the mean month that weeks are converted by."""


@dataclass(frozen=True)
class PlanLine:
    """One channel of a plan: money and users in the plan's period, returns in worth per unit of money.

    `return_today` and `return_there` are what the last unit of money brings at today's spend and at the
    plan's, before that unit is paid back, at the price of load. `binds` names the bound that holds the
    channel; `bend`: the piece before the curve's bend, where it takes what is left over. `doubt` says why the
    data do not identify the curve: marginal users and returns then rest on the prior, and are none to show
    unless exploring was asked for. Where `is_valued` is False, worth and returns say nothing.
    """

    channel: str
    today: float
    spend: float
    users_today: float
    users: float
    marginal_users_today: float
    marginal_users: float
    worth: float
    return_today: float
    return_there: float
    binds: Binding
    extrapolated: float
    kept: Missing | None = None
    doubt: Missing | None = None
    is_valued: bool = True

    @property
    def has_margin(self) -> bool:
        """Whether the curve may be asked about further money: identified, or explored on purpose."""
        return self.doubt is None or self.kept is None


@dataclass(frozen=True)
class Plan:
    """A plan and what proves that no other is better by more than `gap` (in the objective's own unit).

    `price` is what the last unit of money brings, `load_price` that of a unit of capacity; `residual` is how
    far returns of free channels lie from the price, as a share of it. `months` is the blended payback the
    objective `payback` found; None when it lies beyond the horizon.
    """

    objective: Objective
    lines: tuple[PlanLine, ...]
    limits: Limits
    value: float
    price: float
    load_price: float
    residual: float
    gap: float
    pieces: int
    binds: tuple[str, ...]
    months: float | None = None

    @property
    def spend(self) -> Floats:
        """Spend by channel."""
        return np.array([line.spend for line in self.lines])

    @property
    def multiplier(self) -> float:
        """λ: what one more unit of total would add to the objective."""
        return self.price - 1.0 if self.objective == "value" else self.price

    @property
    def extrapolated_share(self) -> float:
        """The part of the planned money that lies where no spend was ever observed."""
        total = float(self.spend.sum())
        return sum(line.extrapolated for line in self.lines) / total if total else 0.0


def finished(question: Question, objective: Objective, worth: Floats, *, cost: float) -> Plan:
    """The plan for users of this worth, with its certificate."""
    best, aim = question.best(worth, cost=cost)
    spend, limits = best.spend, question.limits
    users, users_today = question.curves.users(spend), question.curves.users(question.today)
    marginal, marginal_today = question.curves.marginal(spend), question.curves.marginal(question.today)
    net = worth - best.load_price * question.load
    binding: list[Binding] = [_binding(question, i, float(spend[i])) for i in range(len(spend))]
    beyond = _extrapolated(question, spend)
    lines = tuple(
        PlanLine(
            channel=offer.name,
            today=float(question.today[i]),
            spend=float(spend[i]),
            users_today=float(users_today[i]),
            users=float(users[i]),
            marginal_users_today=float(marginal_today[i]),
            marginal_users=float(marginal[i]),
            worth=float(worth[i]),
            return_today=float(worth[i] * marginal_today[i]),
            return_there=float(net[i] * marginal[i]) if net[i] else 0.0,
            binds=binding[i],
            extrapolated=float(beyond[i]),
            kept=question.kept[i],
            doubt=offer.curve.not_identified,
            is_valued=offer.kept is None,
        )
        for i, offer in enumerate(question.offers)
    )
    price, returns = best.price, [line.return_there for line in lines if not line.binds]
    if len(returns) == 1 and spend.sum() >= limits.ceiling * (1 - _NEAR):
        price = returns[0]  # one channel takes whatever there is, so that is what one more unit would bring
    residual = max((abs(found / price - 1.0) for found in returns), default=0.0) if price > 0 else 0.0
    value = float(worth @ users - (1.0 if objective == "value" else 0.0) * spend.sum())
    return Plan(
        objective=objective,
        lines=lines,
        limits=limits,
        value=value,
        price=price,
        load_price=best.load_price,
        residual=residual,
        gap=best.gap,
        pieces=best.pieces,
        binds=_limits_that_bind(question, spend, users, aim),
    )


def _binding(question: Question, i: int, spend: float) -> Binding:
    near = _NEAR * max(1.0, float(question.limits.ceiling))
    if question.is_held[i]:
        return "fixed"
    if spend <= question.least[i] + near:
        return "least"
    if spend >= question.limits.at_most.get(question.offers[i].name, np.inf) - near:
        return "most"
    return "bend" if spend < question.curves.turning_spend[i] else ""


def _limits_that_bind(question: Question, spend: Floats, users: Floats, aim: Aim) -> tuple[str, ...]:
    limits, found = question.limits, list[str]()
    if spend.sum() >= limits.ceiling * (1 - _NEAR):
        found.append("total" if limits.ceiling >= limits.total else "cash_floor")
    if limits.capacity is not None and float(aim.load @ users) >= limits.capacity * (1 - _NEAR):
        found.append("capacity")
    return tuple(found)


def _extrapolated(question: Question, spend: Floats) -> Floats:
    """Of each channel's money, what lies above the most ever observed; all of it below the least."""
    # Today's spend was observed, whatever the weeks of the curve add up to in a month of 28 or 31 days.
    low = np.minimum(question.observed[:, 0], question.today) * (1 - _NEAR)
    high = np.maximum(question.observed[:, 1], question.today)
    above = np.where(spend > high * (1 + _MONTHS_DIFFER), spend - high, 0.0)
    nothing = spend <= _NEAR * max(1.0, float(spend.sum()))
    return np.where(nothing, 0.0, np.where(spend < low, spend, above))
