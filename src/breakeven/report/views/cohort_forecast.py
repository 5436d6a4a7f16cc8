"""The retention triangle with the months to come filled in: measured and forecast cells, kept apart.

A measured and a forecast cell never stand in one row of a table, so nobody can take one for the other: each
cohort has a row of either. The bounds of every forecast, and the naive one, stand in a table of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from breakeven.account.account import Account
from breakeven.growth.choosing.books_retention import (
    HORIZON_MONTHS,
    NO_COHORTS,
    RetentionForecast,
    activity_triangles,
    forecast_retention,
)
from breakeven.growth.choosing.candidates import ActivityCandidate
from breakeven.growth.lifetime_value.triangle import ALL, Floats
from breakeven.periods import next_month
from breakeven.report.figures import HeatMap, verbatim
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.kept import keep, today
from breakeven.report.views.parts import envelope
from breakeven.report.views.scorecard import ACTIVITY, backtest_table, figure, model_words

_STATUS = {"measured": Label("measured", "实际"), "forecast": Label("forecast", "预测")}
_REACH = {
    "seen": Label("an age seen before", "已有同期群到达"),
    "extrapolated": Label("beyond every cohort's age", "超出已有月龄（外推）"),
}
_TITLE = Label("Active share by month since acquisition, with forecasts", "获得后各月的活跃比例（含预测）")
_FORECAST_CELL = Label("forecast", "预测")


def cohort_forecast_view(
    account: Account,
    *,
    by_channels: bool = False,
    only: tuple[str, ...] = (),
    months: tuple[str, ...] = (),
    horizon: int = HORIZON_MONTHS,
) -> View:
    """Retention by cohort, measured and forecast `horizon` months ahead, and the backtest behind it.

    The curve is chosen on all users; with `by_channels`, or channels in `only`, each channel is fitted by
    itself. `months` (`2024-03`) shows some cohorts only. Every forecast is kept in the books.
    """
    account.facts  # noqa: B018
    title = Label("Cohorts with forecasts", "同期群预测")
    head = envelope(account, needs=("acquisitions", "activity"))
    told = forecasts_of(account, by_channels=by_channels, only=only, horizon=horizon)
    if not told:
        warning = Warning("no_forecast", Label(NO_COHORTS.en, NO_COHORTS.zh))
        return View("cohort-forecast", title, replace(head, warnings=(*head.warnings, warning)), ())
    warnings = list(head.warnings)
    for one in told:
        if one.bands is None:
            why = one.choice.best
            name = one.triangle.segment
            warnings.append(
                Warning(
                    "no_forecast",
                    Label(f"{name}: {why.en}" if name else why.en, f"{name}：{why.zh}" if name else why.zh),
                )
            )
    made_on = today()
    kept = keep(account, [forecast for one in told for forecast in one.forecasts(made_on)])
    warnings += [kept] if kept else []
    tables = (
        triangle_table(told, months),
        to_come_table(told, months),
        backtest_table({one.triangle.segment or ACTIVITY: one.choice for one in told}),
    )
    rows = (*_long_rows(told, months), *({"table": "backtest", **row} for row in tables[2].rows))
    facts: dict[str, Value] = {"horizon_months": horizon, "facts_to": told[0].triangle.facts_to.isoformat()}
    return View("cohort-forecast", title, replace(head, warnings=tuple(warnings)), tables, rows, facts)


def forecasts_of(
    account: Account, *, by_channels: bool = False, only: tuple[str, ...] = (), horizon: int = HORIZON_MONTHS
) -> list[RetentionForecast]:
    """The forecast of all users, or of each channel by the curve that all users' history chose."""
    triangle = activity_triangles(account).get(ALL)
    if triangle is None:
        return []
    whole = forecast_retention(triangle, horizon=horizon)
    if not by_channels and not only:
        return [whole]
    split = activity_triangles(account, by_channels=True)
    chosen = whole.choice.candidate
    curves = [chosen.curve] if isinstance(chosen, ActivityCandidate) else None
    return [
        forecast_retention(one, horizon=horizon, curves=curves)
        for name, one in split.items()
        if not only or name in only
    ]


def _shown(
    told: list[RetentionForecast], months: tuple[str, ...]
) -> Iterator[tuple[RetentionForecast, int, str]]:
    """(forecast, row, cohort's name) of the cohorts to show."""
    for one in told:
        for row, month in enumerate(one.triangle.months):
            name = f"{month:%Y-%m}"
            if not months or name in months:
                yield one, row, f"{name} {one.triangle.segment}".strip()


