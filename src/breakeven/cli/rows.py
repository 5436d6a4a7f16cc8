"""`breakeven rows METRIC`: from any number to its source rows."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of, allow_filters


@command(
    "rows",
    en="The ledger rows of BOOKS behind METRIC, with the file and batch of each.",
    zh="BOOKS 中 METRIC 背后的账簿行，以及每行的文件与批次。",
)
@books_argument(required=True)
@click.argument("metric")
@option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    en="Rows per table.",
    zh="每表行数。",
)
@view_options
def rows(books: Path, metric: str, limit: int, options: ViewOptions) -> None:
    """Show source rows."""
    from breakeven.report.views.explain import known_metric, rows_view

    allow_filters(options, "channel", "model", "product", "provider")
    name = known_metric(metric)
    account = account_of(books, options)
    emit(rows_view(account, name, options.period or account.buckets.span, limit, options.filters), options)
