"""`breakeven BOOKS`: the account on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View


@command("overview", en="The account of BOOKS on one screen.", zh="BOOKS 的一屏总览。")
@books_argument()
@view_options
def overview(books: Path, options: ViewOptions) -> None:
    """Show the overview."""
    allow_filters(options)

    def build(account: Account) -> View:
        from breakeven.report.views.overview import overview_view

        return overview_view(account)

    run_view(books, options, "overview", build)
