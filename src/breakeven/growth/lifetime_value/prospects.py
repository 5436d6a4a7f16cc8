"""All segments drawn together: triangles and a chosen activity curve in, prospects by channel out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.activity.fit import ActivityFit, fit_activity
from breakeven.growth.choosing.choice import Choice
from breakeven.growth.lifetime_value.prospect import (
    RATES,
    Prospect,
    base_of,
    go_on,
    month_weights,
    rates_of,
    with_next,
)
from breakeven.growth.lifetime_value.triangle import LINES, Floats, Triangle
from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath
from breakeven.growth.lifetime_value.value import NO_USERS, Value, refusal_of, value_of
from breakeven.periods import next_month

DISCOUNT_RATE = 0.10
DRAWS = 400
SEED = 20_240_601
NEXT = "next"
"""The cohort of users that are won next month."""
NO_CURVE = Missing("not enough to forecast: no activity curve", "不足以预测：没有可用的活跃曲线")
_FEWEST_COHORTS = 4
_FEWEST_USERS = 200
"""From so many cohorts and users on, a channel has an activity curve of its own."""


@dataclass(frozen=True)
class Prospects:
    """All segments of the books, drawn to the horizon: `segments` by name, each with a last cohort to come.

    `triangles` are as booked, `constant` at today's unit cost; `refusals` says which segments show too
    little.
    """

    triangles: Mapping[str, Triangle]
    constant: Mapping[str, Triangle]
    segments: Mapping[str, Prospect]
    refusals: Mapping[str, Missing | None]
    index: Mapping[date, Decimal | Missing]
    path: UnitCostPath
    horizon_months: int
    discount_rate: float
    model: str
    draws: int
    seed: int
    refusal: Missing | None = None

    def value(self, rows: Mapping[str, list[int]], segment: str, cohort: str = "") -> Value:
        """The value of some cohorts, by segment."""
        parts = [(self.segments[name], chosen) for name, chosen in rows.items()]
        refused = self.refusal if len(rows) != 1 else self.refusals[next(iter(rows))]
        users = sum(float(self.segments[name].users[chosen].sum()) for name, chosen in rows.items())
        if refused is None and users < 2 and cohort != NEXT:
            refused = refusal_of(self.triangles[next(iter(rows))].rows(rows[next(iter(rows))]))
        return value_of(
            parts, segment=segment, cohort=cohort, discount_rate=self.discount_rate, refusal=refused
        )


def prospects_from(
    triangles: Mapping[str, Triangle],
    index: Mapping[date, Decimal | Missing],
    choice: Choice | None,
    *,
    horizon_months: int,
    discount_rate: float = DISCOUNT_RATE,
    path: UnitCostPath | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Prospects | Missing:
    """The same from triangles by channel and a chosen activity curve, without books."""
    filled = {name: one for name, one in triangles.items() if one.users.sum() > 0}
    if not filled:
        return NO_USERS
    way = path or UnitCostPath()
    months = sorted({month for one in filled.values() for month in one.months})
    following = max(_last_month(one) for one in filled.values())
    following = next_month(max(following, months[-1]))
    longer = {name: with_next(one, following, _typical(one)) for name, one in filled.items()}
    constant = {name: one.at_constant_cost(levels_of(one, index)) for name, one in longer.items()}
    whole = Triangle.merge(list(constant.values()))
    refusal = refusal_of(Triangle.merge(list(filled.values())))
    common = choice.best if choice else None
    if refusal is None and (common is None or isinstance(common, Missing)):
        refusal = common if isinstance(common, Missing) else NO_CURVE
    if refusal is not None:
        segments = {name: _measured_only(one, horizon_months) for name, one in filled.items()}
        refusals = {name: refusal_of(one) or refusal for name, one in filled.items()}
        return Prospects(
            filled,
            constant,
            segments,
            refusals,
            index,
            way,
            horizon_months,
            discount_rate,
            "",
            draws,
            seed,
            refusal,
        )
    assert choice is not None  # noqa: S101 - a choice without a curve is refused above
    random = np.random.default_rng(seed)
    weights = month_weights([*months, following], draws, random)
    bases = {name: base_of(whole, name, base) for name, base in RATES}
    parents = rates_of(whole, weights, random, None, bases)
    segments: dict[str, Prospect] = {}
    for name, one in longer.items():
        own = np.random.default_rng([seed, zlib.crc32(name.encode())])
        segments[name] = go_on(
            one, constant[name], _curve(one, choice), rates_of(constant[name], weights, own, parents, bases),
            horizon_months=horizon_months, draws=draws, path=way, random=own, bases=bases,
        )  # fmt: skip
    refusals = {name: _refusal_of_part(one) for name, one in filled.items()}
    return Prospects(
        longer,
        constant,
        segments,
        refusals,
        index,
        way,
        horizon_months,
        discount_rate,
        choice.model,
        draws,
        seed,
    )


def levels_of(triangle: Triangle, index: Mapping[date, Decimal | Missing]) -> list[float]:
    """Unit cost of each month from a triangle's first on, relative to today; NaN where not known."""
    levels: list[float] = []
    month = triangle.months[0]
    for _ in range(triangle.ages):
        level = index.get(month)
        levels.append(float(level) if isinstance(level, Decimal) else np.nan)
        month = next_month(month)
    return levels


def _curve(triangle: Triangle, choice: Choice) -> ActivityFit:
    """The chosen curve fitted to a channel of some size, or else everybody's."""
    common: ActivityFit = choice.best
    seen = triangle.is_measured[:, 1:].any(axis=1)
    if seen.sum() < _FEWEST_COHORTS or triangle.users[seen].sum() < _FEWEST_USERS:
        return common
    exposed = np.where(triangle.is_measured, triangle.users[:, None], np.nan)
    keep = triangle.is_measured.any(axis=1)
    own = fit_activity(common.curve, exposed[keep], triangle.active[keep])
    return common if isinstance(own, Missing) else own


def _refusal_of_part(triangle: Triangle) -> Missing | None:
    """Why a segment has no forecast of its own where others have: only for want of users."""
    found = refusal_of(triangle)
    return found if found is not None and triangle.users.sum() < 2 else None


def _typical(triangle: Triangle) -> float:
    """How many users the next cohort is taken to have: as many as the last three on average."""
    return max(1.0, float(np.round(triangle.users[-3:].mean())))


def _last_month(triangle: Triangle) -> date:
    """The last calendar month that a segment shows."""
    last = triangle.months[0]
    for month, row in zip(triangle.months, triangle.is_measured, strict=True):
        day = month
        for _ in range(int(np.flatnonzero(row).max(initial=0))):
            day = next_month(day)
        last = max(last, day)
    return last


def _measured_only(triangle: Triangle, horizon_months: int) -> Prospect:
    """What is measured, and nothing else: one draw with nothing in the cells to come."""

    def cut(cells: Floats) -> Floats:
        found = np.zeros((1, len(cells), horizon_months))
        width = min(cells.shape[1], horizon_months)
        found[0, :, :width] = np.nan_to_num(cells[:, :width])
        return found

    measured = np.zeros((len(triangle.months), horizon_months), dtype=bool)
    width = min(triangle.ages, horizon_months)
    measured[:, :width] = triangle.is_measured[:, :width]
    return Prospect(
        triangle.segment, triangle.months, triangle.users, triangle.spend, measured,
        {name: cut(triangle.line(name)) for name in LINES},
        cut(triangle.active / np.maximum(triangle.users, 1.0)[:, None]), triangle.oldest_age,
    )  # fmt: skip
