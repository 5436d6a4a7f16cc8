"""What a month costs by API, rented, owned and on premises, of what was asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from breakeven.errors import UsageError
from breakeven.report.phrases import both
from breakeven.report.serving.asked import Asked, envelope_of_today
from breakeven.report.serving.gpu_hour_price import GpuHourPrice
from breakeven.report.serving.owning import Owning
from breakeven.report.serving.price_list import SoldAt, cached_warnings
from breakeven.report.serving.published_use import PEAK_SOURCE, PUBLISHED_PEAK
from breakeven.report.view_model import Label, Value, View
from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
from breakeven.report.views.serving_buy_or_rent import Compared, buy_or_rent_view
from breakeven.report.views.serving_cost import serving_warnings
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_gpus import COMMITMENT_WORDS
from breakeven.serving.breakeven_price import Tokens
from breakeven.serving.buy_or_rent import (
    Api,
    Option,
    Rented,
    Way,
    least_cost,
)
from breakeven.serving.hardware import Accelerator
from breakeven.serving.nodes import SECONDS_PER_MONTH, NodeFleet, ReplicaPool, daily_shape
from breakeven.serving.served import Served, Work
from breakeven.serving.traffic import Traffic

_CLOSE = 1e-9


def buy_or_rent_answer(
    asked: Asked,
    owning: Owning,
    sold: SoldAt | None = None,
    *,
    requests_per_month: float | None = None,
    peak: float | None = None,
    spare_nodes: int = 1,
    gpus_per_node: int | None = None,
) -> View:
    """Every way that has prices, and the volumes from which the order of two changes.

    `sold` is what an API asks, `requests_per_month` the traffic's rate unless given, `peak` the busiest hour
    over the mean: the traffic's own hours, else those of DeepSeek's published day. Raises `UsageError` where
    no way has a price, or the volume is not known.
    """
    currency = sold.currency if sold else asked.list_currency or "USD"
    traffic = asked.traffic()
    volume = requests_per_month
    if volume is None:
        volume = (traffic.requests_per_second or 0) * SECONDS_PER_MONTH
    if requests_per_month is not None and not 0 < requests_per_month < math.inf:
        raise UsageError(
            f"{requests_per_month:g} requests a month cannot be", remedy="write a number above zero"
        )
    if not volume > 0:
        raise UsageError(
            "how many requests a month?", remedy="give --requests, or a traffic with a rate: 4000/1000@50rps"
        )
    accelerator = asked.accelerator()
    options, prices, left_out = _ways(replace(asked, currency=currency), accelerator, traffic, sold, owning)
    hours = traffic.hourly if traffic.hourly and peak is None else daily_shape(peak or PUBLISHED_PEAK)
    in_node = gpus_per_node or accelerator.link_domain_gpus

    def fleet(pools: tuple[ReplicaPool, ...]) -> NodeFleet:
        return NodeFleet(pools, in_node, hours, spare_nodes)

    def monthly_cost(pools: tuple[ReplicaPool, ...]) -> float:
        return least_cost(options, volume, fleet(pools))

    served = asked.served_at_least(monthly_cost, traffic.at_rate(volume / SECONDS_PER_MONTH))
    work, middle = served.gpu_seconds_per_request, fleet(tuple(pool.replica_pool for pool in served.pools))
    low, high = (middle.with_work(bound / work.value) for bound in (work.low, work.high))
    compared = Compared(
        served.model,
        served.gpu,
        currency,
        options,
        (middle, low, high),
        served.layout,
        volume,
        traffic.input_tokens + traffic.output_tokens,
        [
            *_assumptions(prices, sold, middle, served, volume, peak),
            *owning.assumptions(accelerator, currency),
        ],
        left_out,
    )
    return buy_or_rent_view(
        compared, envelope_of_today(currency, (*cached_warnings(sold), *serving_warnings(served)))
    )


def _ways(
    asked: Asked, accelerator: Accelerator, traffic: Traffic, sold: SoldAt | None, owning: Owning
) -> tuple[list[Option], list[GpuHourPrice], list[tuple[Way, Label]]]:
    """Every way that has prices, the prices of GPU-hours, and why the others are left out."""
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
    prices: list[GpuHourPrice],
    sold: SoldAt | None,
    fleet: NodeFleet,
    served: Served,
    volume: float,
    peak: float | None,
) -> list[Assumption]:
    rows: list[Assumption] = []
    for price in prices:
        kind = COMMITMENT_WORDS[price.commitment]
        what = Label(f"A GPU-hour, {kind.en}", f"每卡时价格（{kind.zh}）")
        rows.append(
            Assumption(
                what,
                significant(price.per_gpu_hour, 6),
                f"{price.currency}/GPU-hour",
                price.said,
            )
        )
    if sold is not None:
        where = Label(sold.source, sold.source) if sold.since else GIVEN
        what = Label("API, output", "API 输出价")
        rows.append(Assumption(what, sold.output, f"{sold.currency}/Mtok", where))
    if peak is not None:
        shape = GIVEN
    elif abs(fleet.peak - PUBLISHED_PEAK) < _CLOSE:
        shape = PEAK_SOURCE
    else:
        shape = Label("the traffic's hours", "流量自带的小时分布")
    figures: list[tuple[Label, Value, str, Label]] = [
        (
            Label("Busiest hour over the mean", "最忙小时相对均值"),
            significant(fleet.peak),
            "multiple",
            shape,
        ),
        (Label("Spare nodes", "备用节点"), fleet.spare_nodes, "count", ASSUMED),
        (
            Label("GPUs of a node", "每节点卡数"),
            fleet.gpus_per_node,
            "count",
            Label("paid for together", "按整节点付费"),
        ),
        *_replicas(served),
        (
            Label("GPUs that replicas use at the peak", "高峰时副本使用的卡数"),
            fleet.useful_gpus(volume),
            "count",
            Label("whole replicas of each pool", "各池按整副本"),
        ),
        (
            Label("GPU-seconds of a request", "每次请求 GPU 秒"),
            significant(fleet.gpu_seconds_per_request),
            "count",
            Label("modelled", "模型推算"),
        ),
    ]
    return rows + [Assumption(*figure) for figure in figures]


def _replicas(served: Served) -> list[tuple[Label, Value, str, Label]]:
    """GPUs of a replica of each pool, with its layout."""
    return [
        (
            _REPLICA_WORDS[pool.work],
            pool.gpus_per_replica,
            "count",
            Label(f"{pool.layout}, the cheapest at this volume", f"{pool.layout}，此请求量下最省"),
        )
        for pool in served.pools
    ]


_REPLICA_WORDS: dict[Work, Label] = {
    "all": Label("GPUs of a replica", "每副本卡数"),
    "prefill": Label("GPUs of a prefill replica", "每个预填充副本卡数"),
    "decode": Label("GPUs of a decode replica", "每个解码副本卡数"),
}
