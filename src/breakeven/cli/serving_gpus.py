"""`breakeven serving gpus`: the accelerators that ship, and one in detail."""

from __future__ import annotations

import click

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import values_given


@command(
    "gpus",
    en="Accelerators that ship with their published prices; with NAME, one in detail.\n\n"
    "NAME is one of them under any of its names, or the path of a YAML file of yours.",
    zh="内置的加速卡及公开价格；给出 NAME 则显示该卡详情。\nNAME 可为任一名称，或自己的 YAML 文件路径。",
)
@click.argument("name", required=False)
@output_options
def gpus(name: str | None, output: Output) -> None:
    """Show all, or one."""
    from breakeven.report.views.serving_gpus import gpu_view, gpus_view
    from breakeven.serving.hardware import accelerators, read_accelerator

    with values_given():
        view = gpus_view(tuple(accelerators().values())) if name is None else gpu_view(read_accelerator(name))
    emit(view, output)
