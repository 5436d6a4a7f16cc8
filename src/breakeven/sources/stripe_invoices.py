"""Stripe's invoices: what was bought line by line, with discounts, taxes and the period of service.

From the API (`/v1/invoices`, pages or JSON lines; minor units). Only paid invoices are revenue here. A line
that takes money back (the unused rest of a plan) is booked as a refund. The first line takes the place of the
charge that paid the invoice; see `breakeven.sources.stripe_objects`.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.errors import UsageError
from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.kind_of_payment import KIND_OPTIONS, kind_sql
from breakeven.sources.registry import Source, SourceOption, Words
from breakeven.sources.stripe_invoice_lines import invoice_lines
from breakeven.sources.stripe_objects import (
    FROM_INVOICE,
    NAME,
    USER_OPTION,
    major,
    negated,
    seconds,
    user_field,
)

FIELDS = tuple(
    Field(name, (name,), required=name in ("invoice", "status"))
    for name in (
        "invoice",
        "status",
        "currency",
        "total",
        "lines_total",
        "customer",
        "paid_at",
        "charge_unknown",
        "key",
        "takes_place",
        "line",
        "amount",
        "tax",
        "start",
        "end",
        "plan",
        "user",
    )
)
CHARGES_OPTION = SourceOption(
    "charges",
    "imported",
    Words(
        "whether balance transactions are imported too: imported or elsewhere",
        "是否也导入余额流水：imported 或 elsewhere",
    ),
)
_IS_BACK = "starts_with({amount}, '-')"
_TERM = "TRY_CAST({end} AS BIGINT) > TRY_CAST({start} AS BIGINT)"


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """A payment for each line that costs, a refund for each that gives back."""
    if options["charges"] not in ("imported", "elsewhere"):
        raise UsageError(f"option charges={options['charges']} is not imported or elsewhere")
    user_field(options)
    layout = Layout(
        table="payments",
        fields=FIELDS,
        columns={
            "at": seconds("{paid_at}"),
            "user_id": Value("coalesce({user}, {customer})"),
            "account_id": Value("{customer}"),
            "kind": Value(f"CASE WHEN {_IS_BACK} THEN 'refund' ELSE {kind_sql('{plan}', options)} END"),
            "plan": Value("{plan}"),
            "amount": Value(f"CASE WHEN {_IS_BACK} THEN {negated('{money}')} ELSE {{money}} END"),
            "tax": Value(f"CASE WHEN {_IS_BACK} THEN {negated('{tax_money}')} ELSE {{tax_money}} END"),
            "currency": Value("upper({currency})"),
            "service_start": Value(f"CASE WHEN {_TERM} THEN {{start}} END", unit="s"),
            "service_end": Value(f"CASE WHEN {_TERM} THEN {{end}} END", unit="s"),
        },
        source_id="{key}",
        derived={
            "money": major("{amount}", "{currency}"),
            "tax_money": major("{tax}", "{currency}"),
        },
        revision=str(FROM_INVOICE),
        skip="{status} IN ('draft', 'open', 'void', 'uncollectible') "
        "OR ({amount} = '0' AND {takes_place} = 'false' AND {lines_total} = {total})",
        skipped_as="invoices that are not paid, and lines that cost nothing",
        checks=_checks(options["charges"] == "imported"),
        prepare=invoice_lines(options["user_key"]),
        version=options["user_key"],
        title="Stripe's invoices",
        source=NAME,
    )
    return (layout,)


def _checks(charges_count: bool) -> tuple[Check, ...]:
    whole = Check(
        "{lines_total} IS DISTINCT FROM {total}",
        "total",
        "the invoice's lines do not add up to its total",
        "fetch the invoice with all of its lines: a list holds only the first ten",
    )
    paid_by = Check(
        "{charge_unknown} = 'true'",
        "charge",
        "the invoice does not name the charge that paid it: its money could be counted twice",
        "expand payments.data.payment.payment_intent, or say charges=elsewhere without balance transactions",
    )
    return (whole, paid_by) if charges_count else (whole,)


SOURCE = Source(
    name="stripe_invoices",
    label=Words("Stripe invoices", "Stripe 发票"),
    tables=("payments",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words(
        "subscriptions and invoiced usage, with tax and period of service", "订阅与按量发票，含税额与服务期间"
    ),
    notes=Words(
        "Rows go by the name stripe; the first line takes the place of the charge that paid the invoice, in "
        "any order of import. Fees come from stripe_balance. Customer balance counts as money when "
        "an invoice is paid with it.",
        "行的来源名为 stripe；无论导入先后，首行都替换支付该发票的收款行。手续费取自 stripe_balance。"
        "客户余额在发票付清时计为收款。",
    ),
    origin="https://docs.stripe.com/api/invoices",
    options=(*KIND_OPTIONS, USER_OPTION, CHARGES_OPTION),
)
