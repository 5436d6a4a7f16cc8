"""Stripe's balance transactions: every movement of the balance, with its fee.

From the API (`/v1/balance_transactions`, pages or JSON lines, `source` expanded or not; minor units), as the
report "Balance change from activity, itemized" or as the Dashboard's export of all transactions (CSV, major
units). Money is in the currency of settlement.

A charge makes two rows: its money under the charge's id, and its fee, with no amount, under the
transaction's; `breakeven.sources.stripe_objects` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakeven.engine import sql
from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.json_pages import documents
from breakeven.sources.kind_of_payment import KIND_OPTIONS, kind_sql
from breakeven.sources.registry import Source, Words
from breakeven.sources.stripe_objects import (
    FROM_BALANCE,
    NAME,
    USER_OPTION,
    major,
    negated,
    revision,
    seconds,
    user_field,
)

FIELDS = (
    Field("id", ("balance_transaction_id", "id"), required=True),
    Field("created", ("created_utc", "Created (UTC)", "created"), required=True),
    Field("amount", ("gross", "amount"), required=True),
    Field("fee", ("fee",), required=True),
    Field("currency", ("currency",), required=True),
    Field("said_category", ("reporting_category",)),
    Field("type", ("type",)),
    Field("source", ("source.id", "source_id", "source")),
    Field("description", ("description",)),
    Field("customer", ("source.customer.id", "source.customer", "customer_id", "Customer ID")),
    Field("report", ("gross", "Created (UTC)")),
)
_CATEGORY_OF = {
    "charge": ("charge", "payment"),
    "refund": ("refund", "payment_refund"),
    "charge_failure": ("payment_failure_refund", "payment_reversal"),
    "refund_failure": ("refund_failure", "payment_refund_failure"),
    "payout": ("payout",),
    "payout_reversal": ("payout_cancel", "payout_failure"),
    "fee": ("stripe_fee", "stripe_fx_fee"),
    "tax": ("tax_fee",),
    "topup": ("topup",),
}
_PAID = ("charge", "dispute_reversal", "refund_failure")
_BACK = ("refund", "charge_failure", "partial_capture_reversal", "dispute")
_FEES = ("fee", "network_cost", "tax")
_PAYOUTS = ("payout", "payout_reversal", "topup", "topup_reversal")


def _in_major_units(name: str) -> str:
    """SQL of an amount in major units: reports write them so, the API does not."""
    return f"CASE WHEN {{report}} IS NOT NULL THEN {{{name}}} ELSE {major(f'{{{name}}}', '{currency}')} END"


def _category() -> str:
    """SQL of the reporting category; told from the type where an export has only that."""
    cases = " ".join(
        f"WHEN {{type}} IN ({sql.texts(types)}) THEN '{name}'" for name, types in _CATEGORY_OF.items()
    )
    dispute = (
        "WHEN {type} = 'adjustment' AND regexp_matches({source}, '^(dp|du)_') "
        "THEN CASE WHEN starts_with({amount}, '-') THEN 'dispute' ELSE 'dispute_reversal' END"
    )
    return f"coalesce({{said_category}}, CASE {cases} {dispute} ELSE {{type}} END)"


DERIVED = {
    "category": _category(),
    "money": _in_major_units("amount"),
    "cost": _in_major_units("fee"),
}


def _is(*categories: str) -> str:
    return f"({{category}} IN ({sql.texts(categories)}))"


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """Money from and to customers; fees of what has none of its own row; payouts and all other movements."""
    kind = kind_sql("{description}", options)
    is_refund = _is(*[one for one in _BACK if one != "dispute"])
    who = {
        "user_id": Value("coalesce({user}, {customer})"),
        "account_id": Value("{customer}"),
    }
    money = Layout(
        table="payments",
        fields=(*FIELDS, user_field(options, "source.metadata")),
        columns={
            **who,
            "at": seconds("{created}"),
            "kind": Value(
                f"CASE WHEN {is_refund} THEN 'refund' WHEN {_is('dispute')} THEN 'chargeback' ELSE {kind} END"
            ),
            "plan": Value("{description}"),
            "amount": Value(f"CASE WHEN {_is(*_BACK)} THEN {negated('{money}')} ELSE {{money}} END"),
            "fee": Value(f"CASE WHEN NOT {_is('charge')} THEN {{cost}} END"),
            "currency": Value("upper({currency})"),
        },
        source_id=f"CASE WHEN {_is('charge')} THEN {{source}} ELSE {{id}} END",
        revision=revision(FROM_BALANCE),
        where=_is(*_PAID, *_BACK),
        is_rest=False,
        derived=DERIVED,
        prepare=documents(),
        title="Stripe's balance transactions",
        source=NAME,
    )
    of_itself = _is(*_FEES)
    fee = f"CASE WHEN {of_itself} THEN {negated('{money}')} ELSE {{cost}} END"
    fees = replace(
        money,
        columns={
            **money.columns,
            "kind": Value(
                f"CASE WHEN {of_itself} AND NOT starts_with({{amount}}, '-') THEN 'refund' ELSE {kind} END"
            ),
            "plan": Value(f"CASE WHEN {_is('charge')} THEN {{description}} END"),
            "amount": Value("'0'"),
            "fee": Value(fee),
        },
        source_id="{id}",
        where=f"({of_itself} OR (NOT {_is(*_PAID[1:], *_BACK)} AND "
        "coalesce(TRY_CAST({fee} AS DECIMAL(28,9)), 1) <> 0))",
    )
    settlements = replace(
        money,
        table="settlements",
        columns={
            "at": money.columns["at"],
            "processor": Value(f"'{NAME}'"),
            "kind": Value(f"CASE WHEN {_is(*_PAYOUTS)} THEN 'payout' ELSE 'adjustment' END"),
            # A payout is counted as it reaches the bank, an adjustment as it reaches the balance.
            "amount": Value(f"CASE WHEN {_is(*_PAYOUTS)} THEN {negated('{money}')} ELSE {{money}} END"),
            "currency": money.columns["currency"],
            "reference": Value("coalesce({source}, {id})"),
        },
        source_id="{id}",
        where="",
        is_rest=True,
        others=(money.where, of_itself),
    )
    return (money, fees, settlements)


SOURCE = Source(
    name="stripe_balance",
    label=Words("Stripe balance transactions", "Stripe 余额流水"),
    tables=("payments", "settlements"),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words(
        "charges, refunds, disputes, Stripe's fees, payouts and adjustments",
        "收款、退款、拒付、Stripe 手续费、提现与调整",
    ),
    notes=Words(
        "Rows go by the name stripe. A charge's fee is a row of its own, so that an invoice may replace the "
        "charge. Money that comes back after a won dispute or a failed refund is booked as a payment of that "
        "day. Amounts are in the currency of settlement.",
        "行的来源名为 stripe。收款的手续费单独成行，以便发票替换收款行。"
        "胜诉或退款失败而退回的钱，记为当天的收款。金额为结算币种。",
    ),
    origin="https://docs.stripe.com/api/balance_transactions",
    options=(*KIND_OPTIONS, USER_OPTION),
)
