"""Forecasts of value and payback, kept as they were shown, so that they can be scored when the months have
come.

`ltv`: contribution per acquired user up to and including an age, not discounted (what the books will show),
for the next month of age, three further ones and the horizon. `payback`: months until the cost of winning a
user is covered, its `age` the last that the horizon allows; no value is *not within the horizon*. What a
reader only asked (an assumed unit cost), a user that is not won yet, and old states of the books are not
kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np

from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.lifetime_value.payback import Payback
from breakeven.ledger.forecasts import Forecast, basis_of, keep_forecasts
from breakeven.periods import ONE_DAY, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.growth.lifetime_value.books_value import Values
    from breakeven.growth.lifetime_value.value import Value

MODEL = "ledger rates"
"""The name of the way money goes on here; the activity curve is named behind it."""
_AHEAD = (1, 3)


def keep_values(account: Account, found: Values) -> int:
    """Keep what was forecast of cohorts, by cohort, whatever the rows; how many forecasts were new."""
    if not _may_keep(account, found):
        return 0
    told = [
        _forecast_of(account, found, value, age) for value in found.cohort_values() for age in _ages(value)
    ]
    return keep_forecasts(account.books.folder, told).new


def keep_paybacks(account: Account, found: Values, told: Iterable[tuple[Value, Payback]]) -> int:
    """Keep paybacks of cohorts that are not measured yet; how many were new."""
    if not _may_keep(account, found):
        return 0
    kept = [
        Forecast(
            datetime.now(UTC).date(), facts_to(found), "payback", _model(found), value.segment, value.cohort,
            one.horizon_months - 1, _number(one.middle), _number(one.early), _number(one.late), one.level,
            "months", _basis(found),
        )
        for value, one in told
        if value.cohort and not one.is_measured
    ]  # fmt: skip
    return keep_forecasts(account.books.folder, kept).new


def facts_to(found: Values) -> date:
    """The last day of the months that forecasts were made from."""
    last = date.min
    for triangle in found.prospects.triangles.values():
        for month, row in zip(triangle.months, triangle.is_measured, strict=True):
            day = month
            for _ in range(int(np.flatnonzero(row).max(initial=-1)) + 1):
                day = next_month(day)
            if row.any():
                last = max(last, day - ONE_DAY)
    return last


def _number(months: int | None) -> float | None:
    return None if months is None else float(months)


def _may_keep(account: Account, found: Values) -> bool:
    books = account.books
    is_now = books.as_of is None and books.versions is None
    return is_now and found.prospects.refusal is None and not found.prospects.path.steps


def _ages(value: Value) -> list[int]:
    """Ages worth keeping: soon enough to be scored, and the horizon; only those not measured yet."""
    if value.refusal is not None:
        return []
    reached = int(np.flatnonzero(value.measured_share >= 1.0).max(initial=-1))
    ages = {reached + ahead for ahead in _AHEAD} | {value.horizon_months - 1}
    return sorted(age for age in ages if reached < age < value.horizon_months)


def _forecast_of(account: Account, found: Values, value: Value, age: int) -> Forecast:
    told = Interval.of(value.cumulative[:, age])
    return Forecast(
        datetime.now(UTC).date(), facts_to(found), "ltv", _model(found), value.segment, value.cohort, age,
        told.value, told.low, told.high, LEVEL, f"{account.currency}/user", _basis(found),
    )  # fmt: skip


def _model(found: Values) -> str:
    return f"{MODEL}, {found.prospects.model}"


def _basis(found: Values) -> str:
    prospects = found.prospects
    return basis_of(
        {
            "cells": {
                name: [np.nan_to_num(one.contribution, nan=-1.0).round(6).tolist(), one.users.tolist()]
                for name, one in prospects.triangles.items()
            },
            "model": prospects.model,
            "horizon_months": prospects.horizon_months,
            "draws": prospects.draws,
            "seed": prospects.seed,
        }
    )
