"""The statement of a month as it is frozen: figures, what they are made of, the bills, and how sure it is.

It holds no clock, no path and no locale: the same rows, prices, rates and settings give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from breakeven.account.account import Account
from breakeven.account.acquisition import by_channel
from breakeven.account.adjustments import Adjustment
from breakeven.account.catalogue import INCOME_LINES, METRICS, MONEY, TOTAL_LINES
from breakeven.account.facts import whole
from breakeven.account.margin import cost_by
from breakeven.account.metrics import Amount, Missing, on_decimals
from breakeven.money import post_parts
from breakeven.pricing.fx import NoRate
from breakeven.reconcile.closing_conditions import needed_tables, refused_rows, unpriced_models
from breakeven.reconcile.line import Line

FORMAT = 1


def statement_of(
    account: Account, revision: int, adjustments: Sequence[Adjustment], lines: Sequence[Line]
) -> dict[str, Any]:
    """The statement of an account whose only bucket is the month. Amounts are text, exact."""
    settings, period = account.books.settings, account.buckets.periods[0]
    return {
        "format": FORMAT,
        "books": settings.name,
        "month": period.label,
        "revision": revision,
        "currency": account.currency,
        "time_zone": settings.time_zone,
        "synthetic": settings.synthetic,
        "provenance": settings.provenance,
        "note_en": settings.note_en,
        "note_zh": settings.note_zh,
        "limits": {
            "coverage": str(settings.close.coverage),
            "unpriced": str(settings.close.unpriced),
            "unexplained": str(settings.close.unexplained),
        },
        "income_lines": list(INCOME_LINES),
        "total_lines": sorted(TOTAL_LINES),
        "metrics": _metrics(account, adjustments),
        "adjustments": adjustment_rows(adjustments),
        "breakdown": _breakdown(account),
        "reconciliation": [_line(line, account.currency) for line in lines],
        "coverage": [
            {"table": table, "covered_days": covered, "days": days}
            for table in needed_tables(account)
            for covered, days in [account.coverage.share(table, period)]
        ],
        "unpriced": _unpriced(account),
        "quarantined": [
            {"table": table, "file": file, "rows": rows} for table, file, rows in refused_rows(account)
        ],
    }


def adjustment_rows(adjustments: Sequence[Adjustment]) -> list[dict[str, Any]]:
    """Adjusting entries as the statement and its basis hold them."""
    return [
        {
            "month": f"{entry.month:%Y-%m}",
            "revision": entry.revision,
            "metric": entry.measure,
            "cause": entry.cause,
            "before": _text(entry.before),
            "after": _text(entry.after),
            "amount": _text(entry.amount),
        }
        for entry in adjustments
    ]


def _metrics(account: Account, adjustments: Sequence[Adjustment]) -> list[dict[str, Any]]:
    sums: dict[str, Decimal] = {}
    for entry in adjustments:
        sums[entry.measure] = sums.get(entry.measure, Decimal(0)) + entry.amount

    def with_entries(measure: str) -> Amount:
        own = account.facts.get(measure, 0)
        return own if isinstance(own, Missing) else own + sums.get(measure, Decimal(0))

    found: list[dict[str, Any]] = []
    for metric in METRICS.values():
        own = account.live_value(metric.id, 0)
        node = metric.node
        value = with_entries(metric.id) if node is None else on_decimals(node, with_entries)
        found.append(
            {
                "id": metric.id,
                "en": metric.en,
                "zh": metric.zh,
                "unit": metric.unit.replace(MONEY, account.currency, 1),
                "is_measure": metric.node is None,
                "own": None if isinstance(own, Missing) else _text(own),
                "value": None if isinstance(value, Missing) else _text(value),
                "why_en": value.en if isinstance(value, Missing) else None,
                "why_zh": value.zh if isinstance(value, Missing) else None,
                "is_gap": value.is_gap if isinstance(value, Missing) else None,
            }
        )
    return found


def _breakdown(account: Account) -> list[dict[str, Any]]:
    """What the lines are made of: models, channels, and vendors by category, each to the cent."""
    found: list[dict[str, Any]] = []
    for line in cost_by(account, "provider", "model"):
        name = "/".join(str(part) for part in line.key if part is not None)
        for metric, amount in (("inference_api_cost", line.bought), ("gpu_cost", line.fleet)):
            if amount:
                found.append({"metric": metric, "name": name, "value": _text(amount)})
    for channel in by_channel(account):
        if channel.spend:
            found.append(
                {"metric": "acquisition_spend", "name": channel.name or "", "value": _text(channel.spend)}
            )
    for category in sorted({bill.category for bill in account.bills}):
        sums: dict[str, Any] = {}
        for bill, _, part in account.accruals(category):
            if not isinstance(part, NoRate):
                sums[bill.vendor] = sums.get(bill.vendor, 0) + part
        posted = post_parts([whole(sums[vendor]) for vendor in sorted(sums)], account.currency)
        for vendor, amount in zip(sorted(sums), posted, strict=True):
            found.append({"metric": f"bills.{category}", "name": vendor, "value": _text(amount)})
    return sorted(found, key=lambda row: (row["metric"], row["name"]))


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "id": line.id,
        "category": line.category,
        "vendor": line.vendor,
        "model": line.model,
        "token_class": line.token_class,
        "currency": line.currency or currency,
        "books": _text(line.books),
        "bill": _text(line.bill),
        "difference": _text(line.difference),
        "parts": {cause: _text(amount) for cause, amount in line.parts.items()},
        "unexplained": _text(line.unexplained),
        "unpriced_tokens": line.unpriced_tokens,
    }


def _unpriced(account: Account) -> dict[str, Any]:
    to_buy, models = unpriced_models(account)
    return {
        "tokens_to_buy": to_buy,
        "tokens_without_price": sum(models.values()),
        "models": [
            {"provider": provider, "model": model, "tokens": tokens}
            for (provider, model), tokens in models.items()
        ],
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
