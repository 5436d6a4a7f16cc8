"""The account's views by name: what `--view` of an export may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from breakeven.account.account import Account
from breakeven.report.view_model import View
from breakeven.report.views.cash import cash_view
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import cost_view
from breakeven.report.views.growth import channels_view, cohorts_view
from breakeven.report.views.income import income_view
from breakeven.report.views.overview import overview_view


def _check(account: Account) -> View:
    view, _ = check_view(account, account.books.settings.tolerance)
    return view


VIEWS: Mapping[str, Callable[[Account], View]] = {
    "overview": overview_view,
    "income": income_view,
    "channels": channels_view,
    "cohorts": cohorts_view,
    "cost": cost_view,
    "cash": cash_view,
    "check": _check,
}
