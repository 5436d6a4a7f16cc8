"""`breakeven cohorts`: who stays, what they bring, when they pay back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View


@command(
    "cohorts",
    en="Cohorts of BOOKS in users, revenue, cost and contribution, and payback so far.",
    zh="BOOKS 各同期群的用户、收入、成本与贡献，以及回本进度。",
)
@books_argument()
@option(
    "--by",
    "split",
    type=click.Choice(["month", "channel"]),
    default="month",
    en="Split further.",
    zh="进一步拆分。",
)
@view_options
def cohorts(books: Path, split: str, options: ViewOptions) -> None:
    """Show the cohorts."""
    allow_filters(options, "channel", "cohort")

    def build(account: Account) -> View:
        from breakeven.report.views.growth import cohorts_view

        return cohorts_view(
            account,
            by_channels=split == "channel",
            only=options.filters.get("channel", ()),
            months=options.filters.get("cohort", ()),
        )

    run_view(books, options, f"cohorts-{split}", build)
