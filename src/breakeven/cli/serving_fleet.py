"""`breakeven serving fleet`: GPUs for the hours of a month."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.budget import amount
from breakeven.cli.options import Output, output_options, period_option
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, serving_options, share
from breakeven.errors import UsageError
from breakeven.periods import Period

if TYPE_CHECKING:
    from breakeven.serving.fleet.supply import Follows, Overflow

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
@serving_options(without=("model", "gpu", "price"), reads_data=True)
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
    from breakeven.report.serving.fleet import FleetAsked, fleet_answer, fleet_models
    from breakeven.report.serving.fleet_demand import fleet_demand
    from breakeven.serving.fleet.supply import Rules

    asked = replace(asked, models=(model,) if model else (), gpus=(gpu,) if gpu else ())
    rules = Rules(
        share(headroom, "--headroom"), minimum, spare, start_minutes, most_changes, scale_down_hours, follows
    )
    chosen = FleetAsked(
        rules,
        owned,
        reserved,
        on_demand,
        _amount(owned_price, "--owned-price"),
        _amount(reserved_price, "--reserved-price"),
        _amount(on_demand_price, "--on-demand-price"),
        overflow,
        patience,
        share(priority_share, "--priority"),
    )
    models = fleet_models(asked, work_file, _sold(sell))
    demanded = fleet_demand(
        asked,
        models.models,
        books=books,
        demand_file=demand_file,
        profile_file=profile_file,
        zone_name=zone_name,
        period=period,
        demand_model=demand_model,
    )
    emit(fleet_answer(asked, models, demanded, chosen, for_people=output.format == "text"), output)


def _amount(text: str | None, flag: str) -> Decimal | None:
    return None if text is None else amount(text, flag)


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
            f"--sell {reprlib.repr(text)} is not three prices",
            remedy="write computed input/cached input/output per million tokens, such as 0.55/0.14/2.19",
        )
    return first, second, third
