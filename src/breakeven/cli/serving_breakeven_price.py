"""`breakeven serving breakeven-price`: the price at which the margin is zero, and what makes a price pay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, serving_options, share
from breakeven.errors import BreakevenError, UsageError

if TYPE_CHECKING:
    from breakeven.cli.serving_options import GpuHourPrice
    from breakeven.cli.serving_price_list import SoldAt
    from breakeven.report.view_model import Label
    from breakeven.report.views.serving_assumptions import Assumption
    from breakeven.report.views.serving_breakeven_price import Instead
    from breakeven.serving.breakeven_price import Offer
    from breakeven.serving.price_drift import DriftPath, PriceDrift
    from breakeven.serving.served import Served

PUBLISHED_UTILISATION = "0.816"
"""226.75 nodes in the mean over 278 at the peak: DeepSeek's published day, a fleet held at its peak."""


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
    default=PUBLISHED_UTILISATION,
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
    from breakeven.cli.serving_price_list import sold_at
    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_breakeven_price import Priced, breakeven_price_view
    from breakeven.report.views.serving_cost import serving_warnings
    from breakeven.serving.price_drift import drift_path

    # A price given without a currency is in dollars, and then the list must be too.
    currency = asked.currency or ("USD" if asked.gpu_price is not None else None)
    sold = sold_at(
        sold_as, (price_in, price_cached, price_out), currency=currency, day=day.date() if day else None
    )
    if currency is not None and sold.currency != currency:
        raise UsageError(
            f"{sold_as} has no list in {currency}",
            cause="a list in one currency is not a list in another times a rate",
            remedy=f"give --currency {sold.currency}",
        )
    asked = replace(asked, currency=sold.currency)
    gpu_price = asked.price(asked.accelerator())
    served = asked.served()
    offer = _offer(served, gpu_price, sold, utilisation, free_share)
    drift, rule = _drift(halves_every, falls_like, sold.currency, in_steps=in_steps)
    path: DriftPath | None = None
    if drift is not None:
        cost_drift = _halving(gpu_halves_every, "--gpu-halves-every") if gpu_halves_every else None
        path = drift_path(offer.price_level, drift, months, cost_drift)
    priced = Priced(
        served.model,
        served.gpu,
        sold.currency,
        offer,
        sold.classes,
        _assumptions(gpu_price, sold, offer, free_share, utilisation),
        _others(asked, offer, instead),
        path,
        rule,
    )
    envelope = Envelope(
        books="",
        as_of=datetime.now(tz=UTC).date().isoformat(),
        time_zone="UTC",
        currency=sold.currency,
        warnings=serving_warnings(served),
    )
    emit(breakeven_price_view(priced, envelope), output)


def _offer(served: Served, gpu_price: GpuHourPrice, sold: SoldAt, utilisation: str, free_share: str) -> Offer:
    from breakeven.serving.breakeven_price import Offer, Tokens

    traffic = served.traffic
    tokens = Tokens(traffic.uncached_input_tokens, traffic.cached_input_tokens, traffic.output_tokens)
    return Offer(
        tokens,
        served.work,
        gpu_price.per_gpu_hour,
        sold.token_prices,
        share(utilisation, "--utilisation"),
        share(free_share, "--free-share"),
    )


def _others(asked: Asked, offer: Offer, names: tuple[str, ...]) -> list[Instead]:
    """The same traffic, GPU and list with other models, the largest first."""
    from breakeven.report.views.serving_breakeven_price import Instead
    from breakeven.serving.architecture import architectures

    if "all" in names:
        names = tuple(one.name for one in architectures() if one.name != asked.architecture().name)
    found: list[Instead] = []
    for name in names:
        architecture = asked.architecture(name)
        active = float(architecture.active_parameters)
        try:
            other = replace(offer, work=asked.served(name).work)
        except BreakevenError as error:
            found.append(Instead(architecture.name, active, None, None, error.what))
            continue
        found.append(Instead(architecture.name, active, other.margin, other.price_level))
    return sorted(found, key=lambda one: -one.active_parameters)


def _drift(
    halves_every: str | None, falls_like: str | None, currency: str, *, in_steps: bool
) -> tuple[PriceDrift | None, Label | None]:
    from breakeven.report.view_model import Label
    from breakeven.serving.price_drift import PriceDrift, halving_months

    if halves_every is None and falls_like is None:
        return None, None
    if halves_every is not None and falls_like is not None:
        raise UsageError("--halves-every and --falls-like exclude each other", remedy="give one of them")
    if halves_every is not None:
        drift = _halving(halves_every, "--halves-every")
        months = f"{drift.halves_every_months.normalize():f}"
        said = Label(f"The list halves every {months} months, as given", f"价格每 {months} 个月减半（给定）")
    else:
        from breakeven.cli.serving_price_list import history

        dated = history(falls_like or "", currency)
        if len(dated) < 2:
            raise UsageError(
                f"the price book has no history of {falls_like} in {currency}", remedy="give --halves-every"
            )
        (since, before), (until, after) = dated[0], dated[-1]
        drift = PriceDrift(halving_months(dated[0], dated[-1]))
        months = f"{drift.halves_every_months:.1f}"
        en = f"from {since} ({before:f} {currency} for a million tokens in and out) to {until} ({after:f})"
        zh = f"自 {since}（输入输出各百万词元合计 {before:f} {currency}）至 {until}（{after:f}）"
        said = Label(
            f"The list halves every {months} months, as {falls_like} did {en}",
            f"价格每 {months} 个月减半，与 {falls_like} {zh}相同",
        )
    return (replace(drift, shape="steps") if in_steps else drift), said


def _halving(text: str, flag: str) -> PriceDrift:
    from breakeven.serving.price_drift import PriceDrift

    try:
        return PriceDrift(Decimal(text))
    except InvalidOperation:
        raise UsageError(
            f"{flag} {text!r} is not a number of months", remedy="write a number such as 6"
        ) from None


def _assumptions(
    gpu_price: GpuHourPrice, sold: SoldAt, offer: Offer, free_share: str, utilisation: str
) -> list[Assumption]:
    from breakeven.cli.serving_cost import price_shown
    from breakeven.report.view_model import Label
    from breakeven.report.views.serving_assumptions import GIVEN, Assumption
    from breakeven.report.views.serving_figures import significant

    published = Label(
        "DeepSeek's published day: 226.75 nodes in the mean over 278 at the peak",
        "DeepSeek 公布之日：平均 226.75 个节点除以峰值 278 个",
    )
    since = f", from {sold.since}" if sold.since else ""
    listed = Label(f"{sold.source}{since}", f"{sold.source}{f'，自 {sold.since} 起' if sold.since else ''}")
    if sold.since is None:
        listed = GIVEN if sold.source == "given" else Label(sold.source, "给定；命中缓存部分按输入价")
    return [
        Assumption(
            Label("Price of a GPU-hour", "每卡时价格"),
            significant(gpu_price.per_gpu_hour, 6),
            f"{gpu_price.currency}/GPU-hour",
            price_shown(gpu_price).said,
        ),
        Assumption(Label("Price list, output", "价目（输出）"), sold.output, f"{sold.currency}/Mtok", listed),
        Assumption(
            Label("Utilisation", "利用率"),
            significant(offer.utilisation),
            "ratio",
            published if utilisation == PUBLISHED_UTILISATION else GIVEN,
        ),
        Assumption(
            Label("Requests that nobody pays for", "无人付费的请求占比"),
            significant(offer.free_share),
            "ratio",
            Label("assumed: none", "假设：没有") if free_share == "0" else GIVEN,
        ),
    ]
