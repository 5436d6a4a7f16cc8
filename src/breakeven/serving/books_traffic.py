"""The traffic of one own model as the books have it: lengths, cached share, rate, the hours of its day."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from breakeven.account.account import Account
from breakeven.engine.session import Engine, open_engine
from breakeven.errors import InputError
from breakeven.ledger.store import by_partition
from breakeven.periods import Period, time_zone
from breakeven.serving.traffic import HOURS, Traffic

_SECONDS_PER_HOUR = 3_600
_FEWEST_HOURS = 12
"""Usage that lies in fewer hours of the day says nothing of how a day goes."""


def books_traffic(account: Account, provider: str, model: str) -> Traffic:
    """Mean requests of a model over the account's period, as `serve` takes them.

    Input counts what was cached and what was written to a cache. Spreads and their correlation are those of
    rows that hold one request; where rows are sums of many, they are not known and count as none. The rate is
    the mean over the days with usage; `hourly` are the hours of the books' day, where usage is by the hour.
    Failed requests count as far as they have tokens. Raises `InputError` where the books have no such usage,
    or do not say how many requests it was.
    """
    period = account.buckets.span
    engine = open_engine(account.engine)
    try:
        rows = engine.arrow(_by_hour(account, engine, provider, model, period)).to_pylist()
    finally:
        engine.close()
    where = f"{provider}/{model}"
    requests = sum(row["requests"] or 0 for row in rows)
    if not rows or not requests or any(row["uncounted"] for row in rows):
        raise InputError(
            f"the books do not say what traffic {where} has in {period.label}",
            where=str(account.books.folder),
            cause="it has no usage there, or usage whose number of requests is empty",
            remedy="give the traffic with --traffic, such as 4000/1000, or another --period",
        )
    sums = {name: float(sum(row[name] or 0 for row in rows)) for name in _SUMS}
    days = {row["day"] for row in rows}
    spreads = _spreads(sums)
    return Traffic(
        f"{where}, {period.label}",
        input_tokens=sums["input"] / requests,
        output_tokens=max(1.0, sums["output"] / requests),
        cached_share=sums["cached"] / sums["input"] if sums["input"] else 0.0,
        requests_per_second=requests / (len(days) * HOURS * _SECONDS_PER_HOUR),
        input_spread=spreads[0],
        output_spread=spreads[1],
        length_correlation=spreads[2],
        hourly=_hours(account, rows),
        source="usage in the books",
    )


_SUMS = ("input", "cached", "output", "single", "x", "y", "xx", "yy", "xy")


def _by_hour(account: Account, engine: Engine, provider: str, model: str, period: Period) -> Any:
    """Counts and moments of a model's requests by day and UTC hour."""
    import ibis

    files = by_partition(account.books.files("usage"))
    account.books.view(
        engine, "usage", [one for day in period.days() for one in files.get(day.isoformat(), [])]
    )
    usage = engine.table("usage")
    usage = usage.filter((usage.provider == provider) & (usage.model == model))
    whole = (
        usage.uncached_input_tokens
        + usage.cached_input_tokens.fill_null(0)
        + usage.cache_write_tokens.fill_null(0)
    )
    is_single = usage.requests == 1
    x: Any = ibis.ifelse(is_single, whole, 0).cast("float64")
    y: Any = ibis.ifelse(is_single, usage.output_tokens, 0).cast("float64")
    rows = usage.mutate(
        hour=(usage["at"].epoch_seconds() // _SECONDS_PER_HOUR).cast("int64"),
        whole=whole, is_single=is_single.fill_null(False).cast("int64"), x=x, y=y,
    )  # fmt: skip
    return rows.group_by("day", "hour").aggregate(
        requests=rows.requests.sum().cast("int64"),
        uncounted=rows.requests.isnull().cast("int64").sum().cast("int64"),
        input=rows.whole.sum().cast("int64"),
        cached=rows.cached_input_tokens.fill_null(0).sum().cast("int64"),
        output=rows.output_tokens.sum().cast("int64"),
        single=rows.is_single.sum().cast("int64"),
        x=rows.x.sum(),
        y=rows.y.sum(),
        xx=(rows.x * rows.x).sum(),
        yy=(rows.y * rows.y).sum(),
        xy=(rows.x * rows.y).sum(),
    )


def _spreads(sums: dict[str, float]) -> tuple[float, float, float]:
    """Standard deviation over mean of input and output, and their correlation; nothing of fewer than two."""
    count = sums["single"]
    if count < 2 or not sums["x"] or not sums["y"]:
        return 0.0, 0.0, 0.0
    mean_x, mean_y = sums["x"] / count, sums["y"] / count
    spread_x = math.sqrt(max(0.0, sums["xx"] / count - mean_x**2))
    spread_y = math.sqrt(max(0.0, sums["yy"] / count - mean_y**2))
    both = sums["xy"] / count - mean_x * mean_y
    correlation = both / (spread_x * spread_y) if spread_x and spread_y else 0.0
    return spread_x / mean_x, spread_y / mean_y, max(-1.0, min(1.0, correlation))


def _hours(account: Account, rows: list[dict[str, Any]]) -> tuple[float, ...]:
    """Requests by hour of the books' day, with mean 1; nothing where usage is not by the hour."""
    zone = time_zone(account.books.settings.time_zone)
    sums = [0.0] * HOURS
    for row in rows:
        local = datetime.fromtimestamp(row["hour"] * _SECONDS_PER_HOUR, UTC).astimezone(zone)
        sums[local.hour] += row["requests"]
    if sum(each > 0 for each in sums) < _FEWEST_HOURS:
        return ()
    mean = sum(sums) / HOURS
    return tuple(each / mean for each in sums)
