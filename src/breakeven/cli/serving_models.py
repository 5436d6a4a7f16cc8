"""`breakeven serving models`: the architectures that ship, and one in detail."""

from __future__ import annotations

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit


@command(
    "models",
    en="Models that ship: sizes, attention, memory of weights and of context; with NAME, one in detail.\n\n"
    "NAME is one of them, its path on Hugging Face, a config.json, or a short spec in YAML.",
    zh="内置模型：规模、注意力类型、权重与上下文所占显存；给出 NAME 则显示该模型详情。\n"
    "NAME 可为内置名称、Hugging Face 路径、config.json 或 YAML 简短规格。",
)
@click.argument("name", required=False)
@option(
    "--spec",
    is_flag=True,
    en="Write a short spec to begin from, for a model of a kind that is not known.",
    zh="输出一份简短规格样例，供未知类型的模型使用。",
)
@output_options
def models(name: str | None, spec: bool, output: Output) -> None:
    """Show all, or one."""
    if spec:
        from breakeven.serving.architecture.short_spec import EXAMPLE

        click.echo(EXAMPLE, nl=False)
        return
    from breakeven.report.views.serving_models import model_view, models_view
    from breakeven.serving.architecture import architectures, read_architecture

    emit(models_view(architectures()) if name is None else model_view(read_architecture(name)), output)
