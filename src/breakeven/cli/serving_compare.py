"""`breakeven serving compare`: several models and GPUs, and the frontier of cost against latency."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, GpuHourPrice, most_gpus_option, serving_options
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.report.views.serving_compare import Compared
    from breakeven.serving.traffic import Traffic


@command(
    "compare",
    en="Every model on every GPU: cost per million tokens by class, speed and layout at the latency\n"
    "promised, the cheapest marked; then what each costs at slower and faster promises.",
    zh="每个模型与每种显卡的组合：在承诺延迟下的分类成本、速度与布局，标出最省者；\n"
    "再列出更快与更慢承诺下的成本。",
)
@serving_options(many=True)
@most_gpus_option
@output_options
def compare(asked: Asked, output: Output) -> None:
    """Show the comparison."""
    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_compare import serving_compare_view
    from breakeven.report.views.serving_cost import serving_warnings

    traffic = asked.traffic()
    prices = {gpu: _price(asked, gpu) for gpu in asked.gpus}
    currency = one_currency([price for price in prices.values() if price is not None])
    compared = [
        _compared(asked, model, gpu, prices[gpu], traffic) for model in asked.models for gpu in asked.gpus
    ]
    found = [one.served for one in compared if one.served is not None]
    warnings = tuple(
        {warning.label.en: warning for one in found for warning in serving_warnings(one)}.values()
    )
    envelope = Envelope(
        books="",
        as_of=datetime.now(tz=UTC).date().isoformat(),
        time_zone="UTC",
        currency=currency,
        warnings=warnings,
    )
    emit(serving_compare_view(compared, currency, envelope), output)


def one_currency(prices: list[GpuHourPrice]) -> str:
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
    import numpy as np

    from breakeven.report.phrases import both
    from breakeven.report.views.serving_compare import Compared
    from breakeven.serving.frontier import TPOT_MS, frontier_gpu_seconds
    from breakeven.serving.serve import deployment_of

    architecture, accelerator = asked.architecture(model), asked.accelerator(gpu)
    deployment = deployment_of(
        architecture,
        accelerator,
        precision=asked.precision,
        kv_precision=asked.kv_precision,
        engine=asked.engine,
        speculation=asked.speculation(),
        constants=asked.constants(),
    )
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
        reason = type(told[0])("; ".join(one.en for one in told), "；".join(one.zh for one in told))
    return Compared(
        architecture.name,
        accelerator.name,
        served,
        reason,
        None if price is None else price.per_gpu_hour,
        frontier,
        traffic.input_tokens + traffic.output_tokens,
    )
