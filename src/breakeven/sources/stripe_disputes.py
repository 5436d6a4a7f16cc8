"""Stripe's disputes: money that customers' banks took back, and gave back after a dispute was won.

From the API (`/v1/disputes`, pages or JSON lines; minor units). A dispute holds its balance transactions,
which are read as `stripe_balance` reads them: both name the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakeven.ledger.layout import Layout
from breakeven.sources import stripe_balance
from breakeven.sources.json_unfolded import unfolded
from breakeven.sources.registry import Source, Words

_NO_MONEY = "dispute without money"


def _transactions(disputes: str) -> str:
    """SQL of the balance transactions in disputes, one JSON text each; of a dispute without any, itself."""
    without = (
        "{'id': doc ->> '$.id', 'created': doc ->> '$.created', 'amount': '0', 'fee': '0', "
        f"'currency': doc ->> '$.currency', 'reporting_category': '{_NO_MONEY}'}}"
    )
    return f"""
        WITH listed AS (SELECT text, doc, coalesce(doc ->> '$.object', 'dispute') AS kind,
                json_extract(doc, '$.balance_transactions[*]') AS held FROM {disputes}),
        apart AS (SELECT text, doc, kind,
                unnest(CASE WHEN coalesce(len(held), 0) = 0 THEN [NULL] ELSE held END) AS one FROM listed)
        SELECT CASE WHEN doc IS NULL THEN text WHEN kind <> 'dispute'
            THEN CAST(to_json({{'object': kind}}) AS VARCHAR) WHEN one IS NULL
            THEN CAST(to_json({without}) AS VARCHAR) ELSE CAST(one AS VARCHAR) END FROM apart"""


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """The balance transactions of disputes: chargebacks, and payments where the dispute was won."""
    # One and the same for all of them: the file is then taken apart once.
    prepare = unfolded(_transactions)
    money, _, rest = (
        replace(layout, prepare=prepare, title="Stripe's disputes")
        for layout in stripe_balance.layouts(options)
    )
    without = f"{{said_category}} = '{_NO_MONEY}'"
    return (money, replace(rest, skip=without, skipped_as="disputes that moved no money"))


SOURCE = Source(
    name="stripe_disputes",
    label=Words("Stripe disputes", "Stripe 拒付"),
    tables=("payments", "settlements"),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("chargebacks, their fees, and what came back", "拒付及其手续费，以及追回的钱"),
    notes=Words(
        "Rows go by the name stripe and are those of stripe_balance: importing both counts nothing twice. A "
        "won dispute is a payment of the day on which its money came back.",
        "行的来源名为 stripe，与 stripe_balance 的行相同：两者同时导入不会重复。"
        "胜诉的拒付记为钱款退回当天的收款。",
    ),
    origin="https://docs.stripe.com/api/disputes",
    options=stripe_balance.SOURCE.options,
)
