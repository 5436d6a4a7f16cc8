"""From a channel's periods to its response curve: the best point, then draws around it, or why there is none.

Weeks are not independent: a good week is often followed by another. So each period counts for only
(1 - r) / (1 + r) of one, where r is the correlation of neighbouring deviations at the best point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.response.attributed import Attributed
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.observed import Observed
from breakeven.growth.response.sampler import highest, walk

if TYPE_CHECKING:
    from breakeven.growth.response.proposal import Proposal

Floats = NDArray[np.float64]

NO_SPEND = Missing("not identified: nothing was spent on it", "无法识别：没有为其支出")
NO_USERS = Missing("not identified: it brought no users", "无法识别：没有带来用户")
NOT_SETTLED = Missing("not identified: the search for the curve did not settle", "无法识别：曲线的拟合未收敛")
FEWEST = 4
"""Known periods below which no curve is drawn at all; `identified` asks for more before it trusts one."""
_STARTS = 600
_MOST_ALIKE = 0.8
_LESS_THAN_CHANCE = 0.1
"""Deviations whose variance is under this share of what counting alone gives are no noise at all."""


@dataclass(frozen=True)
class Response:
    """A fitted curve and what is known beside it.

    `noise` is the deviation of one period's users around what is expected, in users; `elasticity` the per
    cent of users that one per cent more spend brings today, by draw, and `believed_elasticity` the same
    before any data. `typical_spend` is the scale of the priors, `periods` how many periods were learned
    from. `doubt` is why the data do not determine the curve and `plan` the experiment that would settle it;
    both come from `identified`.
    """

    curve: ResponseCurve
    elasticity: Floats
    believed_elasticity: Floats
    noise: float
    typical_spend: float
    periods: int
    is_calibrated: bool = False
    doubt: Missing | None = None
    plan: Proposal | None = None

    def marginal_cost(self, spend: float, level: float = LEVEL) -> Interval:
        """What one more user costs at a spend: the middle draw, between quantiles."""
        found = np.minimum(self.curve.marginal_cost(spend), 1e12)
        return Interval.of(found, value=float(np.median(found)), level=level)

    def learned(self) -> float:
        """How wide the elasticity still is, over how wide it was before the data: near 1 nothing was
        learned.
        """
        return float(_width(self.elasticity) / max(_width(self.believed_elasticity), 1e-12))


def fit_attributed(observed: Observed, *, draws: int = 400, seed: int = 1) -> Response | Missing:
    """The curve of a channel from its own users and spend; a `Missing` where there is nothing to fit."""
    known = observed.known
    if not observed.typical_spend:
        return NO_SPEND
    if known.sum() < FEWEST:
        count = int(known.sum())
        have = "1 period has" if count == 1 else f"{count} periods have"
        return Missing(
            f"not identified: only {have} both spend and users, and it takes {FEWEST}",
            f"无法识别：只有 {count} 期同时有支出与用户，至少需要 {FEWEST} 期",
        )
    if observed.users[known].sum() <= 0:
        return NO_USERS
    random = np.random.default_rng(seed)
    model = Attributed(observed)
    starts = np.vstack([model.prior.middle, model.prior.draws(_STARTS, random)])
    best = highest(model.log_density, starts)
    counted = independent_share(model.deviations(best[None])[0])
    model = Attributed(observed, counted)
    chain = walk(model.log_density, best, 0.3 * model.prior.spread, draws=draws, random=random)
    ceiling, half, shape, carry = model.curve(chain.points)
    curve = ResponseCurve(
        observed.channel, observed.period, ceiling, half, shape, carry, observed.range, observed.today,
        rivals_elasticity=model.rivals_elasticity(chain.points),
        not_identified=None if chain.settled else NOT_SETTLED,
        base_users=model.base_users(chain.points, observed.today), booked_users=observed.users_today,
    )  # fmt: skip
    today = observed.today or observed.typical_spend
    _, believed_half, believed_shape, _ = model.curve(model.prior.draws(2000, random))
    return Response(
        curve,
        elasticity=elasticity(half, shape, today),
        believed_elasticity=elasticity(believed_half, believed_shape, today),
        noise=model.noise(chain.points),
        typical_spend=observed.typical_spend,
        periods=int(known.sum()),
        is_calibrated=bool(observed.calibrations),
    )


def elasticity(half: Floats, shape: Floats, spend: float) -> Floats:
    """Per cent more users of one per cent more spend on a Hill curve: shape · (1 - saturation).

    >>> elasticity(np.array([100.0]), np.array([1.0]), 100.0).tolist()
    [0.5]
    """
    with np.errstate(over="ignore"):
        return shape / (1.0 + (spend / half) ** shape)


def independent_share(deviations: Floats) -> float:
    """How much of a period each period counts for, from the correlation of neighbours; 1 when there is none.

    >>> independent_share(np.array([1.0, -1.0] * 20)), round(independent_share(np.sin(np.arange(40) / 3)), 2)
    (1.0, 0.11)
    """
    if len(deviations) < FEWEST:
        return 1.0
    if float(np.mean(deviations**2)) < _LESS_THAN_CHANCE:
        # What is left is the shape of the curve's own misfit, not good and bad weeks.
        return 1.0
    centred = deviations - deviations.mean()
    alike = float(centred[1:] @ centred[:-1] / max(centred @ centred, 1e-12))
    # Up to two standard errors of it are chance.
    alike = min(_MOST_ALIKE, alike) if alike > 1.0 / np.sqrt(len(deviations)) else 0.0
    return (1.0 - alike) / (1.0 + alike)


def _width(draws: Floats) -> float:
    low, high = np.quantile(np.log(np.maximum(draws, 1e-9)), [0.1, 0.9])
    return float(high - low)
