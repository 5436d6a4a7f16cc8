"""`breakeven serving fleet`: GPUs for the hours of a month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.budget import amount
from breakeven.cli.options import Output, output_options, period_option
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, GpuHourPrice, serving_options, share
from breakeven.errors import UsageError
from breakeven.periods import Period

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from breakeven.ledger.settings import Settings
    from breakeven.report.view_model import Label, Warning  # noqa: A004 - the envelope's word
    from breakeven.serving.fleet.demand import HourlyDemand
    from breakeven.serving.fleet.served_model import ServedModel
    from breakeven.serving.fleet.supply import Follows, Overflow, Supply

_KINDS = ("owned", "reserved", "on_demand")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@command(
    "fleet",
    en="GPUs for the hours of a month: owned, reserved and on demand; use, cost, what one more token\n"
    "costs by hour, and what happens when demand exceeds them.\n\n"
    "Demand comes from a file, from a profile of the day, from --traffic with a rate, or from BOOKS.",
    zh="按小时配置显卡：自有、预留与按需，给出利用率、成本、各时段的边际成本，以及需求超出时的后果。\n"
    "需求来自文件、日内曲线、带速率的 --traffic，或账簿 BOOKS。",
)
@click.argument("books", type=click.Path(path_type=Path), required=False)
@option(
    "--demand", "demand_file", type=_FILE, metavar="FILE", en="Hourly tokens (CSV).", zh="逐小时词元（CSV）。"
)
@option(
    "--profile",
    "profile_file",
    type=_FILE,
    metavar="FILE",
    en="24 factors by hour of the day, 7 by weekday (YAML).",
    zh="日内 24 个系数与 7 个星期系数（YAML）。",
)
@option(
    "--work",
    "work_file",
    type=_FILE,
    metavar="FILE",
    en="Models with GPU-seconds you measured (YAML), instead of --model and --gpu.",
    zh="自行测得 GPU 秒的模型（YAML），代替 --model 与 --gpu。",
)
@option(
    "--model",
    metavar="NAME",
    en="A shipped model, a config.json, or a spec.",
    zh="内置模型名、config.json 或规格文件。",
)
@option("--gpu", metavar="NAME", en="A shipped GPU or a spec.", zh="内置显卡名或规格文件。")
@option(
    "--demand-model",
    metavar="NAME",
    en="The name under which the demand knows the model.",
    zh="该模型在需求中的名称。",
)
@option("--owned", type=int, default=0, metavar="N", en="GPUs owned.", zh="自有卡数。")
@option(
    "--reserved",
    type=int,
    default=0,
    metavar="N",
    en="GPUs reserved for the whole period.",
    zh="全程预留的卡数。",
)
@option(
    "--on-demand",
    type=int,
    metavar="N",
    en="The most to rent by the hour; as many as needed unless given.",
    zh="按需租用上限；默认按需要租用。",
)
@option(
    "--owned-price",
    metavar="AMOUNT",
    en="Per GPU-hour; the shipped price unless given.",
    zh="每卡时；默认为内置价格。",
)
@option("--reserved-price", metavar="AMOUNT", en="The same for reserved GPUs.", zh="预留卡的每卡时价格。")
@option("--on-demand-price", metavar="AMOUNT", en="The same for those on demand.", zh="按需卡的每卡时价格。")
@option("--currency", metavar="CODE", en="Amounts in this currency.", zh="以此币种计算与显示。")
@option(
    "--headroom",
    default="0.15",
    show_default=True,
    metavar="SHARE",
    en="Part of serving capacity an average hour leaves free.",
    zh="平均每小时留出的产能占比。",
)
@option(
    "--spare",
    type=int,
    default=0,
    metavar="N",
    en="Replicas of each model that may fail.",
    zh="每个模型的备用副本数。",
)
@option(
    "--minimum",
    type=int,
    default=0,
    metavar="N",
    en="Replicas of each model always on.",
    zh="每个模型常开的副本数。",
)
@option(
    "--start-minutes",
    type=float,
    default=0.0,
    metavar="MINUTES",
    en="From switching a replica on until it serves.",
    zh="副本从启动到可服务的时间。",
)
@option(
    "--most-changes",
    type=int,
    metavar="N",
    en="Replicas of a model that may start or stop in an hour.",
    zh="每小时每个模型最多启停的副本数。",
)
@option(
    "--scale-down-hours",
    type=int,
    default=0,
    metavar="N",
    en="Hours a replica stays on after need.",
    zh="副本闲置后保留的小时数。",
)
@option(
    "--follows",
    type=click.Choice(["forecast", "load"]),
    default="forecast",
    show_default=True,
    en="Start before need, or after the hour that shows it.",
    zh="按预测提前启动，或按上一小时负载启动。",
)
@option(
    "--overflow",
    type=click.Choice(["queue", "reject", "slow"]),
    en="What happens to demand above the fleet; an error unless given.",
    zh="需求超过机队时的处理；不给出则报错。",
)
@option(
    "--patience",
    type=float,
    metavar="MINUTES",
    en="In a queue, who would wait longer goes.",
    zh="排队超过此时长即流失。",
)
@option(
    "--priority",
    "priority_share",
    metavar="SHARE",
    default="0",
    en="Part of requests that has paid to go first.",
    zh="付费优先的请求占比。",
)
@option(
    "--sell",
    metavar="PRICES",
    en="Prices per million tokens: computed input/cached input/output, 0.55/0.14/2.19.",
    zh="每百万词元售价：未命中输入/命中输入/输出，如 0.55/0.14/2.19。",
)
@option(
    "--time-zone",
    "zone_name",
    metavar="NAME",
    en="Of the hours of the day; the books' or the profile's.",
    zh="日内时段的时区；默认为账簿或曲线的时区。",
)
@period_option
@serving_options(without=("model", "gpu", "price"))
@output_options
def fleet(
    books: Path | None,
    demand_file: Path | None,
    profile_file: Path | None,
    work_file: Path | None,
    model: str | None,
    gpu: str | None,
    demand_model: str | None,
    owned: int,
    reserved: int,
    on_demand: int | None,
    owned_price: str | None,
    reserved_price: str | None,
    on_demand_price: str | None,
    headroom: str,
    spare: int,
    minimum: int,
    start_minutes: float,
    most_changes: int | None,
    scale_down_hours: int,
    follows: Follows,
    overflow: Overflow | None,
    patience: float | None,
    priority_share: str,
    sell: str | None,
    zone_name: str | None,
    period: Period | None,
    asked: Asked,
    output: Output,
) -> None:
    """Show the fleet."""
    from datetime import UTC, datetime

    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_fleet import FleetShown, serving_fleet_view
    from breakeven.serving.fleet.bounds import FleetBounds
    from breakeven.serving.fleet.supply import Rules

    asked = replace(asked, models=(model,) if model else (), gpus=(gpu,) if gpu else ())
    models, warnings = _models(asked, work_file, _sold(sell))
    demand, zone, owner = _demand(
        asked, models, books, demand_file, profile_file, zone_name, period, demand_model
    )
    demand = demand if demand_model is None else demand.only(demand_model)
    named = _for_demand(models, demand)
    prices, currency, said = _prices(
        asked, dict(zip(_KINDS, (owned_price, reserved_price, on_demand_price), strict=True))
    )
    supplies = _supplies(named, work_file, (owned, reserved, on_demand), prices)
    rules = Rules(
        share(headroom, "--headroom"), minimum, spare, start_minutes, most_changes, scale_down_hours, follows
    )
    patience_hours = float("inf") if patience is None else patience / 60
    bounds = FleetBounds.of(demand, named, supplies, rules, overflow, patience_hours)
    shown = FleetShown(
        bounds, supplies, rules, zone, patience_hours, share(priority_share, "--priority"), said
    )
    envelope = Envelope(
        "" if owner is None else owner.name,
        datetime.now(tz=UTC).date().isoformat(),
        zone.key,
        currency,
        synthetic=owner is not None and owner.synthetic,
        warnings=warnings,
    )
    emit(serving_fleet_view(shown, envelope, for_people=output.format == "text"), output)


def _sold(text: str | None) -> tuple[float, float, float] | None:
    """Prices per million tokens by class. Raises `UsageError` for text of another form."""
    if text is None:
        return None
    try:
        first, second, third = (float(part) for part in text.split("/"))
    except ValueError:
        first = second = third = float("nan")
    if not (first >= 0 and second >= 0 and third >= 0):
        raise UsageError(
            f"--sell {text!r} is not three prices",
            remedy="write computed input/cached input/output per million tokens, such as 0.55/0.14/2.19",
        )
    return first, second, third


def _models(
    asked: Asked, work_file: Path | None, sold: tuple[float, float, float] | None
) -> tuple[tuple[ServedModel, ...], tuple[Warning, ...]]:
    """The models of the file, or the one that is computed, and what a reader must know of it."""
    from breakeven.serving.fleet.from_served import served_model
    from breakeven.serving.fleet.measured_work import read_served_models

    if work_file is not None:
        if asked.models:
            raise UsageError("--work and --model exclude each other", remedy="choose one")
        found = read_served_models(work_file)
        return found if sold is None else tuple(replace(one, prices_per_mtok=sold) for one in found), ()
    if not asked.models or not asked.gpus:
        raise UsageError(
            "which model on which GPU?",
            remedy="give --model and --gpu, or --work with GPU-seconds you measured",
        )
    from breakeven.report.views.serving_cost import serving_warnings

    served = asked.served()
    return (served_model(served, prices_per_mtok=sold),), serving_warnings(served)


def _demand(
    asked: Asked,
    models: tuple[ServedModel, ...],
    books: Path | None,
    demand_file: Path | None,
    profile_file: Path | None,
    zone_name: str | None,
    period: Period | None,
    demand_model: str | None,
) -> tuple[HourlyDemand, ZoneInfo, Settings | None]:
    """Tokens by hour, the time zone of the day, and the settings of the books they are from."""
    from breakeven.periods import time_zone

    if sum(one is not None for one in (books, demand_file, profile_file)) > 1:
        raise UsageError("the demand is given twice", remedy="give BOOKS, --demand or --profile")
    if demand_file is not None:
        from breakeven.serving.fleet.demand_file import read_demand

        default = models[0].name if len(models) == 1 else ""
        return read_demand(demand_file, default), time_zone(_zone(zone_name)), None
    if books is not None:
        from breakeven.ledger.books import open_books
        from breakeven.serving.fleet.books_demand import books_demand

        opened = open_books(books)
        zone = zone_name or opened.settings.time_zone
        return books_demand(opened, period, _names(models, demand_model)), time_zone(zone), opened.settings
    return *_from_profile(asked, models, profile_file, zone_name, period), None


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
) -> tuple[HourlyDemand, ZoneInfo]:
    """A day's shape over the days asked for: that of the file, or that of the traffic."""
    from datetime import datetime

    from breakeven.periods import time_zone
    from breakeven.serving.fleet.profile import Profile, read_profile

    daily: dict[str, tuple[float, ...]] = {}
    traffic = asked.traffic()
    if profile_file is not None:
        read = read_profile(profile_file)
        profile, daily = read.profile, read.tokens_per_day
    else:
        profile = Profile.of(_zone(zone_name), traffic.hourly or (1.0,) * 24)
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
        requests = traffic.requests_per_second * 86_400
        daily = {
            models[0].name: (
                requests * traffic.uncached_input_tokens,
                requests * traffic.cached_input_tokens,
                requests * traffic.output_tokens,
            )
        }
    zone = time_zone(zone_name or profile.time_zone)
    days = period or Period.month(datetime.now(tz=zone).date())
    return profile.demand(daily, days), zone


