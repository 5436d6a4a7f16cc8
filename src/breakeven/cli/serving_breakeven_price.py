"""`breakeven serving breakeven-price`: the price at which the margin is zero, and what makes a price pay."""

from __future__ import annotations

from datetime import datetime

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, serving_options, share
from breakeven.report.serving.published_use import PUBLISHED_UTILISATION


@command(
    "breakeven-price",
    en="The price list at which the margin is zero for this model, GPU and traffic; and which utilisation,\n"
    "cache hit rate, GPU price, free share or model size makes a given list pay.",
    zh="该模型、显卡与流量下毛利为零的价格；以及利用率、缓存命中率、卡时价、\n"
    "免费占比或模型大小达到多少时，给定价格才能盈利。",
)
@serving_options()
@option("--price-in", metavar="AMOUNT", en="Price of a million input tokens.", zh="每百万输入词元价格。")
@option(
    "--price-cached",
    metavar="AMOUNT",
    en="Of cached ones; as input unless given.",
    zh="命中缓存部分；默认同输入。",
)
@option("--price-out", metavar="AMOUNT", en="Price of a million output tokens.", zh="每百万输出词元价格。")
@option(
    "--sold-as",
    metavar="PROVIDER/MODEL",
    en="Instead: the list of a model in the price book, such as deepseek/deepseek-r1.",
    zh="改用价目表中某模型的价格，如 deepseek/deepseek-r1。",
)
@option(
    "--at",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    en="That list on a day; today's unless given.",
    zh="该价目表在某日的价格；默认今日。",
)
@option(
    "--utilisation",
    default=str(PUBLISHED_UTILISATION),
    show_default=True,
    metavar="SHARE",
    en="Share of paid GPU-hours that serve; the default is DeepSeek's published day.",
    zh="付费卡时中实际服务的占比；默认取 DeepSeek 公布之日。",
)
@option(
    "--free-share",
    default="0",
    show_default=True,
    metavar="SHARE",
    en="Requests that nobody pays for.",
    zh="无人付费的请求占比。",
)
@option(
    "--instead",
    multiple=True,
    metavar="MODEL",
    en="Another model at this list; may be repeated, or `all`.",
    zh="换成其他模型；可重复，或 `all`。",
)
@option(
    "--halves-every",
    metavar="MONTHS",
    en="The list falls by half in so many months.",
    zh="价格每隔若干月减半。",
)
@option(
    "--falls-like",
    metavar="PROVIDER/MODEL",
    en="Instead: as fast as that model's list fell, by the price book.",
    zh="或按价目表中该模型的历史降价速度。",
)
@option(
    "--in-steps",
    is_flag=True,
    en="At once every so many months, not a little each month.",
    zh="每隔若干月一次性减半，而非逐月下降。",
)
@option(
    "--gpu-halves-every",
    metavar="MONTHS",
    en="The price of a GPU-hour falls by half too.",
    zh="每卡时价格也每隔若干月减半。",
)
@option(
    "--months",
    type=click.IntRange(0, 600),
    default=24,
    show_default=True,
    en="Length of that path.",
    zh="展望月数。",
)
@output_options
def breakeven_price(
    asked: Asked,
    price_in: str | None,
    price_cached: str | None,
    price_out: str | None,
    sold_as: str | None,
    day: datetime | None,
    utilisation: str,
    free_share: str,
    instead: tuple[str, ...],
    halves_every: str | None,
    falls_like: str | None,
    in_steps: bool,
    gpu_halves_every: str | None,
    months: int,
    output: Output,
) -> None:
    """Show the answer."""
    from breakeven.report.serving.breakeven_price import breakeven_price_answer, falling_list
    from breakeven.report.serving.price_list import sold_at

    sold = sold_at(
        sold_as,
        (price_in, price_cached, price_out),
        currency=asked.list_currency,
        day=day.date() if day else None,
    )
    falling = falling_list(
        halves_every,
        falls_like,
        sold.currency,
        in_steps=in_steps,
        gpu_halves_every=gpu_halves_every,
        months=months,
    )
    shown = breakeven_price_answer(
        asked,
        sold,
        utilisation=share(utilisation, "--utilisation"),
        free_share=share(free_share, "--free-share"),
        instead=instead,
        falling=falling,
    )
    emit(shown, output)
