"""Stripe's refunds: money given back to customers.

From the API (`/v1/refunds`, pages or JSON lines; minor units, in the currency of the charge). A refund goes
by the id of its balance transaction; where that is imported too, it counts, for it knows the fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.json_pages import documents
from breakeven.sources.kind_of_payment import KIND_OPTIONS, kind_sql
from breakeven.sources.registry import Source, Words
from breakeven.sources.stripe_objects import (
    FROM_OBJECT,
    NAME,
    USER_OPTION,
    major,
    revision,
    seconds,
    user_field,
)

FIELDS = (
    Field("id", ("id",), required=True),
    Field("created", ("created",), required=True),
    Field("amount", ("amount",), required=True),
    Field("currency", ("currency",), required=True),
    Field("status", ("status",)),
    Field("transaction", ("balance_transaction.id", "balance_transaction")),
    Field("failure", ("failure_balance_transaction.id", "failure_balance_transaction")),
    Field("customer", ("charge.customer.id", "charge.customer")),
    Field("description", ("charge.description",)),
    # Every refund names what it refunds: a file without that holds other objects.
    Field("charge", ("charge.id", "charge", "payment_intent.id", "payment_intent"), required=True),
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """A refund; and beside it, where it failed, the money that came back."""
    refunds = Layout(
        table="payments",
        fields=(*FIELDS, user_field(options, "metadata", "charge.metadata")),
        columns={
            "at": seconds("{created}"),
            "user_id": Value("coalesce({user}, {customer})"),
            "account_id": Value("{customer}"),
            "kind": Value("'refund'"),
            "plan": Value("{description}"),
            "amount": Value(major("{amount}", "{currency}")),
            "currency": Value("upper({currency})"),
        },
        source_id="{transaction}",
        revision=revision(FROM_OBJECT),
        skip="{transaction} IS NULL AND {id} IS NOT NULL",
        skipped_as="refunds that moved no money (yet)",
        prepare=documents(),
        title="Stripe's refunds",
        source=NAME,
    )
    kind = kind_sql("{description}", options)
    failed = replace(
        refunds,
        columns={**refunds.columns, "kind": Value(kind)},
        source_id="{failure}",
        where="{failure} IS NOT NULL",
        is_rest=False,
        skip="",
        skipped_as="",
    )
    return (refunds, failed)


SOURCE = Source(
    name="stripe_refunds",
    label=Words("Stripe refunds", "Stripe 退款"),
    tables=("payments",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("refunds, failed ones with the money that came back", "退款；失败的退款连同退回的钱"),
    notes=Words(
        "Rows go by the name stripe and the id of the balance transaction: with stripe_balance no refund "
        "counts twice, and the balance transaction's row counts. A failed refund does not say when its money "
        "came back: without stripe_balance the day of the refund stands for it.",
        "行的来源名为 stripe，标识取余额流水号：与 stripe_balance 同时导入不会重复，并以余额流水为准。"
        "失败的退款没有写明退回时间；未导入 stripe_balance 时取退款当天。",
    ),
    origin="https://docs.stripe.com/api/refunds",
    options=(*KIND_OPTIONS, USER_OPTION),
)
