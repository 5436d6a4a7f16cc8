"""From the books to what users are worth: by channel and cohort, all together, and for a user won next.

Everything is drawn by channel and month of acquisition and added up from there, so rows weigh to the total.
Users without a channel are a segment of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.account.payback import Cohort, cohorts
from breakeven.account.unit_cost import unit_cost_index
from breakeven.growth.activity import ActivityFit, fit_activity
from breakeven.growth.books_retention import activity_triangles
from breakeven.growth.choice import Choice, choose
from breakeven.growth.prospect import (
    RATES,
    ActiveShares,
    Prospect,
    base_of,
    go_on,
    month_weights,
    rates_of,
    with_next,
)
from breakeven.growth.triangle import ALL, LINES, UNATTRIBUTED, Floats, Triangle
from breakeven.growth.unit_cost_path import UnitCostPath
from breakeven.growth.value import Value, refusal_of, value_of
from breakeven.periods import next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account

By = Literal["all", "channel", "cohort", "both"]
HORIZON_MONTHS = 12
DISCOUNT_RATE = 0.10
DRAWS = 400
SEED = 20_240_601
NEXT = "next"
"""The cohort of users that are won next month."""
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


@dataclass(frozen=True)
class Values:
    """Rows of values, the total they weigh to, and what a user won next month is worth, by channel.

    `spend_without_users` is what channels cost that brought nobody.
    """

    by: By
    rows: tuple[Value, ...]
    total: Value
    next_users: Mapping[str, Value]
    prospects: Prospects
    cohorts: Mapping[tuple[str, str], Cohort] = field(
        default_factory=dict[tuple[str, str], Cohort], repr=False
    )
    """The books' own cohorts by segment and month (`2024-03`)."""

    def cohort_values(self) -> list[Value]:
        """The rows, or what they are made of, by month of acquisition: each row's own segment."""
        if self.by in ("cohort", "both"):
            return list(self.rows)
        return list(rows_of(self.prospects, "cohort" if self.by == "all" else "both"))


def triangles_of(account: Account) -> dict[str, Triangle]:
    """The books' cohorts as triangles, by channel; users without one under `(unattributed)`."""
    by_segment: dict[str, list[Cohort]] = {}
    for cohort in cohorts(account, by_channels=True):
        by_segment.setdefault(cohort.key.channel or UNATTRIBUTED, []).append(cohort)
    width = max((max(c.ages, default=-1) + 1 for found in by_segment.values() for c in found), default=0)
    return {name: Triangle.of(found, name, width) for name, found in sorted(by_segment.items())}


def prospects_of(
    account: Account,
    *,
    horizon_months: int = HORIZON_MONTHS,
    discount_rate: float = DISCOUNT_RATE,
    unit_cost_path: UnitCostPath | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Prospects | Missing:
    """Draw the books' cohorts, and one to come of each channel, to the horizon; or why nothing can be drawn.

    The path's factors are relative to the last month's unit cost. The same books and seed give the same
    draws.
    """
    triangles = triangles_of(account)
    index = unit_cost_index(account)
    activity = activity_triangles(account).get(ALL)
    choice = choose(activity.exposed, activity.returned, starts=activity.starts) if activity else None
    return prospects_from(
        triangles, index, choice,
        horizon_months=horizon_months, discount_rate=discount_rate, path=unit_cost_path or UnitCostPath(),
        draws=draws, seed=seed,
    )  # fmt: skip


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
        return Missing("no users", "没有用户")
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
        refusal = (
            common
            if isinstance(common, Missing)
            else Missing("not enough to forecast: no activity curve", "不足以预测：没有可用的活跃曲线")
        )
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


def values_of(
    account: Account,
    by: By = "all",
    *,
    horizon_months: int = HORIZON_MONTHS,
    discount_rate: float = DISCOUNT_RATE,
    unit_cost_path: UnitCostPath | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Values | Missing:
    """What acquired users are worth: one row for all, or by channel, by cohort, or by both."""
    found = prospects_of(
        account, horizon_months=horizon_months, discount_rate=discount_rate,
        unit_cost_path=unit_cost_path, draws=draws, seed=seed,
    )  # fmt: skip
    if isinstance(found, Missing):
        return found
    booked = {
        (cohort.key.channel or UNATTRIBUTED, f"{cohort.key.month:%Y-%m}"): cohort
        for cohort in cohorts(account, by_channels=True)
    }
    if by in ("all", "cohort"):
        booked |= {(ALL, f"{one.key.month:%Y-%m}"): one for one in cohorts(account)}
    return arranged(found, by, booked)


def arranged(found: Prospects, by: By, booked: Mapping[tuple[str, str], Cohort] | None = None) -> Values:
    """Rows of values, their total and users to come, from drawn segments."""
    following = {
        name: found.value({name: [len(part.months) - 1]}, name, NEXT)
        for name, part in found.segments.items()
        if found.refusal is None and found.refusals[name] is None
    }
    rows = tuple(rows_of(found, by))
    total = rows[0] if by == "all" else next(iter(rows_of(found, "all")))
    return Values(by, rows, total, following, found, dict(booked or {}))


def rows_of(found: Prospects, by: By) -> Iterator[Value]:
    """Values of all users, of each channel, of each month's cohort, or of both."""
    here = {
        name: [row for row in range(len(part.months)) if not _is_next(found, name, row)]
        for name, part in found.segments.items()
    }
    if by == "all":
        yield found.value(here, ALL)
    elif by == "channel":
        for name, chosen in here.items():
            yield found.value({name: chosen}, name)
    elif by == "both":
        for name, chosen in here.items():
            for row in chosen:
                yield found.value({name: [row]}, name, f"{found.segments[name].months[row]:%Y-%m}")
    else:
        for month in sorted(
            {found.segments[name].months[row] for name, rows in here.items() for row in rows}
        ):
            at = {
                name: [row for row in rows if found.segments[name].months[row] == month]
                for name, rows in here.items()
            }
            yield found.value({name: rows for name, rows in at.items() if rows}, ALL, f"{month:%Y-%m}")


def value_per_new_user(
    account: Account, channel: str, values: Values | None = None, **how: Any
) -> Value | Missing:
    """What a user won next month through a channel is worth: `contribution` as an interval, `total` as draws.

    Give the `values` of the books where several channels are asked for, so that they are drawn once; `how` is
    what `values_of` takes.
    """
    found = values or values_of(account, "channel", **how)
    if isinstance(found, Missing):
        return found
    if channel in found.next_users:
        return found.next_users[channel]
    if found.prospects.refusal is not None:
        return found.prospects.refusal
    return found.prospects.refusals.get(channel) or Missing(
        f"no users came through {channel}", f"没有用户来自 {channel}"
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


def _curve(triangle: Triangle, choice: Choice) -> ActiveShares:
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


def _is_next(found: Prospects, name: str, row: int) -> bool:
    return found.refusal is None and row == len(found.segments[name].months) - 1


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
