"""A fleet by hour: the average day in the books' time zone, and every hour for machines."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.serving_figures import significant
from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.fleet.cost import DID
from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.month import FleetMonth

HOURS = 24
_MILLISECONDS = 3


def by_hour_of_day(values: Floats, hours: NDArray[np.int64]) -> Floats:
    """The mean of values (hour) for each hour of the day, NaN where the period has none or no value.

    >>> by_hour_of_day(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 5]))[[0, 1, 5]].tolist()
    [1.5, nan, 3.0]
    """
    found = np.full(HOURS, np.nan)
    for hour in range(HOURS):
        chosen = values[hours == hour]
        chosen = chosen[np.isfinite(chosen)]
        if chosen.size:
            found[hour] = chosen.mean()
    return found


def marginal_by_hour(month: FleetMonth) -> Floats:
    """Money for one more GPU-hour of work, by hour: the mean of the models, each by its work; NaN without."""
    price = np.concatenate([pool.marginal_price for pool in month.pools], axis=1)
    work = np.concatenate([pool.pool.work for pool in month.pools], axis=1)
    weights = np.where(np.isfinite(price), np.maximum(work, 1e-9), 0.0)
    total = weights.sum(axis=1)
    summed = (np.nan_to_num(price) * weights).sum(axis=1)
    return np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)


def waits_by_hour(month: FleetMonth) -> Floats:
    """Mean seconds a request waits, by hour, over the models that know theirs; NaN where none does."""
    wait = np.concatenate([pool.wait_seconds for pool in month.pools], axis=1)
    work = np.concatenate([pool.pool.work for pool in month.pools], axis=1)
    weights = np.where(np.isfinite(wait), np.maximum(work, 1e-9), 0.0)
    total = weights.sum(axis=1)
    summed = (np.where(np.isfinite(wait), wait, 0.0) * weights).sum(axis=1)
    return np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)


def _series(month: FleetMonth) -> dict[str, Floats]:
    paid, working = month.paid, month.gpu_hours_of("working")
    not_working = [month.gpu_hours_of(line) for line in DID if line != "working"]
    found = {
        "work": month.work,
        "on": month.on,
        "on_demand": month.gpu_hours_of("on_demand"),
        "idle": sum(not_working, np.zeros_like(paid)),
        "utilisation": np.divide(working, paid, out=np.full_like(paid, np.nan), where=paid > 0),
        "cost": month.cost,
        "marginal": marginal_by_hour(month),
        "wait": waits_by_hour(month).round(_MILLISECONDS),
        "queued": sum((pool.outcome.backlog.sum(axis=1) for pool in month.pools), np.zeros_like(paid)),
    }
    if all(model.prices_per_mtok is not None for model in month.models):
        found["margin"] = month.margin
    return found


def _columns(currency: str) -> dict[str, Column]:
    return {
        "work": Column("work", Label("Work, GPUs", "所需工作（卡）"), "count"),
        "on": Column("on", Label("GPUs on", "开机卡数"), "count"),
        "on_demand": Column("on_demand", Label("Of them on demand", "其中按需"), "count"),
        "idle": Column("idle", Label("Paid and idle", "已付费但空闲"), "count"),
        "utilisation": Column("utilisation", Label("Working, of paid", "利用率"), "ratio"),
        "cost": Column("cost", Label("Cost per hour", "每小时成本"), f"{currency}/hour"),
        "marginal": Column("marginal", Label("One more GPU-hour", "再增一卡时"), f"{currency}/hour"),
        "margin": Column("margin", Label("Margin per hour", "每小时毛利"), f"{currency}/hour"),
        "wait": Column("wait", Label("Wait, seconds", "等待（秒）"), "count"),
        "queued": Column("queued", Label("Backlog, GPU-hours", "积压（卡时）"), "count"),
    }


def hours_table(month: FleetMonth, zone: ZoneInfo, currency: str) -> Table:
    """The average day: each hour's mean over the period."""
    hours, _ = month.demand.local_hours(zone)
    series = {
        name: by_hour_of_day(values, hours)
        for name, values in _series(month).items()
        if np.isfinite(values).any() and (name != "queued" or values.any())
    }
    rows: list[dict[str, Value]] = [
        {"hour": f"{hour:02d}:00", **{name: significant(float(day[hour])) for name, day in series.items()}}
        for hour in range(HOURS)
        if np.isfinite(series["work"][hour])
    ]
    columns = _columns(currency)
    return Table(
        "hours",
        Label(f"The average day, {zone.key}", f"平均一日（{zone.key}）"),
        (Column("hour", Label("Hour", "时段")), *(columns[name] for name in columns if name in series)),
        tuple(rows),
        Label(
            "More work costs nothing while a tenth more fits into what is on or paid for, else the on-demand "
            "price with its headroom; it has no value where nothing can be rented.",
            "再增工作的成本：开机或已付费的卡还容得下多一成时为零，否则为含余量的按需价；无卡可租时没有数值。",
        ),
    )


def all_hours_table(month: FleetMonth, currency: str) -> Table:
    """Every hour by its UTC instant, and what became of its work."""
    series = _series(month)
    for name in ("served", "rejected"):
        series[name] = sum(
            (pool.pool.work_of(getattr(pool.outcome, name)).sum(axis=1) for pool in month.pools),
            np.zeros(month.demand.hours),
        )
    columns = {
        **_columns(currency),
        "served": Column("served", Label("Served, GPU-hours", "已服务（卡时）"), "count"),
        "rejected": Column("rejected", Label("Turned away, GPU-hours", "拒绝（卡时）"), "count"),
    }
    rows: list[dict[str, Value]] = [
        {
            "at": f"{start:%Y-%m-%dT%H:%MZ}",
            **{name: significant(float(values[at]), 6) for name, values in series.items()},
        }
        for at, start in enumerate(month.demand.starts())
    ]
    return Table(
        "all_hours",
        Label("Every hour", "逐小时"),
        (
            Column("at", Label("Hour from", "起始时刻")),
            *(columns[name] for name in columns if name in series),
        ),
        tuple(rows),
    )


def hours_to_minutes(hours: float) -> float:
    """Hours as minutes.

    >>> hours_to_minutes(0.5)
    30.0
    """
    return hours * SECONDS_PER_HOUR / 60
