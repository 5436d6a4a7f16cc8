"""`breakeven serving buy-or-rent`: API, rented, owned, on premises, by volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, serving_options
from breakeven.cli.serving_owning import Owning, owning_options
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.cli.serving_options import GpuHourPrice
    from breakeven.cli.serving_price_list import SoldAt
    from breakeven.report.view_model import Label, Value
    from breakeven.report.views.serving_assumptions import Assumption
    from breakeven.serving.buy_or_rent import Demand, NodeSize, Option, Way
    from breakeven.serving.hardware import Accelerator
    from breakeven.serving.served import Served
    from breakeven.serving.traffic import Traffic

PUBLISHED_PEAK = 1.23
"""278 nodes at the peak over 226.75 in the mean: DeepSeek's published day."""
_CLOSE = 1e-9


@command(
    "buy-or-rent",
    en="What a month costs by API, rented, owned and on premises, which is cheapest at your volume, and\n"
    "from which volume the order of two changes. Whole nodes, a spare, the utilisation a volume implies.",
    zh="调用 API、租用、自有与自建机房的每月成本，在给定请求量下何者最省，以及盈亏平衡请求量。\n"
    "按整节点、含备用节点，利用率由请求量决定。",
)
@serving_options()
@option(
    "--requests",
    type=float,
    metavar="N",
    en="Requests a month; the traffic's rate unless given.",
    zh="每月请求量；默认取流量的速率。",
)
@option(
    "--api",
    metavar="PROVIDER/MODEL",
    en="The API: a model of the price book, such as deepseek/deepseek-chat.",
    zh="对比的 API：价目表中的模型，如 deepseek/deepseek-chat。",
)
@option(
    "--price-in",
    metavar="AMOUNT",
    en="Or its price of a million input tokens,",
    zh="或其每百万输入词元价格，",
)
@option("--price-cached", metavar="AMOUNT", en="of cached ones,", zh="命中缓存部分的价格，")
@option("--price-out", metavar="AMOUNT", en="and of output.", zh="以及输出价格。")
@option(
    "--at",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    en="That list on a day; today's unless given.",
    zh="该价目表在某日的价格；默认今日。",
)
@owning_options
@option(
    "--peak",
    type=float,
    metavar="X",
    en="The busiest hour over the mean; the traffic's hours, else 1.23.",
    zh="最忙小时相对均值；默认取流量自带分布，否则 1.23。",
)
@option(
    "--spare-nodes",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    en="Nodes that stand by.",
    zh="备用节点数。",
)
@option(
    "--gpus-per-node",
    type=click.IntRange(1),
    metavar="N",
    en="GPUs paid for together; those that share a link unless given.",
    zh="每节点卡数；默认为同一互联域的卡数。",
)
@output_options
def buy_or_rent(
    asked: Asked,
    requests: float | None,
    api: str | None,
    price_in: str | None,
    price_cached: str | None,
    price_out: str | None,
    day: datetime | None,
    owning: Owning,
    peak: float | None,
    spare_nodes: int,
    gpus_per_node: int | None,
    output: Output,
) -> None:
    """Show the answer."""
    from breakeven.cli.serving_price_list import sold_at
    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_buy_or_rent import Compared, buy_or_rent_view
    from breakeven.report.views.serving_cost import serving_warnings
    from breakeven.serving.buy_or_rent import SECONDS_PER_MONTH

    given = (price_in, price_cached, price_out)
    sold = None
    wanted = asked.currency or ("USD" if api is None or asked.gpu_price is not None else None)
    if api is not None or any(given):
        sold = sold_at(api, given, currency=wanted, day=day.date() if day else None)
    currency = sold.currency if sold else wanted or "USD"
    if wanted is not None and currency != wanted:
        raise UsageError(f"{api} has no list in {wanted}", remedy=f"give --currency {currency}")
    asked = replace(asked, currency=currency)
    traffic = asked.traffic()
    volume = requests if requests is not None else (traffic.requests_per_second or 0) * SECONDS_PER_MONTH
    if not volume > 0:
        raise UsageError(
            "how many requests a month?", remedy="give --requests, or a traffic with a rate: 4000/1000@50rps"
        )
    accelerator = asked.accelerator()
    served = asked.served(traffic=traffic.at_rate(volume / SECONDS_PER_MONTH))
    demands = _demands(served, traffic, peak, spare_nodes)
    node = _node(served, accelerator, gpus_per_node)
    options, prices, left_out = _ways(asked, accelerator, traffic, sold, owning)
    compared = Compared(
        served.model,
        served.gpu,
        currency,
        options,
        demands,
        node,
        volume,
        traffic.input_tokens + traffic.output_tokens,
        [
            *_assumptions(prices, sold, demands[0], node, peak),
            *owning.assumptions(accelerator, currency),
        ],
        left_out,
    )
    envelope = Envelope(
        books="",
        as_of=datetime.now(tz=UTC).date().isoformat(),
        time_zone="UTC",
        currency=currency,
        warnings=serving_warnings(served),
    )
    emit(buy_or_rent_view(compared, envelope), output)


