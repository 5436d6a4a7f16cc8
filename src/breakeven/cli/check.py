"""`breakeven check`: books against bills; exit 1 when they differ beyond the stated tolerance."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of, allow_filters
from breakeven.errors import UsageError


@command(
    "check",
    en="Compare what BOOKS measured with what suppliers billed; exit 1 beyond the tolerance.",
    zh="核对 BOOKS 的计量与供应商账单；超出容差时退出码为 1。",
)
@books_argument()
@option(
    "--tolerance",
    metavar="SHARE",
    en="Share of the bill that may differ, e.g. 0.005; default from the settings.",
    zh="允许相差账单的比例，如 0.005；默认取自设置。",
)
@view_options
def check(books: Path, tolerance: str | None, options: ViewOptions) -> None:
    """Show the comparison."""
    from breakeven.report.views.check import check_view

    allow_filters(options)
    account = account_of(books, options)
    allowed = account.books.settings.tolerance or Decimal(0)
    if tolerance is not None:
        try:
            allowed = Decimal(tolerance)
        except InvalidOperation:
            allowed = Decimal("NaN")
        if not allowed.is_finite() or allowed < 0:
            raise UsageError(
                f"--tolerance {tolerance!r} is not a share", remedy="write a number such as 0.005"
            )
    view, agrees = check_view(account, allowed)
    emit(view, options)
    if not agrees:
        raise click.exceptions.Exit(1)
