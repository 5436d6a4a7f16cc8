"""`breakeven serving cost`: money per million tokens by class, and what stands behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, GpuHourPrice, most_gpus_option, serving_options

if TYPE_CHECKING:
    from breakeven.report.views.serving_cost import PriceShown


@command(
    "cost",
    en="What a million tokens of each class cost to serve: money with its interval, speed, the best layout\n"
    "that keeps the latency promised, GPUs for the rate, and what bounds it.",
    zh="每百万词元的分类服务成本：金额及区间、速度、满足延迟承诺的最佳布局、所需卡数与瓶颈。",
)
@serving_options()
@most_gpus_option
@output_options
def cost(asked: Asked, output: Output) -> None:
    """Show the answer."""
    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_cost import serving_cost_view, serving_warnings

    accelerator = asked.accelerator()
    served = asked.served()
    price = asked.price(accelerator)
    envelope = Envelope(
        books="",
        as_of=datetime.now(tz=UTC).date().isoformat(),
        time_zone="UTC",
        currency=price.currency,
        warnings=serving_warnings(served),
    )
    emit(serving_cost_view(served, price_shown(price), envelope), output)


def price_shown(price: GpuHourPrice) -> PriceShown:
    """The price with its source in words."""
    from breakeven.report.view_model import Label
    from breakeven.report.views.serving_cost import PriceShown
    from breakeven.report.views.serving_gpus import COMMITMENT_WORDS

    plain = f"{round(price.amount, 4).normalize():f} {price.currency}"
    if price.source == "--gpu-price":
        said = Label(f"{plain}, as given", f"{plain}，由用户给定")
    else:
        kind = COMMITMENT_WORDS[price.commitment]
        where = f"{price.source}, {price.as_of}"
        said = Label(f"{plain}, {kind.en}: {where}", f"{plain}，{kind.zh}：{where}")
        if price.converted:
            said = Label(f"{said.en}; {price.converted}", f"{said.zh}；{price.converted}")
    return PriceShown(price.per_gpu_hour, price.currency, said)
