"""Forecasts of value and payback, as they are kept to be scored when the months have come.

`ltv`: contribution per acquired user up to and including an age, not discounted (what the books will show),
for the next month of age, three further ones and the horizon. `payback`: months until the cost of winning a
user is covered, its `age` the last that the horizon allows; no value is *not within the horizon*. What a
reader only asked (an assumed unit cost) and a user that is not won yet are no forecasts of this kind.

The same facts foretell the same cohort and age once: how far else a reader looked, how the rows were cut and
how often it was drawn change the last digits and no meaning, so they are not in the basis.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.lifetime_value.payback import Payback
from breakeven.ledger.forecasts import Forecast, basis_of
from breakeven.periods import ONE_DAY, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.growth.lifetime_value.books_value import Values
    from breakeven.growth.lifetime_value.value import Value

MODEL = "ledger rates"
"""The name of the way money goes on here; the activity curve is named behind it."""
_AHEAD = (1, 3)


def value_forecasts(account: Account, found: Values, made_on: date) -> list[Forecast]:
    """What was forecast of cohorts, by cohort, whatever the rows; nothing of what was only asked."""
    if not _is_forecast(found):
        return []
    return [
        _forecast_of(account, found, value, age, made_on)
        for value in found.cohort_values()
        for age in _ages(value)
    ]


def payback_forecasts(found: Values, told: Iterable[tuple[Value, Payback]], made_on: date) -> list[Forecast]:
    """Paybacks of cohorts that are not measured yet."""
    if not _is_forecast(found):
        return []
    return [
        Forecast(
            made_on, facts_to(found), "payback", _model(found), value.segment, value.cohort,
            one.horizon_months - 1, _number(one.middle), _number(one.early), _number(one.late), one.level,
            "months", _basis(found),
        )
        for value, one in told
        if value.cohort and not one.is_measured
    ]  # fmt: skip


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


def _is_forecast(found: Values) -> bool:
    return found.prospects.refusal is None and not found.prospects.path.steps


def _ages(value: Value) -> list[int]:
    """Ages worth keeping: soon enough to be scored, and the horizon; only those not measured yet."""
    if value.refusal is not None:
        return []
    reached = int(np.flatnonzero(value.measured_share >= 1.0).max(initial=-1))
    ages = {reached + ahead for ahead in _AHEAD} | {value.horizon_months - 1}
    return sorted(age for age in ages if reached < age < value.horizon_months)


def _forecast_of(account: Account, found: Values, value: Value, age: int, made_on: date) -> Forecast:
    told = Interval.of(value.cumulative[:, age])
    return Forecast(
        made_on, facts_to(found), "ltv", _model(found), value.segment, value.cohort, age,
        told.value, told.low, told.high, LEVEL, f"{account.currency}/user", _basis(found),
    )  # fmt: skip


def _model(found: Values) -> str:
    return f"{MODEL}, {found.prospects.model}"


def _basis(found: Values) -> str:
    """The facts of whole months; contribution is not discounted, and no assumed unit cost is kept."""
    prospects = found.prospects
    return basis_of(
        {
            "cells": {
                name: [np.nan_to_num(one.contribution, nan=-1.0).round(6).tolist(), one.users.tolist()]
                for name, one in prospects.triangles.items()
            },
            "model": prospects.model,
        }
    )
