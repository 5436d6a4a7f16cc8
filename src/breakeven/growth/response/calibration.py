"""Experiments and rivals as files: what somebody measured or bought beside the books.

`experiments.csv`, one experiment a row: `channel, kind, first_day, last_day, spend_change, users_change,
low, high` and, if it ran in a part of the market only, `share`. Changes are totals over the experiment,
against what would have been; `low` and `high` hold the change of users in eight cases of ten.

`rivals.csv`: `period_start, channel, spend`, in any constant unit; a row holds until the next of its channel.
An empty channel means every channel.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from breakeven.errors import InputError
from breakeven.growth.response.observed import Calibration, Observed
from breakeven.periods import ONE_DAY, Period

Floats = NDArray[np.float64]

EXPERIMENTS = "experiments.csv"
RIVALS = "rivals.csv"
KINDS = ("geo", "switch_off", "raise", "other")
_REACH = float(scipy.stats.norm.ppf(0.9))
_NUMBERS = ("spend_change", "users_change", "low", "high")


@dataclass(frozen=True)
class Experiment:
    """One experiment as it was reported; totals over `period`."""

    channel: str
    kind: str
    period: Period
    spend_change: float
    users_change: float
    low: float
    high: float
    share: float = 1.0
    where: str = field(default="", compare=False)
    """File and line it was read from."""

    @property
    def error(self) -> float:
        """Standard deviation of the change of users."""
        return (self.high - self.low) / (2 * _REACH)


def read_experiments(path: Path) -> list[Experiment]:
    """The experiments of a file. Raises `InputError` for anything that does not read as one."""
    found: list[Experiment] = []
    for where, row in _rows(path, ("channel", "kind", "first_day", "last_day", *_NUMBERS)):
        numbers = {name: _number(row[name], name, where) for name in _NUMBERS}
        share = _number(row["share"], "share", where) if row.get("share") else 1.0
        period = Period(_day(row["first_day"], where), _day(row["last_day"], where) + ONE_DAY)
        if row["kind"] not in KINDS:
            raise InputError(
                f"there is no kind of experiment {row['kind']!r}",
                where=where,
                remedy=f"use {', '.join(KINDS)}",
            )
        if period.end <= period.first:
            raise InputError(
                "the experiment ends before it begins",
                where=where,
                remedy="write first_day and last_day in order; both are included",
            )
        if (
            not numbers["low"] <= numbers["users_change"] <= numbers["high"]
            or numbers["low"] == numbers["high"]
        ):
            raise InputError(
                "users_change does not lie between low and high",
                where=where,
                remedy="give the bounds that hold the change in eight cases of ten",
            )
        if not numbers["spend_change"]:
            raise InputError("spend_change is zero", where=where, remedy="an experiment changes spend")
        if not 0 < share <= 1:
            raise InputError(
                "share must be above 0 and at most 1",
                where=where,
                remedy="leave it empty for the whole market",
            )
        found.append(Experiment(row["channel"], row["kind"], period, **numbers, share=share, where=where))
    return found


def read_rivals(path: Path) -> dict[str, list[tuple[date, float]]]:
    """Rivals' spend by channel (empty: all), in order of time. Raises `InputError`."""
    found: dict[str, list[tuple[date, float]]] = defaultdict(list)
    for where, row in _rows(path, ("period_start", "channel", "spend")):
        spend = _number(row["spend"], "spend", where)
        if spend < 0:
            raise InputError("spend is below zero", where=where, remedy="write what was spent, 0 or more")
        found[row["channel"]].append((_day(row["period_start"], where), spend))
    return {channel: sorted(rows) for channel, rows in found.items()}


def rivals_by_period(rows: Sequence[tuple[date, float]], periods: Sequence[Period]) -> Floats:
    """Rivals' spend a day in each period, NaN before the first row. The last row holds as long as the one
    before.

    >>> months = [Period.parse("2024-01"), Period.parse("2024-02"), Period.parse("2024-03")]
    >>> rivals_by_period([(date(2024, 1, 1), 310.0), (date(2024, 2, 1), 580.0)], months).tolist()
    [10.0, 20.0, nan]
    """
    ends = [later for later, _ in rows[1:]]
    gap = rows[-1][0] - rows[-2][0] if len(rows) > 1 else periods[-1].end - rows[-1][0]
    if len(rows) > 1 and rows[-1][0].day == rows[-2][0].day == 1:
        gap = Period.month(rows[-1][0]).end - rows[-1][0]
    spans = [
        (Period(first, end), spend / max((end - first).days, 1))
        for (first, spend), end in zip(rows, [*ends, rows[-1][0] + gap], strict=True)
        if end > first
    ]
    found = np.full(len(periods), np.nan)
    for n, period in enumerate(periods):
        shared = [(span.overlap(period), rate) for span, rate in spans]
        days = sum(part.day_count for part, _ in shared if part)
        if days:
            found[n] = sum(part.day_count * rate for part, rate in shared if part) / days
    return found


def calibrations_of(
    experiments: Sequence[Experiment], observed: Observed, periods: Sequence[Period]
) -> tuple[Calibration, ...]:
    """A channel's experiments on the scale of its series: changes per period, and where they lie in it."""
    found: list[Calibration] = []
    for one in experiments:
        if one.channel != observed.channel or not periods:
            continue
        inside = [n for n, period in enumerate(periods) if period.overlap(one.period)]
        lengths = sum(part.day_count for period in periods if (part := period.overlap(one.period)))
        days_each = periods[0].day_count if observed.period == "week" else 365.2425 / 12
        count = one.period.day_count / days_each
        if inside and lengths * 2 >= one.period.day_count:
            spent = observed.spend[inside]
            during = float(np.nanmean(spent)) if np.isfinite(spent).any() else observed.typical_spend
            before = during - one.spend_change / count
            place = float(np.mean(inside)) / max(len(periods) - 1, 1)
        else:
            before = observed.today or observed.typical_spend
            place = 0.0 if one.period.end <= periods[0].first else 1.0
        found.append(
            Calibration(
                max(before, 0.0),
                one.spend_change / count,
                one.users_change / count,
                one.error / count,
                one.share,
                place,
            )
        )
    return tuple(found)


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            absent = [name for name in needed if name not in (reader.fieldnames or ())]
            if absent:
                raise InputError(
                    f"no column {', '.join(absent)}",
                    where=str(path),
                    remedy=f"the first line names the columns {', '.join(needed)}",
                )
            for number, row in enumerate(reader, 2):
                yield f"{path}:{number}", {name: (value or "").strip() for name, value in row.items() if name}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("the file cannot be read", where=str(path), cause=str(error)) from error


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"{name} is not a number: {text!r}", where=where, remedy="write plain digits such as -1200.50"
        )
    return value


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"cannot read the day {text!r}", where=where, remedy="write 2024-08-31") from None
