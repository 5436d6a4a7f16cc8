"""`breakeven serving`: what a token costs to serve, and what follows from it."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click

from breakeven.cli.bilingual import BilingualGroup, language_in, option


class _Subcommand(NamedTuple):
    """A subcommand in a module of its own, imported only when it runs, with what it does in a line."""

    attribute: str
    en: str
    zh: str


SUBCOMMANDS = {
    "cost": _Subcommand("cost", "Money per million tokens by class.", "每百万词元的分类成本。"),
    "compare": _Subcommand(
        "compare", "Models and GPUs: cost against latency.", "模型与显卡：成本与延迟对比。"
    ),
    "context": _Subcommand("context", "What one long prompt costs.", "一次长上下文请求的成本。"),
    "cache": _Subcommand(
        "cache", "Prefix cache: hits, savings, best size.", "前缀缓存：命中、节省与最佳容量。"
    ),
    "fleet": _Subcommand("fleet", "GPUs for the hours of a month.", "按小时需求配置的显卡。"),
    "breakeven-price": _Subcommand(
        "breakeven_price", "The price at which the margin is zero.", "毛利为零的价格。"
    ),
    "buy-or-rent": _Subcommand(
        "buy_or_rent", "API, rented, owned, on premises.", "调用 API、租用、自有与自建机房之比。"
    ),
    "small-or-large": _Subcommand(
        "small_or_large", "What moving traffic to a smaller model saves.", "把流量移到小模型省多少。"
    ),
    "calibrate": _Subcommand("calibrate", "Refit on your own measurements.", "用自己的实测数据校准。"),
    "record": _Subcommand("record", "Let the books allocate by these costs.", "让账簿按这些成本分摊。"),
    "models": _Subcommand("models", "Architectures that ship.", "内置的模型架构。"),
    "gpus": _Subcommand("gpus", "Accelerators that ship, with prices.", "内置的加速卡及价格。"),
}


class ServingGroup(BilingualGroup):
    """Subcommands by name; `buy-or-rent` lives in `breakeven.cli.serving_buy_or_rent`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A subcommand, imported now."""
        found = SUBCOMMANDS.get(cmd_name)
        if found is None:
            return None
        return getattr(import_module(f"breakeven.cli.serving_{found.attribute}"), found.attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands, without importing any."""
        chinese = language_in(ctx) == "zh"
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, said.zh if chinese else said.en) for name, said in SUBCOMMANDS.items()]
            )


@click.group(
    "serving",
    cls=ServingGroup,
    help="What a token costs to serve, from the model, the GPU, the traffic and the latency promised.",
    zh="由模型、显卡、流量与延迟承诺得出每个词元的服务成本。",
)
@option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    en="Language of what people read.",
    zh="界面语言。",
    expose_value=False,
)
def serving() -> None:
    """What runs before every subcommand."""
