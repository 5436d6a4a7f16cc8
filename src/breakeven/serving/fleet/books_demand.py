"""Demand as the books have it: tokens by model and hour of usage, counted once, in the books' own days."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from breakeven.engine.session import open_engine
from breakeven.errors import InputError
from breakeven.ledger.store import by_partition
from breakeven.periods import ONE_DAY, Period, day_start, month_of, time_zone
from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.fleet.demand import ONE_HOUR, TOKEN_CLASSES, HourlyDemand

if TYPE_CHECKING:
    import pyarrow as pa

    from breakeven.engine.session import Engine
    from breakeven.ledger.books import Books

_FEWEST_HOURS_A_DAY = 1.5
_RARE_DAYS = 3
"""Usage that falls into about one hour of each day was added up by day before it came here."""


def books_demand(
    books: Books, period: Period | None = None, models: Iterable[str] = (), *, engine: str = "duckdb"
) -> HourlyDemand:
    """Tokens by hour of a period, by default the last whole month that usage covers, else all its last days.

    Computed input is uncached input and what was written to a cache. Only usage of the books' own providers
    counts where they name some, and only of `models` where any are given. Requests that several sources saw
    count once. Raises `InputError` for days that usage does not cover, for usage that was added up by day,
    and where there is none.
    """
    chosen = _period(books, period)
    zone = time_zone(books.settings.time_zone)
    start, end = day_start(chosen.first, zone), day_start(chosen.end, zone)
    opened = open_engine(engine)
    try:
        rows = opened.arrow(_hourly(books, opened, chosen, int(start.timestamp()), tuple(models)))
    finally:
        opened.close()
    if not rows.num_rows:
        raise InputError(
            f"the books hold no such usage in {chosen.label}",
            where=str(books.folder),
            remedy="name models of the usage, or another --period",
        )
    hours = (end - start) // ONE_HOUR
    found = _table(rows, hours)
    _refuse_daily(found, str(books.folder))
    return HourlyDemand(start, tuple(found), np.stack(list(found.values()), axis=1))


def _period(books: Books, asked: Period | None) -> Period:
    """The period asked for, or the last whole month of the last unbroken run of days with usage."""
    covered = books.coverage().periods.get("usage", ())
    if not covered:
        raise InputError(
            "the books hold no usage",
            where=str(books.folder),
            remedy="import usage, or give the demand with --demand or --profile",
        )
    if asked is None:
        last = covered[-1]
        months = [Period.month(month) for month in Period(month_of(last.first), last.end).months()]
        whole = [month for month in months if last.overlap(month) == month]
        return whole[-1] if whole else last
    if not any(one.overlap(asked) == asked for one in covered):
        raise InputError(
            f"usage does not cover all of {asked.label}",
            where=str(books.folder),
            cause="absent is not zero: the hours of a day without data are not hours without traffic",
            remedy="choose a --period within "
            + ", ".join(Period(one.first, one.end).label for one in covered),
        )
    return asked


def _hourly(books: Books, engine: Engine, period: Period, start: int, models: tuple[str, ...]) -> Any:
    """Sums by model and number of the hour since the period's start."""
    files = by_partition(books.files("usage"))
    # Days are those of the books' zone, as the partitions are.
    books.view(engine, "usage", [file for day in period.days() for file in files.get(day.isoformat(), [])])
    usage = engine.table("usage")
    usage = usage.filter(usage.day >= period.first, usage.day <= period.end - ONE_DAY)
    if books.settings.own_providers:
        usage = usage.filter(usage.provider.isin(sorted(books.settings.own_providers)))
    if models:
        usage = usage.filter(usage.model.isin(list(models)))
    rows = usage.mutate(
        hour=((usage["at"].epoch_seconds() - start) // SECONDS_PER_HOUR).cast("int64"),
        computed=usage.uncached_input_tokens + usage.cache_write_tokens.fill_null(0),
    )
    return rows.group_by("model", "hour").aggregate(
        uncached_input=rows.computed.sum().cast("int64"),
        cached_input=rows.cached_input_tokens.fill_null(0).sum().cast("int64"),
        output=rows.output_tokens.sum().cast("int64"),
    )


def _table(rows: pa.Table, hours: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in sorted(rows.to_pylist(), key=lambda row: str(row["model"])):
        tokens = found.setdefault(str(row["model"]), np.zeros((hours, len(TOKEN_CLASSES))))
        tokens[row["hour"]] = [row[name] or 0 for name in TOKEN_CLASSES]
    return found


def _refuse_daily(found: dict[str, Any], where: str) -> None:
    """A model used on a day or two may be a rare one; all usage, or that of more days, is sums of days."""
    everything = {", ".join(found): np.sum(list(found.values()), axis=0)}
    for least_days, usage in ((1, everything), (_RARE_DAYS, found)):
        for name, tokens in usage.items():
            busy = np.flatnonzero(tokens.sum(axis=1) > 0)
            days = len({hour // 24 for hour in busy.tolist()})
            if days >= least_days and len(busy) / days < _FEWEST_HOURS_A_DAY:
                raise InputError(
                    f"usage of {name} lies in {len(busy)} hours of {days} days",
                    where=where,
                    cause="it was added up by day before it was imported",
                    remedy="import requests or hourly totals, or spread the days with --profile",
                )
