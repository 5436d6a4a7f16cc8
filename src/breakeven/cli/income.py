"""`breakeven income`: from revenue to operating result, month by month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View


@command("income", en="The income statement of BOOKS by month.", zh="BOOKS 的按月损益表。")
@books_argument()
@view_options
def income(books: Path, options: ViewOptions) -> None:
    """Show the statement."""
    allow_filters(options)

    def build(account: Account) -> View:
        from breakeven.report.views.income import income_view

        return income_view(account)

    run_view(books, options, "income", build)
