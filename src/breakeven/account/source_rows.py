"""From a measure to the ledger rows behind it, with the file and batch each row came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakeven.account.account import Account
from breakeven.account.acquisition import unreported_ads
from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.tables import TABLES
from breakeven.periods import Period

_TOKEN_MEASURES = (
    "uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Rows a measure is made of: a table, a condition on its columns, and how rows fall in a period."""

    table: str
    condition: str = "true"
    by_service: bool = False


def origins(account: Account, measure: str) -> list[Origin]:
    """Where the rows of a measure lie."""
    own = account.books.settings.own_providers
    outside = f"provider NOT IN ({sql.texts(own)})" if own else "true"
    if measure.endswith("_spend"):
        spend = [Origin("ad_spend", f"kind = {sql.text(measure.removesuffix('_spend'))}")]
        return spend + _invoiced(account) if measure == "ads_spend" else spend
    known: dict[str, list[Origin]] = {
        "subscription_revenue": [Origin("payments", "kind = 'subscription'", by_service=True)],
        "gift_revenue": [Origin("payments", "kind = 'gift'", by_service=True)],
        "api_revenue": [
            Origin("payments", "kind IN ('api_invoice', 'api_topup')", by_service=True),
            Origin("usage", "product = 'api'"),
        ],
        "refunds": [Origin("payments", "kind IN ('refund', 'chargeback')")],
        "payment_fees": [Origin("payments", "fee IS NOT NULL AND fee > 0")],
        "cash_in": [Origin("payments")],
        "payers": [Origin("payments", "kind IN ('subscription', 'gift')", by_service=True)],
        "inference_api_cost": [Origin("usage", outside)],
        "gpu_cost": [Origin("capacity") if account.fleet else Origin("bills", "category = 'gpu'")],
        "idle_fleet_cost": [
            Origin("capacity") if account.fleet else Origin("bills", "category = 'gpu'"),
            Origin("usage", f"provider IN ({sql.texts(own)})" if own else "false"),
        ],
        "usage_at_list_price": [Origin("usage")],
        "free_use_cost": [Origin("usage", "product IS DISTINCT FROM 'api'")],
        "unpriced_tokens": [Origin("usage", outside)],
        "requests": [Origin("usage")],
        "failed_requests": [
            Origin("usage", "status IS NOT NULL AND lower(status) NOT IN ('', 'ok', 'success')")
        ],
        "new_users": [Origin("acquisitions")],
        "paid_new_users": [Origin("acquisitions", "is_paid")],
        "cash_out": [Origin("bills"), Origin("ad_spend")],
        "credit_used": [Origin("bills", "funded_by IS NOT NULL")],
        "funding_cash": [Origin("funding")],
        "cash": [Origin("funding"), Origin("payments"), Origin("bills"), Origin("ad_spend")],
        "restricted_credit": [Origin("funding"), Origin("bills", "funded_by IS NOT NULL")],
    }
    if measure in known:
        return known[measure]
    if measure in _TOKEN_MEASURES:
        return [Origin("usage", f"{sql.name(measure)} > 0")]
    if measure.endswith("_cost"):
        return [Origin("bills", f"category = {sql.text(measure.removesuffix('_cost'))}")]
    if measure.startswith("day"):
        return [Origin("acquisitions"), Origin("activity")]
    return [Origin("activity")]


def _invoiced(account: Account) -> list[Origin]:
    """Invoices for advertising that are booked because nobody reported the spend."""
    bills = {(bill.source, bill.source_id) for bill, _, _ in unreported_ads(account, account.buckets)}
    keys = ", ".join(f"({sql.text(source)}, {sql.text(key)})" for source, key in sorted(bills))
    return [Origin("bills", f"(source, source_id) IN ({keys})")] if bills else []


@dataclass(frozen=True)
class Found:
    """Rows of one table behind a measure: how many in all, and the first of them."""

    origin: Origin
    count: int
    rows: list[dict[str, Any]]


def find_rows(
    account: Account,
    measure: str,
    period: Period,
    limit: int,
    filters: Mapping[str, tuple[str, ...]] | None = None,
) -> list[Found]:
    """The rows behind a measure in a period, newest day last, at most `limit` per table.

    `filters` narrow the tables that have such a column (channel, model, product, provider).
    """
    files = {batch.batch_id: batch.facts["file"] for batch in account.books.batches()}
    found: list[Found] = []
    with DuckDBEngine() as engine:
        for origin in origins(account, measure):
            account.books.view(engine, origin.table)
            where = f"({origin.condition}) AND ({_in_period(account, origin, period)})"
            for column in TABLES[origin.table].columns:
                if filters and column.name in filters:
                    where += f" AND {sql.name(column.name)} IN ({sql.texts(filters[column.name])})"
            table = sql.name(origin.table)
            [(count,)] = engine.rows(f"SELECT count(*) FROM {table} WHERE {where}")
            clock = sql.name(TABLES[origin.table].clock)
            rows = engine.arrow_of(
                f"SELECT * EXCLUDE (version) FROM {table} WHERE {where} "
                f"ORDER BY {clock}, source, source_id LIMIT {int(limit)}"
            ).to_pylist()
            for row in rows:
                row["file"] = files.get(row["batch_id"])
            found.append(Found(origin, count, rows))
    return found


def _in_period(account: Account, origin: Origin, period: Period) -> str:
    first, end = sql.day(period.first), sql.day(period.end)
    if origin.table == "bills":
        return f"period_start < {end} AND period_end > {first}"
    zone = sql.text(account.books.settings.time_zone)

    def local(column: str) -> str:
        return f"CAST(({column} AT TIME ZONE 'UTC') AT TIME ZONE {zone} AS DATE)"

    if origin.table == "funding":
        return f"{local(sql.name('at'))} >= {first} AND {local(sql.name('at'))} < {end}"
    on_day = f"day >= {first} AND day < {end}"
    if not origin.by_service:
        return on_day
    served = f"{local('service_start')} < {end} AND {local('service_end')} > {first}"
    return f"CASE WHEN service_start IS NULL OR service_end IS NULL THEN {on_day} ELSE {served} END"
