"""What a plan gains over today's split, how sure that is, and why a plan is no better where it is not.

Both are put to every draw: a draw has one curve and one value per user for each channel, so what the two
plans share cancels. The verdict is `better` only when the interval of the gain lies above zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.budget.curves import Floats
from breakeven.growth.budget.payback import payback_months
from breakeven.growth.budget.plan import Objective, Plan
from breakeven.growth.budget.question import Offer, Question
from breakeven.growth.interval import LEVEL, Interval

Verdict = Literal["better", "no_better", "worse", "breaks_limits"]
_MOVED = 0.005
"""Of the total: less than this moved is the same plan."""
_FLAT = 0.05
"""Returns of the last yuan this near to each other (their range over the largest) are level."""
_MOST_DRAWS = 1000


@dataclass(frozen=True)
class Gain:
    """A plan against today's split. In money for `value`, users for `users`, months sooner for `payback`.

    `gain` has its interval; `better` is the share of draws in which the plan is better. `reasons` say why a
    plan is no better, or why it stays where it was. `months_censored`: in some draws one of the two does not
    pay back within the horizon, and counts as paying back at its end.
    """

    plan: Interval
    baseline: Interval
    gain: Interval
    better: float
    verdict: Verdict
    baseline_spend: Floats
    moved: float
    reasons: tuple[Missing, ...] = ()
    months_censored: bool = False


def gain_of(plan: Plan, question: Question, *, seed: int, level: float = LEVEL) -> Gain:
    """The gain of a plan over today's split at the same total, over the draws of curves and values."""
    baseline = question.todays_split()
    draws = _Draws(question.offers, question.months, seed)
    horizon = float(min(offer.contribution.shape[1] for offer in question.offers))
    there, before = (draws.achieved(spend, plan.objective) for spend in (plan.spend, baseline))
    censored = not (np.isfinite(there).all() and np.isfinite(before).all())
    there, before = (
        np.minimum(there, horizon) if censored else there,
        (np.minimum(before, horizon) if censored else before),
    )
    found = before - there if plan.objective == "payback" else there - before
    gain = Interval.of(found, level=level)
    moved = float(np.abs(plan.spend - baseline).sum()) / 2 / max(float(baseline.sum()), 1e-9)
    return Gain(
        plan=Interval.of(there, level=level),
        baseline=Interval.of(before, level=level),
        gain=gain,
        better=float(np.mean(found > 0)),
        verdict=_verdict(question, baseline, gain, moved),
        baseline_spend=baseline,
        moved=moved,
        reasons=tuple(_reasons(plan, question, baseline, gain, moved)),
        months_censored=censored,
    )


class _Draws:
    """Curves and contributions, one of each per draw; a channel's curve and value meet at random."""

    def __init__(self, offers: Sequence[Offer], months: float, seed: int) -> None:
        random = np.random.default_rng(seed)
        sizes = [len(offer.curve.ceiling) for offer in offers] + [len(offer.contribution) for offer in offers]
        size = min(_MOST_DRAWS, max(sizes))
        horizon = min(offer.contribution.shape[1] for offer in offers)
        # Draws of one fit belong together: curves are taken in step, and so are values.
        of_curves, of_values = _order(size, random), _order(size, random)
        self.offers, self.months = offers, months
        self.curves = [of_curves(len(offer.curve.ceiling)) for offer in offers]
        chosen = [of_values(len(offer.contribution)) for offer in offers]
        self.values = np.stack([offer.values[one] for offer, one in zip(offers, chosen, strict=True)], axis=1)
        self.paths = np.stack(
            [offer.contribution[one, :horizon] for offer, one in zip(offers, chosen, strict=True)], axis=1
        )

    def users(self, spend: Floats) -> Floats:
        """(draw, channel): new users of a plan."""
        columns: list[Floats] = []
        for offer, chosen, money in zip(self.offers, self.curves, spend, strict=True):
            periods = offer.periods(self.months)
            columns.append(offer.curve.users(money / periods)[chosen] * periods)
        return np.stack(columns, axis=1)

    def achieved(self, spend: Floats, objective: Objective) -> Floats:
        """(draw,): value less spend, users, or months until payback."""
        users = self.users(spend)
        if objective == "users":
            return users.sum(axis=1)
        if objective == "payback":
            return payback_months(self.paths, users, float(spend.sum()))
        return (users * self.values).sum(axis=1) - float(spend.sum())


