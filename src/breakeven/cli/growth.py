"""`breakeven growth`: what users cost to win; and what media mix models of others read and give."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from breakeven.cli.bilingual import BilingualGroup, command, language_in, option
from breakeven.cli.growth_options import dimension_option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, known_names, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.acquisition import Dimension
    from breakeven.report.view_model import View


@command(
    "show",
    en="What users cost to win: spend by channel and kind; blended, paid and marginal cost of a user.\n\n"
    "The rows sum to the acquisition spend of the statement.",
    zh="获客花费：按渠道与类别的支出，以及综合、投放与边际获客成本。\n各行之和等于损益表的获客支出。",
)
@books_argument()
@dimension_option
@option(
    "--kind",
    type=click.Choice(["split", "sum"]),
    default="split",
    en="A column for each kind of spend, or only their sum.",
    zh="各类别分列，或只列合计。",
)
@option(
    "--free-use",
    is_flag=True,
    en="Show free use until first payment beside the spend, as a line of its own.",
    zh="在支出之外另列首次付费前的免费使用。",
)
@view_options
def show(books: Path, dimension: Dimension, kind: str, free_use: bool, options: ViewOptions) -> None:
    """Show the spend ledger."""
    allow_filters(options, *(["channel"] if dimension == "channel" else []))

    def build(account: Account) -> View:
        from breakeven.report.views.spend_ledger import growth_view

        known_names(account, options)
        return growth_view(
            account,
            dimension=dimension,
            only=options.filters.get("channel", ()),
            split_kinds=kind == "split",
            free_use=free_use,
        )

    run_view(books, options, f"growth-{dimension}-{kind}{'-free' if free_use else ''}", build)


class _Elsewhere(NamedTuple):
    """A subcommand that lives in another module, imported only when it runs."""

    module: str
    attribute: str
    en: str
    zh: str


_MMM = "breakeven.cli.growth_mmm"
ELSEWHERE = {
    "curves": _Elsewhere(
        "breakeven.cli.growth_curves",
        "curves",
        "Who stays and who comes back, by every model.",
        "留存与回访：每个模型的结果。",
    ),
    "export-mmm": _Elsewhere(
        _MMM, "export_mmm", "Write the data layout of a media mix model.", "写出营销组合模型所用的数据。"
    ),
    "read-mmm": _Elsewhere(
        _MMM, "read_mmm", "Read a media mix model's posterior as curves.", "把营销组合模型的后验读作曲线。"
    ),
}


class GrowthGroup(BilingualGroup):
    """Subcommands by name; without one, the view itself, whose options the help page shows."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The view's own name, and those of the others."""
        return [str(show.name), *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The view, or a subcommand, imported now."""
        if cmd_name == show.name:
            return show
        place = ELSEWHERE.get(cmd_name)
        return getattr(import_module(place.module), place.attribute) if place else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; put `show` in where none names a subcommand."""
        return super().parse_args(ctx, _with_show(args))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """What follows the name of the command."""
        return ["[BOOKS] [OPTIONS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the view, then the subcommands."""
        show.format_options(click.Context(show, info_name=ctx.info_name, parent=ctx.parent), formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands, without importing any."""
        chinese = language_in(ctx) == "zh"
        own = "视图本身，可省略。" if chinese else "The view itself; may be left out."
        rows = [(str(show.name), own)]
        rows += [(name, place.zh if chinese else place.en) for name, place in ELSEWHERE.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _with_show(arguments: list[str]) -> list[str]:
    """Arguments in which no subcommand is named mean the view; a language may stand before one.

    >>> _with_show(["books", "--json"]), _with_show(["--lang", "zh", "export-mmm", "books"])
    (['show', 'books', '--json'], ['--lang', 'zh', 'export-mmm', 'books'])
    >>> _with_show(["show", "books"]), _with_show(["--help"]), _with_show([])
    (['show', 'books'], ['--help'], ['show'])
    """
    first = 0
    if arguments and arguments[0] == "--lang":
        first = 2
    elif arguments and arguments[0].startswith("--lang="):
        first = 1
    named = arguments[first : first + 1]
    is_said = named == ["--help"] or (named and named[0] in (show.name, *ELSEWHERE))
    return arguments if is_said else [str(show.name), *arguments]


@click.group("growth", cls=GrowthGroup, help=show.help, zh=show.help_zh)
@option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    en="Language of what people read.",
    zh="界面语言。",
    expose_value=False,
)
def growth() -> None:
    """What runs before the view and the others."""
