"""When cumulative contribution covers what the users cost to win: a month where measured, a band where not.

Months count as in the account: the month of acquisition is the first. Contribution is not discounted, as it
is not in the measured payback: a yuan that has come back has come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL
from breakeven.growth.lifetime_value.value import Value
from breakeven.periods import next_month

NO_SPEND_KNOWN = Missing("what these users cost to win is not known", "不知道获得这些用户花了多少")
NOTHING_SPENT = Missing("nothing was spent on it", "没有为其支出")


@dataclass(frozen=True)
class Payback:
    """Months until a user has paid back. None is *not within the horizon*.

    `early`, `middle`, `late` are of the draws, with about `level` of them within the band (see `band_of`);
    `share` is how many pay back within `horizon_months`. `is_measured` says that the books show the crossing
    already.
    """

    horizon_months: int
    early: int | None
    middle: int | None
    late: int | None
    share: float
    level: float = LEVEL
    is_measured: bool = False


def payback_of(value: Value, measured_months: int | None = None, level: float = LEVEL) -> Payback | Missing:
    """From a value's draws and its cost of winning a user; `measured_months` is the crossing the books show.

    The measured answer is the account's own, to the cent. A segment of several cohorts has none.
    """
    horizon = value.horizon_months
    if np.isnan(value.spend):
        return NO_SPEND_KNOWN
    if value.spend == 0:
        return NOTHING_SPENT
    if measured_months is not None:
        month = measured_months if measured_months <= horizon else None
        return Payback(horizon, month, month, month, float(month is not None), level, True)
    if value.refusal is not None:
        return value.refusal
    crossed = months_of(value.cumulative, value.spend)
    if value.cohort:
        # The books show no crossing in the measured months: rounding of floats must not invent one.
        crossed = np.maximum(crossed, float(_measured_in_a_row(value) + 1))
        crossed[crossed > horizon] = np.inf
    early, middle, late = (None if np.isinf(month) else int(month) for month in band_of(crossed, level))
    return Payback(horizon, early, middle, late, float(np.isfinite(crossed).mean()), level)


def band_of(months: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float, float]:
    """Early, middle and late of drawn months (draw,), so that the band holds as near to `level` as months
    allow.

    Whole months rarely hold exactly four draws in five: of the bands whose ends are the quantiles or one
    drawn month further in, it is the one that holds a share nearest to the level.

    >>> band_of(np.array([3.0, 4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0, 5.0, 9.0]))
    (4.0, 4.0, 5.0)
    """
    tail = (1.0 - level) / 2.0
    early, middle, late = np.quantile(months, [tail, 0.5, 1.0 - tail], method="inverted_cdf")
    later = months[(months > early) & (months <= middle)]
    earlier = months[(months < late) & (months >= middle)]
    firsts = [early, later.min(initial=middle)]
    lasts = [late, earlier.max(initial=middle)]

    def off(band: tuple[float, float]) -> float:
        return abs(float(((months >= band[0]) & (months <= band[1])).mean()) - level)

    first, last = min(((a, b) for a in firsts for b in lasts), key=off)
    return float(first), float(middle), float(last)


def months_of(cumulative: NDArray[np.float64], spend: float) -> NDArray[np.float64]:
    """(draw,): the month in which cumulative contribution (draw, age) first covers the spend; infinite if
    never.

    >>> months_of(np.array([[1.0, 3.0, 6.0], [1.0, 2.0, 2.5]]), 3.0).tolist()
    [2.0, inf]
    """
    covered = cumulative >= spend
    first = np.argmax(covered, axis=1) + 1.0
    return np.where(covered.any(axis=1), first, np.inf)


def month_after(cohort: date, months: int | None) -> date | None:
    """The calendar month that is a cohort's n-th, its own being the first.

    >>> month_after(date(2024, 11, 1), 3)
    datetime.date(2025, 1, 1)
    """
    if months is None:
        return None
    found = cohort
    for _ in range(months - 1):
        found = next_month(found)
    return found


def _measured_in_a_row(value: Value) -> int:
    """How many months are measured from the first on."""
    gaps = np.flatnonzero(value.measured_share < 1.0)
    return int(gaps[0]) if len(gaps) else len(value.measured_share)
