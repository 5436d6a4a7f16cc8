"""`breakeven growth curves`: who stays subscribed and who comes back, by every model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.growth.books_curves import CurvesBy
    from breakeven.report.view_model import View


@command(
    "curves",
    en="Who stays subscribed and who comes back: every survival and visit model fitted to BOOKS.\n\n"
    "Parameters with standard errors, what is measured beside what is modelled, and why a model refuses.",
    zh="谁继续订阅、谁会回来：用 BOOKS 拟合每个存续模型与到访模型。\n\n"
    "给出参数及标准误、实际与模型的对照，以及模型拒绝作答的原因。",
)
@books_argument()
@option(
    "--by",
    type=click.Choice(["channel", "plan", "platform"]),
    default=None,
    en="Lines of their own, below all together.",
    zh="在合计之外再按此拆分。",
)
@option(
    "--horizon",
    type=click.IntRange(1, 120),
    default=12,
    show_default=True,
    metavar="TERMS",
    en="The oldest age of subscriptions shown, in terms.",
    zh="订阅显示到第几期。",
)
@view_options
def curves(books: Path, by: CurvesBy | None, horizon: int, options: ViewOptions) -> None:
    """Show the curves."""
    allow_filters(options)

    def build(account: Account) -> View:
        from breakeven.report.views.curves import curves_view

        return curves_view(account, by=by, horizon=horizon)

    run_view(books, options, f"growth-curves-{by or 'all'}-{horizon}", build)
