"""`breakeven cost`: what use costs, and who causes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View

_BY = ("model", "product", "feature", "tier", "service_tier", "channel", "cohort", "provider")


@command(
    "cost",
    en="Cost to serve by model, product, feature, tier, channel or cohort; the heaviest users.",
    zh="按模型、产品、功能、用户层级、渠道或同期群的服务成本；最重度的用户。",
)
@books_argument()
@option(
    "--by",
    "dimensions",
    multiple=True,
    type=click.Choice(_BY),
    en="Split by this; repeatable.",
    zh="按此拆分，可重复。",
)
@option(
    "--users/--no-users",
    default=True,
    en="Heaviest users and loss-making share.",
    zh="最重度用户与亏损占比。",
)
@view_options
def cost(books: Path, dimensions: tuple[str, ...], users: bool, options: ViewOptions) -> None:
    """Show the cost to serve."""
    by = dimensions or ("model", "product", "tier")

    def build(account: Account) -> View:
        from breakeven.report.views.cost import cost_view

        return cost_view(account, by, filters=options.filters, users=users)

    run_view(books, options, f"cost-{'-'.join(by)}-{users}", build)
