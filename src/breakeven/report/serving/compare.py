"""Every model asked for on every GPU, side by side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from breakeven.errors import UsageError
from breakeven.report.phrases import both
from breakeven.report.serving.asked import Asked, envelope_of_today, warnings_of
from breakeven.report.serving.gpu_hour_price import GpuHourPrice
from breakeven.report.view_model import Label, View
from breakeven.report.views.serving_compare import Compared, serving_compare_view
from breakeven.serving.frontier import TPOT_MS, frontier_gpu_seconds
from breakeven.serving.traffic import Traffic


def compare_answer(asked: Asked) -> View:
    """Cost and speed at the promise made, and the frontier of cost against latency.

    Raises `UsageError` where the GPUs' prices are in several currencies.
    """
    traffic = asked.traffic()
    prices = {gpu: _price(asked, gpu) for gpu in asked.gpus}
    currency = one_currency(price for price in prices.values() if price is not None)
    compared = [
        _compared(asked, model, gpu, prices[gpu], traffic) for model in asked.models for gpu in asked.gpus
    ]
    warnings = warnings_of([one.served for one in compared if one.served is not None])
    return serving_compare_view(compared, currency, envelope_of_today(currency, warnings))


def one_currency(prices: Iterable[GpuHourPrice]) -> str:
    """The currency that all prices are in; USD where there is no price. Raises `UsageError` for several.

    >>> one_currency([])
    'USD'
    """
    found = sorted({price.currency for price in prices})
    if len(found) > 1:
        raise UsageError(
            f"the GPUs' prices are in {' and '.join(found)}", remedy="choose one with --currency, and --rate"
        )
    return found[0] if found else "USD"


def _price(asked: Asked, gpu: str) -> GpuHourPrice | None:
    """No price is no reason not to compare speed; a wish for another currency that cannot be met is."""
    accelerator = asked.accelerator(gpu)
    if asked.gpu_price is None and not any(
        price.commitment == asked.commitment for price in accelerator.prices
    ):
        return None
    return asked.price(accelerator)


def _compared(asked: Asked, model: str, gpu: str, price: GpuHourPrice | None, traffic: Traffic) -> Compared:
    deployment = asked.deployment(model, gpu)
    served = reason = None
    frontier = np.full(len(TPOT_MS), np.inf)
    try:
        frontier = frontier_gpu_seconds(
            deployment,
            traffic,
            asked.target(),
            asked.derate(),
            layout=asked.layout(),
            most_gpus=asked.replica_gpus,
        )
        served = asked.served(model, gpu, traffic)
    except UsageError as refusal:
        told = [both(text) for text in (refusal.what, refusal.cause) if text]
        reason = Label("; ".join(one.en for one in told), "；".join(one.zh for one in told))
    return Compared(
        deployment.architecture.name,
        deployment.accelerator.name,
        served,
        reason,
        None if price is None else price.per_gpu_hour,
        frontier,
        traffic.input_tokens + traffic.output_tokens,
    )