def _zone(name: str | None) -> str:
    if name is None:
        raise UsageError(
            "the time zone of the hours is missing",
            cause="whether an hour is night or peak depends on it",
            remedy="give --time-zone Asia/Shanghai, or UTC",
        )
    return name


def _for_demand(models: tuple[ServedModel, ...], demand: HourlyDemand) -> tuple[ServedModel, ...]:
    """Where one model is computed and one demanded they are the same, whatever each is called."""
    if len(models) == len(demand.models) == 1:
        return (replace(models[0], name=demand.models[0]),)
    return models


def _prices(
    asked: Asked, given: dict[str, str | None]
) -> tuple[dict[str, float | None], str, tuple[tuple[Label, Label], ...]]:
    """Prices by commitment, given or shipped, in one currency, and their sources; None without any."""
    from breakeven.cli.serving_cost import price_shown
    from breakeven.report.view_model import Label

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
            said.append((words[kind], price_shown(price).said))
    return found, currency or "USD", tuple(said)


def _price(asked: Asked, kind: str, text: str | None, currency: str | None) -> GpuHourPrice | None:
    if text is not None:
        money = amount(text, f"--{kind.replace('_', '-')}-price")
        return GpuHourPrice(money, currency or "USD", kind, "--gpu-price", "")
    if not asked.gpus:
        return None
    try:
        return replace(asked, commitment=kind, currency=currency, gpu_price=None).price(asked.accelerator())
    except UsageError:
        return None


def _supplies(
    models: tuple[ServedModel, ...],
    work_file: Path | None,
    counts: tuple[int, int, int | None],
    prices: dict[str, float | None],
) -> dict[str, Supply]:
    """GPUs of each pool: those of the options, or where there are several pools those of the file."""
    from breakeven.serving.fleet.measured_work import read_pools

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
    from breakeven.serving.fleet.supply import Supply

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
