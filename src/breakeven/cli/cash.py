"""`breakeven cash`: what money is left, and how long it lasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View


@command(
    "cash",
    en="Cash, restricted credit, burn and runway of BOOKS.",
    zh="BOOKS 的现金、专用额度、消耗与可支撑月数。",
)
@books_argument()
@view_options
def cash(books: Path, options: ViewOptions) -> None:
    """Show the money left."""
    allow_filters(options)

    def build(account: Account) -> View:
        from breakeven.report.views.cash import cash_view

        return cash_view(account)

    run_view(books, options, "cash", build)
