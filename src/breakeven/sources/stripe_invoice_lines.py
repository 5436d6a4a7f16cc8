"""Stripe's invoices as one record per line: what was bought, for when, and which charge paid for it.

An invoice of the API holds its lines. Each becomes a record with what it came to: its amount less its
discounts and credits, plus taxes that are not within it. An invoice may need two records beside its lines:

- a credit note that was issued before payment takes money off the invoice without touching its lines;
- an invoice paid by several charges: the first one's row becomes the first line, the others' become nothing.

Read are the API of before 2025-03-31 (`charge` on the invoice, `tax_amounts` on lines) and the one since then
(`payments`, `taxes`). The latest invoice of a subscription, where it is expanded, reads the same.
"""

from __future__ import annotations

import json
from typing import Any

from breakeven.engine import sql
from breakeven.ledger.layout import Prepare
from breakeven.sources.json_unfolded import unfolded

NO_INVOICE = "no invoice in the record"
"""The status of a subscription whose latest invoice is not expanded."""

_TEXT, _WHOLE, _FLAG, _ANY = "VARCHAR", "BIGINT", "BOOLEAN", "JSON"
_LINE: dict[str, Any] = {
    "id": _TEXT,
    "amount": _WHOLE,
    "description": _TEXT,
    "period": {"start": _WHOLE, "end": _WHOLE},
    "discount_amounts": [{"amount": _WHOLE}],
    "pretax_credit_amounts": [{"amount": _WHOLE, "type": _TEXT}],
    "tax_amounts": [{"amount": _WHOLE, "inclusive": _FLAG}],
    "taxes": [{"amount": _WHOLE, "tax_behavior": _TEXT}],
    "price": {"id": _TEXT, "nickname": _TEXT, "lookup_key": _TEXT},
    "plan": {"id": _TEXT, "nickname": _TEXT},
    "pricing": {"price_details": {"price": _TEXT}},
    "metadata": _ANY,
}
_INVOICE: dict[str, Any] = {
    "object": _TEXT,
    "id": _TEXT,
    "status": _TEXT,
    "currency": _TEXT,
    "customer": _ANY,
    "charge": _ANY,
    "total": _WHOLE,
    "amount_paid": _WHOLE,
    "pre_payment_credit_notes_amount": _WHOLE,
    "paid_out_of_band": _FLAG,
    "created": _WHOLE,
    "status_transitions": {"paid_at": _WHOLE},
    "metadata": _ANY,
    "subscription_details": {"metadata": _ANY},
    "parent": {"subscription_details": {"metadata": _ANY}},
    "payments": {
        "data": [{"status": _TEXT, "payment": {"type": _TEXT, "charge": _ANY, "payment_intent": _ANY}}]
    },
    "lines": {"data": [_LINE]},
}


def _id(value: str) -> str:
    """SQL of the id of what is either an id or, expanded, an object."""
    return f"coalesce({value} ->> '$.id', CASE WHEN json_type({value}) = 'VARCHAR' THEN {value} ->> '$' END)"


def _sum(of: str, condition: str = "true") -> str:
    return f"coalesce(list_sum([one.amount FOR one IN {of} IF {condition}]), 0)"


_NET = (
    f"item.amount - {_sum('item.discount_amounts')} "
    f"""- {_sum("item.pretax_credit_amounts", "one.type = 'credit_balance_transaction'")} """
    f"+ {_sum('item.tax_amounts', 'NOT one.inclusive')} "
    f"""+ {_sum("item.taxes", "one.tax_behavior = 'exclusive'")}"""
)
_TAX = f"{_sum('item.tax_amounts')} + {_sum('item.taxes')}"
_PLAN = (
    "coalesce(item.price.nickname, item.plan.nickname, item.price.lookup_key, item.description, "
    "item.price.id, item.plan.id, item.pricing.price_details.price)"
)
_CHARGES = (
    f"CASE WHEN {_id('i.charge')} IS NOT NULL THEN [{_id('i.charge')}] ELSE "
    f"[coalesce({_id('way.payment.charge')}, {_id('''(way.payment.payment_intent -> '$.latest_charge')''')}) "
    "FOR way IN coalesce(i.payments.data, []) "
    "IF coalesce(way.status, 'paid') = 'paid' AND way.payment.type IN ('charge', 'payment_intent')] END"
)
_BESIDE_STRIPE = (
    "coalesce(i.paid_out_of_band, false) OR coalesce(len([one FOR way IN i.payments.data "
    "IF way.payment.type NOT IN ('charge', 'payment_intent')]) > 0, false)"
)


