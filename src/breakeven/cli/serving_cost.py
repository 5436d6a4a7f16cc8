"""`breakeven serving cost`: money per million tokens by class, and what stands behind it."""

from __future__ import annotations

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, most_gpus_option, serving_options


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
    from breakeven.report.serving.cost import cost_answer

    emit(cost_answer(asked), output)
