"""Keeping what a view foretells, and saying so beside it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from breakeven.account.account import Account
from breakeven.ledger.forecasts import Forecast, keep_forecasts
from breakeven.report.phrases import failure_in_chinese
from breakeven.report.view_model import Label, Warning  # noqa: A004 - the envelope's word


def today() -> date:
    """The day a forecast is made on."""
    return datetime.now(UTC).date()


def keep(account: Account, forecasts: Iterable[Forecast]) -> Warning | None:
    """Keep forecasts in the books; what a reader should know of it, None where there was none to keep.

    From an old state of the books nothing is kept: it would be scored by what was known already. A view is
    worth showing even where the books cannot be written: then it says that, and why.
    """
    found = list(forecasts)
    if not found or account.books.as_of is not None or account.books.versions is not None:
        return None
    kept = keep_forecasts(account.books.folder, found)
    if kept.problem is not None:
        return Warning(
            "forecasts_not_kept",
            Label(
                f"these forecasts could not be kept and will not be scored: {kept.problem}",
                f"这些预测未能保存，今后无法评分：{failure_in_chinese(kept.problem)}",
            ),
        )
    return Warning(
        "forecasts_kept",
        Label(
            f"{len(found)} forecasts are kept in the books and scored as months come: `breakeven scorecard`",
            f"{len(found)} 个预测已保存在账簿中，随月份到来逐一评分：`breakeven scorecard`",
        ),
    )
