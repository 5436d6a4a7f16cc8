"""A day's shape: how much busier than the average each hour of the day and each day of the week is.

    tokens in an hour = tokens of an average day / 24 x factor of its hour of the day x factor of its weekday

Both sets of factors are divided by their own mean, so an average week has seven average days. Hours of the
day are those of the profile's time zone. A day on which clocks go forward lacks an hour and its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from breakeven.errors import InputError
from breakeven.periods import Period, day_start, time_zone
from breakeven.pricing.located_yaml import read_yaml
from breakeven.serving.fleet.demand import ONE_HOUR, TOKEN_CLASSES, Floats, HourlyDemand
from breakeven.serving.fleet.read_number import read_number

HOURS, WEEKDAYS = 24, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_KEYS = ("time_zone", "hours", "weekdays", "tokens_per_day", "source")


@dataclass(frozen=True)
class Profile:
    """24 factors by hour of the day and 7 by weekday (Monday first), each with the mean 1.

    >>> flat = Profile.of("UTC", [1] * 12 + [3] * 12)
    >>> float(flat.hour_factors[0]), float(flat.peak_to_mean)
    (0.5, 1.5)
    """

    time_zone: str
    hour_factors: Floats
    weekday_factors: Floats

    @classmethod
    def of(
        cls, zone: str, hours: Sequence[float], weekdays: Sequence[float] = (1.0,) * 7, where: str = ""
    ) -> Profile:
        """The profile of these factors, whatever their mean. Raises `InputError` for more or fewer."""
        time_zone(zone)
        return cls(zone, _factors(hours, HOURS, "hours", where), _factors(weekdays, 7, "weekdays", where))

    @property
    def peak_to_mean(self) -> float:
        """The busiest hour of the week over the average one."""
        return float(self.hour_factors.max() * self.weekday_factors.max())

    def demand(self, tokens_per_day: Mapping[str, Sequence[float]], period: Period) -> HourlyDemand:
        """The hours of a period, from tokens of an average day by class (as `TOKEN_CLASSES`) and model.

        >>> day = Period.parse("2026-03-29")  # clocks go forward in Berlin: 23 hours
        >>> flat = Profile.of("Europe/Berlin", [1] * 24)
        >>> flat.demand({"v3": (48.0, 0.0, 24.0)}, day).total_tokens.tolist()
        [[46.0, 0.0, 23.0]]
        """
        zone = time_zone(self.time_zone)
        start, end = day_start(period.first, zone), day_start(period.end, zone)
        hours = (end - start) // ONE_HOUR
        local = [(start + hour * ONE_HOUR).astimezone(zone) for hour in range(hours)]
        by_hour = self.hour_factors[[one.hour for one in local]]
        by_weekday = self.weekday_factors[[one.weekday() for one in local]]
        daily = np.array([tokens_per_day[name] for name in tokens_per_day], dtype=float)
        tokens = (by_hour * by_weekday)[:, None, None] * daily[None, :, :] / HOURS
        return HourlyDemand(start, tuple(tokens_per_day), tokens)


@dataclass(frozen=True)
class ProfileFile:
    """What a profile's file says: the shape, and tokens of an average day where it gives them."""

    profile: Profile
    tokens_per_day: dict[str, tuple[float, ...]]


def read_profile(path: Path) -> ProfileFile:
    """Read a profile: `time_zone`, `hours` (24 factors), and perhaps `weekdays` (7) and `tokens_per_day`.

    `tokens_per_day` holds, for each model, tokens of an average day by class. Raises `InputError` with the
    line for what cannot be read, and for a missing time zone.
    """
    fields = read_yaml(path).fields(_KEYS, ("hours",))
    if "time_zone" not in fields:
        raise InputError(
            "the profile names no time zone, so its hours of the day mean nothing",
            where=str(path),
            remedy="add 'time_zone: Asia/Shanghai', or the zone in which the 24 factors were counted",
        )
    hours, weekdays = fields["hours"], fields.get("weekdays")
    profile = Profile.of(
        fields["time_zone"].text(),
        [read_number(one) for one in hours.items()],
        [1.0] * 7 if weekdays is None else [read_number(one) for one in weekdays.items()],
        hours.where,
    )
    daily: dict[str, tuple[float, ...]] = {}
    if "tokens_per_day" in fields:
        for model, classes in fields["tokens_per_day"].names():
            given = classes.fields(TOKEN_CLASSES, ("output",))
            daily[model] = tuple(read_number(given[name]) if name in given else 0.0 for name in TOKEN_CLASSES)
    return ProfileFile(profile, daily)


def _factors(given: Sequence[float], count: int, name: str, where: str) -> Floats:
    factors = np.asarray(given, dtype=float)
    if factors.shape != (count,):
        raise InputError(f"the profile has {len(given)} {name}", where=where, remedy=f"write {count} factors")
    if not np.isfinite(factors).all() or (factors < 0).any():
        raise InputError(
            f"a factor of the {name} is negative or no number", where=where, remedy="factors start at 0"
        )
    if not factors.any():
        raise InputError(
            f"all {name} of the profile are zero", where=where, remedy="write 1 where traffic is average"
        )
    return factors / factors.mean()
