"""`breakeven scorecard`: how right the forecasts were."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, run_view

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View


@command(
    "scorecard",
    en="How right the forecasts of BOOKS were: models tried on the past, and every kept forecast.",
    zh="BOOKS 的预测有多准：各模型的回测，以及每个已保存的预测。",
)
@books_argument()
@view_options
def scorecard(books: Path, options: ViewOptions) -> None:
    """Show the scorecard."""
    allow_filters(options)

    def build(account: Account) -> View:
        from breakeven.report.views.scorecard import scorecard_view

        return scorecard_view(account)

    run_view(books, options, f"scorecard-{_kept(books)}", build)


def _kept(books: Path) -> str:
    """A name for the forecasts kept so far: with one more, the answer is another."""
    from breakeven.ledger.forecasts import PLACE

    try:
        state = (books / PLACE).stat()
    except OSError:
        return "0"
    return hashlib.sha256(f"{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:12]