def triangle_table(told: list[RetentionForecast], months: tuple[str, ...] = ()) -> Table:
    """Two rows a cohort: what is measured, and what is forecast."""
    ages = max(one.ages for one in told)
    rows: list[dict[str, Value]] = []
    for one, row, name in _shown(told, months):
        first = {"cohort": name, "users": int(one.triangle.users[row])}
        measured = {f"m{age}": _cell(one.measured, row, age) for age in range(ages)}
        rows.append({**first, "status": "measured", **measured})
        coming = {age for at, age in one.to_come() if at == row}
        if one.bands is not None and coming:
            forecast = {
                f"m{age}": _cell(one.bands[0], row, age) if age in coming else None for age in range(ages)
            }
            rows.append({**first, "status": "forecast", **forecast})
    model = told[0].choice.model
    oldest = max(one.oldest_known_age for one in told)
    columns = (
        Column("cohort", Label("Cohort", "同期群")),
        Column("users", Label("Users", "人数"), "users"),
        Column("status", Label("Status", "状态"), words=_STATUS),
        *(Column(f"m{age}", Label(f"M+{age}", f"第{age}月"), "ratio") for age in range(ages)),
    )
    return Table(
        "retention",
        _TITLE,
        columns,
        tuple(rows),
        note=Label(
            f"Forecast rows are modelled ({model}) from facts up to {told[0].triangle.facts_to}; no cohort "
            f"has been older than M+{oldest}, so later ages are extrapolated.",
            f"“预测”行由模型（{_in_chinese(model)}）根据截至 {told[0].triangle.facts_to} 的数据得出；"
            f"尚无同期群超过第{oldest}月，更大的月龄为外推。",
        ),
    )


def _in_chinese(model: str) -> str:
    return model_words([model])[model].zh


def to_come_table(told: list[RetentionForecast], months: tuple[str, ...] = ()) -> Table:
    """Every forecast cell with its bounds, the naive forecast beside."""
    rows = [
        {key: row[key] for key in ("cohort", "month", "age", "value", "low", "high", "naive", "reach")}
        for row in _long_rows(told, months)
        if row["kind"] == "forecast"
    ]
    level = told[0].choice.level
    return Table(
        "to_come",
        Label(f"Months to come, with {level:.0%} intervals", f"将来各月及 {level:.0%} 区间"),
        (
            Column("cohort", Label("Cohort", "同期群")),
            Column("month", Label("Month", "月份"), "month"),
            Column("age", Label("Months since", "第几个月"), "months"),
            Column("value", Label("Forecast", "预测"), "ratio"),
            Column("low", Label("low", "下限"), "ratio"),
            Column("high", Label("high", "上限"), "ratio"),
            Column("naive", Label("Naive forecast", "朴素基准"), "ratio"),
            Column("reach", Label("Age", "月龄"), words=_REACH),
        ),
        tuple(rows),
    )


def _long_rows(told: list[RetentionForecast], months: tuple[str, ...]) -> Iterator[dict[str, Value]]:
    for one, row, name in _shown(told, months):
        coming = {age for at, age in one.to_come() if at == row}
        month = one.triangle.months[row]
        for age in range(one.ages):
            known = one.measured[row, age]
            said: dict[str, Value] = {
                "table": "retention", "cohort": name, "segment": one.triangle.segment,
                "users": int(one.triangle.users[row]), "month": f"{month:%Y-%m}", "age": age,
            }  # fmt: skip
            if np.isfinite(known):
                yield said | {"kind": "measured", "value": figure(float(known), "ratio")}
            elif age in coming and one.bands is not None:
                yield said | _forecast_row(one, row, age)
            month = next_month(month)


def _forecast_row(one: RetentionForecast, row: int, age: int) -> dict[str, Value]:
    bands, naive = one.bands, one.naive_bands
    value, low, high = (None, None, None) if bands is None else (_cell(band, row, age) for band in bands)
    return {
        "kind": "forecast",
        "value": value,
        "low": low,
        "high": high,
        "level": figure(one.choice.level, "ratio"),
        "model": one.choice.model,
        "naive": None if naive is None else _cell(naive[0], row, age),
        "reach": "extrapolated" if age > one.oldest_known_age else "seen",
    }


def _cell(cells: Floats, row: int, age: int) -> Decimal | None:
    """A share as shown; None where there is none."""
    if age >= cells.shape[1] or not np.isfinite(cells[row, age]):
        return None
    return Decimal(f"{cells[row, age]:.6f}")


def forecast_triangle_figure(
    account: Account, *, horizon: int = HORIZON_MONTHS, figure_id: str = "forecast"
) -> HeatMap | None:
    """The triangle of all users as a figure, forecast cells drawn as such; None without cohorts."""
    told = forecasts_of(account, horizon=horizon)
    return figure_of(told[0], figure_id) if told else None


def figure_of(one: RetentionForecast, figure_id: str = "forecast") -> HeatMap:
    """One segment's triangle: `partial` are the forecast cells."""
    bands = one.bands
    model, facts_to = one.choice.model, one.triangle.facts_to
    coming = set() if bands is None else set(one.to_come())
    cells = tuple(
        tuple(
            _cell(bands[0] if bands is not None and (row, age) in coming else one.measured, row, age)
            for age in range(one.ages)
        )
        for row in range(len(one.triangle.months))
    )
    names = [f"{month:%Y-%m}" for month in one.triangle.months]
    return HeatMap(
        figure_id,
        _TITLE,
        "ratio",
        tuple(verbatim(name) for name in names),
        tuple(Label(f"M+{age}", f"第{age}月") for age in range(one.ages)),
        cells,
        sizes=tuple(int(users) for users in one.triangle.users),
        partial=frozenset(coming),
        partial_word=_FORECAST_CELL,
        note=Label(
            f"Dashed cells are forecasts ({model}) from facts up to {facts_to}; no cohort has been older "
            f"than M+{one.oldest_known_age}, so later ages are extrapolated.",
            f"虚线单元格为预测（{_in_chinese(model)}），依据截至 {facts_to} 的数据；"
            f"尚无同期群超过第{one.oldest_known_age}月，更大的月龄为外推。",
        )
        if coming
        else None,
    )
