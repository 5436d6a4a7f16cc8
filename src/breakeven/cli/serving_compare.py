"""`breakeven serving compare`: several models and GPUs, and the frontier of cost against latency."""

from __future__ import annotations

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, most_gpus_option, serving_options


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
    from breakeven.report.serving.compare import compare_answer

    emit(compare_answer(asked), output)
