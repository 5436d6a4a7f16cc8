"""The plan that pays back soonest, and when a plan pays back.

Blended payback is the first moment T at which the users of the whole plan have together brought back what
was spent on all of them:  Σ users(x)·contribution by T ≥ Σ x. For a fixed total the earliest T is found by
asking, for a moment, for the plan that has brought most by then; if that is enough, an earlier moment is
tried. The best plan by T only gets better with T, as far as contributions are not negative, so halving finds
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from breakeven.growth.budget.curves import Floats
from breakeven.growth.budget.plan import Plan, finished
from breakeven.growth.budget.question import Offer, Question

_HALVINGS = 12
"""A month in this many halves: some ten minutes, far below what any forecast knows."""


def payback_months(paths: Floats, users: Floats, spend: float) -> Floats:
    """When cumulative contribution covers the spend: (draw,), infinite beyond the horizon.

    `paths` is contribution per new user by the end of each month: (draw, channel, month); `users` is
    (draw, channel). Linear within a month, all users coming at its beginning.

    >>> payback_months(np.array([[[1.0, 3.0]]]), np.array([[10.0]]), 20.0).tolist()
    [1.5]
    """
    together = np.einsum("dcm,dc->dm", paths, users)
    together = np.concatenate([np.zeros((len(together), 1)), together], axis=1)
    if spend <= 0:
        return np.zeros(len(together))
    reached = together >= spend
    first = np.argmax(reached, axis=1)
    rows = np.arange(len(together))
    before, after = together[rows, np.maximum(first - 1, 0)], together[rows, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = first - 1 + (spend - before) / (after - before)
    return np.where(reached.any(axis=1), found, np.inf)


def soonest_payback(question: Question) -> Plan:
    """The plan that pays back soonest; the one that comes nearest where none does within the horizon."""
    horizon = min(offer.contribution.shape[1] for offer in question.offers)

    def best_by(months: float) -> Plan:
        worth = np.array([offer.worth_by(months) for offer in question.offers])
        return finished(question, "payback", worth, cost=0.0)

    plan = best_by(float(horizon))
    for month in range(1, horizon + 1):
        found = best_by(float(month))
        if _is_covered(found):
            low, high, plan = month - 1.0, float(month), found
            break
    else:
        return replace(plan, months=None)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        found = best_by(middle)
        if _is_covered(found):
            high, plan = middle, found
        else:
            low = middle
    return replace(plan, months=high)


def _is_covered(plan: Plan) -> bool:
    return plan.value >= float(plan.spend.sum()) * (1 - 1e-12)


def months_of(offers: Sequence[Offer], users: Floats, spend: float) -> float | None:
    """The blended payback of a plan on mean contributions; None beyond the horizon."""
    horizon = min(offer.contribution.shape[1] for offer in offers)
    paths = np.stack([offer.contribution[:, :horizon].mean(axis=0) for offer in offers])[None]
    found = float(payback_months(paths, users[None], spend)[0])
    return found if np.isfinite(found) else None
