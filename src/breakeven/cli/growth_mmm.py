"""`breakeven growth export-mmm` and `read-mmm`: hand the data to PyMC-Marketing, take its posterior back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.growth_options import grain_option
from breakeven.cli.options import Output, ViewOptions, books_argument, output_options, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of, allow_filters
from breakeven.errors import UsageError

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@command(
    "export-mmm",
    en="Write the data of BOOKS as PyMC-Marketing reads it: a CSV of date, y (new users of the channels with"
    " spend: bought ones, or all where a channel has none bought) and one column of spend per channel, and"
    " beside it a JSON that says what is what.",
    zh="按 PyMC-Marketing 的格式导出 BOOKS 的数据：CSV 含 date、y（有支出渠道的新增用户：渠道有投放用户时\n"
    "只计投放用户，否则计全部）与每个渠道一列支出，旁边的 JSON 说明各列含义。",
)
@books_argument()
@option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("mmm.csv"),
    show_default=True,
    en="The CSV to write; the JSON takes its name with .json.",
    zh="要写入的 CSV；JSON 取同名并以 .json 结尾。",
)
@grain_option
@option(
    "--saturation",
    type=click.Choice(["hill", "logistic", "michaelis_menten", "tanh"]),
    default="hill",
    show_default=True,
    en="The curve that will be fitted, noted in the JSON.",
    zh="将要拟合的饱和曲线，记入 JSON。",
)
@view_options
def export_mmm(
    books: Path, out: Path, grain: Literal["week", "month"] | None, saturation: str, options: ViewOptions
) -> None:
    """Write the two files and say what they hold."""
    from breakeven.report.views.mmm import exported_view

    allow_filters(options, "channel")
    account = account_of(books, options)
    emit(
        exported_view(
            account, out, grain=grain, saturation=saturation, only=options.filters.get("channel", ())
        ),
        options,
    )


@command(
    "read-mmm",
    en="Read a posterior that PyMC-Marketing fitted (CSV or Parquet of draws) as response curves.",
    zh="把 PyMC-Marketing 拟合的后验（CSV 或 Parquet 抽样）读作响应曲线。",
)
@click.argument("posterior", type=_FILE)
@option(
    "--layout",
    type=_FILE,
    required=True,
    en="The JSON that export-mmm wrote beside the data.",
    zh="export-mmm 写在数据旁边的 JSON。",
)
@option("--points", is_flag=True, en="The curves point by point.", zh="逐点列出曲线。")
@output_options
def read_mmm(posterior: Path, layout: Path, points: bool, output: Output) -> None:
    """Show the curves."""
    from breakeven.report.views.mmm import posterior_view

    if posterior.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(
            f"a posterior is read from .csv or .parquet, not {posterior.suffix!r}",
            remedy="write idata.posterior[...].to_dataframe().reset_index() to a CSV",
        )
    emit(posterior_view(posterior, layout, points=points), output)
