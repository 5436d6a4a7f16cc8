"""Rows that could not be booked, kept with file, row, field, reason and remedy until somebody repairs them.

Quarantined rows are written just before the batch that reads them commits, under the batch's name; they
count only once that batch stands in its table's log, so a crash in between shows nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as parquet

from breakeven.ledger.interruptible import write_rows
from breakeven.ledger.problems import Problem
from breakeven.ledger.store import located

SCHEMA = pa.schema(
    [(field.name, pa.int64() if field.name == "row" else pa.string()) for field in fields(Problem)]
)


class Quarantine:
    """The quarantine of one set of books: a Delta table beside the nine, cut by batch."""

    def __init__(self, folder: str) -> None:
        self.uri = f"{folder.rstrip('/')}/quarantine"

    def create(self) -> None:
        """Write the empty table; does nothing when it exists."""
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.uri):
            # The text of a record may name a user, so it is not for the log.
            kept = ",".join(name for name in SCHEMA.names if name not in ("raw", "batch_id"))
            DeltaTable.create(
                self.uri,
                schema=SCHEMA,
                partition_by=["batch_id"],
                configuration={"delta.dataSkippingStatsColumns": kept},
            )

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

    def blank(self, spellings: Sequence[str], facts: Mapping[str, Any], *, dry_run: bool = False) -> int:
        """Take away the text of records that hold one of these; how many. Deletes the files that held it."""
        from deltalake import CommitProperties, DeltaTable

        table, compute = DeltaTable(self.uri), cast("Any", pyarrow.compute)
        actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
        found = 0
        for batch_id in sorted(set(actions.get("partition.batch_id", ()))):
            rows = table.to_pyarrow_table(filters=[("batch_id", "=", batch_id)])
            hit = reduce(compute.or_, (compute.match_substring(rows["raw"], one) for one in spellings))
            count = compute.sum(hit).as_py() or 0
            found += count
            if not count or dry_run:
                continue
            rows = rows.set_column(
                rows.schema.get_field_index("raw"), "raw", compute.if_else(hit, "", rows["raw"])
            )
            with located(self.uri):
                write_rows(
                    DeltaTable(self.uri),
                    rows.to_reader(),
                    mode="overwrite",
                    predicate=f"batch_id = '{batch_id}'",
                    partition_by=["batch_id"],
                    commit_properties=CommitProperties(
                        custom_metadata={"breakeven": json.dumps({**facts, "rows": count})}
                    ),
                )
        if not dry_run:
            self._delete_older_files(spellings)
        return found

    def _delete_older_files(self, spellings: Sequence[str]) -> None:
        from deltalake import DeltaTable

        compute = cast("Any", pyarrow.compute)
        now = {Path(uri).name for uri in DeltaTable(self.uri).file_uris()}
        for path in Path(self.uri).rglob("*.parquet"):
            if path.name not in now and "_delta_log" not in path.parts:
                raw = parquet.ParquetFile(path).read(columns=["raw"])["raw"]
                if any(compute.any(compute.match_substring(raw, one)).as_py() for one in spellings):
                    path.unlink()

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
