"""The books' own cohorts, forecast: who of each month's users will be active in the months to come.

Only months that are covered to their end count as known. The month that is under way is forecast like any
other to come, and its cohort, which still grows, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.account.retention import CohortKey, active_triangle, cohort_sizes
from breakeven.growth.choosing.backtest import Floats, Foretold
from breakeven.growth.choosing.candidates import NAIVE_NAME
from breakeven.growth.choosing.choice import Choice, choose
from breakeven.growth.lifetime_value.triangle import ALL, UNATTRIBUTED
from breakeven.ledger.forecasts import Forecast, basis_of
from breakeven.periods import ONE_DAY, Period, months_apart, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account

HORIZON_MONTHS = 6
_DRAWN_MONTHS = 12
"""So many months are drawn even where fewer are asked for: no month's answer hangs on how many were asked."""
NO_COHORTS = Missing(
    "no cohort is complete: acquisitions and activity must cover a whole month",
    "没有完整的同期群：获客与活跃数据须覆盖完整的一个月",
)
NO_SUCH_CHANNEL = Missing("no users came through it", "没有用户来自该渠道")


@dataclass(frozen=True)
class ActivityTriangle:
    """Users of each cohort active by age, NaN where a month is not covered to its end.

    `months` are the cohorts', `users` their sizes, `last_month` the last that is known.
    """

    segment: str
    months: tuple[date, ...]
    users: Floats
    returned: Floats
    last_month: date

    @property
    def exposed(self) -> Floats:
        """(cohort, age): users who could have been active, NaN where it is not known."""
        return np.where(np.isfinite(self.returned), self.users[:, None], np.nan)

    @property
    def shares(self) -> Floats:
        """(cohort, age): the share active."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.users[:, None] > 0, self.returned / self.users[:, None], np.nan)

    @property
    def starts(self) -> Any:
        """The month each cohort began in, counted from the first one's."""
        return np.array([months_apart(self.months[0], month) for month in self.months], dtype=np.int64)

    @property
    def facts_to(self) -> date:
        """The last day that counts."""
        return next_month(self.last_month) - ONE_DAY


def activity_triangles(account: Account, *, by_channels: bool = False) -> dict[str, ActivityTriangle]:
    """Triangles by segment: all users (`ALL`), or each channel's. None without a whole month."""
    span = account.buckets.span
    covered = [
        month
        for month in span.months()
        if account.coverage.full("activity", Period.month(month)) and _is_inside(month, span)
    ]
    sizes = cohort_sizes(account, by_channel=by_channels)
    ended = [key for key in sizes if key.month in span and _has_ended(account, key.month)]
    if not covered or not ended:
        return {}
    active, last = active_triangle(account, by_channel=by_channels), covered[-1]
    rows: dict[str, list[CohortKey]] = {}
    nobody = UNATTRIBUTED if by_channels else ALL
    for key in sorted((key for key in ended if key.month <= last), key=lambda key: key.month):
        rows.setdefault(key.channel or nobody, []).append(key)
    found: dict[str, ActivityTriangle] = {}
    for segment, keys in rows.items():
        returned = np.full((len(keys), months_apart(keys[0].month, last) + 1), np.nan)
        for row, key in enumerate(keys):
            for month in covered:
                if month >= key.month:
                    age = months_apart(key.month, month)
                    returned[row, age] = active.get(key, {}).get(age, 0)
        months = tuple(key.month for key in keys)
        users = np.array([sizes[key] for key in keys], dtype=float)
        found[segment] = ActivityTriangle(segment, months, users, returned, last)
    return found


def _is_inside(month: date, span: Period) -> bool:
    whole = Period.month(month)
    return span.first <= whole.first and whole.end <= span.end


