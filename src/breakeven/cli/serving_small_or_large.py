"""`breakeven serving small-or-large`: what moving requests to a smaller model saves and loses."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, serving_options
from breakeven.report.serving.published_use import PUBLISHED_PEAK


@command(
    "small-or-large",
    en="What moving a share of requests from a large model to a small one saves in GPUs and loses in\n"
    "answers, on one fleet with the small model's idle; the best share, and which requests to move first.",
    zh="把一部分请求从大模型移到小模型，在同一机群上（含小模型空闲）省多少卡、损失多少回答质量；\n"
    "最佳比例，以及先移哪一类请求。",
)
@click.argument(
    "classes", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CLASSES.yaml"
)
@option("--small", required=True, metavar="MODEL", en="The small model.", zh="小模型。")
@option("--large", required=True, metavar="MODEL", en="The large model.", zh="大模型。")
@serving_options(without=("model", "traffic"))
@option(
    "--spare",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    en="Replicas of each that stand by.",
    zh="每个模型的备用副本数。",
)
@option(
    "--peak",
    type=click.FloatRange(min=1),
    default=PUBLISHED_PEAK,
    show_default=True,
    metavar="X",
    en="The busiest hour over the mean; the default is DeepSeek's published day.",
    zh="最忙小时相对均值；默认取 DeepSeek 公布之日。",
)
@output_options
def small_or_large(
    asked: Asked, classes: Path, small: str, large: str, spare: int, peak: float, output: Output
) -> None:
    """Show the answer."""
    from breakeven.report.serving.small_or_large import small_or_large_answer
    from breakeven.serving.request_classes import read_kinds

    emit(small_or_large_answer(asked, read_kinds(classes), small, large, spare=spare, peak=peak), output)
