"""`breakeven matches`: which rows count once for requests that several sources saw."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, output_options, period_option
from breakeven.cli.output import emit, ledger_envelope
from breakeven.ledger.books import open_books
from breakeven.periods import Period


@command(
    "matches",
    en="Requests of BOOKS that several sources saw: which source counts first, what is left out and why, and "
    "each match with both rows' ids.",
    zh="BOOKS 中多个来源看到的同一请求：哪个来源优先、哪些行不计及其依据，以及逐条对应的两行标识。",
)
@books_argument()
@period_option
@option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    en="Only matches with this source.",
    zh="只看此来源。",
)
@option(
    "--limit", type=click.IntRange(0, 1_000_000), default=50, show_default=True, metavar="N",
    en="List at most N matches.", zh="最多列出 N 条。",
)  # fmt: skip
@output_options
def matches(books: Path, period: Period | None, sources: tuple[str, ...], limit: int, output: Output) -> None:
    """Show the matches."""
    from breakeven.ledger.matches import find_matches
    from breakeven.report.views.matches import matches_view

    opened = open_books(books)
    found = find_matches(opened, period, sources, limit)
    emit(matches_view(opened, found, ledger_envelope(opened)), output)
