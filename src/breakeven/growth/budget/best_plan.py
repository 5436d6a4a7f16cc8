"""Where the next yuan goes: a month's or quarter's spend over channels, exactly, and what proves it.

What is maximised is one of three:

- `value`: Σ users × value per user − spend, the value being contribution within the horizon, discounted;
- `users`: new users;
- `payback`: the months until the plan's users together have brought back what the plan spends, as few as
  possible. All of the total is spent then: the first user alone would always pay back soonest.

Plans are found on the curves' middle (the median of each parameter) and the mean value per user; how sure
their gain is, is asked of every draw (`budget_gain`). A channel whose curve the data do not identify keeps
what it has, unless exploring is asked for: a plan on a curve nobody has seen is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.budget.payback import soonest_payback
from breakeven.growth.budget.plan import Objective, Plan, finished
from breakeven.growth.budget.question import Limits, Offer, Question


def plan_budget(
    offers: Sequence[Offer],
    objective: Objective,
    limits: Limits,
    *,
    months: float = 1.0,
    explore: bool = False,
) -> Plan | Missing:
    """The best plan for a period of some months, or why there is none.

    >>> from breakeven.growth.response.curve import ResponseCurve
    >>> def offer(name: str, ceiling: float) -> Offer:
    ...     parameters = (np.array([value]) for value in (ceiling, 1000.0, 1.0))
    ...     return Offer(ResponseCurve(name, "month", *parameters, today=500.0), np.array([[10.0]]))
    >>> plan = plan_budget([offer("a", 600.0), offer("b", 100.0)], "value", Limits(1000.0))
    >>> plan.spend.round(6).tolist(), round(plan.multiplier, 9), plan.binds
    ([1000.0, 0.0], 0.5, ('total',))
    """
    question = Question(offers, limits, months, explore=explore)
    refused = question.refusal()
    if refused is not None:
        return refused
    if objective == "payback":
        return soonest_payback(question)
    if objective == "value":
        worth = np.array([offer.worth for offer in offers])
        return finished(question, objective, worth, cost=0.0 if limits.spend_all else 1.0)
    return finished(question, objective, np.ones(len(question.offers)), cost=0.0)