def _demands(
    served: Served, traffic: Traffic, peak: float | None, spare_nodes: int
) -> tuple[Demand, Demand, Demand]:
    """At the middle, the low and the high bound of the work."""
    from breakeven.serving.buy_or_rent import Demand, daily_shape

    hours = traffic.hourly if traffic.hourly and peak is None else daily_shape(peak or PUBLISHED_PEAK)
    work = served.gpu_seconds_per_request
    middle, low, high = (Demand(seconds, hours, spare_nodes) for seconds in (work.value, work.low, work.high))
    return middle, low, high


def _node(served: Served, accelerator: Accelerator, gpus_per_node: int | None) -> NodeSize:
    from breakeven.serving.buy_or_rent import NodeSize

    return NodeSize.for_replica(served.gpus_per_replica, gpus_per_node or accelerator.link_domain_gpus)


def _ways(
    asked: Asked, accelerator: Accelerator, traffic: Traffic, sold: SoldAt | None, owning: Owning
) -> tuple[list[Option], list[GpuHourPrice], list[tuple[Way, Label]]]:
    """Every way that has prices, the prices of GPU-hours, and why the others are left out."""
    from breakeven.report.phrases import both
    from breakeven.report.view_model import Label
    from breakeven.serving.breakeven_price import Tokens
    from breakeven.serving.buy_or_rent import Api, Rented

    currency = asked.currency or "USD"
    options: list[Option] = []
    prices: list[GpuHourPrice] = []
    left_out: list[tuple[Way, Label]] = []
    if sold is None:
        left_out.append(("api", Label("no --api or --price-in was given", "未给出 --api 或 --price-in")))
    else:
        tokens = Tokens(traffic.uncached_input_tokens, traffic.cached_input_tokens, traffic.output_tokens)
        options.append(Api(sold.token_prices.per_request(tokens)))

    def rented(way: Literal["on_demand", "reserved"]) -> Rented:
        own = asked.gpu_price if asked.commitment == way else None
        price = replace(asked, commitment=way, gpu_price=own).price(accelerator)
        prices.append(price)
        return Rented(price.per_gpu_hour, way, owning.money("staff", currency))

    tries: dict[Way, Callable[[], Option]] = {
        "on_demand": lambda: rented("on_demand"),
        "reserved": lambda: rented("reserved"),
        "owned": lambda: owning.owned(accelerator, currency),
        "on_premises": lambda: owning.on_premises(accelerator, currency),
    }
    for way, make in tries.items():
        try:
            options.append(make())
        except UsageError as error:
            what, remedy = both(error.what), both(error.remedy)
            left_out.append((way, Label(f"{what.en}: {remedy.en}", f"{what.zh}：{remedy.zh}")))
    if not options:
        raise UsageError("no way has a price", remedy="give --gpu-price, --purchase-price or --api")
    return options, prices, left_out


def _assumptions(
    prices: list[GpuHourPrice], sold: SoldAt | None, demand: Demand, node: NodeSize, peak: float | None
) -> list[Assumption]:
    from breakeven.cli.serving_cost import price_shown
    from breakeven.report.view_model import Label
    from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
    from breakeven.report.views.serving_figures import significant
    from breakeven.report.views.serving_gpus import COMMITMENT_WORDS

    rows: list[Assumption] = []
    for price in prices:
        kind = COMMITMENT_WORDS[price.commitment]
        what = Label(f"A GPU-hour, {kind.en}", f"每卡时价格（{kind.zh}）")
        rows.append(
            Assumption(
                what,
                significant(price.per_gpu_hour, 6),
                f"{price.currency}/GPU-hour",
                price_shown(price).said,
            )
        )
    if sold is not None:
        where = Label(sold.source, sold.source) if sold.since else GIVEN
        what = Label("API, output", "API 输出价")
        rows.append(Assumption(what, sold.output, f"{sold.currency}/Mtok", where))
    if peak is not None:
        shape = GIVEN
    elif abs(demand.peak - PUBLISHED_PEAK) < _CLOSE:
        shape = Label("DeepSeek's published day, in nodes", "DeepSeek 公布之日（按节点数）")
    else:
        shape = Label("the traffic's hours", "流量自带的小时分布")
    figures: list[tuple[Label, Value, str, Label]] = [
        (
            Label("Busiest hour over the mean", "最忙小时相对均值"),
            significant(demand.peak),
            "multiple",
            shape,
        ),
        (Label("Spare nodes", "备用节点"), demand.spare_nodes, "count", ASSUMED),
        (
            Label("GPUs of a node", "每节点卡数"),
            node.gpus,
            "count",
            Label("whole replicas in whole nodes", "整节点内取整副本"),
        ),
        (
            Label("GPU-seconds of a request", "每次请求 GPU 秒"),
            significant(demand.gpu_seconds_per_request),
            "count",
            Label("modelled", "模型推算"),
        ),
    ]
    return rows + [Assumption(*figure) for figure in figures]
