"""The price list at which the margin is zero, and what makes a price list pay, of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from breakeven.errors import BreakevenError, UsageError
from breakeven.report.serving.asked import Asked, envelope_of_today
from breakeven.report.serving.gpu_hour_price import GpuHourPrice
from breakeven.report.serving.price_list import SoldAt, cached_warnings, history
from breakeven.report.serving.published_use import PUBLISHED_UTILISATION, UTILISATION_SOURCE
from breakeven.report.view_model import Label, View
from breakeven.report.views.serving_assumptions import GIVEN, Assumption
from breakeven.report.views.serving_breakeven_price import Instead, Priced, breakeven_price_view
from breakeven.report.views.serving_cost import serving_warnings
from breakeven.report.views.serving_figures import significant
from breakeven.serving.architecture import architectures
from breakeven.serving.breakeven_price import Offer, Tokens
from breakeven.serving.price_drift import PriceDrift, drift_path, halving_months


@dataclass(frozen=True)
class Falling:
    """How fast the list falls over so many months, in words too, and the price of a GPU-hour with it."""

    drift: PriceDrift
    said: Label
    cost_drift: PriceDrift | None = None
    months: int = 24


def breakeven_price_answer(
    asked: Asked,
    sold: SoldAt,
    *,
    utilisation: float = PUBLISHED_UTILISATION,
    free_share: float = 0.0,
    instead: Sequence[str] = (),
    falling: Falling | None = None,
) -> View:
    """Costs, prices and margins by class, and each lever alone; in the currency of the list.

    `utilisation` is the share of paid GPU-hours that serve, `free_share` that of requests nobody pays for;
    `instead` names other models at this list, or `all`.
    """
    gpu_price, served = replace(asked, currency=sold.currency).price(), asked.served()
    traffic = served.traffic
    tokens = Tokens(traffic.uncached_input_tokens, traffic.cached_input_tokens, traffic.output_tokens)
    offer = Offer(tokens, served.work, gpu_price.per_gpu_hour, sold.token_prices, utilisation, free_share)
    path = falling and drift_path(offer.price_level, falling.drift, falling.months, falling.cost_drift)
    priced = Priced(
        served.model,
        served.gpu,
        sold.currency,
        offer,
        sold.classes,
        _assumptions(gpu_price, sold, offer),
        _others(asked, offer, instead),
        path,
        falling and falling.said,
    )
    return breakeven_price_view(
        priced, envelope_of_today(sold.currency, (*cached_warnings(sold), *serving_warnings(served)))
    )


def falling_list(
    halves_every: str | None,
    falls_like: str | None,
    currency: str,
    *,
    in_steps: bool = False,
    gpu_halves_every: str | None = None,
    months: int = 24,
) -> Falling | None:
    """A list that halves every so many months, or falls as a model's list did; None where neither is asked.

    >>> falling_list("6", None, "USD").said.en
    'The list halves every 6 months, as given'
    """
    if halves_every is None and falls_like is None:
        return None
    if halves_every is not None and falls_like is not None:
        raise UsageError("--halves-every and --falls-like exclude each other", remedy="give one of them")
    if halves_every is not None:
        drift = _halving(halves_every, "--halves-every")
        plain = f"{drift.halves_every_months.normalize():f}"
        said = Label(f"The list halves every {plain} months, as given", f"价格每 {plain} 个月减半（给定）")
    else:
        drift, said = _as_it_fell(falls_like or "", currency)
    cost_drift = _halving(gpu_halves_every, "--gpu-halves-every") if gpu_halves_every else None
    return Falling(replace(drift, shape="steps") if in_steps else drift, said, cost_drift, months)


def _as_it_fell(model: str, currency: str) -> tuple[PriceDrift, Label]:
    """From the first to the last price that the book knows."""
    dated = history(model, currency)
    if len(dated) < len(("first", "last")):
        raise UsageError(
            f"the price book has no history of {model} in {currency}", remedy="give --halves-every"
        )
    (since, before), (until, after) = dated[0], dated[-1]
    drift = PriceDrift(halving_months(dated[0], dated[-1]))
    months = f"{drift.halves_every_months:.1f}"
    en = f"from {since} ({before:f} {currency} for a million tokens in and out) to {until} ({after:f})"
    zh = f"自 {since}（输入输出各百万词元合计 {before:f} {currency}）至 {until}（{after:f}）"
    return drift, Label(
        f"The list halves every {months} months, as {model} did {en}",
        f"价格每 {months} 个月减半，与 {model} {zh}相同",
    )


def _halving(text: str, flag: str) -> PriceDrift:
    try:
        return PriceDrift(Decimal(text))
    except InvalidOperation:
        raise UsageError(
            f"{flag} {text!r} is not a number of months", remedy="write a number such as 6"
        ) from None


def _others(asked: Asked, offer: Offer, names: Sequence[str]) -> list[Instead]:
    """The same traffic, GPU and list with other models, the largest first."""
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


def _assumptions(gpu_price: GpuHourPrice, sold: SoldAt, offer: Offer) -> list[Assumption]:
    since = f", from {sold.since}" if sold.since else ""
    listed = Label(f"{sold.source}{since}", f"{sold.source}{f'，自 {sold.since} 起' if sold.since else ''}")
    if sold.since is None:
        listed = GIVEN if sold.source == "given" else Label(sold.source, "给定；命中缓存部分按输入价")
    return [
        Assumption(
            Label("Price of a GPU-hour", "每卡时价格"),
            significant(gpu_price.per_gpu_hour, 6),
            f"{gpu_price.currency}/GPU-hour",
            gpu_price.said,
        ),
        Assumption(Label("Price list, output", "价目（输出）"), sold.output, f"{sold.currency}/Mtok", listed),
        Assumption(
            Label("Utilisation", "利用率"),
            significant(offer.utilisation),
            "ratio",
            UTILISATION_SOURCE if offer.utilisation == PUBLISHED_UTILISATION else GIVEN,
        ),
        Assumption(
            Label("Requests that nobody pays for", "无人付费的请求占比"),
            significant(offer.free_share),
            "ratio",
            GIVEN if offer.free_share else Label("assumed: none", "假设：没有"),
        ),
    ]
