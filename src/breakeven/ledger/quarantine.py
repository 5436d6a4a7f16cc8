"""Rows that could not be booked, kept with file, row, field, reason and remedy until somebody repairs them.

Quarantined rows are written just before the batch that reads them commits, under the batch's name; they
count only once that batch stands in its table's log, so a crash in between shows nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

import pyarrow as pa

from breakeven.ledger.interruptible import write_rows
from breakeven.ledger.problems import Problem
from breakeven.ledger.store import located

SCHEMA = pa.schema(
    [(field.name, pa.int64() if field.name == "row" else pa.string()) for field in fields(Problem)]
)


class Quarantine:
    """The quarantine of one set of books: a Delta table beside the eight, cut by batch."""

    def __init__(self, folder: str) -> None:
        self.uri = f"{folder.rstrip('/')}/quarantine"

    def create(self) -> None:
        """Write the empty table; does nothing when it exists."""
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.uri):
            DeltaTable.create(self.uri, schema=SCHEMA, partition_by=["batch_id"])

    def add(self, batch_id: str, rows: pa.RecordBatchReader) -> None:
        """Keep a batch's problems (in `SCHEMA`); adding the same batch again changes nothing."""
        from deltalake import CommitProperties, DeltaTable, Transaction

        with located(self.uri):
            table = DeltaTable(self.uri)
            if table.transaction_version(batch_id) is not None:
                return
            write_rows(
                table,
                rows,
                partition_by=["batch_id"],
                commit_properties=CommitProperties(app_transactions=[Transaction(batch_id, 1)]),
            )

    def read(self, batches: Iterable[str]) -> Iterator[Problem]:
        """The problems of these batches, in their order, by row."""
        from deltalake import DeltaTable

        table = DeltaTable(self.uri)
        kept = set(pa.table(table.get_add_actions(flatten=True)).to_pydict().get("partition.batch_id", ()))
        for batch_id in batches:
            if batch_id not in kept:
                continue
            rows = table.to_pyarrow_table(filters=[("batch_id", "=", batch_id)])
            for part in rows.sort_by([("row", "ascending"), ("field", "ascending")]).to_batches(1000):
                for row in part.to_pylist():
                    yield Problem(**row)