def _has_ended(account: Account, month: date) -> bool:
    """Whether a cohort can grow no more: acquisitions are covered to the end of its month, or beyond."""
    last = Period(next_month(month) - ONE_DAY, next_month(month))
    later = account.coverage.periods.get("acquisitions", ())
    return account.coverage.any("acquisitions", last) or any(known.end > last.end for known in later)


@dataclass(frozen=True)
class RetentionForecast:
    """One segment's triangle, and what the chosen model and the naive forecast say of the months to come.

    `ages` is how many ages the arrays have: each cohort is forecast `horizon` months beyond the last known.
    """

    triangle: ActivityTriangle
    choice: Choice
    horizon: int
    basis: str

    @cached_property
    def measured(self) -> Floats:
        """(cohort, age): what is known, NaN elsewhere."""
        found = np.full((len(self.triangle.months), self.ages), np.nan)
        found[:, : self.triangle.returned.shape[1]] = self.triangle.shares
        return found

    @property
    def ages(self) -> int:
        """Ages shown: those of the oldest cohort at the horizon."""
        return self.triangle.returned.shape[1] + self.horizon

    @cached_property
    def bands(self) -> tuple[Floats, Floats, Floats] | None:
        """(cohort, age) of forecast, low and high; None when no model could be fitted."""
        return self._bands_of(self.choice.foretold)

    @cached_property
    def naive_bands(self) -> tuple[Floats, Floats, Floats] | None:
        """The same of the naive forecast."""
        return self._bands_of(self.choice.naive)

    def _bands_of(self, told: Foretold | Missing) -> tuple[Floats, Floats, Floats] | None:
        if isinstance(told, Missing):
            return None
        tail = (1 - self.choice.level) / 2
        low, high = np.quantile(told.draws, [tail, 1 - tail], axis=0)
        return told.value, np.minimum(low, told.value), np.maximum(high, told.value)

    @property
    def oldest_known_age(self) -> int:
        """The greatest age that any cohort has reached: beyond it, forecasts extrapolate."""
        found = np.flatnonzero(np.isfinite(self.measured).any(axis=0))
        return int(found[-1]) if len(found) else -1

    def to_come(self) -> list[tuple[int, int]]:
        """(cohort, age) of the cells that are forecast: after the last known month, up to the horizon."""
        first = months_apart(self.triangle.months[0], self.triangle.last_month)
        return [
            (row, age)
            for row, start in enumerate(self.triangle.starts)
            for age in range(first - start + 1, first - start + 1 + self.horizon)
        ]

    def forecasts(self, made_on: date) -> list[Forecast]:
        """Every forecast cell, of the chosen model and of the naive one, to be kept."""
        told = {self.choice.model: self.bands, NAIVE_NAME: self.naive_bands}
        return [
            Forecast(
                made_on, self.triangle.facts_to, "retention", model, self.triangle.segment,
                f"{self.triangle.months[row]:%Y-%m}", age,
                float(bands[0][row, age]), float(bands[1][row, age]), float(bands[2][row, age]),
                self.choice.level, "ratio", self.basis,
            )
            for model, bands in told.items()
            if bands is not None
            for row, age in self.to_come()
            if np.isfinite([band[row, age] for band in bands]).all()
        ]  # fmt: skip


def forecast_retention(
    triangle: ActivityTriangle, *, horizon: int = HORIZON_MONTHS, curves: Sequence[Any] | None = None
) -> RetentionForecast:
    """Choose a curve on a triangle's own past, and forecast its cohorts `horizon` months ahead."""
    choice = choose(
        triangle.exposed,
        triangle.returned,
        curves,
        starts=triangle.starts,
        ages=triangle.returned.shape[1] + max(horizon, _DRAWN_MONTHS),
    )
    facts = {
        "months": triangle.months,
        "users": triangle.users.tolist(),
        "returned": np.nan_to_num(triangle.returned, nan=-1).tolist(),
        "model": choice.model,
        "level": choice.level,
    }
    return RetentionForecast(triangle, choice, horizon, basis_of(facts))
