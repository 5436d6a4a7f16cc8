"""From a line of the reconciliation to its rows: those of the bill, and those of the books."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from breakeven.account.account import Account
from breakeven.account.acquisition import INVOICED
from breakeven.account.source_rows import Found, Origin
from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import UsageError
from breakeven.ledger.tables import TABLES
from breakeven.reconcile.line import Line
from breakeven.reconcile.names import Names
from breakeven.reconcile.settlements import CATEGORIES as OF_SETTLEMENTS


def line_of(lines: Sequence[Line], line_id: str) -> Line:
    """The line of that id. Raises `UsageError` with the nearest ids for any other."""
    known = {line.id: line for line in lines}
    if line_id in known:
        return known[line_id]
    near = difflib.get_close_matches(line_id, list(known), 3, cutoff=0.3)
    raise UsageError(
        f"there is no line {line_id!r}",
        remedy=f"did you mean {', '.join(near)}?" if near else "see `breakeven check BOOKS --detail`",
    )


def rows_behind(account: Account, line: Line, limit: int) -> list[Found]:
    """The rows of a line, at most `limit` of each table, with the file that each came from.

    Usage that another source stands for is listed too, where the provider reported it.
    """
    files = {batch.batch_id: batch.facts["file"] for batch in account.books.batches()}
    found: list[Found] = []
    with DuckDBEngine() as engine:
        for origin, matched in _origins(account, line):
            account.books.view(engine, origin.table, matched=matched)
            table = sql.name(origin.table)
            [(count,)] = engine.rows(f"SELECT count(*) FROM {table} WHERE {origin.condition}")
            if not (count or matched):
                continue  # the provider does not report
            clock = sql.name(TABLES[origin.table].clock)
            rows = engine.arrow_of(
                f"SELECT * EXCLUDE (version) FROM {table} WHERE {origin.condition} "
                f"ORDER BY {clock}, source, source_id LIMIT {int(limit)}"
            ).to_pylist()
            for row in rows:
                row["file"] = files.get(row["batch_id"])
            found.append(Found(origin, count, rows))
    return found


def _origins(account: Account, line: Line) -> list[tuple[Origin, bool]]:
    """Tables and conditions of a line's two sides, and whether only rows that count are meant."""
    billed = "settlements" if line.category in OF_SETTLEMENTS else "bills"
    found: list[tuple[Origin, bool]] = []
    if line.bill_rows:
        keys = ", ".join(f"({sql.text(source)}, {sql.text(key)})" for source, key in line.bill_rows)
        found.append((Origin(billed, f"(source, source_id) IN ({keys})"), True))
    period = account.buckets.periods[line.bucket]
    in_period = f"day >= {sql.day(period.first)} AND day < {sql.day(period.end)}"
    if line.category == "inference_api":
        return found + _usage(account, line, in_period)
    vendor = sql.text(line.vendor)
    conditions = {
        "gpu": ("capacity", _of("gpu", line.model)),
        "gpu_allocation": ("capacity", "true"),
        "advertising": (
            "ad_spend",
            f"channel IS NOT DISTINCT FROM {vendor if line.vendor else 'NULL'}"
            f" AND kind IN ({sql.texts(INVOICED)})",
        ),
        "payment_fee": ("payments", f"fee > 0 AND {_of('source', line.vendor)}"),
        "payout": ("payments", f"source = {vendor} AND currency = {sql.text(line.currency)}"),
    }
    if line.category in conditions:
        table, condition = conditions[line.category]
        found.append((Origin(table, f"{in_period} AND {condition}"), True))
    return found


def _of(column: str, value: str) -> str:
    return f"{column} = {sql.text(value)}" if value else "true"


def _usage(account: Account, line: Line, in_period: str) -> list[tuple[Origin, bool]]:
    if not line.names:
        return []
    period = account.buckets.periods[line.bucket]
    where = f"provider = {sql.text(line.vendor)} AND model IN ({sql.texts(line.names)})"
    if line.token_class in ("uncached_input", "cached_input", "cache_write", "output"):
        where += f" AND {sql.name(line.token_class + '_tokens')} > 0"
    utc = f'CAST("at" AS DATE) >= {sql.day(period.first)} AND CAST("at" AS DATE) < {sql.day(period.end)}'
    if Names(account, [line.vendor]).bills_utc_days(line.vendor, period.first):
        # Both months count: the difference between them is the line's part for the time zone.
        in_period = f"(({in_period}) OR ({utc}))"
    reports = account.books.settings.matching.reports
    is_report = f"source IN ({sql.texts(reports)})" if reports else "false"
    return [
        (Origin("usage", f"{where} AND {in_period}"), True),
        (Origin("usage", f"{is_report} AND {where} AND {in_period}"), False),
    ]
