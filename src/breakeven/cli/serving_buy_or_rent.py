"""`breakeven serving buy-or-rent`: API, rented, owned, on premises, by volume."""

from __future__ import annotations

from datetime import datetime

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, number_read, serving_options
from breakeven.cli.serving_owning import owning_options
from breakeven.report.serving.owning import Owning


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
    metavar="N",
    callback=number_read("--requests"),
    en="Requests a month, such as 20M; the traffic's rate unless given.",
    zh="每月请求量，如 20M；默认取流量的速率。",
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
    from breakeven.report.serving.buy_or_rent import buy_or_rent_answer
    from breakeven.report.serving.price_list import sold_at

    given = (price_in, price_cached, price_out)
    sold = None
    if api is not None or any(given):
        sold = sold_at(api, given, currency=asked.list_currency, day=day.date() if day else None)
    shown = buy_or_rent_answer(
        asked,
        owning,
        sold,
        requests_per_month=requests,
        peak=peak,
        spare_nodes=spare_nodes,
        gpus_per_node=gpus_per_node,
    )
    emit(shown, output)
