"""`breakeven check`: books against bills; exit 1 when they differ beyond the declared tolerance."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, share, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of, allow_filters


@command(
    "check",
    en="Compare BOOKS with bills, invoices, payouts and the bank, and split every difference into its causes."
    " Exit 1 when what means an error (unlogged, duplicate, token count, price, tier, unexplained) exceeds"
    " the tolerance; tax, discounts, exchange, timing and rounding only explain.",
    zh="核对 BOOKS 与账单、发票、打款和银行到账，并把每个差额拆分到原因。\n"
    "表示出错的原因（未记录、重复、词元计数、价格、服务等级、未解释）超出容差时退出码为 1；\n"
    "税、折扣、汇率、时间差与舍入只作解释。",
)
@books_argument()
@option(
    "--tolerance",
    metavar="SHARE",
    en="Share of a line's bill that errors may reach, e.g. 0.005; default check.tolerance of the settings.",
    zh="每行账单允许的出错比例，如 0.005；默认取设置中的 check.tolerance。",
)
@option("--detail", is_flag=True, en="Every line: model and token class.", zh="逐行：模型与词元类别。")
@option(
    "--rows",
    "line",
    metavar="LINE",
    en="The rows behind a line, e.g. 2024-08/openai/gpt-4o/output.",
    zh="某一行背后的来源行，如 2024-08/openai/gpt-4o/output。",
)
@option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    en="Rows per table, with --rows.",
    zh="配合 --rows，每表行数。",
)
@view_options
def check(
    books: Path, tolerance: str | None, detail: bool, line: str | None, limit: int, options: ViewOptions
) -> None:
    """Show the comparison, or the rows behind one line of it."""
    from breakeven.report.views.check import check_view, line_view

    allow_filters(options)
    declared = None if tolerance is None else share(tolerance, "--tolerance")
    account = account_of(books, options)
    if line is not None:
        emit(line_view(account, line, limit), options)
        return
    if declared is None:
        declared = account.books.settings.tolerance
    view, agrees = check_view(account, declared, detail=detail)
    emit(view, options)
    if not agrees:
        raise click.exceptions.Exit(1)
