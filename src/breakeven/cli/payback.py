"""`breakeven payback`: when users pay back what they cost to win."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.value_options import allow_rows, horizon_option, seed_option, unit_cost_option
from breakeven.cli.views import known_names, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.growth.lifetime_value.books_value import By
    from breakeven.report.view_model import View


@command(
    "payback",
    en="""When users pay back what they cost to win, as a band of months.

The month itself where BOOKS already show it; "not within the horizon" is an answer.""",
    zh="""用户何时收回其获客成本，以月份区间给出。
BOOKS 已实现的直接给出月份；“不在期限内”也是一种答案。""",
)
@books_argument()
@option(
    "--by",
    type=click.Choice(["cohort", "channel", "both"]),
    default="cohort",
    en="What a row is.",
    zh="按什么分行。",
)
@horizon_option(24)
@unit_cost_option
@seed_option
@view_options
def payback(
    books: Path, by: By, horizon: int, unit_cost: tuple[str, ...], seed: int, options: ViewOptions
) -> None:
    """Show when users pay back."""
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    allow_rows(options, by)
    path = UnitCostPath.parse(unit_cost)

    def build(account: Account) -> View:
        from breakeven.report.views.payback import payback_view

        known_names(account, options)
        return payback_view(
            account,
            by=by,
            only=options.filters.get("channel", ()),
            months=options.filters.get("cohort", ()),
            horizon_months=horizon,
            unit_cost_path=path,
            seed=seed,
        )

    run_view(books, options, f"payback-{by}-{horizon}-{','.join(unit_cost)}-{seed}".replace("/", "_"), build)
