"""What cohorts will bring and cost, cell by cell: measured where the month is measured, drawn where it is
not.

    active users ──> payers ──> revenue ──> refunds, fees
         │              └─────> serving cost of paying use
         └────────────────────> serving cost of free use

Each arrow is a rate by age (`money_rates`) on the draws before it, so a cohort that lost its payers in a draw
loses their revenue and their cost in the same draw. Cost is taken from the cohorts' own ledger cells by age,
never as survivors times an average user's cost: who stays uses more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from breakeven.growth.activity.fit import ActivityFit
from breakeven.growth.lifetime_value.money_rates import Rate, cohort_weights, fit_rate
from breakeven.growth.lifetime_value.triangle import LINES, Triangle
from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath
from breakeven.periods import months_apart

Floats = NDArray[np.float64]

RATES: tuple[tuple[str, str], ...] = (
    ("payers", "active"),
    ("revenue", "payers"),
    ("refunds", "revenue"),
    ("fees", "revenue"),
    ("serving_paying", "payers"),
    ("serving_free", "active"),
)
"""What is drawn from what, in order."""
_COSTS = ("serving_paying", "serving_free")


@dataclass(frozen=True)
class Prospect:
    """One segment's cohorts to the horizon. `lines` are (draw, cohort, age) money, `active_shares` alike.

    `is_measured` (cohort, age) says which cells are the books' own; these are alike in every draw.
    """

    segment: str
    months: tuple[date, ...]
    users: Floats
    spend: Floats
    is_measured: NDArray[np.bool_]
    lines: Mapping[str, Floats]
    active_shares: Floats
    oldest_age: int

    @property
    def contribution(self) -> Floats:
        """(draw, cohort, age): revenue less refunds, fees and serving."""
        found = self.lines["revenue"].copy()
        for name in LINES[1:]:
            found -= self.lines[name]
        return found


def rates_of(
    triangle: Triangle,
    weights: Mapping[date, Floats],
    random: np.random.Generator,
    parents: Mapping[str, Rate] | None = None,
    bases: Mapping[str, str] | None = None,
) -> dict[str, Rate]:
    """The rates of a segment at constant unit cost. `weights` are (draw,) for each month of acquisition.

    `bases` is what each line is drawn from, where it is not as in `RATES`.
    """
    drawn = np.stack([weights[month] for month in triangle.months], axis=1)
    found: dict[str, Rate] = {}
    for name, base in RATES:
        parent = parents[name] if parents else None
        on = triangle.line((bases or {}).get(name, base))
        found[name] = fit_rate(on, triangle.line(name), drawn, random, parent)
    return found


def base_of(triangle: Triangle, name: str, base: str) -> str:
    """What a line is drawn from: where the books know no payers, money comes from active users."""
    if base == "payers" and not np.nansum(triangle.payers) and np.nansum(triangle.line(name)):
        return "active"
    return base


def month_weights(months: Sequence[date], draws: int, random: np.random.Generator) -> dict[date, Floats]:
    """Random weights of each month of acquisition, the same for every segment."""
    drawn = cohort_weights(len(months), draws, random)
    return {month: drawn[:, k] for k, month in enumerate(months)}


def go_on(
    triangle: Triangle,
    constant: Triangle,
    activity: ActivityFit,
    rates: Mapping[str, Rate],
    *,
    horizon_months: int,
    draws: int,
    path: UnitCostPath,
    random: np.random.Generator,
    bases: Mapping[str, str] | None = None,
) -> Prospect:
    """A segment's cohorts from their measured cells to the horizon.

    `triangle` is as booked, `constant` the same at today's unit cost; `bases` what each line is drawn from.
    """
    ages = max(horizon_months, triangle.ages)
    measured = _wide(triangle.is_measured, ages, fill=False).astype(bool)
    shares = activity.forecast(
        triangle.users, np.minimum(triangle.active, triangle.users[:, None]), ages, draws, random
    )
    drawn: dict[str, Floats] = {
        "active": _filled(triangle.active, shares[:, :, :ages] * triangle.users[None, :, None])
    }
    factors = np.stack([path.factors(month, ages) for month in triangle.months])
    lines: dict[str, Floats] = {}
    for name, base in RATES:
        on = (bases or {}).get(name, base)
        future = rates[name].go_on(constant.line(on), constant.line(name), drawn[on], random)
        if name in _COSTS:
            future = future * factors[None, :, :]
        drawn[name] = _filled(triangle.line(name), future)
        if name in LINES:
            lines[name] = drawn[name][:, :, :horizon_months]
    return Prospect(
        triangle.segment,
        triangle.months,
        triangle.users,
        triangle.spend,
        measured[:, :horizon_months],
        lines,
        shares[:, :, :horizon_months],
        triangle.oldest_age,
    )


def with_next(triangle: Triangle, month: date, users: float) -> Triangle:
    """The same segment with one more cohort, of which nothing is measured yet."""
    if triangle.months and months_apart(triangle.months[-1], month) <= 0:
        raise ValueError(f"{month} is not after {triangle.months[-1]}")
    unknown = np.full((1, triangle.ages), np.nan)

    def longer(cells: Floats) -> Floats:
        return np.concatenate([cells, unknown])

    return Triangle(
        triangle.segment,
        (*triangle.months, month),
        np.append(triangle.users, users),
        np.append(triangle.spend, np.nan),
        longer(triangle.active),
        longer(triangle.payers),
        longer(triangle.revenue),
        longer(triangle.refunds),
        longer(triangle.fees),
        longer(triangle.serving_paying),
        longer(triangle.serving_free),
    )


def _filled(measured: Floats, drawn: Floats) -> Floats:
    """Draws with the measured cells put in."""
    wide = _wide(measured, drawn.shape[2], fill=np.nan)
    return np.where(np.isfinite(wide)[None], wide[None], drawn)


def _wide(cells: NDArray[np.generic], ages: int, *, fill: float | bool) -> Floats:
    found = np.full((cells.shape[0], ages), fill, dtype=float)
    found[:, : cells.shape[1]] = cells[:, :ages]
    return found
