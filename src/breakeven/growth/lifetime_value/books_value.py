"""From the books to what users are worth: by channel and cohort, all together, and for a user won next.

Everything is drawn by channel and month of acquisition and added up from there, so rows weigh to the total.
Users without a channel are a segment of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from breakeven.account.metrics import Amount, Missing
from breakeven.account.payback import Cohort, cohorts
from breakeven.account.unit_cost import unit_cost_index
from breakeven.errors import UsageError
from breakeven.growth.choosing.books_retention import activity_triangles
from breakeven.growth.choosing.choice import choose
from breakeven.growth.lifetime_value.prospects import (
    DISCOUNT_RATE,
    DRAWS,
    NEXT,
    SEED,
    Prospects,
    prospects_from,
)
from breakeven.growth.lifetime_value.triangle import ALL, UNATTRIBUTED, Triangle
from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath
from breakeven.growth.lifetime_value.value import Value

if TYPE_CHECKING:
    from breakeven.account.account import Account

By = Literal["all", "channel", "cohort", "both"]
HORIZON_MONTHS = 12
HIGHEST_RATE = 10
"""A discount rate a year above this is taken for a slip: 10 is 1000 %."""


@dataclass(frozen=True)
class Values:
    """Rows of values, the total they weigh to, and what a user won next month is worth, by channel."""

    by: By
    rows: tuple[Value, ...]
    total: Value
    next_users: Mapping[str, Value]
    prospects: Prospects
    cohorts: Mapping[tuple[str, str], Cohort] = field(
        default_factory=dict[tuple[str, str], Cohort], repr=False
    )
    """The books' own cohorts by segment and month (`2024-03`)."""

    def came_back(self, row: Value) -> float | None:
        """What a row's users brought so far, each, to the last day the books know: the account's own figure.

        A month under way counts, as it does in the account; None where no month is known or no cohort booked.
        """
        if row.cohort:
            mine = [one for one in (self.cohorts.get((row.segment, row.cohort)),) if one is not None]
        else:
            mine = [
                one
                for (segment, _), one in self.cohorts.items()
                if (segment == row.segment if row.segment != ALL else segment != ALL)
            ]
        users = sum(one.users for one in mine)
        if not users or not any(one.ages for one in mine):
            return None
        return float(sum(one.cumulative(max(one.ages)) for one in mine if one.ages)) / users

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


def last_measured(triangles: Mapping[str, Triangle]) -> date | None:
    """The last month that any cohort is measured for in full."""
    found: date | None = None
    for triangle in triangles.values():
        for month, row in zip(triangle.months, triangle.is_measured, strict=True):
            years, months = divmod(month.month - 1 + int(np.flatnonzero(row).max(initial=0)), 12)
            day = date(month.year + years, months + 1, 1)
            if row.any() and (found is None or day > found):
                found = day
    return found


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
    draws. Raises `UsageError` for a path through measured months, and a discount rate above `HIGHEST_RATE`.
    """
    if not 0 <= discount_rate <= HIGHEST_RATE:
        raise UsageError(
            f"a discount rate of {discount_rate:g} a year is out of bounds",
            remedy=f"give a rate a year from 0 to {HIGHEST_RATE}: 0.1 is 10 %",
        )
    triangles = triangles_of(account)
    last = last_measured(triangles)
    if unit_cost_path is not None and last is not None:
        unit_cost_path = unit_cost_path.after(last)
    index = unit_cost_index(account)
    activity = activity_triangles(account).get(ALL)
    choice = choose(activity.exposed, activity.returned, starts=activity.starts) if activity else None
    return prospects_from(
        triangles, index, choice,
        horizon_months=horizon_months, discount_rate=discount_rate, path=unit_cost_path or UnitCostPath(),
        draws=draws, seed=seed,
    )  # fmt: skip


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
    return with_all_spend(arranged(found, by, booked), account.total("cac_blended"))


def with_all_spend(values: Values, cac: Amount) -> Values:
    """The same, each row of all users with all that was spent to win them, also through channels that brought
    nobody.

    `cac` is the account's blended cost of a user over all months; the months' own come from their cohorts.
    """

    def of_all(row: Value) -> Value:
        if row.segment != ALL:
            return row
        if not row.cohort:
            return replace(row, spend=np.nan if isinstance(cac, Missing) else float(cac))
        booked = values.cohorts.get((ALL, row.cohort))
        if booked is None or not booked.users:
            return row
        spend = np.nan if isinstance(booked.spend, Missing) else float(booked.spend) / booked.users
        return replace(row, spend=spend)

    return replace(values, rows=tuple(map(of_all, values.rows)), total=of_all(values.total))


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


def _is_next(found: Prospects, name: str, row: int) -> bool:
    return found.refusal is None and row == len(found.segments[name].months) - 1
