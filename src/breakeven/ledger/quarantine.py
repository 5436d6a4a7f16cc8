"""Rows that could not be booked, kept with file, row, field, reason and remedy until somebody repairs them.

Quarantined rows are written just before the batch that reads them commits, under the batch's name; they
count only once that batch stands in its table's log, so a crash in between shows nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields

import pyarrow as pa

from breakeven.ledger.problems import Problem

_SCHEMA = pa.schema(
    [(field.name, pa.int64() if field.name == "row" else pa.string()) for field in fields(Problem)]
)


class Quarantine:
    """The quarantine of one set of books: a Delta table beside the eight."""

    def __init__(self, folder: str) -> None:
        self.uri = f"{folder.rstrip('/')}/quarantine"

    def create(self) -> None:
        """Write the empty table; does nothing when it exists."""
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.uri):
            DeltaTable.create(self.uri, schema=_SCHEMA)

    def add(self, batch_id: str, problems: list[Problem]) -> None:
        """Keep a batch's problems; adding the same batch again changes nothing."""
        from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

        if not problems:
            return
        table = DeltaTable(self.uri)
        if table.transaction_version(batch_id) is not None:
            return
        rows = pa.Table.from_pylist([asdict(problem) for problem in problems], schema=_SCHEMA)
        write_deltalake(
            table,
            rows,
            mode="append",
            commit_properties=CommitProperties(app_transactions=[Transaction(batch_id, 1)]),
        )

    def read(self, batches: Iterable[str]) -> Iterator[Problem]:
        """The problems of these batches (those that stand in the log), by batch and row."""
        from deltalake import DeltaTable

        wanted = set(batches)
        rows = pa.table(DeltaTable(self.uri).to_pyarrow_table()).to_pylist()
        for row in sorted(rows, key=lambda row: (row["batch_id"], row["row"])):
            if row["batch_id"] in wanted:
                yield Problem(**row)
