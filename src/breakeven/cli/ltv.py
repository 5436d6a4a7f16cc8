"""`breakeven ltv`: what a user is worth after what serving costs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, share, view_options
from breakeven.cli.value_options import allow_rows, horizon_option, seed_option, unit_cost_option
from breakeven.cli.views import known_names, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.growth.lifetime_value.books_value import By
    from breakeven.report.view_model import View


@command(
    "ltv",
    en="""Contribution LTV: what an acquired user is worth after refunds, fees and serving.

Measured where the months of BOOKS are measured, forecast beyond, with an interval.""",
    zh="""贡献 LTV：获得的用户在扣除退款、手续费与推理成本后值多少。
BOOKS 已有的月份为已实现，其后为预测，并附区间。""",
)
@books_argument()
@option(
    "--by",
    type=click.Choice(["all", "channel", "cohort", "both"]),
    default="all",
    en="What a row is.",
    zh="按什么分行。",
)
@horizon_option(12)
@option(
    "--discount",
    default="0.10",
    show_default=True,
    metavar="RATE",
    callback=lambda _context, _parameter, text: share(text, "--discount"),
    en="Discount rate a year.",
    zh="年折现率。",
)
@unit_cost_option
@seed_option
@view_options
def ltv(
    books: Path,
    by: By,
    horizon: int,
    discount: Decimal,
    unit_cost: tuple[str, ...],
    seed: int,
    options: ViewOptions,
) -> None:
    """Show what users are worth."""
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    allow_rows(options, by)
    path = UnitCostPath.parse(unit_cost)

    def build(account: Account) -> View:
        from breakeven.report.views.ltv import ltv_view

        known_names(account, options)
        return ltv_view(
            account,
            by=by,
            only=options.filters.get("channel", ()),
            months=options.filters.get("cohort", ()),
            horizon_months=horizon,
            discount_rate=discount,
            unit_cost_path=path,
            seed=seed,
        )

    asked = f"{horizon}-{discount}-{','.join(unit_cost)}-{seed}"
    run_view(books, options, f"ltv-{by}-{asked}".replace("/", "_"), build)
