"""Classic retention and the cohort triangle, from who was active when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow.compute

from breakeven.periods import ONE_DAY, Period, month_of, months_apart

if TYPE_CHECKING:
    from breakeven.account.account import Account

# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute


def day_retention(account: Account, days: int) -> tuple[list[int], list[int]]:
    """Classic day-N retention by bucket of acquisition: (users with a covered day N, of these active on it).

    A user acquired on day D counts as exposed only when D+N is covered: a day without data is not churn.
    """
    size = len(account.buckets.periods)
    exposed, returned = [0] * size, [0] * size
    for day, users in new_users_by_day(account).items():
        bucket = account.buckets.of(day)
        later = day + ONE_DAY * days
        if bucket is not None and account.coverage.full("activity", Period(later, later + ONE_DAY)):
            exposed[bucket] += users
    activity = account.rollups["activity"]
    if activity.num_rows:
        later_by = pc.days_between(activity["acquired_day"], activity["day"])
        back = (
            activity.filter(pc.equal(later_by, days)).group_by(["acquired_day"]).aggregate([("users", "sum")])
        )
        for row in back.to_pylist():
            bucket = account.buckets.of(row["acquired_day"])
            if bucket is not None:
                returned[bucket] += row["users_sum"]
    return exposed, returned


def new_users_by_day(account: Account) -> Mapping[date, int]:
    """Users acquired on each day."""
    rows = account.rollups["acquisitions"]
    if rows.num_rows == 0:
        return {}
    grouped = rows.group_by(["day"]).aggregate([("users", "sum")]).to_pylist()
    return {row["day"]: row["users_sum"] for row in grouped}


@dataclass(frozen=True)
class CohortKey:
    """A cohort: users acquired in a month, of one channel, or of all (None)."""

    month: date
    channel: str | None = None


def active_triangle(account: Account, *, by_channel: bool = False) -> dict[CohortKey, dict[int, int]]:
    """Distinct active users by cohort and age in months. Age 0 is the month of acquisition."""
    triangle: dict[CohortKey, dict[int, int]] = {}
    rows = account.rollups["active_in_month"]
    if rows.num_rows == 0:
        return triangle
    for row in rows.to_pylist():
        if row["cohort"] is None or row["month"] not in account.buckets.span:
            continue
        key = CohortKey(row["cohort"], row["channel"] if by_channel else None)
        ages = triangle.setdefault(key, {})
        age = months_apart(row["cohort"], row["month"])
        ages[age] = ages.get(age, 0) + row["users"]
    return triangle


def cohort_sizes(account: Account, *, by_channel: bool = False) -> dict[CohortKey, int]:
    """Users of each cohort."""
    sizes: dict[CohortKey, int] = {}
    rows = account.rollups["acquisitions"]
    if rows.num_rows == 0:
        return sizes
    for row in rows.group_by(["day", "channel"]).aggregate([("users", "sum")]).to_pylist():
        key = CohortKey(month_of(row["day"]), row["channel"] if by_channel else None)
        sizes[key] = sizes.get(key, 0) + row["users_sum"]
    return dict(sorted(sizes.items(), key=lambda item: (item[0].month, item[0].channel or "")))
