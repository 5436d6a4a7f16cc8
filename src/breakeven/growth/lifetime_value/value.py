"""Margin lifetime value: what an acquired user brings by a horizon, after refunds, fees and serving.

    value = Σ over ages a < horizon of (revenue - refunds - fees - serving of paying use - serving of free
    use)(a)
            / (1 + rate)^(a / 12) / users acquired

Age 0 is the month of acquisition, so twelve months are the ages 0 to 11. Measured cells are the books' own,
the rest is drawn (`prospect`); every value says how much of it is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.lifetime_value.prospect import Prospect
from breakeven.growth.lifetime_value.triangle import LINES, Triangle

Floats = NDArray[np.float64]

FEWEST_AGES = 3
"""Months of age that some cohort must show before anything is forecast: the first, and two to compare."""
NO_USERS = Missing("no users", "没有用户")
ONE_USER = Missing("not enough to forecast: one user is not a cohort", "不足以预测：一个用户不构成同期群")
NOT_MEASURED = Missing(
    "not enough to forecast: no month is fully covered by activity, usage and payments",
    "不足以预测：没有一个月份被活跃、用量与付款数据完整覆盖",
)
TOO_SHORT = Missing(
    f"not enough to forecast: no cohort shows {FEWEST_AGES} full months yet",
    f"不足以预测：尚无同期群有 {FEWEST_AGES} 个完整月份",
)
NO_REVENUE = Missing(
    "not enough to forecast: these users have not paid anything yet",
    "不足以预测：这些用户至今没有任何付费",
)


@dataclass(frozen=True)
class Value:
    """What an acquired user of some cohorts is worth, in money a user.

    `lines` are the parts by name (`LINES`, `contribution`), discounted, each with its interval, costs as
    positive amounts; `measured` the part of each that the books already show. `cumulative` (draw, age) is the
    contribution up to each age, not discounted; `total` (draw,) all of it, discounted. `spend` is the cost of
    winning a user (NaN: not known). `measured_months` is how many months the oldest cohort shows, and
    `measured_share` (age,) what share of the users is measured at each age. With a `refusal` nothing is
    modelled: `lines`, `cumulative` and `total` are empty. `measured_so_far` is the contribution measured, not
    discounted.
    """

    segment: str
    cohort: str
    users: float
    spend: float
    horizon_months: int
    discount_rate: float
    measured: Mapping[str, float]
    measured_months: int
    measured_so_far: float = 0.0
    lines: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    cumulative: Floats = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    total: Floats = field(default_factory=lambda: np.empty(0), repr=False)
    measured_share: Floats = field(default_factory=lambda: np.empty(0), repr=False)
    refusal: Missing | None = None

    @property
    def contribution(self) -> Interval | None:
        """The value itself."""
        return self.lines.get("contribution")

    @property
    def is_measured(self) -> bool:
        """Whether nothing of it is modelled: every cohort has reached the horizon."""
        return bool(len(self.measured_share)) and bool((self.measured_share >= 1.0).all())

    @property
    def returns(self) -> float:
        """Value over the cost of winning the user; NaN where that is not known or nothing."""
        middle = self.contribution
        return middle.value / self.spend if middle and self.spend > 0 else np.nan

    @property
    def is_negative_revenue(self) -> bool:
        """Whether refunds booked so far are above revenue booked so far.

        It does not say that more was refunded than was paid: a refund is booked at once, revenue over the
        service it pays for.
        """
        return self.measured["refunds"] > self.measured["revenue"]


def refusal_of(triangle: Triangle) -> Missing | None:
    """Why nothing can be forecast for a segment, if so.

    >>> nobody = Triangle("", (), *(np.empty(0) for _ in "us"), *(np.empty((0, 0)) for _ in "aprffss"))
    >>> refusal_of(nobody).en
    'no users'
    """
    if not triangle.users.sum():
        return NO_USERS
    if triangle.users.sum() < 2:
        return ONE_USER
    if triangle.oldest_age < 0:
        return NOT_MEASURED
    if triangle.oldest_age < FEWEST_AGES - 1:
        return TOO_SHORT
    if not np.nansum(triangle.revenue):
        return NO_REVENUE
    return None


def value_of(
    parts: Sequence[tuple[Prospect, Sequence[int]]],
    *,
    segment: str,
    cohort: str = "",
    discount_rate: float,
    level: float = LEVEL,
    refusal: Missing | None = None,
) -> Value:
    """The value of some cohorts of some segments together, per user of theirs.

    Raises `ValueError` without any cohort, and for parts of different horizons.
    """
    if not any(len(rows) for _, rows in parts):
        raise ValueError("no cohort to value")
    horizons = {part.is_measured.shape[1] for part, _ in parts}
    if len(horizons) != 1:
        raise ValueError(f"parts of different horizons: {sorted(horizons)}")
    horizon = horizons.pop()
    discount = (1.0 + discount_rate) ** (-np.arange(horizon) / 12.0)
    users = sum(float(part.users[list(rows)].sum()) for part, rows in parts)
    spend = sum(float(part.spend[list(rows)].sum()) for part, rows in parts)
    known = np.zeros(horizon)
    sums: dict[str, Floats] = {}
    measured: dict[str, float] = {}
    so_far = 0.0
    for part, rows in parts:
        chosen = list(rows)
        known += part.users[chosen] @ part.is_measured[chosen]
        for name in LINES:
            cells = part.lines[name][:, chosen, :]
            sums[name] = sums.get(name, 0.0) + cells.sum(axis=1)
            seen = np.where(part.is_measured[chosen], cells[0], 0.0).sum(axis=0)
            measured[name] = measured.get(name, 0.0) + float(seen @ discount) / max(users, 1.0)
            so_far += (1 if name == "revenue" else -1) * float(seen.sum()) / max(users, 1.0)
    measured["contribution"] = measured["revenue"] - sum(measured[name] for name in LINES[1:])
    months = int(np.flatnonzero(known > 0).max(initial=-1)) + 1
    described = Value(
        segment, cohort, users, spend / users if users else np.nan, horizon, discount_rate, measured, months,
        so_far, measured_share=known / users if users else known, refusal=refusal,
    )  # fmt: skip
    if refusal is not None or not users:
        return described
    sums["contribution"] = sums["revenue"] - sum(sums[name] for name in LINES[1:])
    totals = {name: (cells / users) @ discount for name, cells in sums.items()}
    lines = {name: Interval.of(total, level=level) for name, total in totals.items()}
    return Value(
        **{name: getattr(described, name) for name in (
            "segment", "cohort", "users", "spend", "horizon_months", "discount_rate", "measured",
            "measured_months", "measured_so_far", "measured_share",
        )},
        lines=lines,
        cumulative=np.cumsum(sums["contribution"] / users, axis=1),
        total=totals["contribution"],
    )  # fmt: skip