def invoice_lines(user_key: str) -> Prepare:
    """Makes one record per line of the invoices in a file, or of the latest invoices of its subscriptions."""
    return unfolded(lambda invoices: _lines(invoices, user_key))


def _lines(invoices: str, user_key: str) -> str:
    """SQL of the records, one JSON text each; a line that is no JSON object stays as it is."""
    metadata = ("item.metadata", "i.metadata", "i.subscription_details.metadata",
                "i.parent.subscription_details.metadata")  # fmt: skip
    key = sql.text(f'$."{user_key}"')
    user = f"coalesce({', '.join(f'{place} ->> {key}' for place in metadata)})"
    record = (
        f"{{'line': item.id, 'amount': {_NET}, 'tax': {_TAX}, 'start': item.period.start, "
        f"'end': item.period.end, 'plan': {_PLAN}, 'user': {user}, 'own_key': false}}"
    )
    extra = (
        "{{'line': {line}, 'amount': {amount}, 'tax': 0, 'start': NULL, 'end': NULL, 'plan': NULL, "
        "'user': NULL, 'own_key': {own}}}"
    )
    note = extra.format(line="'credit_note'", amount="-i.pre_payment_credit_notes_amount", own="false")
    charge = extra.format(line="charge", amount="0", own="true")
    invoice = sql.text(json.dumps(_INVOICE))
    return f"""
        WITH known AS (SELECT text, doc, coalesce(doc ->> '$.object', 'invoice') AS kind FROM {invoices}),
        picked AS (SELECT text, from_json(CASE WHEN kind = 'invoice' THEN doc WHEN kind = 'subscription'
                AND json_type(doc -> '$.latest_invoice') = 'OBJECT' THEN doc -> '$.latest_invoice' END,
                {invoice}) AS i, CASE WHEN kind = 'subscription' THEN doc ->> '$.id' END AS subscription
                FROM known),
        found AS (SELECT text, i, subscription, {_CHARGES} AS charges,
                CASE WHEN i.status = 'paid'
                THEN [{record} FOR item IN coalesce(i.lines.data, [])] END AS items FROM picked),
        summed AS (SELECT *, list_sum([one.amount FOR one IN items]) AS lines_total,
                [one FOR one IN charges IF one IS NOT NULL] AS named,
                list_min([one.line FOR one IN items IF one.amount > 0]) AS first FROM found),
        whole AS (SELECT *, unnest(CASE WHEN coalesce(len(items), 0) = 0 THEN [NULL] ELSE list_concat(items,
                CASE WHEN i.pre_payment_credit_notes_amount > 0 THEN [{note}] ELSE [] END,
                [{charge} FOR charge IN named[2:]]) END) AS one FROM summed)
        SELECT CASE WHEN i IS NULL AND subscription IS NULL THEN text ELSE CAST(to_json({{
            'invoice': coalesce(i.id, subscription),
            'status': CASE WHEN i IS NULL AND subscription IS NOT NULL THEN '{NO_INVOICE}' ELSE i.status END,
            'currency': i.currency, 'total': i.total,
            'lines_total': lines_total, 'customer': {_id("i.customer")},
            'paid_at': coalesce(i.status_transitions.paid_at, i.created),
            'charge_unknown': i.amount_paid > 0 AND len(named) < greatest(len(charges), 1)
                AND NOT ({_BESIDE_STRIPE}),
            'key': CASE WHEN one.own_key THEN one.line WHEN takes_place THEN named[1]
                ELSE i.id || ':' || one.line END,
            'takes_place': takes_place,
            'line': one.line, 'amount': one.amount, 'tax': one.tax, 'start': one.start, 'end': one."end",
            'plan': one.plan, 'user': one."user"
        }}) AS VARCHAR) END FROM (SELECT *, coalesce(one.own_key OR (one.line = first AND len(named) > 0),
            false) AS takes_place FROM whole)"""
