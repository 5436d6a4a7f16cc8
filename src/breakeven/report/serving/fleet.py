"""A fleet for the hours of a month, of what was asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from pathlib import Path

from breakeven.errors import UsageError
from breakeven.report.serving.asked import Asked, envelope_of_today
from breakeven.report.serving.fleet_demand import Demanded
from breakeven.report.serving.gpu_hour_price import GpuHourPrice, given_price
from breakeven.report.view_model import Label, View
from breakeven.report.view_model import Warning as Said
from breakeven.report.views.serving_cost import serving_warnings
from breakeven.report.views.serving_fleet import FleetShown, serving_fleet_view
from breakeven.serving.fleet.bounds import FleetBounds
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.from_served import served_model
from breakeven.serving.fleet.measured_work import read_pools, read_served_models
from breakeven.serving.fleet.served_model import ServedModel
from breakeven.serving.fleet.supply import Overflow, Rules, Supply

_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class FleetAsked:
    """GPUs by commitment, what each costs an hour, and how the fleet follows the demand.

    Prices that are not given are the shipped ones; `on_demand` None is as many as needed. Who would wait
    longer than `patience_minutes` in a queue goes; `priority_share` of requests has paid to go first.
    """

    rules: Rules
    owned: int = 0
    reserved: int = 0
    on_demand: int | None = None
    owned_price: Decimal | None = None
    reserved_price: Decimal | None = None
    on_demand_price: Decimal | None = None
    overflow: Overflow | None = None
    patience_minutes: float | None = None
    priority_share: float = 0.0


@dataclass(frozen=True)
class FleetModels:
    """The models of a fleet, what a reader must know of them, and the file they were measured in, if any."""

    models: tuple[ServedModel, ...]
    warnings: tuple[Said, ...] = ()
    work_file: Path | None = None


def fleet_answer(
    asked: Asked, served: FleetModels, demanded: Demanded, chosen: FleetAsked, *, for_people: bool = True
) -> View:
    """Use, cost, what one more token costs by hour, and what happens to demand above the fleet.

    Machines (`for_people` false) get every hour too.
    """
    models = _for_demand(served.models, demanded.demand)
    given = {
        "owned": chosen.owned_price,
        "reserved": chosen.reserved_price,
        "on_demand": chosen.on_demand_price,
    }
    prices, currency, said = _prices(asked, given)
    counts = (chosen.owned, chosen.reserved, chosen.on_demand)
    supplies = _supplies(models, served.work_file, counts, prices)
    patience_minutes = chosen.patience_minutes
    patience_hours = inf if patience_minutes is None else patience_minutes / _MINUTES_PER_HOUR
    bounds = FleetBounds.of(demanded.demand, models, supplies, chosen.rules, chosen.overflow, patience_hours)
    shown = FleetShown(
        bounds, supplies, chosen.rules, demanded.zone, patience_hours, chosen.priority_share, said
    )
    owner = demanded.owner
    envelope = replace(
        envelope_of_today(currency, served.warnings),
        books="" if owner is None else owner.name,
        time_zone=demanded.zone.key,
        synthetic=owner is not None and owner.synthetic,
    )
    return serving_fleet_view(shown, envelope, for_people=for_people)


def fleet_models(
    asked: Asked, work_file: Path | None = None, sold: tuple[float, float, float] | None = None
) -> FleetModels:
    """The models of a file of measured work, or the one that was asked for, computed.

    `sold` are prices per million computed input, cached input and output tokens.
    """
    if work_file is not None:
        if asked.models:
            raise UsageError("--work and --model exclude each other", remedy="choose one")
        found = read_served_models(work_file)
        if sold is not None:
            found = tuple(replace(one, prices_per_mtok=sold) for one in found)
        return FleetModels(found, work_file=work_file)
    if not asked.models or not asked.gpus:
        raise UsageError(
            "which model on which GPU?",
            remedy="give --model and --gpu, or --work with GPU-seconds you measured",
        )
    served = asked.served()
    return FleetModels((served_model(served, prices_per_mtok=sold),), serving_warnings(served))


def _for_demand(models: tuple[ServedModel, ...], demand: HourlyDemand) -> tuple[ServedModel, ...]:
    """Where one model is computed and one demanded they are the same, whatever each is called."""
    if len(models) == len(demand.models) == 1:
        return (replace(models[0], name=demand.models[0]),)
    return models


def _prices(
    asked: Asked, given: dict[str, Decimal | None]
) -> tuple[dict[str, float | None], str, tuple[tuple[Label, Label], ...]]:
    """Prices by commitment, given or shipped, in one currency, and their sources; None without any."""
    words = {
        "on_demand": Label("Price on demand", "按需价格"),
        "reserved": Label("Price reserved", "预留价格"),
        "owned": Label("Price owned", "自有成本"),
    }
    found: dict[str, float | None] = {}
    said: list[tuple[Label, Label]] = []
    currency = asked.currency
    for kind in words:
        price = _price(asked, kind, given[kind], currency)
        found[kind] = None if price is None else price.per_gpu_hour
        if price is not None:
            currency = currency or price.currency
            said.append((words[kind], price.said))
    return found, currency or "USD", tuple(said)


def _price(asked: Asked, kind: str, given: Decimal | None, currency: str | None) -> GpuHourPrice | None:
    if given is not None:
        return given_price(given, currency, kind)
    if not asked.gpus:
        return None
    try:
        return replace(asked, commitment=kind, currency=currency, gpu_price=None).price()
    except UsageError:
        return None


def _supplies(
    models: tuple[ServedModel, ...],
    work_file: Path | None,
    counts: tuple[int, int, int | None],
    prices: dict[str, float | None],
) -> dict[str, Supply]:
    """GPUs of each pool: those of the options, or where there are several pools those of the file."""
    pools = {} if work_file is None else read_pools(work_file)
    names = list(dict.fromkeys(model.pool for model in models))
    if not pools and len(names) == 1:
        return {names[0]: _supply(counts, prices)}
    if any(counts):
        raise UsageError(
            "the GPUs of several pools cannot be one number",
            remedy="leave out --owned, --reserved and --on-demand, and name them by pool in the file of"
            " --work",
        )
    for name in names:
        if name not in pools:
            raise UsageError(
                f"the file of --work says no GPUs for the pool {name!r}",
                remedy=f"add 'pools:' with '{name}: {{owned: 64, on_demand: 32}}', or let models share a"
                " pool",
            )
    return {
        name: _supply((gpus.get("owned", 0), gpus.get("reserved", 0), gpus.get("on_demand")), prices)
        for name, gpus in pools.items()
    }


def _supply(counts: tuple[int, int, int | None], prices: dict[str, float | None]) -> Supply:
    owned, reserved, on_demand = counts
    if on_demand is None and prices["on_demand"] is None:
        on_demand = 0
    return Supply(
        owned,
        reserved,
        on_demand,
        owned_price=prices["owned"],
        reserved_price=prices["reserved"],
        on_demand_price=prices["on_demand"],
    )