def _order(size: int, random: np.random.Generator):  # noqa: ANN202 - a closure over one shuffling
    shuffled = random.permutation(size)

    def chosen(available: int) -> np.ndarray:
        return shuffled % available

    return chosen


def _verdict(question: Question, baseline: Floats, gain: Interval, moved: float) -> Verdict:
    if moved >= _MOVED and gain.low > 0:
        return "better"
    if breaks_capacity(question, baseline) or channels_out_of_bounds(question, baseline):
        return "breaks_limits"
    return "no_better" if moved < _MOVED or gain.high >= 0.0 else "worse"


def channels_out_of_bounds(question: Question, spend: Floats) -> list[str]:
    """Channels to which a plan gives less or more than their bounds allow."""
    limits, near = question.limits, 1e-6 * max(1.0, question.limits.ceiling)
    return [
        offer.name
        for offer, money in zip(question.offers, spend, strict=True)
        if money < limits.at_least.get(offer.name, 0.0) - near
        or money > limits.at_most.get(offer.name, np.inf) + near
    ]


def breaks_capacity(question: Question, spend: Floats) -> bool:
    """Whether a plan would bring more users than can be served."""
    capacity = question.limits.capacity
    if capacity is None:
        return False
    return float(question.load @ question.curves.users(spend)) > capacity * (1 + 1e-9)


def _reasons(plan: Plan, question: Question, baseline: Floats, gain: Interval, moved: float) -> list[Missing]:
    found: list[Missing] = []
    free = [line for line in plan.lines if line.binds != "fixed"]
    if not free:
        return [
            Missing(
                "no channel is free to move: each keeps today's spend for a reason of its own",
                "没有可调整的渠道：各渠道均因各自的原因维持现有投放",
            )
        ]
    if len(free) == 1 and {"total", "cash_floor"} & {*plan.binds} and moved < _MOVED:
        return [
            Missing(
                f"only {free[0].channel} is free to move, and the total is given: there is nothing to shift",
                f"只有 {free[0].channel} 可以调整，而总额已定：没有可挪动的预算",
            )
        ]
    if breaks_capacity(question, baseline):
        found.append(
            Missing(
                "today's split at this total would bring more users than can be served",
                "按现有比例投放该总额，会带来超出服务能力的用户",
            )
        )
    losing = [line for line in free if plan.objective != "users" and line.worth <= 0 and line.today > 0]
    if losing:
        names = ", ".join(f"{line.channel} ({line.worth:,.4g})" for line in losing)
        found.append(
            Missing(
                f"users of these channels bring less than they cost to serve: {names}",
                f"这些渠道的用户带来的收入低于服务成本：{names}",
            )
        )
    outside = channels_out_of_bounds(question, baseline)
    if outside:
        names = ", ".join(outside)
        found.append(
            Missing(f"today's split is outside the bounds of {names}", f"现有比例超出 {names} 的上下限")
        )
    if moved < _MOVED:
        at_bounds = [line.channel for line in free if line.binds in ("least", "most")]
        if at_bounds:
            names = ", ".join(at_bounds)
            found.append(Missing(f"bounds hold {names} where they are", f"上下限使 {names} 停留在现有水平"))
        returns = [line.return_today for line in free if np.isfinite(line.return_today)]
        if len(returns) > 1:
            least, most = min(returns), max(returns)
            if most > 0 and (most - least) / most <= _FLAT:
                found.append(
                    Missing(
                        f"the last unit of money already brings nearly the same everywhere:"
                        f" {least:.4g} to {most:.4g}",
                        f"各渠道最后一单位投放的回报已基本相等：{least:.4g} 至 {most:.4g}",
                    )
                )
        if not found:
            found.append(
                Missing(
                    "the best plan is today's split to within half a percent of the money",
                    "最优方案与现有比例相差不到预算的千分之五",
                )
            )
    elif gain.low <= 0.0 <= gain.high:
        size = max(abs(gain.low), abs(gain.high))
        found.append(
            Missing(
                f"the gain lies between {gain.low:,.4g} and {gain.high:,.4g}, so it may be nothing:"
                " the curves are not known well enough to tell the plan from today's split",
                f"收益介于 {gain.low:,.4g} 与 {gain.high:,.4g} 之间，可能为零："
                "曲线的不确定性使该方案与现有比例无法区分",
            )
            if size > 0
            else Missing("both plans do the same", "两个方案的结果相同")
        )
    return found
