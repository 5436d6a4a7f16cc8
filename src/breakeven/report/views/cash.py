"""Money left: cash, restricted credit, burn and runway by month."""

from __future__ import annotations

from breakeven.account.account import Account
from breakeven.report.view_model import Label, View
from breakeven.report.views.growth import month_table
from breakeven.report.views.parts import envelope

CASH_LINES = (
    "funding_cash", "cash_in", "cash_out", "burn", "credit_used", "cash", "restricted_credit",
    "runway_months", "runway_months_with_credit", "burn_multiple", "payers", "paying_rate", "arpu",
    "arppu", "contribution_per_active",
)  # fmt: skip


def cash_view(account: Account) -> View:
    """Cash and credit at the end of each month, what moved them, and how long they last."""
    account.facts  # noqa: B018
    table = month_table(account, CASH_LINES, "cash")
    return View(
        "cash",
        Label("Cash and runway", "现金与可支撑月数"),
        envelope(account, needs=("bills", "payments")),
        (table,),
    )
