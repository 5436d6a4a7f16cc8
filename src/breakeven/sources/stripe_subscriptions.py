"""Stripe's subscriptions: what their latest invoices say, for the plan and the period now running.

A subscription moves no money: its invoices do. Exported with `expand[]=data.latest_invoice` it holds the
latest one, which is booked as `stripe_invoices` books it, under the same ids. Without it a subscription has
nothing for the books and is counted as skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakeven.ledger.layout import Layout
from breakeven.sources import stripe_invoices
from breakeven.sources.registry import Source, Words
from breakeven.sources.stripe_invoice_lines import NO_INVOICE


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """The lines of the latest invoices."""
    [invoices] = stripe_invoices.layouts(options)
    layout = replace(
        invoices,
        skip=f"{invoices.skip} OR {{status}} = '{NO_INVOICE}'",
        skipped_as="subscriptions whose latest invoice is absent or not paid, and lines that cost nothing",
        title="Stripe's subscriptions",
    )
    return (layout,)


SOURCE = Source(
    name="stripe_subscriptions",
    label=Words("Stripe subscriptions", "Stripe 订阅"),
    tables=("payments",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("the latest invoice of each subscription", "每个订阅的最近一张发票"),
    notes=Words(
        "Only the latest invoice of a subscription is in such an export (expand data.latest_invoice): for "
        "earlier months import stripe_invoices. Both name the same rows.",
        "此类导出只含每个订阅最近的发票（须展开 data.latest_invoice）；更早的月份请导入 stripe_invoices。"
        "两者的行相同。",
    ),
    origin="https://docs.stripe.com/api/subscriptions",
    options=stripe_invoices.SOURCE.options,
)
