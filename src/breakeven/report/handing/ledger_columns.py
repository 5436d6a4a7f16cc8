"""A ledger table's rows as columns, streamed: memory stays flat whatever the number of rows.

Rows as the account reads them: of each source and id the version that counts, and of a request that several
sources saw the row that counts. The table's own Delta files hold every version; any Delta reader sees those.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import Books
from breakeven.ledger.tables import TABLES, LedgerTable
from breakeven.periods import Period
from breakeven.report.handing.columns import Columns, open_columns


def write_table(books: Books, table: str, path: Path, columns: Columns, period: Period | None) -> int:
    """Write a ledger table, of some days when a period is given; returns how many rows."""
    definition = TABLES[table]
    schema = definition.schema
    rows = 0
    with DuckDBEngine(keep_order=True) as engine:
        books.view(engine, table)
        where = "true"
        if period is not None:
            day = sql.name("day") if definition.partitioned else _local_day(definition, books)
            where = f"{day} >= {sql.day(period.first)} AND {day} < {sql.day(period.end)}"
        query = f"SELECT {sql.names(schema.names)} FROM {sql.name(table)} WHERE {where}"
        with open_columns(path, schema, columns) as write:
            for batch in engine.stream(query):
                write(_with_types(batch, schema))
                rows += batch.num_rows
    return rows


def _local_day(definition: LedgerTable, books: Books) -> str:
    """The day of the books' zone that a row happened on."""
    clock = sql.name(definition.clock)
    if definition.column(definition.clock).kind == "day":
        return clock
    zone = sql.text(books.settings.time_zone)
    return f"CAST(({clock} AT TIME ZONE 'UTC') AT TIME ZONE {zone} AS DATE)"


def _with_types(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The engine's columns under the ledger's types: its instants carry no zone, and they are UTC."""
    columns = [batch.column(number).cast(field.type) for number, field in enumerate(schema)]
    return pa.record_batch(columns, schema=schema)
