"""The demand that a fleet is asked to meet: tokens by hour, from books, files, or the shape of a day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from breakeven.errors import UsageError
from breakeven.ledger.books import open_books
from breakeven.ledger.settings import Settings
from breakeven.periods import Period, time_zone
from breakeven.report.serving.asked import Asked
from breakeven.serving.fleet.books_demand import books_demand
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.demand_file import read_demand
from breakeven.serving.fleet.profile import Profile, read_profile
from breakeven.serving.fleet.served_model import ServedModel

_HOURS_PER_DAY = 24
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Demanded:
    """Tokens by hour, the time zone of the day, and the settings of the books they are from, if any."""

    demand: HourlyDemand
    zone: ZoneInfo
    owner: Settings | None = None


def fleet_demand(
    asked: Asked,
    models: tuple[ServedModel, ...],
    *,
    hourly: HourlyDemand | None = None,
    books: Path | None = None,
    demand_file: Path | None = None,
    profile_file: Path | None = None,
    zone_name: str | None = None,
    period: Period | None = None,
    demand_model: str | None = None,
) -> Demanded:
    """Tokens by hour as they are, of books or a file, or of a day's shape: a profile's, else the traffic's.

    `demand_model` is the name under which the demand knows the model. Raises `UsageError` where the demand is
    given twice, or its time zone or rate is not known.
    """
    if sum(one is not None for one in (hourly, books, demand_file, profile_file)) > 1:
        raise UsageError("the demand is given twice", remedy="give BOOKS, --demand or --profile")
    if hourly is not None:
        found = Demanded(hourly, time_zone(_zone(zone_name)))
    elif demand_file is not None:
        default = models[0].name if len(models) == 1 else ""
        found = Demanded(read_demand(demand_file, default), time_zone(_zone(zone_name)))
    elif books is not None:
        opened = open_books(books)
        zone = zone_name or opened.settings.time_zone
        found = Demanded(
            books_demand(opened, period, _names(models, demand_model)), time_zone(zone), opened.settings
        )
    else:
        found = _from_profile(asked, models, profile_file, zone_name, period)
    return found if demand_model is None else replace(found, demand=found.demand.only(demand_model))


def _names(models: tuple[ServedModel, ...], demand_model: str | None) -> tuple[str, ...]:
    """The models of the usage that count: the one asked for, those of the file, else all."""
    if demand_model is not None:
        return (demand_model,)
    return () if len(models) == 1 else tuple(model.name for model in models)


def _from_profile(
    asked: Asked,
    models: tuple[ServedModel, ...],
    profile_file: Path | None,
    zone_name: str | None,
    period: Period | None,
) -> Demanded:
    """A day's shape over the days asked for: that of the file, or that of the traffic."""
    daily: dict[str, tuple[float, ...]] = {}
    traffic = asked.traffic()
    if profile_file is not None:
        read = read_profile(profile_file)
        profile, daily = read.profile, read.tokens_per_day
    else:
        # Hours that are all alike need no zone to be told apart.
        zone = _zone(zone_name) if traffic.hourly else zone_name or "UTC"
        profile = Profile.of(zone, traffic.hourly or (1.0,) * _HOURS_PER_DAY)
    if not daily:
        if traffic.requests_per_second is None:
            raise UsageError(
                "how much traffic there is is not known",
                remedy="give tokens_per_day in the profile, or a rate such as --traffic 4000/1000@50rps",
            )
        if len(models) != 1:
            raise UsageError(
                "which model serves the traffic?", remedy="give tokens_per_day by model in the profile"
            )
        requests = traffic.requests_per_second * _SECONDS_PER_DAY
        daily = {
            models[0].name: (
                requests * traffic.uncached_input_tokens,
                requests * traffic.cached_input_tokens,
                requests * traffic.output_tokens,
            )
        }
    zone = time_zone(zone_name or profile.time_zone)
    days = period or Period.month(datetime.now(tz=zone).date())
    return Demanded(profile.demand(daily, days), zone)


def _zone(name: str | None) -> str:
    if name is None:
        raise UsageError(
            "the time zone of the hours is missing",
            cause="whether an hour is night or peak depends on it",
            remedy="give --time-zone Asia/Shanghai, or UTC",
        )
    return name
