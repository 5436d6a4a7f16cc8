"""A fleet in charts: load against GPUs by hour of the day, what one more costs, and the load curve."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from breakeven.report.figures import Lines, Series, verbatim
from breakeven.report.view_model import Label
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_fleet_hours import by_hour_of_day, marginal_by_hour
from breakeven.serving.fleet.best_mix import load_duration
from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.month import FleetMonth

_POINTS = 25
"""Points of the load duration curve, from the busiest hour to the quietest."""


def fleet_figures(month: FleetMonth, zone: ZoneInfo, currency: str) -> tuple[Lines, ...]:
    """The average day's load and GPUs, its marginal cost, and the period's load duration curve."""
    hours, _ = month.demand.local_hours(zone)
    names = tuple(verbatim(f"{hour:02d}") for hour in range(24))
    axis = Label(f"Hour, {zone.key}", f"时段（{zone.key}）")

    def day(key: str, label: Label, values: Floats) -> Series:
        return _series(key, label, by_hour_of_day(values, hours))

    load = Lines(
        "fleet_day",
        Label("GPUs by hour of the day", "各时段的显卡"),
        "count",
        names,
        (
            day("work", Label("Work asked for", "所需工作"), month.work),
            day("on", Label("GPUs on", "开机"), month.on),
            day("paid", Label("GPUs paid for", "付费"), month.paid),
        ),
        category_axis=axis,
        value_axis=Label("GPUs", "卡数"),
    )
    marginal = Lines(
        "fleet_marginal",
        Label("What one more GPU-hour of work costs", "再增一卡时工作的成本"),
        f"{currency}/hour",
        names,
        (day("marginal", Label("Marginal cost", "边际成本"), marginal_by_hour(month)),),
        category_axis=axis,
        value_axis=Label("Cost", "成本"),
    )
    return load, marginal, _duration(month)


def _duration(month: FleetMonth) -> Lines:
    """GPUs that the load has on, by the share of hours in which at least so many are."""
    curve = load_duration(sum((pool.load for pool in month.pools), np.zeros(month.demand.hours)))
    shares = np.linspace(0, 1, _POINTS)
    values = curve[np.minimum((shares * len(curve)).astype(int), len(curve) - 1)]
    committed = float(sum(pool.supply.committed for pool in month.pools))
    return Lines(
        "fleet_duration",
        Label("Load duration: GPUs on by share of hours", "负载持续曲线：开机卡数与时段占比"),
        "count",
        tuple(verbatim(f"{share:.0%}") for share in shares),
        (
            _series("load", Label("GPUs the load has on", "负载所需开机"), values),
            _series("committed", Label("Owned and reserved", "自有与预留"), np.full(_POINTS, committed)),
        ),
        category_axis=Label("Share of hours with at least so many", "不少于该卡数的时段占比"),
        value_axis=Label("GPUs", "卡数"),
    )


def _series(key: str, label: Label, values: Floats) -> Series:
    return Series(key, label, tuple(significant(float(value)) for value in values))
