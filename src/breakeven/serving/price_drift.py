"""A price list that falls by half every n months, and when the margin is gone.

    price after m months = price today / 2 ** (m / n)

`smooth` falls a little every month, `steps` halves at once every n months: 2 ** floor(m / n). The cost of a
GPU-hour may fall at a pace of its own. n can be taken from the published history of a model's prices:

    n = months between two lists / log2(price at the first / price at the last)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from breakeven.errors import InputError
from breakeven.money import EXACT
from breakeven.serving.estimate import Estimate

Shape = Literal["smooth", "steps"]
DAYS_PER_MONTH = Decimal("30.436875")
"""The mean month of the Gregorian calendar."""
_TWO = Decimal(2)


@dataclass(frozen=True)
class PriceDrift:
    """How a price falls. Raises `InputError` for a time to halve that is not above zero.

    >>> drift = PriceDrift(Decimal(6))
    >>> [drift.factor(month) for month in (0, 6, 12)]
    [Decimal('1'), Decimal('0.5'), Decimal('0.25')]
    >>> round(drift.factor(3), 4), PriceDrift(Decimal(6), "steps").factor(11)
    (Decimal('0.7071'), Decimal('0.5'))
    """

    halves_every_months: Decimal
    shape: Shape = "smooth"

    def __post_init__(self) -> None:
        if not 0 < self.halves_every_months < Decimal("1e6"):
            raise InputError(
                f"a price cannot halve every {self.halves_every_months} months",
                remedy="write a number of months above zero",
            )

    def factor(self, month: int) -> Decimal:
        """Price at the end of a month over the price today; exact where the exponent is whole."""
        halvings = EXACT.divide(Decimal(month), self.halves_every_months)
        if self.shape == "steps" or halvings == halvings.to_integral_value():
            return EXACT.divide(Decimal(1), _TWO ** int(halvings))
        return EXACT.power(_TWO, -halvings)

    def price(self, today: Decimal, month: int) -> Decimal:
        """A price at the end of a month."""
        return EXACT.multiply(today, self.factor(month))


@dataclass(frozen=True)
class DriftPoint:
    """One month's end: prices and costs over today's, and the margin with its interval."""

    month: int
    price_factor: Decimal
    cost_factor: Decimal
    margin: Estimate


@dataclass(frozen=True)
class DriftPath:
    """Every month's end, and when the margin vanishes: in months from today, None where it never does.

    `zero_low` and `zero_high` are the same where work is dear and cheap; a margin that is negative today is
    gone at 0. Steps vanish at the month of the cut.
    """

    points: tuple[DriftPoint, ...]
    zero_months: float | None
    zero_low: float | None
    zero_high: float | None


def drift_path(
    price_level: Estimate, drift: PriceDrift, months: int, cost_drift: PriceDrift | None = None
) -> DriftPath:
    """The margin month by month; `price_level` is cost over revenue today (`Offer.price_level`).

    >>> path = drift_path(Estimate(0.5, 0.25, 0.8), PriceDrift(Decimal(6)), 12)
    >>> [round(point.margin.value, 4) for point in path.points[::6]], path.zero_months, path.zero_high
    ([0.5, 0.0, -1.0], 6.0, 12.0)
    """
    if not 0 <= months <= 600:
        raise InputError(f"a path of {months} months", remedy="write 0 to 600 months")
    points: list[DriftPoint] = []
    for month in range(months + 1):
        price = drift.factor(month)
        cost = cost_drift.factor(month) if cost_drift else Decimal(1)
        ratio = float(EXACT.divide(cost, price))
        points.append(
            DriftPoint(
                month,
                price,
                cost,
                Estimate(
                    1 - price_level.value * ratio, 1 - price_level.high * ratio, 1 - price_level.low * ratio
                ),
            )
        )
    zeros = [
        months_to_zero(level, drift, cost_drift)
        for level in (price_level.value, price_level.high, price_level.low)
    ]
    return DriftPath(tuple(points), zeros[0], zeros[1], zeros[2])


def months_to_zero(level: float, drift: PriceDrift, cost_drift: PriceDrift | None = None) -> float | None:
    """Months until cost over revenue, `level` today, reaches 1; None where it never does.

    Both smooth: log2(1 / level) / (1/n - 1/k). With steps, the month of the cut that does it.

    >>> months_to_zero(0.3, PriceDrift(Decimal(6), "steps")), months_to_zero(0.5, PriceDrift(Decimal(9)))
    (12.0, 9.0)
    >>> months_to_zero(0.5, PriceDrift(Decimal(9)), PriceDrift(Decimal(9))) is None
    True
    """
    if level >= 1:
        return 0.0
    halvings = -math.log2(level) if level > 0 else math.inf
    price_pace = 1 / float(drift.halves_every_months)
    cost_pace = 1 / float(cost_drift.halves_every_months) if cost_drift else 0.0
    if price_pace <= cost_pace or math.isinf(halvings):
        return None
    smooth = halvings / (price_pace - cost_pace)
    if drift.shape == "smooth" and (cost_drift is None or cost_drift.shape == "smooth"):
        return smooth
    if cost_drift is None:
        return math.ceil(halvings - 1e-12) * float(drift.halves_every_months)
    return _first_month(level, drift, cost_drift, most=math.ceil(smooth + 2 / price_pace) + 1)


def halving_months(first: tuple[date, Decimal], last: tuple[date, Decimal]) -> Decimal:
    """Months a price took to halve, from two dated prices. Raises `InputError` where it did not fall.

    >>> round(halving_months((date(2024, 1, 1), Decimal(8)), (date(2025, 1, 1), Decimal(2))), 2)
    Decimal('6.01')
    """
    (since, before), (until, after) = first, last
    if not (since < until and 0 < after < before):
        raise InputError(
            f"this price did not fall from {since} to {until}",
            remedy="give --halves-every instead, or another model",
        )
    months = EXACT.divide(Decimal((until - since).days), DAYS_PER_MONTH)
    halvings = EXACT.divide(EXACT.ln(EXACT.divide(before, after)), EXACT.ln(_TWO))
    return EXACT.divide(months, halvings)


def _first_month(level: float, drift: PriceDrift, cost_drift: PriceDrift, *, most: int) -> float | None:
    for month in range(most + 1):
        if level * float(EXACT.divide(cost_drift.factor(month), drift.factor(month))) >= 1:
            return float(month)
    return None
