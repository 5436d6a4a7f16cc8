"""The own fleet through the hours of a day, as the books have it: GPUs held, and GPUs kept busy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from breakeven.account.account import Account
from breakeven.account.ledger_rows import FleetHours
from breakeven.errors import InputError
from breakeven.ledger.class_costs import ClassCostEntry
from breakeven.periods import Period, time_zone
from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.fleet.books_demand import books_demand
from breakeven.serving.fleet.demand import ONE_HOUR, TOKEN_CLASSES, HourlyDemand

HOURS = 24
_BOUNDS = ("value", "low", "high")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FleetDay:
    """A month of the fleet folded into the 24 hours of the books' day; arrays are by hour, in GPUs.

    `busy` is the mean over the days with its 80 % interval, (bound, hour) in the order middle, low, high;
    `busiest` the middle of the busiest day at that hour. `held` is the mean of what capacity recorded, None
    where it recorded nothing. `left_out` are own models without class costs: their work is not in it.
    """

    month: Period
    held: Floats | None
    busy: Floats
    busiest: Floats
    left_out: tuple[str, ...]


def fleet_day(account: Account) -> FleetDay | None:
    """The last month that usage covers; None without class costs, and where usage is not by the hour.

    A fleet that holds less than the work of its busiest hours either let people wait then or has class costs
    that are too high.
    """
    if not account.class_costs or not account.books.settings.own_providers:
        return None
    covered = [one for one in account.buckets.periods if account.coverage.full("usage", one)]
    if not covered:
        return None
    try:
        demand = books_demand(account.books, covered[-1], engine=account.engine)
    except InputError:
        return None  # it was added up by day, or none of it was our own
    return _folded(account, covered[-1], demand)


def _folded(account: Account, month: Period, demand: HourlyDemand) -> FleetDay | None:
    hours, days = demand.local_hours(time_zone(account.books.settings.time_zone))
    seconds, left_out = _seconds(account, demand, days)
    if len(left_out) == len(demand.models):
        return None
    # (bound, hour of the month): GPU-hours of work in an hour are GPUs kept busy.
    work = np.einsum("hmc,bhmc->bh", demand.tokens, seconds) / SECONDS_PER_HOUR
    at = [hours == hour for hour in range(HOURS)]
    return FleetDay(
        month,
        _held(account.fleet, month, demand.starts(), at),
        np.array([[work[bound, mask].mean() for mask in at] for bound in range(len(_BOUNDS))]),
        np.array([work[0, mask].max() for mask in at]),
        left_out,
    )


def _seconds(account: Account, demand: HourlyDemand, days: list[date]) -> tuple[Floats, tuple[str, ...]]:
    """GPU-seconds per token in production, (bound, hour, model, class); models that have none on some day."""
    found = np.zeros((len(_BOUNDS), demand.hours, len(demand.models), len(TOKEN_CLASSES)))
    left_out: set[str] = set()
    by_day = {day: np.array([one == day for one in days]) for day in set(days)}
    for number, model in enumerate(demand.models):
        for day, mask in by_day.items():
            entry = _entry(account, model, day)
            if entry is None:
                left_out.add(model)
                continue
            found[:, mask, number, :] = [
                [[float(entry.busy_seconds(name, bound)) for name in TOKEN_CLASSES]] for bound in _BOUNDS
            ]
    return found, tuple(sorted(left_out))


def _entry(account: Account, model: str, day: date) -> ClassCostEntry | None:
    known = (account.class_costs.of(one, model, day) for one in account.books.settings.own_providers)
    return next((entry for entry in known if entry is not None), None)


def _held(
    fleet: list[FleetHours], month: Period, starts: list[datetime], at: list[NDArray[np.bool_]]
) -> Floats | None:
    """Mean GPUs by hour of the day: each row counts in the hours that it held, by how much of them."""
    rows = [row for row in fleet if month.first <= row.day < month.end and row.end > row.start]
    if not rows:
        return None
    zero = starts[0]
    edges = np.arange(len(starts), dtype=float)
    gpus = np.zeros(len(starts))
    for row in rows:
        begin, end = ((moment - zero) / ONE_HOUR for moment in (row.start, row.end))
        count = float(row.gpu_hours) / (end - begin)
        gpus += count * np.clip(np.minimum(edges + 1, end) - np.maximum(edges, begin), 0.0, 1.0)
    return np.array([gpus[mask].mean() for mask in at])
