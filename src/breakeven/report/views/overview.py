"""The one-screen overview: what came in, what it cost, whether it pays, and how long the money lasts."""

from __future__ import annotations

from breakeven.account.account import Account
from breakeven.report.view_model import Label, Table, Value, View
from breakeven.report.views.growth import chosen_cohorts, month_table
from breakeven.report.views.parts import envelope

OVERVIEW_LINES = (
    "revenue", "serving_cost", "gross_profit", "gross_margin", "acquisition_spend", "contribution",
    "operating_result", "new_users", "cac_paid", "mau", "paying_rate", "cost_per_active",
    "usage_at_list_price", "cost_profit_margin", "cost_per_mtok_output", "cost_per_mtok_uncached_input",
    "cash", "restricted_credit", "burn", "runway_months",
)  # fmt: skip
_MOST_MONTHS = 6


def overview_view(account: Account) -> View:
    """Key metrics of the last months, and facts a reader should know first."""
    account.facts  # noqa: B018
    table = _with_values(_last_months(month_table(account, OVERVIEW_LINES, "overview")))
    needs = ("usage", "payments", "bills", "ad_spend")
    return View(
        "overview",
        Label("Overview", "总览"),
        envelope(account, needs=needs),
        (table,),
        facts=overview_facts(account),
    )


def overview_facts(account: Account) -> dict[str, Value]:
    """Counts beside the figures: batches, rows that could not be booked, cohorts that paid back."""
    batches = [batch for batch in account.books.batches() if not batch.undone]
    found = chosen_cohorts(account)
    return {
        "batches": len(batches),
        "quarantined_rows": sum(batch.facts["quarantined"] for batch in batches),
        "cohorts": len(found),
        "cohorts_paid_back": sum(1 for cohort in found if not hasattr(cohort.payback_months, "en")),
    }


def _last_months(table: Table) -> Table:
    first, *months = table.columns
    return Table(
        table.id,
        table.title,
        (first, *months[-_MOST_MONTHS:]),
        table.rows,
        table.note,
        table.emphasis,
        table.row_units,
    )


def _with_values(table: Table) -> Table:
    """Leave out lines without any value in these months: one screen is for what the books can say."""
    keys = [column.key for column in table.columns[1:]]
    keep = [i for i, row in enumerate(table.rows) if any(row.get(key) is not None for key in keys)]
    units = table.row_units or ()
    return Table(
        table.id,
        table.title,
        table.columns,
        tuple(table.rows[i] for i in keep),
        table.note,
        row_units=tuple(units[i] for i in keep) if units else None,
    )
