"""`breakeven channels`: what users cost to win."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.growth_options import dimension_option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.acquisition import Dimension
    from breakeven.report.view_model import View


@command(
    "channels",
    en="Spend, users and acquisition cost by channel, campaign or creator.",
    zh="按渠道、计划或达人的支出、用户与获客成本。",
)
@books_argument()
@dimension_option
@view_options
def channels(books: Path, dimension: Dimension, options: ViewOptions) -> None:
    """Show the channels."""
    allow_filters(options, "channel")

    def build(account: Account) -> View:
        from breakeven.report.views.growth import channels_view

        return channels_view(account, only=options.filters.get("channel", ()), dimension=dimension)

    run_view(books, options, f"channels-{dimension}", build)
